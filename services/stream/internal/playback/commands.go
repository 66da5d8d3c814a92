package playback

import (
	"fmt"
	"slices"

	"github.com/tutti-audio/tutti/platform/fault"
)

// previousRestartMS is how far into a title "previous" restarts it instead of going
// to the one before.
const previousRestartMS = 3000

// The commands of operators and controllers (specification, Command behaviour).
type (
	// Resume plays from the current position, or, when the queue was emptied, what was
	// heard last; nothing happens while playing.
	Resume struct{}
	// Restart begins a new epoch at the audible position; nothing happens while not playing.
	Restart struct{}
	// PlayItems replaces the queue and plays it from the beginning.
	PlayItems struct{ Items []Item }
	// Pause stops the audio and keeps the position.
	Pause struct{}
	// Stop stops the audio and goes to the beginning of the item.
	Stop struct{}
	// Next skips to the next item.
	Next struct{}
	// Previous restarts the item, or goes to the one before within its first 3 s.
	Previous struct{}
	// Seek goes to an absolute position; OutOfRange beyond a known end.
	Seek struct{ MS int64 }
	// SeekRelative moves the position, clamped to the item.
	SeekRelative struct{ MS int64 }
	// SetRepeat sets the repeat mode.
	SetRepeat struct{ Repeat string }
	// SetShuffle shuffles the queue behind the current item, or restores the order,
	// with what was added meanwhile where it was put.
	SetShuffle struct{ On bool }
)

func (Resume) handle(s State, e Env) (State, []Effect, error) {
	if s.Mode == Playing {
		return s, nil, nil
	}
	if len(s.Queue) == 0 {
		if s.Last.URI == "" {
			return s, nil, errEmpty
		}
		return PlayItems{Items: []Item{s.Last}}.handle(s, e)
	}
	s.LastError = ""
	return s.begin(max(s.Index, 0), s.PositionMS)
}

func (Restart) handle(s State, e Env) (State, []Effect, error) {
	if s.Mode != Playing || s.Index < 0 {
		return s, nil, nil
	}
	return s.begin(s.Index, e.AudibleMS)
}

func (m PlayItems) handle(s State, e Env) (State, []Effect, error) {
	if len(m.Items) == 0 {
		return s, nil, fault.New(fault.OutOfRange, "there is nothing to play: the list of titles is empty")
	}
	s.Queue, s.Unshuffled, s.LastError, s.Stalls = slices.Clone(m.Items), nil, "", 0
	if s.Shuffle {
		s.Index = -1
		s = s.shuffled(e)
	}
	return s.begin(0, 0)
}

func (Pause) handle(s State, e Env) (State, []Effect, error) {
	switch s.Mode {
	case Paused:
		return s, nil, nil
	case Stopped:
		return s, nil, fault.New(fault.Conflict, "nothing plays in this group: there is nothing to pause")
	}
	s = s.still(Paused, e.AudibleMS)
	return s, []Effect{Halt{}}, nil
}

func (Stop) handle(s State, _ Env) (State, []Effect, error) {
	was := s.Mode
	s = s.still(Stopped, 0)
	if was == Playing {
		return s, []Effect{Halt{}}, nil
	}
	return s, nil, nil
}

func (Next) handle(s State, _ Env) (State, []Effect, error) {
	if len(s.Queue) == 0 {
		return s, nil, errEmpty
	}
	i := s.skip()
	if i < 0 {
		return s, nil, fault.New(fault.Conflict, "this is the last title of the queue and repeat is off: there is no next one")
	}
	return s.jump(i)
}

func (Previous) handle(s State, e Env) (State, []Effect, error) {
	if len(s.Queue) == 0 {
		return s, nil, errEmpty
	}
	at := s.PositionMS
	if s.Mode == Playing {
		at = e.AudibleMS
	}
	i := s.Index
	switch {
	case at > previousRestartMS:
	case i > 0:
		i--
	case s.Repeat != RepeatOff:
		i = len(s.Queue) - 1
	}
	return s.jump(max(i, 0))
}

// jump goes to the beginning of queue index i, in the same mode.
func (s State) jump(i int) (State, []Effect, error) {
	if s.Mode == Playing {
		return s.begin(i, 0)
	}
	s.Index, s.PositionMS = i, 0
	return s, nil, nil
}

func (m Seek) handle(s State, _ Env) (State, []Effect, error) {
	it, ok := s.Current()
	if !ok {
		return s, nil, errEmpty
	}
	if it.Live {
		return s, nil, it.errLive()
	}
	if m.MS < 0 || it.DurationMS > 0 && m.MS > it.DurationMS {
		says := fmt.Sprintf("%.1f s is outside the title, which is %.1f s long", float64(m.MS)/1000, float64(it.DurationMS)/1000)
		return s, nil, fault.New(fault.OutOfRange, "%s", says).WithField("body.position_ms", says)
	}
	return s.seek(m.MS)
}

// farthest is beyond the end of anything, and far from where a sum wraps.
const farthest = 1 << 53

func (m SeekRelative) handle(s State, e Env) (State, []Effect, error) {
	it, ok := s.Current()
	if !ok {
		return s, nil, errEmpty
	}
	at := s.PositionMS
	if s.Mode == Playing {
		at = e.AudibleMS
	}
	at = max(at+min(m.MS, farthest), 0)
	if it.DurationMS > 0 {
		at = min(at, it.DurationMS)
	}
	return s.seek(at)
}

func (s State) seek(ms int64) (State, []Effect, error) {
	if s.Mode == Playing {
		return s.begin(s.Index, ms)
	}
	s.PositionMS = ms
	if s.Mode == Stopped && ms > 0 {
		s.Mode = Paused
	}
	return s, nil, nil
}

func (m SetRepeat) handle(s State, _ Env) (State, []Effect, error) {
	if m.Repeat != RepeatOff && m.Repeat != RepeatOne && m.Repeat != RepeatAll {
		return s, nil, fault.New(fault.OutOfRange, "repeat %q is not one of off, one, all", m.Repeat).WithField("body.mode", "not one of off, one, all")
	}
	s.Repeat = m.Repeat
	return s.replan()
}

func (m SetShuffle) handle(s State, e Env) (State, []Effect, error) {
	if m.On == s.Shuffle {
		return s, nil, nil
	}
	s.Shuffle = m.On
	if m.On {
		s = s.shuffled(e)
	} else {
		s = s.restored()
	}
	return s.replan()
}

// shuffled puts the current item first and the others behind it at random.
func (s State) shuffled(e Env) State {
	s.Unshuffled = make([]string, len(s.Queue))
	for i, it := range s.Queue {
		s.Unshuffled[i] = it.ID
	}
	queue := make([]Item, 0, len(s.Queue))
	if it, ok := s.Current(); ok {
		queue = append(queue, it)
	}
	for _, i := range e.Perm(len(s.Queue)) {
		if i != s.Index {
			queue = append(queue, s.Queue[i])
		}
	}
	s.Queue = queue
	if len(queue) > 0 {
		s.Index = 0
	}
	return s
}

// restored puts the queue back in the order before shuffle.
func (s State) restored() State {
	current, ok := s.Current()
	queue := make([]Item, 0, len(s.Queue))
	for _, id := range s.Unshuffled {
		if i := s.Find(id); i >= 0 {
			queue = append(queue, s.Queue[i])
		}
	}
	for _, it := range s.Queue { // of a damaged record: nothing may be lost
		if !slices.Contains(s.Unshuffled, it.ID) {
			queue = append(queue, it)
		}
	}
	s.Queue, s.Unshuffled = queue, nil
	if ok {
		s.Index = s.Find(current.ID)
	}
	return s
}
