// Package channel is one secured Sendspin connection, both ends: cleartext
// init, Noise handshake, transport messages, fragmentation and the in-band
// re-handshake, over a WebSocket or any other Transport.
package channel

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/sendspin/noise"
)

// Transport carries complete WebSocket messages. See the contract of each method.
type Transport interface {
	// Read returns the next message; data is valid until the next Read. One reader.
	Read(ctx context.Context) (text bool, data []byte, err error)
	// Write sends one message.
	Write(ctx context.Context, text bool, data []byte) error
	// Ping sends a ping and waits for the pong; somebody must be in Read.
	Ping(ctx context.Context) error
	// Close sends a close frame and closes.
	Close(code int, reason string) error
	// CloseNow closes the socket at once.
	CloseNow() error
}

// Credential is noise.Credential.
type Credential = noise.Credential

// ServerConfig is the server's side of a connection.
type ServerConfig struct {
	Identity   *noise.PrivateKey
	Credential func(ctx context.Context, clientID string) (Credential, error)
	Timeout    time.Duration // for each expected message; 0: 30 s
	MaxMessage int           // largest reassembled message from the peer, bytes; 0: 256 KiB
	Clock      clockwork.Clock
	Rand       io.Reader
	Stage      func(stage string)
}

// ClientConfig is the client's side of a connection.
type ClientConfig struct {
	Identity *noise.PrivateKey
	Suite    noise.Suite
	// Candidates finds the PSK with this psk_id and category. ok=false is a miss (Sentinel fallback in the
	// initial handshake); an error (e.g. the record belongs to another server_id) fails the handshake.
	Candidates  func(serverID, pskID string, cat noise.Category) (psk noise.PSK, ok bool, err error)
	AllowServer func(serverID string) error
	Timeout     time.Duration
	MaxMessage  int // 0: 16 MiB
	Clock       clockwork.Clock
	Rand        io.Reader
	Stage       func(stage string)
}

// Conn is one secured connection. One goroutine calls Read; any goroutine may write.
type Conn struct{}

// OpenServer runs the server's side up to transport mode. A *wire.InitError was already answered with
// server/error; every other failure is silent. The transport is closed on error.
func OpenServer(ctx context.Context, t Transport, cfg ServerConfig) (*Conn, error) { panic("stub") }

// OpenClient runs the client's side up to transport mode. The transport is closed on error.
func OpenClient(ctx context.Context, t Transport, cfg ClientConfig) (*Conn, error) { panic("stub") }

// Peer is the peer's client_id or server_id.
func (c *Conn) Peer() string { panic("stub") }

// Suite is the connection's cipher suite.
func (c *Conn) Suite() noise.Suite { panic("stub") }

// Matched is the category of the PSK that keys the session now.
func (c *Conn) Matched() noise.Category { panic("stub") }

// Mismatch reports the credential-mismatch signal of the initial handshake.
func (c *Conn) Mismatch() bool { panic("stub") }

// HandshakeHash is the h of the latest handshake.
func (c *Conn) HandshakeHash() [32]byte { panic("stub") }

// Read returns the next message; payload is valid until the next Read.
func (c *Conn) Read(ctx context.Context) (id byte, payload []byte, err error) { panic("stub") }

// WriteJSON sends a JSON message body (id 0).
func (c *Conn) WriteJSON(ctx context.Context, body []byte) error { panic("stub") }

// WriteMessage sends one message, in fragments when it needs them.
func (c *Conn) WriteMessage(ctx context.Context, id byte, payload []byte) error { panic("stub") }

// WritePlain seals plain (plain[0] is the id) and sends it as one frame; plain is only read.
func (c *Conn) WritePlain(ctx context.Context, plain []byte) error { panic("stub") }

// WriteStamped calls build immediately before sealing, with a buffer to append a whole plain to.
func (c *Conn) WriteStamped(ctx context.Context, build func(dst []byte) []byte) error { panic("stub") }

// Rehandshake (server) swaps the session keys in band; activate builds the server/activate body that is
// sent first under the new keys. The caller's goroutine waits; another one must be in Read.
func (c *Conn) Rehandshake(ctx context.Context, cred Credential, activate func() ([]byte, error)) error {
	panic("stub")
}

// Ping checks the peer; somebody must be in Read.
func (c *Conn) Ping(ctx context.Context) error { panic("stub") }

// Close sends a WebSocket close frame and closes.
func (c *Conn) Close(code int, reason string) error { panic("stub") }

// CloseNow closes at once.
func (c *Conn) CloseNow() error { panic("stub") }

// Options of a WebSocket.
type Options struct {
	ReadLimit    int           // largest WebSocket message, bytes; 0: 65,535
	WriteTimeout time.Duration // a write that takes longer closes the connection; 0: 10 s
}

// Accept upgrades a request. Run the session on its own goroutine and let the handler return.
func Accept(w http.ResponseWriter, r *http.Request, o Options) (Transport, error) { panic("stub") }

// Dial connects to a ws:// address.
func Dial(ctx context.Context, url string, o Options) (Transport, error) { panic("stub") }
