package gateway

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/obs"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/hub"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/machine"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/metrics"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/session"
)

const (
	// headerTimeout and maxHeader keep a peer that never finishes its HTTP request
	// from holding a place.
	headerTimeout = 5 * time.Second
	maxHeader     = 8 << 10
	// sendBuffer is the kernel's send buffer per connection: about a second of
	// 24-bit PCM. A larger one would hide from the writer for longer that a client
	// has stopped reading, and take memory per session that this process cannot see.
	sendBuffer = 256 << 10
)

// serve accepts connections until ctx ends.
func (s *Service) serve(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+s.cfg.Path, s.accept)
	srv := &http.Server{
		Handler: mux, ReadHeaderTimeout: headerTimeout, IdleTimeout: headerTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: log.New(io.Discard, "", 0), // strangers cause these; they are counted instead
	}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	err := srv.Serve(smallBuffers{l})
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// smallBuffers bounds the send buffer of each accepted connection.
type smallBuffers struct{ net.Listener }

// Accept implements net.Listener.
func (l smallBuffers) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(sendBuffer) // a hint: the connection works without
	}
	return c, err
}

// accept upgrades one request, within the limits, and hands it to a goroutine of
// its own: the handler's returns, with its buffers.
func (s *Service) accept(w http.ResponseWriter, r *http.Request) {
	exit, ok := s.admit(w, r)
	if !ok {
		return
	}
	s.m.HalfOpen.Inc()
	leave := sync.OnceFunc(func() { exit(); s.m.HalfOpen.Dec() })
	t, err := channel.Accept(w, r, s.wsOptions())
	if err != nil {
		leave()
		s.m.Refused.WithLabelValues("upgrade").Inc()
		return
	}
	peer := session.Peer{Address: r.RemoteAddr}
	started := s.conns.Go(func() {
		defer leave()
		opened, err := s.open(s.life, t, peer, nil, nil)
		if err != nil {
			return
		}
		if peer.Welcome, err = s.wait(opened, peer); err != nil {
			_ = opened.Conn.Close(channel.CloseSilent, "")
			return
		}
		sess, err := session.New(s.session, opened, peer)
		if err != nil {
			peer.Welcome()
			return
		}
		leave()
		s.enlist(sess)
		run := func() { defer peer.Welcome(); s.run(sess) }
		// A goroutine of its own: this one's stack grew with the handshake.
		if !s.conns.Go(run) {
			run()
		}
	})
	if !started {
		leave()
		_ = t.CloseNow()
	}
}

func (s *Service) wsOptions() channel.Options {
	return channel.Options{WriteTimeout: s.cfg.WriteDeadline}
}

// open runs the opening handshake and accounts for its result. claim is for
// outbound connections, forPairing for those that are to be paired.
func (s *Service) open(ctx context.Context, t channel.Transport, peer session.Peer, claim func(string) error, forPairing func(context.Context, string) (noise.Credential, bool)) (*session.Opened, error) {
	start := s.d.Clock.Now()
	settings := s.settings.Load()
	o, err := session.Open(ctx, t, session.OpenConfig{
		Identity: s.trust.Current(), Name: settings.GetName(), Languages: settings.GetLanguages(),
		SourceCodecs: s.cfg.SourceCodecs,
		Codec:        wire.Current(), Trust: s.trust, Clock: s.d.Clock, Timeout: s.cfg.HandshakeTimeout,
		MaxMessage: s.cfg.MaxMessage, Claim: claim, Address: peer.Address, ForPairing: forPairing,
	})
	result := handshakeResult(err)
	s.m.Handshakes.WithLabelValues(result).Inc()
	if err == nil {
		s.m.HandshakeTime.Observe(s.d.Clock.Since(start).Seconds())
		return o, nil
	}
	s.opened(ctx, peer, err, result)
	return nil, err
}

// opened tells an operator where an opening stopped.
func (s *Service) opened(ctx context.Context, peer session.Peer, err error, result string) {
	var failed *session.OpenError
	if !errors.As(err, &failed) || result == metrics.ResultDuplicate || ctx.Err() != nil {
		return
	}
	// The board has no line for a stranger that dials in: for it, this and the log are all.
	s.m.HandshakeStops.WithLabelValues(failed.Stage).Inc()
	if s.quiet.ok() {
		s.log.Info("handshake failed", obs.KeyAddr, peer.Address, obs.KeyURL, peer.URL, obs.KeyClient, failed.ClientID,
			"stage", failed.Stage, "goodbye", failed.Goodbye, obs.KeyErr, failed.Err)
	}
	if failed.ClientID == "" {
		return
	}
	known, ok := s.board.Lookup(failed.ClientID)
	if !ok && peer.URL == "" || known.Connected {
		return
	}
	s.board.Note(ctx, &tuttiv1.ClientPresence{
		ClientId: failed.ClientID, GatewayId: s.cfg.InstanceID, Url: peer.URL, Address: peer.Address,
		Stage: failed.Stage, LastError: failed.Error(), LastGoodbye: failed.Goodbye,
	}, peer.URL != "")
}

// handshakeResult is the metric label of an opening's end.
func handshakeResult(err error) string {
	var init *wire.InitError
	var timeout net.Error
	var failed *session.OpenError
	switch {
	case err == nil:
		return metrics.ResultOK
	case errors.As(err, &init):
		return metrics.ResultInit
	case errors.Is(err, hub.ErrConnected):
		return metrics.ResultDuplicate
	case errors.Is(err, session.ErrGoodbye):
		return metrics.ResultGoodbye
	case errors.As(err, &failed) && failed.Stage == channel.StageCredential:
		return metrics.ResultCredential
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return metrics.ResultTimeout
	}
	return metrics.ResultFailed
}

// wait takes a place for a session that has no roles yet; welcome gives it back.
func (s *Service) wait(o *session.Opened, peer session.Peer) (welcome func(), err error) {
	if o.Admission != nil && len(o.Admission.Families) > 0 {
		return func() {}, nil
	}
	welcome, err = s.lobby.Enter(peer.Address)
	if err != nil {
		s.m.Refused.WithLabelValues("waiting").Inc()
		if s.quiet.ok() {
			s.log.Warn("too many unapproved devices", obs.KeyAddr, peer.Address, obs.KeyClient, o.Conn.Peer())
		}
	}
	return welcome, err
}

// enlist makes sess the client's live session. One that the client had before is
// over: this one was authenticated later.
func (s *Service) enlist(sess *session.Session) {
	if old := s.hub.Put(sess); old != nil {
		old.Close(machine.Close{Reason: machine.ReasonReplaced, Detail: "the client opened another connection"})
		old.ReleaseAddress()
	}
}

// run runs an enlisted session to its end.
func (s *Service) run(sess *session.Session) {
	defer s.hub.Remove(sess)
	sess.Run(s.life)
}

// crew is the goroutines of connections. Other than with a WaitGroup, a late
// starter is turned away instead of forgotten.
type crew struct {
	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup
}

// Go runs f; false: the crew is going home and f was not run.
func (c *crew) Go(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.wg.Go(f)
	return true
}

// Wait turns newcomers away and waits for the others.
func (c *crew) Wait() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.wg.Wait()
}

// quieter lets ten log lines a second through: strangers must not fill a disk.
type quieter struct {
	clock clockwork.Clock
	mu    sync.Mutex
	since time.Time
	n     int
}

func (q *quieter) ok() bool {
	const perSecond = 10
	q.mu.Lock()
	defer q.mu.Unlock()
	if now := q.clock.Now(); now.Sub(q.since) >= time.Second {
		q.since, q.n = now, 0
	}
	q.n++
	return q.n <= perSecond
}
