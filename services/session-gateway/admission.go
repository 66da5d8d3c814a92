package gateway

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/obs"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/gate"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/metrics"
)

// This file decides what comes in: how many sessions, how many opening handshakes at
// once, and who waits for one. What runs is never closed to make room.

const (
	// queueWait is how long an inbound connection may wait for its handshake. Devices
	// give up after about as long themselves.
	queueWait = 8 * time.Second
	// maxQueued and maxQueuedPerAddress bound those that wait: a house that comes back
	// after a power cut is served in turn instead of being refused.
	maxQueued           = 4096
	maxQueuedPerAddress = 1024
	// loadEvery is how often the gateway looks whether it is full.
	loadEvery = 500 * time.Millisecond
)

// Times after which a refused device may come back; they are drawn at random between
// the two, so that devices that were refused together do not come back together.
const (
	retryMin = 2 * time.Second
	retryMax = 8 * time.Second
)

// full reports whether this gateway takes no more sessions.
func (s *Service) full() bool {
	return s.hub.Len()+s.gate.Open()+int(s.opening.Load()) >= s.cfg.MaxSessions
}

// admit takes a place for the opening handshake of an inbound connection, in its turn;
// not ok: it was refused and is answered.
func (s *Service) admit(w http.ResponseWriter, r *http.Request) (leave func(), ok bool) {
	if s.turnAway(w, r) {
		return nil, false
	}
	ctx, cancel := clockwork.WithTimeout(r.Context(), s.d.Clock, s.cfg.QueueWait)
	defer cancel()
	defer func() { s.m.Queued.Set(float64(s.queue.Waiting())) }()
	leave, waited, err := s.queue.Wait(ctx, r.RemoteAddr)
	switch {
	case errors.Is(err, gate.ErrFull), errors.Is(err, gate.ErrAddressFull):
		s.refuse(w, r, metrics.AdmitBusy, http.StatusTooManyRequests)
		return nil, false
	case err != nil:
		s.refuse(w, r, metrics.AdmitTimeout, http.StatusServiceUnavailable)
		return nil, false
	case waited && s.turnAway(w, r): // it has become full meanwhile
		leave()
		return nil, false
	}
	if waited {
		s.m.Admission.WithLabelValues(metrics.AdmitQueued).Inc()
	} else {
		s.m.Admission.WithLabelValues(metrics.AdmitOK).Inc()
	}
	return leave, true
}

// turnAway answers a connection that this gateway does not take at all.
func (s *Service) turnAway(w http.ResponseWriter, r *http.Request) bool {
	switch {
	case s.draining.Load():
		s.refuse(w, r, metrics.AdmitDraining, http.StatusServiceUnavailable)
	case s.full():
		s.refuse(w, r, metrics.AdmitFull, http.StatusServiceUnavailable)
	default:
		return false
	}
	return true
}

func (s *Service) refuse(w http.ResponseWriter, r *http.Request, why string, status int) {
	s.m.Refused.WithLabelValues(why).Inc()
	s.m.Admission.WithLabelValues(why).Inc()
	if s.quiet.ok() {
		s.log.Warn("connection refused", obs.KeyAddr, r.RemoteAddr, obs.KeyReason, why)
	}
	after := retryMin + rand.N(retryMax-retryMin)
	w.Header().Set("Retry-After", strconv.Itoa(int(after/time.Second)))
	http.Error(w, http.StatusText(status), status)
}

// watchLoad tells the other gateways soon when this one becomes full, or has room again,
// so that sightings go elsewhere, until ctx ends.
func (s *Service) watchLoad(ctx context.Context) {
	tick := s.d.Clock.NewTicker(loadEvery)
	defer tick.Stop()
	for {
		if s.peers.own(s.full(), s.draining.Load()) {
			signal(s.beat)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.Chan():
		}
	}
}
