package playback

import "slices"

// Aside is what plays on behalf of a source that has a signal, and what was put aside for
// it; the zero value is nothing.
type Aside struct {
	ID     string // of the item
	HeldID string // of what was put aside; "": the queue was empty
	HeldMS int64
	Paused bool // it played or was paused, and can be resumed
}

// The commands of a source that starts by itself.
type (
	// PlayAside plays an item now, behind the current one, which is put aside. Nothing
	// happens when that very address plays already.
	PlayAside struct{ Item Item }
	// EndAside takes the item of PlayAside out again. What was put aside becomes the current
	// item and stays paused: nothing starts by itself. Nothing happens when what plays
	// aside is another address, or nothing.
	EndAside struct{ URI string }
)

func (m PlayAside) handle(s State, e Env) (State, []Effect, error) {
	it, ok := s.Current()
	if ok && it.URI == m.Item.URI {
		if s.Mode == Playing {
			return s, nil, nil
		}
		return s.begin(s.Index, 0)
	}
	a := Aside{ID: m.Item.ID}
	if s.Aside.ID != "" && ok && it.ID == s.Aside.ID { // one source takes over from another
		a.HeldID, a.HeldMS, a.Paused = s.Aside.HeldID, s.Aside.HeldMS, s.Aside.Paused
		s = s.without(s.Index)
	} else if ok {
		a.HeldID, a.HeldMS, a.Paused = it.ID, s.PositionMS, s.Mode != Stopped
		if s.Mode == Playing {
			a.HeldMS = e.AudibleMS
		}
	}
	at := min(s.Index+1, len(s.Queue))
	if s.Shuffle {
		s.Unshuffled = s.remember([]Item{m.Item}, at)
	}
	s.Queue = slices.Insert(slices.Clone(s.Queue), at, m.Item)
	s.Aside, s.LastError, s.Stalls = a, "", 0
	return s.begin(at, 0)
}

func (m EndAside) handle(s State, _ Env) (State, []Effect, error) {
	i := s.Find(s.Aside.ID)
	if s.Aside.ID == "" || i >= 0 && s.Queue[i].URI != m.URI {
		return s, nil, nil
	}
	a := s.Aside
	s.Aside = Aside{}
	switch {
	case i < 0:
		return s, nil, nil // somebody has taken it out
	case i != s.Index:
		s = s.without(i)
		return s.replan()
	}
	var out []Effect
	if s.Mode == Playing {
		out = []Effect{Halt{}}
	}
	s = s.without(i)
	s = s.still(Stopped, 0)
	if held := s.Find(a.HeldID); held >= 0 {
		s.Index = held
		if a.Paused {
			s.Mode, s.PositionMS = Paused, a.HeldMS
		}
	}
	return s, out, nil
}

// without is s with queue index i taken out. When that is the current item, the one before
// becomes it.
func (s State) without(i int) State {
	id := s.Queue[i].ID
	s.Queue = slices.Delete(slices.Clone(s.Queue), i, i+1)
	s.Unshuffled = slices.DeleteFunc(slices.Clone(s.Unshuffled), func(x string) bool { return x == id })
	if i <= s.Index {
		s.Index--
	}
	if s.Index < 0 && len(s.Queue) > 0 {
		s.Index = 0
	}
	return s
}
