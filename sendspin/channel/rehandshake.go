package channel

import (
	"context"
	"fmt"

	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// The in-band re-handshake (specification: "Re-handshake"). Each direction changes
// its keys at one defined frame, in the goroutine that owns the direction:
//
//	server                                        client
//	Rehandshake: message 1, old keys      ──►     Read: takes message 1
//	  holds all other writes                        holds all other writes
//	Read: old-key messages still come     ◄──       (sent before message 1 arrived)
//	Read: takes message 2, old keys       ◄──     message 2; then sends with new keys
//	  then receives with new keys                   then receives with new keys
//	Rehandshake: server/activate, new     ──►     Read: server/activate, which must be
//	  keys, then releases the writes                first; then releases the writes

// rekeying is the server's state between message 1 and message 2. The writer makes
// it, the reader takes it.
type rekeying struct {
	initiator *noise.Initiator
	done      chan *noise.Session // one result; nothing when the connection dies
}

// Rehandshake swaps the session keys in band (server only). activate returns the
// server/activate body that is sent as the first message under the new keys; it is
// called when they are in place, so that Matched is the new one.
//
// The caller, who must not be the reader, waits for the client's answer; another
// goroutine must be in Read and goes on receiving what the client had sent before.
// Until activate is sent, all other writes return ErrHeld: a writer that calls
// Rehandshake itself just goes on afterwards.
//
// ErrHeld means that another re-handshake is under way. Any other error after
// message 1 was sent (a client without that PSK closes; no answer within the
// timeout; ctx ended) ends the connection; Err tells.
func (c *Conn) Rehandshake(ctx context.Context, cred Credential, activate func() ([]byte, error)) error {
	if !c.server {
		return fmt.Errorf("channel: only a server starts a re-handshake")
	}
	p, err := c.startRehandshake(ctx, cred)
	if err != nil {
		return err
	}
	timeout := c.clock.NewTimer(c.timeout)
	defer timeout.Stop()
	select {
	case session := <-p.done:
		return c.activate(ctx, session, activate)
	case <-c.dead:
		return c.Err()
	case <-ctx.Done():
		return c.abort(at(StageMessage2, ctx.Err()))
	case <-timeout.Chan():
		return c.abort(at(StageMessage2, context.DeadlineExceeded))
	}
}

// startRehandshake sends message 1 under the old keys and holds the writers.
func (c *Conn) startRehandshake(ctx context.Context, cred Credential) (*rekeying, error) {
	if err := c.lockWrite(ctx); err != nil {
		return nil, err
	}
	defer c.wmu.Unlock()
	hs, msg1, err := noise.NewInitiator(c.rekeyConfig(), cred)
	if err != nil {
		return nil, at("re-handshake", err)
	}
	body, err := codec.Encode(&wire.NoiseHandshake{Data: msg1})
	if err != nil {
		return nil, at("re-handshake", err)
	}
	p := &rekeying{initiator: hs, done: make(chan *noise.Session, 1)}
	c.held = make(chan struct{})
	c.pending.Store(p) // before writing: the answer may be quick
	if err := c.writeMessage(ctx, idJSON, body); err != nil {
		return nil, c.abort(err)
	}
	return p, nil
}

// rekeyConfig binds the new handshake to the old one: its hash is the prologue. The
// Sentinel does not stand in for a missing PSK here.
func (c *Conn) rekeyConfig() noise.Config {
	hash := c.HandshakeHash()
	return noise.Config{Suite: c.suite, Static: c.local, Peer: c.peer, Prologue: hash[:], Rand: c.rand}
}

// finishRehandshake takes message 2 (server's reader). What follows it is under the
// new keys.
func (c *Conn) finishRehandshake(msg2 []byte) error {
	p := c.pending.Swap(nil)
	if p == nil {
		return c.fail(ErrUnexpected)
	}
	res, err := p.initiator.Finish(msg2)
	if err != nil {
		return c.fail(at("re-handshake", err))
	}
	c.recv = res.Session
	c.keys.Store(&keys{hash: res.Hash, matched: res.Matched, count: c.Rehandshakes() + 1})
	p.done <- res.Session
	return nil
}

// activate sends the first message under the new keys (server's writer).
func (c *Conn) activate(ctx context.Context, session *noise.Session, build func() ([]byte, error)) error {
	body, err := build()
	if err != nil {
		return c.fail(at("server/activate", err))
	}
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if err := c.Err(); err != nil {
		return err
	}
	c.send = session
	if err := c.writeMessage(ctx, idJSON, body); err != nil {
		return c.abort(err)
	}
	c.release()
	return nil
}

// release lets the writers go on; the lock is held.
func (c *Conn) release() {
	close(c.held)
	c.held = nil
}

// answerRehandshake takes message 1 and sends message 2 (client's reader).
func (c *Conn) answerRehandshake(ctx context.Context, msg1 []byte) error {
	msg2, res, err := noise.Respond(c.rekeyConfig(), c.lookup, msg1)
	if err != nil {
		return c.fail(at("re-handshake", err))
	}
	body, err := codec.Encode(&wire.NoiseHandshake{Data: msg2})
	if err != nil {
		return c.fail(at("re-handshake", err))
	}
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if err := c.Err(); err != nil {
		return err
	}
	if err := c.writeMessage(ctx, idJSON, body); err != nil {
		return c.abort(err)
	}
	c.held = make(chan struct{})
	c.send, c.recv = res.Session, res.Session
	c.keys.Store(&keys{hash: res.Hash, matched: res.Matched, count: c.Rehandshakes() + 1})
	c.wantsActivate = true
	return nil
}

// checkActivate lets only server/activate follow a re-handshake (client's reader),
// and lets the writers go on after it.
func (c *Conn) checkActivate(id byte, payload []byte) error {
	if id != idJSON {
		return c.fail(ErrUnexpected)
	}
	m, err := c.decode(payload)
	if _, ok := m.(*wire.ServerActivate); !ok && messageOf(err) != wire.TypeServerActivate {
		return c.fail(ErrUnexpected)
	}
	c.wantsActivate = false
	c.wmu.Lock()
	defer c.wmu.Unlock()
	c.release()
	return nil
}
