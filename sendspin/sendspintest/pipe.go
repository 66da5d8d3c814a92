// Package sendspintest helps to test programs that speak Sendspin without a
// network: an in-memory transport, a server whose every message the test sends
// itself, and that server's side of a pairing attempt.
package sendspintest

import (
	"context"
	"net"
	"slices"
	"sync"

	"github.com/tutti-audio/tutti/sendspin/channel"
)

// pipeDepth is the number of messages that one direction of a pipe holds before a
// writer waits, like a socket's buffer.
const pipeDepth = 256

// Pipe returns the two ends of an in-memory [channel.Transport]. Messages arrive in
// order and unchanged; a writer waits while 256 messages are unread. After Close, the
// other end still reads what was sent before and then a [*channel.CloseError], and what
// it writes is lost; after CloseNow both ends fail at once. There is nothing to clean up.
func Pipe() (a, b channel.Transport) {
	ab, ba := newLane(), newLane()
	return &end{in: ba, out: ab}, &end{in: ab, out: ba}
}

// lane is one direction.
type lane struct {
	messages chan message
	closed   chan struct{} // the writer closed gracefully; reason is set before
	broken   chan struct{} // the pipe was cut
	unread   chan struct{} // the reader closed gracefully: what is written is lost
	close    sync.Once
	cut      sync.Once
	forget   sync.Once
	reason   *channel.CloseError
}

type message struct {
	text bool
	data []byte
}

func newLane() *lane {
	return &lane{messages: make(chan message, pipeDepth), closed: make(chan struct{}), broken: make(chan struct{}), unread: make(chan struct{})}
}

func (l *lane) finish(code int, reason string) {
	l.close.Do(func() {
		l.reason = &channel.CloseError{Code: code, Reason: reason}
		close(l.closed)
	})
}

func (l *lane) discard() { l.forget.Do(func() { close(l.unread) }) }

func (l *lane) breakOff() { l.cut.Do(func() { close(l.broken) }) }

type end struct {
	in, out *lane
}

// Read implements [channel.Transport].
func (e *end) Read(ctx context.Context) (bool, []byte, error) {
	select {
	case <-e.in.broken:
		return false, nil, net.ErrClosed
	case <-e.in.unread:
		return false, nil, net.ErrClosed
	default:
	}
	select {
	case m := <-e.in.messages: // what was sent before a close still arrives
		return m.text, m.data, nil
	default:
	}
	select {
	case m := <-e.in.messages:
		return m.text, m.data, nil
	case <-e.in.broken:
		return false, nil, net.ErrClosed
	case <-e.in.unread:
		return false, nil, net.ErrClosed
	case <-ctx.Done():
		_ = e.CloseNow()
		return false, nil, ctx.Err()
	case <-e.in.closed:
	}
	select {
	case m := <-e.in.messages: // written between the second look and the close
		return m.text, m.data, nil
	default:
		return false, nil, e.in.reason
	}
}

// Write implements [channel.Transport].
func (e *end) Write(ctx context.Context, text bool, data []byte) error {
	select {
	case <-e.out.broken:
		return net.ErrClosed
	case <-e.out.closed:
		return net.ErrClosed
	case <-e.out.unread: // a socket takes it too, for a while
		return nil
	default:
	}
	select {
	case e.out.messages <- message{text, slices.Clone(data)}:
		return nil
	case <-e.out.broken:
		return net.ErrClosed
	case <-e.out.unread:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Ping implements [channel.Transport]; it succeeds while neither end is closed.
func (e *end) Ping(context.Context) error {
	for _, c := range []chan struct{}{e.in.broken, e.out.broken, e.in.closed, e.out.closed} {
		select {
		case <-c:
			return net.ErrClosed
		default:
		}
	}
	return nil
}

// Close implements [channel.Transport].
func (e *end) Close(code int, reason string) error {
	e.out.finish(code, reason)
	e.in.discard() // this end reads no more
	return nil
}

// CloseNow implements [channel.Transport]. After Close it changes nothing: the close
// frame is on its way.
func (e *end) CloseNow() error {
	select {
	case <-e.out.closed:
		return nil
	default:
	}
	e.in.breakOff()
	e.out.breakOff()
	return nil
}
