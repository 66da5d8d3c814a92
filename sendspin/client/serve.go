package client

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tutti-audio/tutti/sendspin/channel"
)

// maxConnections bounds the sockets of Serve, handshakes included: a client is a
// small device and serves one server at a time.
const maxConnections = 32

// Serve lets servers connect: it answers the WebSocket path on ln and admits one
// server at a time by the rules of section Multiple servers. It closes ln, and returns
// ctx's error when ctx ends, or the listener's.
func (c *Client) Serve(ctx context.Context, ln net.Listener) error {
	return c.run(ctx, func(ctx context.Context) error {
		h := &acceptor{c: c, ctx: ctx}
		mux := http.NewServeMux()
		mux.Handle(c.cfg.Path, h)
		srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10}
		served := make(chan error, 1)
		var wg sync.WaitGroup
		wg.Go(func() { served <- srv.Serve(ln) })
		defer wg.Wait()
		var err error
		select {
		case <-ctx.Done():
			err = ctx.Err()
			_ = srv.Close()
		case err = <-served:
			err = fmt.Errorf("client: serve: %w", err)
			_ = srv.Close()
			_ = c.Goodbye("shutdown")
		}
		h.stop()
		return err
	})
}

// acceptor upgrades requests and runs their connections.
type acceptor struct {
	c    *Client
	ctx  context.Context
	open atomic.Int32

	mu      sync.Mutex // orders begin and stop
	stopped bool
	wg      sync.WaitGroup
}

// begin counts a request in, unless the client stops.
func (h *acceptor) begin() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped || h.open.Load() >= maxConnections {
		return false
	}
	h.open.Add(1)
	h.wg.Add(1)
	return true
}

func (h *acceptor) end() {
	h.open.Add(-1)
	h.wg.Done()
}

// stop lets no request in any more and waits for those that are.
func (h *acceptor) stop() {
	h.mu.Lock()
	h.stopped = true
	h.mu.Unlock()
	h.wg.Wait()
}

// ServeHTTP implements [http.Handler].
func (h *acceptor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.begin() {
		http.Error(w, "too many connections", http.StatusServiceUnavailable)
		return
	}
	t, err := channel.Accept(w, r, channel.Options{})
	if err != nil {
		h.end()
		return
	}
	go func() { // counted by begin; stop waits for it
		defer h.end()
		if o := h.c.core.serve(h.ctx, t, true); o.err != nil {
			h.c.cfg.Log.Debug("connection over", "address", r.RemoteAddr, "error", o.err)
		}
	}()
}
