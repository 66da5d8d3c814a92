// Package channel is one secured Sendspin connection, both ends: the cleartext
// init, the Noise handshake, transport messages, fragmentation and the in-band
// re-handshake, over a WebSocket or any other [Transport].
//
// What happens to a message, from the outside in:
//
//	WebSocket message (one frame, one write)      Accept, Dial: websocket.go, socket.go
//	  Noise transport message                     Conn: seal.go, read.go
//	    message ID, payload                       IDs belong to package wire
//	      fragment of a larger message            fragment.go
//
// # Failures
//
// An init failure (specification: "Failure Handling") is answered with
// server/error. Every other failure is silent: no Sendspin message is sent, the
// WebSocket gets a close frame with [CloseSilent] and no reason where it still can
// take one, and the connection is dead. The code is the same for all of them, so
// that it tells a stranger nothing. After a timeout or a transport error not even
// the close frame is sent.
//
// # Who may call
//
// One goroutine calls [Conn.Read]. Writes may come from any goroutine; they are
// done one at a time, so that clock replies can be written by the reader while a
// session's writer sends audio. Nothing here starts a goroutine of its own.
package channel

import (
	"context"
	"io"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/sendspin/noise"
)

// Transport carries complete WebSocket messages.
type Transport interface {
	// Read returns the next message. data belongs to the caller, who may write to
	// it, until the next Read. One goroutine reads. Cancelling ctx closes the
	// transport.
	Read(ctx context.Context) (text bool, data []byte, err error)
	// Write sends one message; data is only read. One goroutine writes at a time.
	// A write has a deadline (the transport's own, or ctx's if that is earlier) and
	// a failed one leaves the transport unusable. Cancelling ctx need not interrupt it.
	Write(ctx context.Context, text bool, data []byte) error
	// Ping sends a ping and waits for the pong, which a concurrent Read receives.
	Ping(ctx context.Context) error
	// Close sends a close frame and closes; it waits a second at most. Safe to call
	// more than once and from any goroutine.
	Close(code int, reason string) error
	// CloseNow closes the socket at once; it unblocks Read and Write.
	CloseNow() error
}

// Credential is the PSK that the server wants to use with a client, and as what.
type Credential = noise.Credential

// Defaults of the configurations.
const (
	DefaultTimeout          = 30 * time.Second // specification: "Failure Handling"
	DefaultServerMaxMessage = 256 << 10        // clients send little
	DefaultClientMaxMessage = 16 << 20         // artwork
)

// Close codes of RFC 6455 that this package sends by itself.
const (
	// CloseSilent ends a connection after a silent failure, without a reason.
	CloseSilent = 1008
	// CloseInit ends a connection after server/error.
	CloseInit = 1002
)

// Stages that ServerConfig.Stage and ClientConfig.Stage report, in this order.
const (
	StageClientInit = "waiting for client/init"
	StageCredential = "looking up the client's credential"
	StageServerInit = "waiting for server/init"
	StageMessage1   = "waiting for Noise message 1"
	StageMessage2   = "waiting for Noise message 2"
	StageOpen       = "secured"
)

// ServerConfig is the server's side of a connection.
type ServerConfig struct {
	// Identity is the server's static key.
	Identity *noise.PrivateKey
	// IdentityFor, if set, may choose another key for the client that claims this id,
	// such as the server's key before a rotation, which is the only one that the client
	// knows; nil chooses Identity. It is called once, after Credential.
	IdentityFor func(clientID string) *noise.PrivateKey
	// Credential chooses the PSK for a client that claims this id: the long-term
	// PSK of its record, else the Sentinel. The id is not yet proven.
	Credential func(ctx context.Context, clientID string) (Credential, error)
	// Timeout is how long each expected handshake message, and the credential, may
	// take; 0 is DefaultTimeout. It also bounds the round trip of a re-handshake.
	Timeout time.Duration
	// MaxMessage is the largest message accepted from the client, in bytes,
	// reassembled; 0 is DefaultServerMaxMessage.
	MaxMessage int
	// Implements reports whether messages of an ID are wanted. Fragments of others
	// are followed and checked but not kept. nil wants everything.
	Implements func(id byte) bool
	// Clock times the steps; nil is the real one.
	Clock clockwork.Clock
	// Rand draws ephemeral keys; nil is crypto/rand.
	Rand io.Reader
	// Stage, if set, is told where the handshake stands (the Stage constants), so
	// that an operator can see where a device got stuck.
	Stage func(stage string)
}

// ClientConfig is the client's side of a connection.
type ClientConfig struct {
	// Identity is the client's static key.
	Identity *noise.PrivateKey
	// Suite is the client's choice.
	Suite noise.Suite
	// Candidates finds the PSK with this psk_id among those of one category. A miss
	// (ok=false) means the Sentinel in the initial handshake and failure in a
	// re-handshake. An error, such as a record that belongs to another server_id
	// than this one, fails the handshake. It is not asked for the Sentinel; nil
	// holds nothing.
	Candidates func(serverID, pskID string, cat noise.Category) (psk noise.PSK, ok bool, err error)
	// AllowServer, if set, may refuse a server by its (claimed) id.
	AllowServer func(serverID string) error
	// Timeout is how long each expected handshake message may take; 0 is DefaultTimeout.
	Timeout time.Duration
	// MaxMessage is the largest message accepted from the server, in bytes,
	// reassembled; 0 is DefaultClientMaxMessage.
	MaxMessage int
	// Implements is as in ServerConfig.
	Implements func(id byte) bool
	// Clock times the steps; nil is the real one.
	Clock clockwork.Clock
	// Rand draws ephemeral keys; nil is crypto/rand.
	Rand io.Reader
	// Stage, if set, is told where the handshake stands.
	Stage func(stage string)
}
