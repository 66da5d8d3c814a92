package playback

import (
	"slices"

	"github.com/tutti-audio/tutti/platform/fault"
)

// Where an Enqueue puts its items.
const (
	AtEnd  = "end"  // behind the last item
	AtNext = "next" // behind the current item
)

// The commands that change the queue. An item is named by its id, because indices move.
type (
	// Enqueue adds items at a place: before Index when it is set, else At. It does not
	// start playback.
	Enqueue struct {
		Items []Item
		At    string // "" is AtEnd
		Index *int
	}
	// Move puts an item at an index; the current item stays the current one.
	Move struct {
		ID    string
		Index int
	}
	// Remove takes an item out. When it is the one that plays, the next one plays.
	Remove struct{ ID string }
	// Jump plays an item from its beginning.
	Jump struct{ ID string }
	// Clear empties the queue; while playing the audible item stays, to its end.
	Clear struct{}
)

func (m Enqueue) handle(s State, e Env) (State, []Effect, error) {
	at, err := m.place(s)
	if err != nil {
		return s, nil, err
	}
	if s.Shuffle {
		s.Unshuffled = s.remember(m.Items, at)
	}
	s.Queue = slices.Insert(slices.Clone(s.Queue), at, m.Items...)
	switch {
	case s.Index < 0 && len(s.Queue) > 0:
		s.Index = 0
	case s.Index >= at:
		s.Index += len(m.Items)
	}
	return s.replan()
}

// place is the index where the items go.
func (m Enqueue) place(s State) (int, error) {
	switch {
	case m.Index != nil && (*m.Index < 0 || *m.Index > len(s.Queue)):
		return 0, fault.New(fault.OutOfRange, "index %d is outside the queue, which has %d titles", *m.Index, len(s.Queue)).
			WithField("body.index", "outside the queue")
	case m.Index != nil:
		return *m.Index, nil
	case m.At == "" || m.At == AtEnd:
		return len(s.Queue), nil
	case m.At == AtNext:
		return s.Index + 1, nil
	}
	return 0, fault.New(fault.OutOfRange, "%q is neither end nor next", m.At).WithField("body.at", "neither end nor next")
}

// remember is the order before shuffle with items added: behind the item that they
// follow in the queue, or at the end when they are at the queue's end.
func (s State) remember(items []Item, at int) []string {
	i := len(s.Unshuffled)
	if at < len(s.Queue) {
		i = 0
		if at > 0 {
			i = slices.Index(s.Unshuffled, s.Queue[at-1].ID) + 1
		}
	}
	ids := make([]string, len(items))
	for n, it := range items {
		ids[n] = it.ID
	}
	return slices.Insert(slices.Clone(s.Unshuffled), i, ids...)
}

func (m Move) handle(s State, _ Env) (State, []Effect, error) {
	i := s.Find(m.ID)
	if i < 0 {
		return s, nil, errNoItem(m.ID)
	}
	if m.Index < 0 || m.Index >= len(s.Queue) {
		return s, nil, fault.New(fault.OutOfRange, "index %d is outside the queue, which has %d titles", m.Index, len(s.Queue)).
			WithField("body.index", "outside the queue")
	}
	current, _ := s.Current()
	it := s.Queue[i]
	s.Queue = slices.Insert(slices.Delete(slices.Clone(s.Queue), i, i+1), m.Index, it)
	s.Index = s.Find(current.ID)
	return s.replan()
}

func (m Remove) handle(s State, _ Env) (State, []Effect, error) {
	i := s.Find(m.ID)
	if i < 0 {
		return s, nil, errNoItem(m.ID)
	}
	wraps := s.skip() == 0
	s.Queue = slices.Delete(slices.Clone(s.Queue), i, i+1)
	s.Unshuffled = slices.DeleteFunc(slices.Clone(s.Unshuffled), func(id string) bool { return id == m.ID })
	switch {
	case i < s.Index:
		s.Index--
		return s.replan()
	case i > s.Index:
		return s.replan()
	}
	return s.withoutCurrent(wraps)
}

// withoutCurrent goes on after the current item was taken out: Index is that of the one
// that followed it.
func (s State) withoutCurrent(wraps bool) (State, []Effect, error) {
	last := s.Index == len(s.Queue)
	switch {
	case s.Mode == Playing && !last:
		return s.begin(s.Index, 0)
	case s.Mode == Playing && wraps && len(s.Queue) > 0:
		return s.begin(0, 0)
	case s.Mode == Playing:
		return s.finish()
	}
	s.Mode, s.PositionMS = Stopped, 0
	if last {
		s.Index-- // -1 when the queue is empty now
	}
	return s, nil, nil
}

func (m Jump) handle(s State, _ Env) (State, []Effect, error) {
	i := s.Find(m.ID)
	if i < 0 {
		return s, nil, errNoItem(m.ID)
	}
	s.LastError, s.Stalls = "", 0
	return s.begin(i, 0)
}

func (Clear) handle(s State, _ Env) (State, []Effect, error) {
	it, ok := s.Current()
	s.Unshuffled = nil
	if !ok || s.Mode != Playing {
		s.Mode, s.Queue, s.Index, s.PositionMS = Stopped, nil, -1, 0
		return s, nil, nil
	}
	s.Queue, s.Index = []Item{it}, 0
	if s.Shuffle {
		s.Unshuffled = []string{it.ID}
	}
	return s.replan()
}

func errNoItem(id string) error {
	return fault.New(fault.NotFound, "there is no title %q in the queue: it may have been removed; look at the queue again", id)
}
