package harness

import (
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Proxy is a TCP hop between a device and the server that can stop reading, as
// a device does whose radio is gone.
type Proxy struct {
	URL string

	stopped chan struct{}
	stop    sync.Once
	closed  atomic.Bool
	conns   sync.Map // of net.Conn, both sides
}

// NewProxy listens on loopback and forwards to the ws:// URL target.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{URL: "ws://" + l.Addr().String() + u.Path, stopped: make(chan struct{})}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.conns.Store(c, true)
			wg.Go(func() { p.forward(c, u.Host) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.each(func(c net.Conn) { _ = c.Close() })
		p.StopReading()
		wg.Wait()
	})
	return p
}

func (p *Proxy) each(f func(net.Conn)) {
	p.conns.Range(func(k, _ any) bool { f(k.(net.Conn)); return true })
}

// Cut ends every connection of the proxy at once, without a word: both sides see a reset.
// New connections are let through.
func (p *Proxy) Cut() {
	p.each(func(c net.Conn) {
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	})
}

// StopReading makes every connection of the proxy stop reading from the server.
func (p *Proxy) StopReading() { p.stop.Do(func() { close(p.stopped) }) }

// ServerClosed tells whether the server gave a stuck connection up.
func (p *Proxy) ServerClosed() bool { return p.closed.Load() }

func (p *Proxy) forward(c net.Conn, target string) {
	defer func() { _ = c.Close(); p.conns.Delete(c) }()
	s, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer func() { _ = s.Close(); p.conns.Delete(s) }()
	p.conns.Store(s, true)
	// A small window: what the kernel hides must not outlast the test.
	_ = s.(*net.TCPConn).SetReadBuffer(64 << 10)
	var wg sync.WaitGroup
	wg.Go(func() {
		// Towards the server everything flows, so its pings are not answered only
		// because they are never read.
		_, _ = io.Copy(s, c)
	})
	buf := make([]byte, 32<<10)
	for {
		select {
		case <-p.stopped:
			p.awaitReset(s)
			_ = c.Close()
			wg.Wait()
			return
		default:
		}
		n, err := s.Read(buf)
		if err != nil {
			break
		}
		if _, err := c.Write(buf[:n]); err != nil {
			break
		}
	}
	_ = c.Close()
	_ = s.Close()
	wg.Wait()
}

// awaitReset writes single bytes of a WebSocket ping until the server's side is
// gone: reading would empty the socket and unstick it.
func (p *Proxy) awaitReset(s net.Conn) {
	ping := []byte{0x89, 0x80, 0, 0, 0, 0}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		if _, err := s.Write(ping); err != nil {
			p.closed.Store(true)
			return
		}
	}
}
