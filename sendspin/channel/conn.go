package channel

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/sendspin/noise"
)

// Conn is one secured connection after its handshake, the server's or the client's
// end. See the package comment for who may call.
type Conn struct {
	t       Transport
	frames  *webSocket // t, if it is one of ours: saves a copy per message
	local   *noise.PrivateKey
	peer    noise.PublicKey
	peerID  string
	suite   noise.Suite
	clock   clockwork.Clock
	timeout time.Duration
	rand    io.Reader

	// server is set on the server's end: it starts re-handshakes, the client's end
	// answers them with lookup.
	server   bool
	lookup   noise.Lookup
	mismatch bool

	keys    atomic.Pointer[keys]
	pending atomic.Pointer[rekeying] // server: message 1 is out

	// The reader's.
	recv          *noise.Session
	parts         assembler
	wantsActivate bool // client: the next message must be server/activate

	// Guarded by wmu, which is held for whole messages.
	wmu  sync.Mutex
	send *noise.Session
	held chan struct{} // re-handshake under way; closed when it is over

	failOnce sync.Once
	err      error
	dead     chan struct{} // closed after err is set
}

// keys describe the session keys in use.
type keys struct {
	hash    [32]byte
	matched noise.Category
	count   uint64 // re-handshakes so far
}

// newConn finishes a handshake. c has its configuration already.
func newConn(c *Conn, res *noise.Result) *Conn {
	c.frames, _ = c.t.(*webSocket)
	c.recv, c.send = res.Session, res.Session
	c.mismatch = res.Mismatch
	c.dead = make(chan struct{})
	c.keys.Store(&keys{hash: res.Hash, matched: res.Matched})
	return c
}

// Peer is the client_id (on the server) or server_id (on the client). The handshake
// has proven it.
func (c *Conn) Peer() string { return c.peerID }

// PeerKey is Peer as a key.
func (c *Conn) PeerKey() noise.PublicKey { return c.peer }

// LocalID is this side's own identity on the connection: the server_id on the server.
func (c *Conn) LocalID() string { return c.local.Public().ID() }

// Suite is the cipher suite, for the life of the connection.
func (c *Conn) Suite() noise.Suite { return c.suite }

// Matched is the category of the PSK that keys the session; a re-handshake may
// change it. The session is paired exactly when it is LongTerm.
func (c *Conn) Matched() noise.Category { return c.keys.Load().matched }

// Mismatch reports the credential-mismatch signal: the initial handshake fell back
// to the Sentinel because the client could not use the referenced PSK
// (specification: "Sentinel Fallback"). It alone must not change any record.
func (c *Conn) Mismatch() bool { return c.mismatch }

// HandshakeHash is the h of the latest handshake, for channel binding.
func (c *Conn) HandshakeHash() [32]byte { return c.keys.Load().hash }

// Rehandshakes is how many re-handshakes the receiving direction is through: messages
// that Read returned before this changed came under the keys before.
func (c *Conn) Rehandshakes() uint64 { return c.keys.Load().count }

// Done is closed when the connection is dead; Err then says why.
func (c *Conn) Done() <-chan struct{} { return c.dead }

// Err is what ended the connection: nil while it lives, ErrClosed after Close or
// CloseNow, else the first failure. It is also what Read and the writes return from
// then on.
func (c *Conn) Err() error {
	select {
	case <-c.dead:
		return c.err
	default:
		return nil
	}
}

// Ping sends a WebSocket ping and waits for the pong; somebody must be in Read. It
// works at any time, also in a re-handshake.
func (c *Conn) Ping(ctx context.Context) error { return c.t.Ping(ctx) }

// Close sends a WebSocket close frame and closes; it waits a second at most. Use it
// after the last Sendspin message, so that the peer gets that one.
func (c *Conn) Close(code int, reason string) error {
	c.kill(ErrClosed)
	return c.t.Close(code, reason)
}

// CloseNow closes at once.
func (c *Conn) CloseNow() error {
	c.kill(ErrClosed)
	return c.t.CloseNow()
}

// kill records the first reason and stops both directions for good.
func (c *Conn) kill(err error) {
	c.failOnce.Do(func() {
		c.err = err
		close(c.dead)
	})
}

// fail ends the connection silently after a protocol violation, and returns the
// reason of the end, which may be an earlier one.
func (c *Conn) fail(err error) error {
	c.kill(err)
	_ = c.t.Close(CloseSilent, "")
	return c.err
}

// abort ends the connection after its transport failed or a time ran out.
func (c *Conn) abort(err error) error {
	c.kill(err)
	_ = c.t.CloseNow()
	return c.err
}

// step bounds one step of a handshake.
type step struct {
	clock   clockwork.Clock
	timeout time.Duration
	report  func(stage string)
}

func newStep(clock clockwork.Clock, timeout time.Duration, report func(string)) step {
	if clock == nil {
		clock = clockwork.NewRealClock()
	}
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	if report == nil {
		report = func(string) {}
	}
	return step{clock: clock, timeout: timeout, report: report}
}

// at names the step in an error.
func at(stage string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("channel: %s: %w", stage, err)
}
