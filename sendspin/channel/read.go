package channel

import (
	"bytes"
	"context"
	"errors"

	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Read returns the next message: its ID and its payload, which is valid until the
// next Read. Fragments are put together and the messages of a re-handshake are
// handled inside. One goroutine reads; cancelling ctx closes the connection.
//
// Any error is final, and the same one is returned from then on: a *CloseError is
// the peer's close frame, ErrClosed our own Close; every violation has been answered
// with a silent close.
func (c *Conn) Read(ctx context.Context) (id byte, payload []byte, err error) {
	for {
		plain, err := c.readPlain(ctx)
		if err != nil {
			return 0, nil, err
		}
		id, payload, complete, err := c.parts.add(plain)
		if err != nil {
			return 0, nil, c.fail(err)
		}
		if !complete {
			continue
		}
		handled, err := c.intercept(ctx, id, payload)
		if err != nil {
			return 0, nil, err
		}
		if !handled {
			return id, payload, nil
		}
	}
}

// readPlain reads and opens one transport message, in place.
func (c *Conn) readPlain(ctx context.Context) ([]byte, error) {
	if err := c.Err(); err != nil {
		return nil, err
	}
	text, data, err := c.t.Read(ctx)
	if err != nil {
		return nil, c.abort(err)
	}
	if text {
		return nil, c.fail(ErrCleartext)
	}
	plain, err := c.recv.Open(data[:0], data)
	if err != nil {
		return nil, c.fail(err)
	}
	return plain, nil
}

// intercept takes the messages of a re-handshake out of the stream.
func (c *Conn) intercept(ctx context.Context, id byte, payload []byte) (handled bool, err error) {
	if c.wantsActivate {
		return false, c.checkActivate(id, payload)
	}
	if id != idJSON || !mayBeHandshake(payload) {
		return false, nil
	}
	msg, ok, err := c.handshakeIn(payload)
	switch {
	case err != nil:
		return false, c.fail(err)
	case !ok:
		return false, nil
	case c.server:
		return true, c.finishRehandshake(msg)
	default:
		return true, c.answerRehandshake(ctx, msg)
	}
}

// handshakeType is as it stands in every encoder's output that does not escape.
var handshakeType = []byte(wire.TypeNoiseHandshake)

// mayBeHandshake spares the usual message a second parse: a noise/handshake has its
// type in it, or spells it with escapes.
func mayBeHandshake(body []byte) bool {
	return bytes.Contains(body, handshakeType) || bytes.IndexByte(body, '\\') >= 0
}

// handshakeIn returns the Noise message in body if body is a noise/handshake.
func (c *Conn) handshakeIn(body []byte) (msg []byte, ok bool, err error) {
	m, err := c.decode(body)
	if h, ok := m.(*wire.NoiseHandshake); ok && err == nil {
		return h.Data, true, nil
	}
	if messageOf(err) == wire.TypeNoiseHandshake {
		return nil, false, err
	}
	return nil, false, nil // the session's: it reports what is wrong with it
}

// decode decodes what the peer sent.
func (c *Conn) decode(body []byte) (wire.Message, error) {
	if c.server {
		return codec.DecodeFromClient(body)
	}
	return codec.DecodeFromServer(body)
}

// messageOf is the type of the message that a decoding error is about.
func messageOf(err error) string {
	var field *wire.FieldError
	if errors.As(err, &field) {
		return field.Message
	}
	return ""
}
