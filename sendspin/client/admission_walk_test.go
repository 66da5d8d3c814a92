package client

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/sendspintest"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// walker is one server of the walk.
type walker struct {
	srv        *sendspintest.Server
	hello      *wire.ClientHello
	id         string
	activities []string
	attempt    bool // one runs
	admitted   bool
}

// town is a listening client, its servers, and the rules of section Multiple servers
// once more: what the client should do, without what it needs to do it.
type town struct {
	*listening
	t              *testing.T
	holder, beside *walker
	waiting        []*walker
	last           string
}

func (w *town) connect() {
	key := newKey(w.t)
	srv, hello := w.greeted(w.t, key, channel.Credential{})
	w.waiting = append(w.waiting, &walker{srv: srv, hello: hello, id: key.Public().ID()})
}

// declare sends an activation; with pairing an attempt begins with it.
func (w *town) declare(s *walker, activities []string) {
	s.activities, s.attempt = activities, false
	if !slices.Contains(activities, wire.ActivityPairing) {
		s.srv.Send(&wire.ServerActivate{Activities: activities, ActiveRoles: []string{}})
		return
	}
	rest := slices.DeleteFunc(slices.Clone(activities), func(a string) bool { return a == wire.ActivityPairing })
	s.srv.Pair(s.hello, wire.MethodDynamicCode, wire.FormatDigits, rest)
	s.attempt = true
}

func (w *town) rank(s *walker) int {
	return rank(s.activities)
}

// wins is whether s takes the holder's place.
func (w *town) wins(s *walker) bool {
	a, b := w.rank(s), w.rank(w.holder)
	switch {
	case a == 0 && b == 0:
		return s.id == w.last && w.holder.id != w.last
	case a > 0 && w.holder.attempt:
		return false
	}
	return a >= b
}

// gone checks how the client takes leave of a server.
func (w *town) gone(s *walker, goodbye string) {
	w.t.Helper()
	for {
		switch m := s.srv.Next().(type) {
		case *wire.ClientGoodbye:
			if w.rank(s) == 1 || m.Reason != goodbye {
				w.t.Errorf("client/goodbye %s to a server with %v, want %s", m.Reason, s.activities, goodbye)
			}
			return
		case *wire.PairAbort:
			if w.rank(s) != 1 || m.Reason != wire.AbortConcurrentAttempt {
				w.t.Errorf("pair/abort %s to a server with %v", m.Reason, s.activities)
			}
			return
		}
	}
}

// arrive is a first activation.
func (w *town) arrive(s *walker, activities []string) {
	w.declare(s, activities)
	anyAttempt := w.holder != nil && w.holder.attempt || w.beside != nil && w.beside.attempt
	switch {
	case w.holder == nil:
		w.holder = s
	case w.rank(s) == 1 && anyAttempt:
		w.gone(s, "")
		return
	case w.wins(s):
		w.gone(w.holder, wire.GoodbyeAnotherServer)
		w.holder = s
	case w.beside == nil && w.rank(s) == 1 && w.rank(w.holder) == 2:
		w.beside = s
	default:
		w.gone(s, wire.GoodbyeConcurrentAttempt)
		return
	}
	s.admitted = true
	w.settled(s)
}

// again is a later activation of an admitted server.
func (w *town) again(s *walker, activities []string) {
	w.declare(s, activities)
	if s == w.beside && !slices.Contains(activities, wire.ActivityPairing) {
		w.beside = nil
		if !w.wins(s) {
			w.gone(s, wire.GoodbyeConcurrentAttempt)
			return
		}
		w.gone(w.holder, wire.GoodbyeAnotherServer)
		w.holder = s
	}
	w.settled(s)
}

// leave ends a connection from the server's side.
func (w *town) leave(s *walker) {
	s.srv.Close()
	for waitFor[Disconnected](w.t, w.recorder).ServerID != s.id {
	}
	switch s {
	case w.holder:
		w.holder, w.beside = w.beside, nil
	case w.beside:
		w.beside = nil
	}
	if w.holder != nil && w.rank(w.holder) == 2 {
		w.last = w.holder.id
	}
}

// settled waits until the activation is applied and compares.
func (w *town) settled(s *walker) {
	w.t.Helper()
	for {
		a := waitFor[Activated](w.t, w.recorder)
		if a.ServerID == s.id && slices.Equal(slices.Sorted(slices.Values(a.Activities)), slices.Sorted(slices.Values(s.activities))) {
			break
		}
	}
	if w.rank(w.holder) == 2 && w.holder == s {
		w.last = s.id
	}
	if s.attempt { // it has begun when the next thing happens
		for waitFor[PairingStarted](w.t, w.recorder).ServerID != s.id {
		}
	}
	if got := w.c.Stats().ServerID; got != w.holder.id {
		w.t.Errorf("the client has server %q, want %q", got, w.holder.id)
	}
	if got := w.c.Store().LastPlayback(); got != w.last {
		w.t.Errorf("the last-playback server is %q, want %q", got, w.last)
	}
}

// TestAdmissionWalk compares the client with the rules along random walks of servers that
// come, change their minds and go.
func TestAdmissionWalk(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 7))
			w := &town{t: t, listening: newListening(t, func(c *Config) { withDynamic(c); c.Strict = false })}
			sets := [][]string{{}, {"pairing"}, {"playback"}, {"playback", "pairing"}}
			for step := 0; step < 25 && !t.Failed(); step++ {
				activities := sets[r.IntN(len(sets))]
				admitted := []*walker{w.holder}
				if w.beside != nil {
					admitted = append(admitted, w.beside)
				}
				switch n := r.IntN(10); {
				case n < 4 && len(w.waiting) < 3:
					w.connect()
				case n < 7 && len(w.waiting) > 0:
					i := r.IntN(len(w.waiting))
					s := w.waiting[i]
					w.waiting = slices.Delete(w.waiting, i, i+1)
					w.arrive(s, activities)
				case n < 9 && w.holder != nil:
					w.again(admitted[r.IntN(len(admitted))], activities)
				case w.holder != nil:
					w.leave(admitted[r.IntN(len(admitted))])
				}
			}
		})
	}
}
