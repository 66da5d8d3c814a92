// Package playback is the pure state machine of one group's queue and transport:
//
//	Handle(state, env, message) → (state, effects, error)
//
// It knows nothing of time, audio or the bus. Whoever holds the group carries out the
// effects and reports what the feed and the ear do (Begun, Audible, NeedNext, …).
//
// Audio runs up to half a minute ahead of the ear, so what follows the audible item
// may be made already, and be in the players' buffers (State.Ahead). A change of the
// queue that contradicts it does not touch what sounds: the title goes on to its end,
// and there, instead of what was made, the right one begins (State.Turn), after a pause
// as long as a start takes. A change that is taken back in time costs nothing.
package playback

import (
	"net/url"
	"slices"
	"strings"

	"github.com/tutti-audio/tutti/platform/fault"
)

// Mode is what the transport does.
type Mode uint8

// The modes. Paused keeps its position, Stopped is at the beginning of its item.
const (
	Stopped Mode = iota
	Paused
	Playing
)

// Repeat modes, as the specification spells them.
const (
	RepeatOff = "off"
	RepeatOne = "one"
	RepeatAll = "all"
)

// Item is one title of the queue.
type Item struct {
	ID, URI, Title, Artist, Album string
	AlbumArtist                   string
	Year, Track                   int
	DurationMS                    int64 // 0 unknown
	Live                          bool  // has no end and cannot be sought in
}

// Label is the item's address as it may be shown and logged: without the user, password
// and query that an http address can hold.
func (it Item) Label() string {
	u, err := url.Parse(it.URI)
	switch {
	case !strings.HasPrefix(strings.ToLower(it.URI), "http"):
		return it.URI
	case err != nil:
		return "an http address"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// State is what a group plays. Its slices are never changed in place: a State that
// was handed out stays as it was.
type State struct {
	Mode       Mode
	Queue      []Item
	Unshuffled []string // ids in their order before shuffle; nil while shuffle is off
	Index      int      // in Queue, of what is audible or would resume; -1 when empty
	PositionMS int64    // where it would resume, while not playing
	Repeat     string
	Shuffle    bool
	Ahead      []string // ids handed to the feed after Queue[Index] that will sound, in order
	Handed     string   // id of the last item handed to the feed, whether it will sound or not
	Turn       string   // the first id of Ahead that must not sound; "" when all may
	Last       Item     // what was audible last, for Resume of an empty queue
	Waiting    bool     // the feed asked for a successor when there was none
	Failures   int      // items in a row that could not be played
	Stalls     int      // times in a row that the source was too slow
	StallMS    int64    // where the last one was
	LastError  string   // for the operator
	Aside      Aside    // what plays on behalf of a source that has a signal
}

// New is the state of a new group.
func New() State { return State{Index: -1, Repeat: RepeatOff} }

// Env is what the machine must know of the moment.
type Env struct {
	AudibleMS int64             // position of the audible item while playing
	Perm      func(n int) []int // a random permutation, for shuffle
}

// Effect is something the holder must do, in order.
type Effect interface{ effect() }

// The effects.
type (
	// Begin starts a new epoch with Item at PositionMS. AtOnce: what the epoch before
	// has in store must not sound any more, not even until the new audio is there.
	Begin struct {
		Item       Item
		PositionMS int64
		AtOnce     bool
	}
	// Halt ends the audio at once.
	Halt struct{}
	// Hand answers the feed's last NeedNext.
	Hand struct{ Item Item }
)

func (Begin) effect() {}
func (Halt) effect()  {}
func (Hand) effect()  {}

// Message is an operator's or client's command, or a report of the feed.
type Message interface {
	handle(s State, e Env) (State, []Effect, error)
}

// Handle is the machine. On an error the returned state is s.
func Handle(s State, e Env, m Message) (State, []Effect, error) {
	next, effects, err := m.handle(s, e)
	if err != nil {
		return s, nil, err
	}
	return next, effects, nil
}

// Current is the item that is audible or would resume.
func (s State) Current() (Item, bool) {
	if s.Index < 0 || s.Index >= len(s.Queue) {
		return Item{}, false
	}
	return s.Queue[s.Index], true
}

// Find is the position of an item in the queue, -1 when it is not there.
func (s State) Find(id string) int {
	return slices.IndexFunc(s.Queue, func(it Item) bool { return it.ID == id })
}

// after is the index of what sounds after queue index i by itself; -1 when nothing.
func (s State) after(i int) int {
	switch {
	case len(s.Queue) == 0 || s.Failures >= len(s.Queue):
		return -1
	case s.Repeat == RepeatOne && s.Failures == 0:
		return i
	case i+1 < len(s.Queue):
		return i + 1
	case s.Repeat == RepeatOff:
		return -1
	default:
		return 0
	}
}

// skip is the index that a listener's "next" goes to: unlike after, repeat-one does
// not hold it back.
func (s State) skip() int {
	switch {
	case s.Index+1 < len(s.Queue):
		return s.Index + 1
	case s.Repeat == RepeatOff || len(s.Queue) == 0:
		return -1
	default:
		return 0
	}
}

// lastHanded is the index of the last item that the feed knows of. When it has left
// the queue, the audible one takes its place.
func (s State) lastHanded() int {
	if i := s.Find(s.Handed); i >= 0 {
		return i
	}
	return s.Index
}

// begin plays queue index i from position ms.
func (s State) begin(i int, ms int64) (State, []Effect, error) {
	s.Mode, s.Index, s.PositionMS = Playing, i, ms
	s.Ahead, s.Handed, s.Turn, s.Waiting, s.Failures = nil, s.Queue[i].ID, "", false, 0
	return s, []Effect{Begin{Item: s.Queue[i], PositionMS: ms}}, nil
}

// still is s without a feed.
func (s State) still(m Mode, ms int64) State {
	s.Mode, s.PositionMS, s.Ahead, s.Turn, s.Waiting = m, ms, nil, "", false
	return s
}

// finish stops at the beginning of the queue: it has been played.
func (s State) finish() (State, []Effect, error) {
	s = s.still(Stopped, 0)
	s.Failures = 0
	s.Index = -1
	if len(s.Queue) > 0 {
		s.Index = 0
	}
	return s, []Effect{Halt{}}, nil
}

// replan compares what the feed was given with the queue after a change.
func (s State) replan() (State, []Effect, error) {
	s.Turn = ""
	at := s.Index
	for _, id := range s.Ahead {
		if at = s.after(at); at < 0 || s.Queue[at].ID != id {
			s.Turn = id
			return s, nil, nil
		}
	}
	return s.offer()
}

// turned begins what should follow the audible item instead of what was made: the item
// itself, from ms on, when some of it was not heard yet.
func (s State) turned(ms int64, rest bool) (State, []Effect, error) {
	i := s.Index
	if !rest {
		if i, ms = s.after(s.Index), 0; i < 0 {
			return s.finish()
		}
	}
	next, _, err := s.begin(i, ms)
	return next, []Effect{Begin{Item: next.Queue[i], PositionMS: ms, AtOnce: true}}, err
}

// Successor is the item that sounds after the current one by itself; ok is false when
// this is the end.
func (s State) Successor() (it Item, ok bool) {
	if i := s.after(s.Index); i >= 0 {
		return s.Queue[i], true
	}
	return Item{}, false
}

// offer hands the feed a successor when it waits for one and there is one.
func (s State) offer() (State, []Effect, error) {
	if s.Mode != Playing || !s.Waiting || s.Turn != "" {
		return s, nil, nil
	}
	i := s.after(s.lastHanded())
	if i < 0 {
		return s, nil, nil
	}
	s.Waiting = false
	s.Handed = s.Queue[i].ID
	s.Ahead = append(slices.Clone(s.Ahead), s.Handed)
	return s, []Effect{Hand{s.Queue[i]}}, nil
}

var errEmpty = fault.New(fault.Conflict, "the group's queue is empty: play a uri, or add titles to the queue first")
