package gateway

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/lease"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/wire"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/dial"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/hub"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/machine"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/metrics"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/session"
)

const (
	// dialTimeout bounds the TCP connection and the WebSocket upgrade.
	dialTimeout = 5 * time.Second
	// maxConnecting bounds outbound connections that are no sessions yet. Most of them
	// wait for a device that does not answer.
	maxConnecting = 512
	// handshakesPerCore bounds outbound handshakes at once, so that a house that comes
	// back after a power cut is not dialled in one burst.
	handshakesPerCore = 32
	// answerTimeout is how long a session may take to say that it is there, after its
	// gateway has lost its lease.
	answerTimeout = 500 * time.Millisecond
	// absentTimeout is how long it is waited for the bus to say that nobody is there, which
	// it does at once.
	absentTimeout = 100 * time.Millisecond
	// resumeWithin is how long after the loss of its gateway a player is dialled for
	// playback at once. Later it may have another server, whose place is not ours to take.
	resumeWithin = 30 * time.Second
	// handshakeTurn is how long a handshake counts for that: one whose device is slow
	// goes on, and does not keep others waiting.
	handshakeTurn = 2 * time.Second
)

// places bound how many do something at once.
type places chan struct{}

// take takes a place, in turn; give gives it back and may be called more than once.
func (p places) take(ctx context.Context) (give func(), err error) {
	select {
	case p <- struct{}{}:
		return sync.OnceFunc(func() { <-p }), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// startDialing follows the sightings. stop returns when all dial actors have ended.
func (s *Service) startDialing(ctx context.Context) (stop func(), err error) {
	d := dial.New(ctx, network{s}, s.campaign, s.peers.mine, s.d.Clock, s.log)
	stop = d.Wait
	s.mu.Lock()
	s.dialer = d
	s.mu.Unlock()
	bucket, err := retry(ctx, s, "open the bucket of sightings", func(ctx context.Context) (*bus.Bucket[tuttiv1.Sighting, *tuttiv1.Sighting], error) {
		return bus.OpenBucket[tuttiv1.Sighting](ctx, s.d.Bus, subject.BucketSightings, bus.BucketOptions{})
	})
	if err != nil {
		return stop, err
	}
	unwatch, err := bucket.Watch(ctx, ">", d.Take, nil)
	if err != nil {
		return stop, fmt.Errorf("gateway: watch sightings: %w", err)
	}
	deaf, err := s.hearDials()
	if err != nil {
		return func() { unwatch(); d.Wait() }, fmt.Errorf("gateway: hear what to dial for: %w", err)
	}
	return func() { deaf(); unwatch(); d.Wait() }, nil
}

// campaign is dial.Campaign. What a gateway held that was found dead is not waited for: all
// deal its sightings alike, and its leases go on for as long as one lasts, at most.
func (s *Service) campaign(ctx context.Context, key string, run func(context.Context)) {
	if h, ok := s.d.Leases.Seen(key); ok && s.peers.gone(h.Owner) {
		before, end := clockwork.WithTimeout(ctx, s.d.Clock, s.d.Leases.TTL())
		run(before)
		end()
	}
	s.d.Leases.Campaign(ctx, key, func(ctx context.Context, _ *lease.Lease) { run(ctx) })
}

// network is the gateway as its dialer sees it.
type network struct{ s *Service }

// ConnectedAs implements dial.Network.
func (n network) ConnectedAs(url string) (clientID string, connected bool) {
	p, ok := n.s.board.ByURL(url)
	if !ok {
		return "", false
	}
	return p.ClientID, n.s.hub.Get(p.ClientID) != nil || p.Connected && n.s.peers.alive(p.GatewayID)
}

// Elsewhere implements dial.Network.
func (n network) Elsewhere(url string) bool {
	p, ok := n.s.board.ByURL(url)
	return ok && p.Connected && p.GatewayID != n.s.cfg.InstanceID && n.s.peers.alive(p.GatewayID)
}

// Follow implements dial.Network.
func (n network) Follow(clientID string) (<-chan struct{}, func()) { return n.s.board.Follow(clientID) }

// Connect implements dial.Network.
func (n network) Connect(ctx context.Context, target string) (dial.Live, *dial.Outcome) {
	s := n.s
	// A gateway that is starved of processor time loses its lease, and is not dead.
	if p, ok := s.board.ByURL(target); ok && p.Connected && p.GatewayID != s.cfg.InstanceID && s.answers(ctx, p.ClientID) {
		return nil, &dial.Outcome{ClientID: p.ClientID, AlreadyConnected: true}
	}
	give, err := s.connecting.take(ctx)
	if err != nil {
		return nil, &dial.Outcome{Err: err}
	}
	defer give()
	switch {
	case s.draining.Load():
		s.m.Admission.WithLabelValues(metrics.AdmitDraining).Inc()
		return nil, &dial.Outcome{Full: true}
	case s.full():
		s.m.Admission.WithLabelValues(metrics.AdmitFull).Inc()
		return nil, &dial.Outcome{Full: true}
	}
	s.opening.Add(1)
	defer s.opening.Add(-1)
	s.m.Admission.WithLabelValues(metrics.AdmitOK).Inc()
	peer := session.Peer{Address: hostPort(target), URL: target}
	dialCtx, cancel := clockwork.WithTimeout(ctx, s.d.Clock, dialTimeout)
	t, err := channel.Dial(dialCtx, target, s.wsOptions())
	cancel()
	if err != nil {
		s.m.Handshakes.WithLabelValues(metrics.ResultDial).Inc()
		return nil, &dial.Outcome{Err: err}
	}
	done, err := s.handshakes.take(ctx)
	if err != nil {
		_ = t.CloseNow()
		return nil, &dial.Outcome{Err: err}
	}
	turn := s.d.Clock.AfterFunc(handshakeTurn, done)
	defer func() { turn.Stop(); done() }()
	var id string
	release := func() {}
	defer func() { release() }()
	o, err := s.open(ctx, t, peer, func(clientID string) (err error) {
		id = clientID
		s.board.Learn(target, clientID)
		if p, _ := s.board.Lookup(clientID); p.Connected && p.GatewayID != s.cfg.InstanceID && s.peers.alive(p.GatewayID) {
			return hub.ErrConnected
		}
		r, err := s.hub.Claim(clientID)
		if err == nil {
			release = r
		}
		return err
	}, s.forPairing)
	if err != nil {
		return nil, openFailed(id, err)
	}
	if o.Pairing != nil {
		s.purposes.take(id, wire.ActivityPairing)
	}
	// Without roles the activity is not declared; see machine.Config.Resumes.
	peer.Resumes = o.Pairing == nil && (s.purposes.take(id, wire.ActivityPlayback) || s.resumes(id))
	// From here on the connection is the service's: the dialer's lease may go, the
	// session stays.
	sess, err := session.New(s.session, o, peer)
	if err != nil {
		return nil, &dial.Outcome{ClientID: id, Err: err}
	}
	s.enlist(sess)
	if !s.conns.Go(func() { s.run(sess) }) {
		sess.Close(machine.Close{Reason: machine.ReasonShutdown})
		s.run(sess)
	}
	return live{sess}, nil
}

// answers asks a client's session, on whichever gateway it is, whether it is there. When
// its process is gone the bus says so at once.
func (s *Service) answers(ctx context.Context, clientID string) bool {
	return s.ask(ctx, clientID, answerTimeout) == nil
}

// ask asks a client's session something that it answers at once.
func (s *Service) ask(ctx context.Context, clientID string, limit time.Duration) error {
	ctx, cancel := clockwork.WithTimeout(ctx, s.d.Clock, limit)
	defer cancel()
	var reply tuttiv1.SessionReply
	return s.d.Bus.Request(ctx, subject.Session(clientID), &tuttiv1.SessionCommand{
		Command: &tuttiv1.SessionCommand_StreamQuery{StreamQuery: &tuttiv1.Empty{}},
	}, &reply)
}

// askedSessions is how many of a gateway's sessions are asked whether it is there.
const askedSessions = 3

// gatewayAnswers reports whether one of some sessions that a gateway holds answers. Of one
// that holds none nothing is lost while it is waited.
func (s *Service) gatewayAnswers(ctx context.Context, gatewayID string) bool {
	clients := s.board.On(gatewayID, askedSessions)
	if len(clients) == 0 {
		return true
	}
	for err := range s.askAll(ctx, clients, answerTimeout) {
		if err == nil {
			return true
		}
	}
	return false
}

// gatewayAbsent reports whether the bus knows of nobody at the sessions of a gateway: not whether
// it is slow to answer, as one that is starved or paused is.
func (s *Service) gatewayAbsent(ctx context.Context, gatewayID string) bool {
	clients := s.board.On(gatewayID, askedSessions)
	for err := range s.askAll(ctx, clients, absentTimeout) {
		if !bus.Unanswered(err) {
			return false
		}
	}
	return len(clients) > 0
}

// askAll asks clients' sessions at once, and yields what became of each as it comes.
func (s *Service) askAll(ctx context.Context, clients []string, limit time.Duration) iter.Seq[error] {
	return func(yield func(error) bool) {
		answers := make(chan error, len(clients))
		var asking sync.WaitGroup
		defer asking.Wait() // ask has a limit
		for _, id := range clients {
			asking.Go(func() { answers <- s.ask(ctx, id, limit) })
		}
		for range clients {
			if !yield(<-answers) {
				return
			}
		}
	}
}

// resumes reports whether a client played a moment ago on a gateway that is lost, as this gateway
// or another one has found: who sees it first ends the record, and the client is dialled then.
func (s *Service) resumes(clientID string) bool {
	p, ok := s.board.Lookup(clientID)
	return ok && p.GatewayID != s.cfg.InstanceID && (p.Lost || !s.peers.alive(p.GatewayID)) &&
		!p.PlayedAt.IsZero() && s.d.Clock.Since(p.PlayedAt) < resumeWithin
}

// openFailed is the dialer's view of a failed opening.
func openFailed(id string, err error) *dial.Outcome {
	out := &dial.Outcome{ClientID: id, Err: err, AlreadyConnected: errors.Is(err, hub.ErrConnected)}
	var failed *session.OpenError
	if errors.As(err, &failed) && failed.Goodbye != "" {
		out.Err, out.Goodbye = nil, failed.Goodbye
	}
	return out
}

// live is a session as the dialer sees it.
type live struct{ *session.Session }

// Outcome implements dial.Live.
func (l live) Outcome() dial.Outcome {
	e := l.Ended()
	return dial.Outcome{
		ClientID: l.Session.ClientID, Goodbye: e.Cause.Goodbye, NoRedial: e.Cause.NoRedial,
		AlreadyConnected: e.Cause.Reason == machine.ReasonReplaced,
		OnlyPairing:      e.OnlyPairing(), Lived: e.Lived,
	}
}

// ClientID implements dial.Live.
func (l live) ClientID() string { return l.Session.ClientID }

func hostPort(target string) string {
	u, err := url.Parse(target)
	if err != nil {
		return ""
	}
	return u.Host
}
