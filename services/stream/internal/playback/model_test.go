package playback

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// model is a queue as a person thinks of it: a list, what sounds, and the list as it was
// before shuffle. It knows nothing of what was decoded ahead.
type model struct {
	list, plain []string // plain: the order without shuffle
	cur         string   // what sounds; "" when stopped
	repeat      string
}

// next is what a person expects after what sounds.
func (m *model) next() string {
	i := slices.Index(m.list, m.cur)
	switch {
	case m.repeat == RepeatOne:
		return m.cur
	case i+1 < len(m.list):
		return m.list[i+1]
	case m.repeat == RepeatAll:
		return m.list[0]
	}
	return ""
}

func without(l []string, id string) []string {
	return slices.DeleteFunc(slices.Clone(l), func(x string) bool { return x == id })
}

// after puts ids behind id, or first when there is none.
func after(l []string, id string, ids ...string) []string {
	return slices.Insert(slices.Clone(l), slices.Index(l, id)+1, ids...)
}

// feed is what the machine's holder does: it reads ahead what it is handed, and lets it
// sound in that order.
type feed struct {
	tape  []string // handed and not yet heard
	asked bool
}

func (f *feed) carryOut(eff []Effect) {
	for _, e := range eff {
		switch e := e.(type) {
		case Begin:
			f.tape, f.asked = []string{e.Item.ID}, false
		case Hand:
			f.tape, f.asked = append(f.tape, e.Item.ID), false
		case Halt:
			f.tape, f.asked = nil, false
		}
	}
}

// TestWhatSoundsIsWhatTheQueueSays changes queues at random while a feed runs ahead by
// random lengths, and compares every title that begins to sound with the model's.
func TestWhatSoundsIsWhatTheQueueSays(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 22))
	turns := 0
	for round := range 1500 {
		w := &walk{t: t, rng: rng, m: &model{repeat: RepeatOff}, f: &feed{}, s: New()}
		w.log = append(w.log, fmt.Sprint("round ", round))
		first := w.fresh(1 + rng.IntN(5))
		w.m.list, w.m.plain, w.m.cur = idsOf(first), idsOf(first), first[0].ID
		w.send(PlayItems{first})
		for range 60 {
			if w.s.Mode != Playing {
				break
			}
			w.step()
		}
		turns += w.turns
	}
	if turns < 1000 {
		t.Errorf("only %d changes met a title that was made already: the test does not reach what it is for", turns)
	}
}

type walk struct {
	t     *testing.T
	rng   *rand.Rand
	m     *model
	f     *feed
	s     State
	n     int
	turns int
	heard bool // the first item of the epoch sounds
	log   []string
}

func (w *walk) fresh(n int) (out []Item) {
	for range n {
		w.n++
		out = append(out, Item{ID: fmt.Sprint("i", w.n), DurationMS: 100_000})
	}
	return out
}

func idsOf(items []Item) (out []string) {
	for _, it := range items {
		out = append(out, it.ID)
	}
	return out
}

func (w *walk) send(m Message) {
	w.t.Helper()
	w.log = append(w.log, fmt.Sprintf("%T%v", m, m))
	next, eff, err := Handle(w.s, Env{Perm: w.rng.Perm}, m)
	if err != nil {
		w.t.Fatalf("%v\n%s", err, strings.Join(w.log, "\n"))
	}
	if slices.ContainsFunc(eff, func(e Effect) bool { _, ok := e.(Begin); return ok }) {
		w.heard = false
	}
	w.s = next
	w.f.carryOut(eff)
}

func (w *walk) step() {
	w.t.Helper()
	switch w.rng.IntN(3) {
	case 0: // the feed reads on
		if !w.f.asked {
			w.f.asked = true
			w.send(NeedNext{})
		}
	case 1:
		w.ear()
	default:
		w.change()
		w.same()
	}
}

// ear lets the next title sound.
func (w *walk) ear() {
	w.t.Helper()
	if !w.heard {
		w.heard = true
		w.send(Audible{ID: w.f.tape[0], First: true})
		w.f.tape = w.f.tape[1:]
		return
	}
	want := w.m.next()
	if len(w.f.tape) == 0 { // all was heard
		if !w.f.asked {
			return
		}
		w.send(Ended{})
	} else {
		if w.s.Turn == w.f.tape[0] {
			w.turns++
		}
		id := w.f.tape[0]
		w.f.tape = w.f.tape[1:]
		w.send(Audible{ID: id})
	}
	w.m.cur = want
	it, _ := w.s.Current()
	if (want == "") != (w.s.Mode == Stopped) || want != "" && it.ID != want {
		w.t.Fatalf("%q sounds, want %q\n%s", it.ID, want, strings.Join(w.log, "\n"))
	}
	if want == "" {
		w.m.cur = w.m.list[0]
	}
}

// change does something to the queue, in both.
func (w *walk) change() {
	m, s := w.m, w.s
	some := m.list[w.rng.IntN(len(m.list))]
	switch w.rng.IntN(8) {
	case 0:
		add := w.fresh(1 + w.rng.IntN(2))
		m.list, m.plain = append(slices.Clone(m.list), idsOf(add)...), append(slices.Clone(m.plain), idsOf(add)...)
		w.send(Enqueue{Items: add})
	case 1:
		add := w.fresh(1 + w.rng.IntN(2))
		m.plain = w.plainNext(m, idsOf(add))
		m.list = after(m.list, m.cur, idsOf(add)...)
		w.send(Enqueue{Items: add, At: AtNext})
	case 2:
		to := w.rng.IntN(len(m.list))
		m.list = slices.Insert(without(m.list, some), to, some)
		if !s.Shuffle {
			m.plain = m.list
		}
		w.send(Move{some, to})
	case 3:
		w.remove(some)
	case 4:
		m.cur = some
		w.send(Jump{some})
	case 5:
		m.repeat = []string{RepeatOff, RepeatOne, RepeatAll}[w.rng.IntN(3)]
		w.send(SetRepeat{m.repeat})
	case 6:
		w.send(SetShuffle{!s.Shuffle})
		if w.s.Shuffle { // any order will do that keeps what sounds first
			w.shuffled()
		} else {
			m.list = m.plain
		}
	case 7:
		m.list, m.plain = []string{m.cur}, []string{m.cur}
		w.send(Clear{})
	}
}

// plainNext is where items that play next belong in the order without shuffle: behind
// what sounds, or at the end when that is where they are in the queue, too.
func (w *walk) plainNext(m *model, ids []string) []string {
	if m.list[len(m.list)-1] == m.cur {
		return append(slices.Clone(m.plain), ids...)
	}
	return after(m.plain, m.cur, ids...)
}

func (w *walk) shuffled() {
	w.t.Helper()
	got := idsOf(w.s.Queue)
	if a, b := slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(w.m.list)); !slices.Equal(a, b) || got[0] != w.m.cur {
		w.t.Fatalf("shuffled %v of %v while %s sounds", got, w.m.list, w.m.cur)
	}
	w.m.list = got
}

func (w *walk) remove(id string) {
	m := w.m
	if id == m.cur {
		i := slices.Index(m.list, id)
		switch {
		case i+1 < len(m.list):
			m.cur = m.list[i+1]
		case m.repeat != RepeatOff && len(m.list) > 1:
			m.cur = m.list[0]
		default:
			m.cur = ""
		}
	}
	m.list, m.plain = without(m.list, id), without(m.plain, id)
	w.send(Remove{id})
}

// same compares the queues.
func (w *walk) same() {
	w.t.Helper()
	it, _ := w.s.Current()
	if got := idsOf(w.s.Queue); !slices.Equal(got, w.m.list) || w.s.Mode == Playing && it.ID != w.m.cur {
		w.t.Fatalf("the queue is %v at %s, want %v at %s\n%s", got, it.ID, w.m.list, w.m.cur, strings.Join(w.log, "\n"))
	}
}
