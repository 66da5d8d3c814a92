package gateway

import (
	"context"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// A device that another server has changes over to a connection whose first
// server/activate declares a purpose of at least the same rank (specification, Multiple
// servers). This gateway declares one only when a person or a schedule asked for it:
// whoever dials for any other reason says that there is none, and is turned away.

const (
	// maxPurpose bounds how long a purpose stands, whatever is asked.
	maxPurpose = 15 * time.Second
	// maxPurposes bounds how many stand: a house that is played on all at once.
	maxPurposes = 8192
)

// purpose is what a client is to be dialled for.
type purpose struct {
	activity string // wire.ActivityPairing or wire.ActivityPlayback
	category noise.Category
	until    time.Time
}

// purposes are those that nothing has come of yet. Safe for concurrent use: orders come
// in on the bus, and are looked up by whoever connects.
type purposes struct {
	clock clockwork.Clock
	mu    sync.Mutex
	of    map[string]purpose
}

func newPurposes(clock clockwork.Clock) *purposes {
	return &purposes{clock: clock, of: map[string]purpose{}}
}

// set puts a purpose up; false: there are too many. Pairing is not displaced by
// playback: an attempt waits for the session.
func (p *purposes) set(clientID string, want purpose) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now()
	if len(p.of) >= maxPurposes {
		for id, old := range p.of {
			if now.After(old.until) {
				delete(p.of, id)
			}
		}
	}
	old, ok := p.of[clientID]
	switch {
	case !ok && len(p.of) >= maxPurposes:
		return false
	case ok && now.Before(old.until) && old.activity == wire.ActivityPairing && want.activity != wire.ActivityPairing:
		return true
	}
	p.of[clientID] = want
	return true
}

// get is the purpose that stands for a client; the zero value: none.
func (p *purposes) get(clientID string) purpose {
	p.mu.Lock()
	defer p.mu.Unlock()
	if want := p.of[clientID]; p.clock.Now().Before(want.until) {
		return want
	}
	delete(p.of, clientID)
	return purpose{}
}

// take takes a purpose down that a connection has been opened for.
func (p *purposes) take(clientID, activity string) bool {
	want := p.get(clientID)
	p.mu.Lock()
	defer p.mu.Unlock()
	if want.activity != activity || p.of[clientID] != want {
		return false
	}
	delete(p.of, clientID)
	return true
}

// hearDials hears what clients are to be dialled for.
func (s *Service) hearDials() (stop func(), err error) {
	return bus.HandleExclusive(s.d.Bus, subject.GatewayDial, s.dialFor)
}

// dialFor answers subject.GatewayDial.
func (s *Service) dialFor(_ context.Context, req *tuttiv1.DialRequest) (*tuttiv1.Empty, error) {
	want := purpose{activity: req.GetPurpose(), category: noise.Category(req.GetPskCategory())}
	switch {
	case req.GetClientId() == "":
		return nil, fault.New(fault.Invalid, "the order to dial names no client")
	case want.activity == wire.ActivityPairing && (want.category == noise.Sentinel || want.category == noise.Pairing):
	case want.activity == wire.ActivityPlayback:
	default:
		return nil, fault.New(fault.Invalid, "there is no dialling client %s for %q with a PSK of category %q", req.GetClientId(), want.activity, want.category)
	}
	within := time.Duration(req.GetWithinMs()) * time.Millisecond
	want.until = s.d.Clock.Now().Add(min(max(within, 0), maxPurpose))
	s.mu.Lock()
	d := s.dialer
	s.mu.Unlock()
	if !s.purposes.set(req.GetClientId(), want) {
		return nil, fault.New(fault.Unavailable, "this gateway dials for more clients than it can; ask again in a moment")
	}
	if d == nil || !d.Ask(req.GetClientId()) {
		return nil, fault.New(fault.NotFound, "no address of client %s is known", req.GetClientId())
	}
	s.log.Info("a client is dialled for a purpose", obs.KeyClient, req.GetClientId(), "purpose", want.activity)
	return &tuttiv1.Empty{}, nil
}

// forPairing is what keys the session of a client that is dialled to be paired. Where
// the attempt does not answer for its secret, the client is dialled as always.
func (s *Service) forPairing(ctx context.Context, clientID string) (noise.Credential, bool) {
	want := s.purposes.get(clientID)
	switch {
	case want.activity != wire.ActivityPairing:
		return noise.Credential{}, false
	case want.category == noise.Sentinel:
		return noise.Credential{PSK: noise.SentinelPSK(), Category: noise.Sentinel}, true
	}
	cred, err := s.trust.PairingKey(ctx, clientID)
	if err != nil {
		s.log.Warn("the attempt to pair does not name its key; the client is dialled without a purpose", obs.KeyClient, clientID, obs.KeyErr, err)
		return noise.Credential{}, false
	}
	return cred, true
}
