package stream

import (
	"context"
	"time"

	"github.com/tutti-audio/tutti/platform/obs"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/playback"
	"github.com/tutti-audio/tutti/services/stream/internal/presence"
)

// Sources that start by themselves: when the needle comes down, the group that the
// operator chose plays the source; when the record is over, it stops. What it played
// before stays paused (docs/adr/0021). The director's instance watches, because there is
// one of it.
const (
	autoEvery = 250 * time.Millisecond
	// signalFor is how long there must be a signal, and autoStopAfter how long none,
	// where the operator says nothing else.
	signalFor     = time.Second
	autoStopAfter = 30 * time.Second
	// autoRetry is the pause after a group that could not be told.
	autoRetry = 5 * time.Second
)

// needle follows the signal of one source. It is pure: facts and times in, orders out.
type needle struct {
	group   string
	present bool
	since   time.Time
	started bool // the group was told to play
	assumed bool // started is not known, but what another director may have begun
	retry   time.Time
}

// auto is what a needle asks of its group.
type auto int

const (
	autoNothing auto = iota
	autoPlay
	autoEnd
)

// look takes the signal of now.
func (n *needle) look(present bool, stopAfter time.Duration, now time.Time) auto {
	if present != n.present || n.since.IsZero() {
		n.present, n.since = present, now
	}
	lasts := now.Sub(n.since)
	switch {
	case now.Before(n.retry):
	case present && (!n.started || n.assumed) && lasts >= signalFor:
		return autoPlay
	case !present && n.started && lasts >= stopAfter:
		return autoEnd
	}
	return autoNothing
}

// did takes what came of an order.
func (n *needle) did(a auto, err error, now time.Time) {
	if err != nil {
		n.retry = now.Add(autoRetry)
		return
	}
	n.started, n.assumed = a == autoPlay, false
}

// autoStart watches the sources until ctx ends.
func (s *Service) autoStart(ctx context.Context) {
	needles := map[string]*needle{}
	t := s.d.Clock.NewTicker(autoEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.Chan():
			s.lookAtNeedles(ctx, needles)
		}
	}
}

func (s *Service) lookAtNeedles(ctx context.Context, needles map[string]*needle) {
	wanted := s.hub.AutoStarts()
	for id := range needles {
		if wanted[id] == nil {
			delete(needles, id)
		}
	}
	for id, a := range wanted {
		n := needles[id]
		if n == nil || n.group != a.GetGroupId() {
			// What another director began is ended by this one: that is said once too often
			// and not once too little.
			absent := !signal(s.hub.Get(id))
			n = &needle{group: a.GetGroupId(), started: absent, assumed: absent}
			needles[id] = n
		}
		after := autoStopAfter
		if ms := a.GetStopAfterMs(); ms > 0 {
			after = time.Duration(ms) * time.Millisecond
		}
		if order := n.look(signal(s.hub.Get(id)), after, s.d.Clock.Now()); order != autoNothing {
			n.did(order, s.order(ctx, id, n.group, order), s.d.Clock.Now())
		}
	}
}

// signal reports whether a source that may be heard has a signal.
func signal(p *tuttiv1.ClientPresence) bool {
	return p.GetConnected() && presence.HasRole(p, "source") && p.GetAvailable() && p.GetSourceSignal() == "present"
}

// order tells a group.
func (s *Service) order(ctx context.Context, clientID, group string, a auto) error {
	c := &tuttiv1.GroupCommand{GroupId: group, Actor: "source:" + clientID}
	if a == autoPlay {
		c.Command = &tuttiv1.GroupCommand_PlayAside{PlayAside: playback.SourceURI(clientID)}
	} else {
		c.Command = &tuttiv1.GroupCommand_EndAside{EndAside: playback.SourceURI(clientID)}
	}
	_, err := s.ask(ctx, c)
	if err != nil && ctx.Err() == nil {
		s.d.Log.Warn("a source does not start or end by itself", obs.KeyClient, clientID, obs.KeyGroup, group, obs.KeyErr, err)
	} else if err == nil {
		s.d.Log.Info("a source has a signal, or none any more", obs.KeyClient, clientID, obs.KeyGroup, group, "plays", a == autoPlay)
	}
	return err
}
