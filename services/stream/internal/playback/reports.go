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
	// Audible: an item has begun to sound.
	Audible struct{ ID string }
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

func (m Audible) handle(s State, _ Env) (State, []Effect, error) {
	if i := slices.Index(s.Ahead, m.ID); i >= 0 {
		s.Ahead = slices.Clone(s.Ahead[i+1:])
	}
	if i := s.Find(m.ID); i >= 0 {
		s.Index = i
	}
	return s, nil, nil
}

func (m Failed) handle(s State, _ Env) (State, []Effect, error) {
	s.LastError = m.Reason
	if m.Partial {
		return s, nil, nil
	}
	s.Failures++
	if n := len(s.Ahead); n > 0 && s.Ahead[n-1] == m.ID {
		s.Ahead = slices.Clone(s.Ahead[:n-1])
	}
	return s, nil, nil
}

func (m Stalled) handle(s State, _ Env) (State, []Effect, error) {
	if s.Mode != Playing {
		return s, nil, nil
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
	s.Mode, s.PositionMS, s.Ahead, s.Waiting, s.Stalls = Paused, m.MS, nil, false, 0
	s.LastError = fmt.Sprintf("%s arrives too slowly to be played: check the network or disk it comes from, then play again", it.Label())
	return s, []Effect{Halt{}}, nil
}

func (Ended) handle(s State, _ Env) (State, []Effect, error) {
	if s.Mode != Playing {
		return s, nil, nil
	}
	// A title that was added after the feed gave up waiting still plays.
	if len(s.Ahead) > 0 {
		if i := s.Find(s.Ahead[0]); i >= 0 {
			return s.begin(i, 0)
		}
	}
	s.Mode, s.PositionMS, s.Ahead, s.Waiting, s.Failures = Stopped, 0, nil, false, 0
	if len(s.Queue) > 0 {
		s.Index = 0
	}
	return s, []Effect{Halt{}}, nil
}

// Commands lists the controller commands that would do something now (specification,
// controller state object), without volume, mute and switch, which the group decides.
func (s State) Commands() []string {
	var c []string
	it, loaded := s.Current()
	if loaded && s.Mode != Playing {
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
	if loaded {
		c = append(c, "seek_relative")
	}
	return c
}
