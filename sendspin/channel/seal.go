package channel

import (
	"context"

	"github.com/tutti-audio/tutti/sendspin/noise"
)

// WriteJSON sends a JSON message body. See WriteMessage.
func (c *Conn) WriteJSON(ctx context.Context, body []byte) error {
	return c.WriteMessage(ctx, idJSON, body)
}

// WriteMessage sends one message of any size, in fragments if it needs them; nothing
// comes between those. payload is only read.
//
// It returns ErrHeld on the server and waits on the client while a re-handshake is
// under way; any other error is final. The write has the transport's deadline, or
// ctx's if that is earlier.
func (c *Conn) WriteMessage(ctx context.Context, id byte, payload []byte) error {
	if err := c.lockWrite(ctx); err != nil {
		return err
	}
	defer c.wmu.Unlock()
	return c.writeMessage(ctx, id, payload)
}

// WritePlain sends one message that is at most noise.MaxPlaintext bytes long with its
// ID, plain[0]. It is the path of audio: plain is sealed from where it is into a
// pooled buffer, which becomes one WebSocket frame and one system call; nothing is
// copied, nothing allocated, and plain is unchanged, so that many connections may
// send the same bytes.
//
// What differs per connection, such as send_ahead, is patched into plain's header by
// the caller immediately before the call; that counts as "immediately before the
// message is encrypted" (specification: "Transmit timestamps") as long as no other
// goroutine writes to the connection for long. Goroutines that share plain must not
// patch it: they use WriteChunk. Errors as in WriteMessage.
func (c *Conn) WritePlain(ctx context.Context, plain []byte) error {
	if err := c.lockWrite(ctx); err != nil {
		return err
	}
	defer c.wmu.Unlock()
	return c.sealPlain(ctx, plain)
}

// WriteChunk is WritePlain for bytes that many goroutines share: the message is a
// header of n bytes (at most 64), which stamp fills under the write lock immediately
// before sealing, followed by body, which is only read. It costs one copy of body,
// a twentieth of what sealing costs, and does not allocate (stamp does not escape).
// Errors as in WriteMessage.
func (c *Conn) WriteChunk(ctx context.Context, n int, stamp func(head []byte), body []byte) error {
	if n < 1 || n > maxChunkHeader || n+len(body) > noise.MaxPlaintext {
		return ErrTooLarge
	}
	if err := c.lockWrite(ctx); err != nil {
		return err
	}
	defer c.wmu.Unlock()
	buf := getBuffer(headroom + n + len(body) + noise.Overhead)
	defer buf.free()
	copy(buf.b[headroom+n:], body)
	stamp(buf.b[headroom : headroom+n])
	return c.sealIn(ctx, buf, n+len(body))
}

const maxChunkHeader = 64

// WriteStamped sends one message that is built under the write lock, immediately
// before it is sealed: after all waiting for other writers (specification: "Transmit
// timestamps"). build appends a whole plaintext, ID first, to dst and returns it;
// messages of more than 2 KiB cost an allocation. Errors as in WriteMessage.
func (c *Conn) WriteStamped(ctx context.Context, build func(dst []byte) []byte) error {
	if err := c.lockWrite(ctx); err != nil {
		return err
	}
	defer c.wmu.Unlock()

	buf := getBuffer(0)
	defer buf.free()
	room := len(buf.b) - noise.Overhead
	plain := build(buf.b[headroom:headroom:room])
	if len(plain) == 0 {
		return ErrEmpty
	}
	if &plain[0] != &buf.b[headroom] { // it grew
		return c.writeMessage(ctx, plain[0], plain[1:])
	}
	return c.sealIn(ctx, buf, len(plain))
}

// lockWrite takes the write lock when application messages may be sent.
func (c *Conn) lockWrite(ctx context.Context) error {
	for {
		c.wmu.Lock()
		if err := c.Err(); err != nil {
			c.wmu.Unlock()
			return err
		}
		held := c.held
		if held == nil {
			return nil
		}
		c.wmu.Unlock()
		if c.server {
			return ErrHeld
		}
		select {
		case <-held:
		case <-c.dead:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// writeMessage sends one message; the lock is held.
func (c *Conn) writeMessage(ctx context.Context, id byte, payload []byte) error {
	if len(payload) > maxPayload {
		return c.writeFragments(ctx, id, payload)
	}
	buf := getBuffer(headroom + 1 + len(payload) + noise.Overhead)
	defer buf.free()
	buf.b[headroom] = id
	n := 1 + copy(buf.b[headroom+1:], payload)
	return c.sealIn(ctx, buf, n)
}

func (c *Conn) writeFragments(ctx context.Context, id byte, payload []byte) error {
	buf := getBuffer(headroom + noise.MaxMessage)
	defer buf.free()
	for first := true; first || len(payload) > 0; first = false {
		var plain []byte
		plain, payload = appendFragment(buf.b[headroom:headroom], id, payload, first)
		if err := c.sealIn(ctx, buf, len(plain)); err != nil {
			return c.abort(err) // even if only ctx ended: the message is half sent
		}
	}
	return nil
}

// sealPlain seals plain into a buffer and sends it.
func (c *Conn) sealPlain(ctx context.Context, plain []byte) error {
	if len(plain) == 0 {
		return ErrEmpty
	}
	if len(plain) > noise.MaxPlaintext {
		return ErrTooLarge
	}
	buf := getBuffer(headroom + len(plain) + noise.Overhead)
	defer buf.free()
	return c.sealInto(ctx, buf, plain)
}

// sealIn seals the n bytes at buf.b[headroom:] in place and sends them.
func (c *Conn) sealIn(ctx context.Context, buf *buffer, n int) error {
	return c.sealInto(ctx, buf, buf.b[headroom:headroom+n])
}

func (c *Conn) sealInto(ctx context.Context, buf *buffer, plain []byte) error {
	// Checked before sealing: a sealed message that is not sent would leave a gap in
	// the peer's counter.
	if err := ctx.Err(); err != nil {
		return err
	}
	sealed, err := c.send.Seal(buf.b[:headroom], plain)
	if err != nil {
		return c.fail(err)
	}
	if c.frames != nil {
		err = c.frames.writeFrame(ctx, false, sealed)
	} else {
		err = c.t.Write(ctx, false, sealed[headroom:])
	}
	if err != nil {
		return c.abort(err)
	}
	return nil
}
