package channel

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// socket stands between the WebSocket library and the network connection, so that
// data frames go to the kernel without the library's write path (whose buffer costs
// a copy and a second system call per audio chunk, and whose per-write context costs
// two channel operations with another goroutine). The library reads, and writes
// control frames; data frames come from webSocket.writeFrame. Every Write that
// arrives here is therefore one whole frame, and a frame is written under one lock.
//
// A control frame never waits behind a blocked data frame: it is queued, and whoever
// holds the lock writes it next.
type socket struct {
	net.Conn
	timeout time.Duration

	pre    []byte      // bytes that the HTTP server read already; the reader's
	framed atomic.Bool // false while HTTP is spoken

	mu       sync.Mutex  // one write at a time
	deadline time.Time   // of Conn, guarded by mu
	broken   atomic.Bool // a write failed: the byte stream may end inside a frame

	ctlMu      sync.Mutex
	ctl        []byte       // queued control frames
	ctlWaiting atomic.Int32 // len(ctl)
	closeSent  atomic.Bool  // a close frame was queued: no data may follow
}

// maxQueuedControl bounds the control frames that wait behind a blocked write. The
// peer causes most of them (pongs), so beyond it the connection is given up.
const maxQueuedControl = 1 << 10

var (
	errCloseSent = errors.New("channel: WebSocket is closing")
	errPingFlood = errors.New("channel: too many control frames behind a blocked write")
	errBroken    = errors.New("channel: an earlier write failed")
)

// Bits of a frame's first byte (RFC 6455, section 5.2).
const (
	opcodeMask    = 0x0F
	opcodeClose   = 0x8
	opcodeControl = 0x8 // set in every control opcode
)

// Read implements net.Conn.
func (s *socket) Read(p []byte) (int, error) {
	if len(s.pre) > 0 {
		n := copy(p, s.pre)
		if s.pre = s.pre[n:]; len(s.pre) == 0 {
			s.pre = nil
		}
		return n, nil
	}
	return s.Conn.Read(p)
}

// Write implements net.Conn for the WebSocket library: after the upgrade, p is one
// control frame. It may return before p is written.
func (s *socket) Write(p []byte) (int, error) {
	if !s.framed.Load() {
		return s.Conn.Write(p)
	}
	if len(p) == 0 || p[0]&opcodeControl == 0 {
		return 0, errors.New("channel: data frame from the WebSocket library")
	}
	s.ctlMu.Lock()
	if len(s.ctl)+len(p) > maxQueuedControl {
		s.ctlMu.Unlock()
		return 0, errPingFlood
	}
	if p[0]&opcodeMask == opcodeClose {
		s.closeSent.Store(true)
	}
	s.ctl = append(s.ctl, p...)
	s.ctlWaiting.Store(int32(len(s.ctl)))
	s.ctlMu.Unlock()

	if err := s.flushIfFree(); err != nil {
		return 0, err
	}
	return len(p), nil
}

// writeData writes one whole data frame. The deadline is the socket's timeout, or
// ctx's if that is earlier; cancelling ctx does not interrupt it. After an error the
// socket is closed.
func (s *socket) writeData(ctx context.Context, frame []byte) error {
	s.mu.Lock()
	err := s.writeLocked(ctx, frame)
	s.mu.Unlock()
	if s.ctlWaiting.Load() == 0 {
		return err
	}
	// Also after an error: the close frame that kept this frame back may be in the queue,
	// left to whoever held the lock.
	if flushErr := s.flushIfFree(); err == nil {
		err = flushErr
	}
	return err
}

func (s *socket) writeLocked(ctx context.Context, frame []byte) error {
	if s.broken.Load() {
		return errBroken
	}
	if s.closeSent.Load() {
		return errCloseSent
	}
	if err := s.setDeadline(ctx); err != nil {
		return err
	}
	return s.put(frame)
}

// put writes p to the connection; a failure is final, since p may be half out.
func (s *socket) put(p []byte) error {
	if _, err := s.Conn.Write(p); err != nil {
		s.broken.Store(true)
		_ = s.Conn.Close()
		return err
	}
	return nil
}

// flushIfFree writes queued control frames, unless another goroutine holds the lock:
// that one looks at the queue after it has let go of it.
func (s *socket) flushIfFree() error {
	for s.ctlWaiting.Load() > 0 && s.mu.TryLock() {
		s.ctlMu.Lock()
		queued := s.ctl
		s.ctl = nil
		s.ctlWaiting.Store(0)
		s.ctlMu.Unlock()

		var err error
		if s.broken.Load() {
			err = errBroken
		} else if err = s.setDeadline(context.Background()); err == nil && len(queued) > 0 {
			err = s.put(queued)
		}
		s.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// setDeadline sets the write deadline. The timeout's own is only moved when it has
// lost an eighth, so that a busy connection does not pay for a timer with each
// message: a write may take between 7/8 of the timeout and all of it.
func (s *socket) setDeadline(ctx context.Context) error {
	now := time.Now()
	want := now.Add(s.timeout)
	limit, limited := ctx.Deadline()
	switch {
	case limited && limit.Before(want):
		want = limit
	case s.deadline.Sub(now) >= s.timeout*7/8 && s.deadline.Before(want):
		return nil
	}
	s.deadline = want
	return s.SetWriteDeadline(want)
}
