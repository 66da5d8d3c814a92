package playback

import (
	"fmt"
	"slices"
)

// stallLimit is how often in a row a source may be too slow before playback gives up.
const stallLimit = 5

// stallRecoveredMS of playback between two stalls make them unrelated.
const stallRecoveredMS = 30_000

// What the feed and the ear report while playing.
type (
	// NeedNext: the feed has read its last item to the end.
	NeedNext struct{}
	// Begun: the feed reads audio of an item, so the row of failures has ended.
	Begun struct{ ID string }
	// Audible: an item has begun to sound; First: the one that its epoch began with.
	Audible struct {
		ID    string
		First bool
	}
	// Turn: the first item that must not sound (State.Turn) is about to, or has begun to,
	// while Rest of the audible one, from MS on, was not heard yet.
	Turn struct {
		MS   int64
		Rest bool
	}
	// Failed: an item could not be opened or decoded; Reason names the file, the
	// cause and the next step. Partial: some of it will sound. A NeedNext follows.
	Failed struct {
		ID, Reason string
		Partial    bool
	}
	// Stalled: the source of an item fell behind the clock at position MS.
	Stalled struct {
		ID string
		MS int64
	}
	// Ended: the last sample has sounded and the feed had no successor.
	Ended struct{}
)

func (NeedNext) handle(s State, _ Env) (State, []Effect, error) {
	if s.Mode != Playing {
		return s, nil, nil
	}
	s.Waiting = true
	return s.offer()
}

func (Begun) handle(s State, _ Env) (State, []Effect, error) {
	s.Failures = 0
	return s, nil, nil
}

func (m Audible) handle(s State, e Env) (State, []Effect, error) {
	if i := slices.Index(s.Ahead, m.ID); i >= 0 && !m.First {
		if s.Turn != "" && slices.Contains(s.Ahead[:i+1], s.Turn) {
			return Turn{}.handle(s, e)
		}
		s.Ahead = slices.Clone(s.Ahead[i+1:])
	}
	if i := s.Find(m.ID); i >= 0 {
		s.Index = i
		s.Last = s.Queue[i]
	}
	return s, nil, nil
}

func (m Turn) handle(s State, _ Env) (State, []Effect, error) {
	if s.Mode != Playing || s.Turn == "" {
		return s, nil, nil
	}
	return s.turned(m.MS, m.Rest)
}

func (m Failed) handle(s State, _ Env) (State, []Effect, error) {
	s.LastError = m.Reason
	if m.Partial {
		return s, nil, nil
	}
	s.Failures++
	if n := len(s.Ahead); n > 0 && s.Ahead[n-1] == m.ID {
		s.Ahead = slices.Clone(s.Ahead[:n-1])
		if m.ID == s.Turn { // it will not sound anyway: what follows is found anew
			s.Turn, s.Handed, s.Failures = "", s.lastRight(), 0
		}
	}
	return s, nil, nil
}

// lastRight is the id of the last item that will sound as far as the feed knows.
func (s State) lastRight() string {
	if n := len(s.Ahead); n > 0 {
		return s.Ahead[n-1]
	}
	it, _ := s.Current()
	return it.ID
}

func (m Stalled) handle(s State, _ Env) (State, []Effect, error) {
	if s.Mode != Playing {
		return s, nil, nil
	}
	if s.Turn != "" && m.ID == s.Turn {
		return s.turned(0, false) // it was not to sound anyway
	}
	if i := s.Find(m.ID); i >= 0 {
		s.Index = i
	}
	it, ok := s.Current()
	if !ok {
		return s, nil, nil
	}
	if m.MS-s.StallMS > stallRecoveredMS || m.MS < s.StallMS {
		s.Stalls = 0
	}
	s.Stalls, s.StallMS = s.Stalls+1, m.MS
	if s.Stalls < stallLimit {
		return s.begin(s.Index, m.MS)
	}
	s = s.still(Paused, m.MS)
	s.Stalls = 0
	s.LastError = fmt.Sprintf("%s arrives too slowly to be played: check the network or disk it comes from, then play again", it.Label())
	return s, []Effect{Halt{}}, nil
}

func (Ended) handle(s State, _ Env) (State, []Effect, error) {
	if s.Mode != Playing {
		return s, nil, nil
	}
	// A title that was added after the feed gave up waiting still plays.
	switch {
	case s.Turn != "":
		return s.turned(0, false)
	case len(s.Ahead) > 0:
		if i := s.Find(s.Ahead[0]); i >= 0 {
			return s.begin(i, 0)
		}
	}
	return s.finish()
}

// Commands lists the controller commands that would do something now (specification,
// controller state object), without volume, mute and switch, which the group decides.
func (s State) Commands() []string {
	var c []string
	it, loaded := s.Current()
	if (loaded || s.Last.URI != "") && s.Mode != Playing {
		c = append(c, "play")
	}
	if s.Mode == Playing {
		c = append(c, "pause")
	}
	if s.Mode != Stopped {
		c = append(c, "stop")
	}
	if s.skip() >= 0 {
		c = append(c, "next")
	}
	if loaded {
		c = append(c, "previous")
	}
	c = append(c, "repeat_off", "repeat_one", "repeat_all", "shuffle", "unshuffle")
	if loaded && it.DurationMS > 0 {
		c = append(c, "seek")
	}
	if loaded && !it.Live {
		c = append(c, "seek_relative")
	}
	return c
}
