package playback

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/platform/fault"
)

func items(ids string) []Item {
	var out []Item
	for _, id := range strings.Split(ids, "") {
		out = append(out, Item{ID: id, URI: id + ".flac", DurationMS: 100_000})
	}
	return out
}

func ids(q []Item) string {
	var b strings.Builder
	for _, it := range q {
		b.WriteString(it.ID)
	}
	return b.String()
}

// env reverses on shuffle, which is a permutation that a test can read.
func env(audible int64) Env {
	return Env{AudibleMS: audible, Perm: func(n int) []int {
		p := make([]int, n)
		for i := range p {
			p[i] = n - 1 - i
		}
		return p
	}}
}

// show writes a state and effects in a form that a table can hold.
func show(s State, eff []Effect) string {
	mode := map[Mode]string{Stopped: "stopped", Paused: "paused", Playing: "playing"}[s.Mode]
	out := fmt.Sprintf("%s %s@%d+%d ahead=%s", mode, ids(s.Queue), s.Index, s.PositionMS, strings.Join(s.Ahead, ""))
	if s.Waiting {
		out += " waiting"
	}
	if s.Turn != "" {
		out += " turn=" + s.Turn
	}
	for _, e := range eff {
		switch e := e.(type) {
		case Begin:
			if e.AtOnce {
				out += " at once"
			}
			out += fmt.Sprintf(" begin(%s,%d)", e.Item.ID, e.PositionMS)
		case Halt:
			out += " halt"
		case Hand:
			out += fmt.Sprintf(" hand(%s)", e.Item.ID)
		}
	}
	return out
}

func TestHandle(t *testing.T) {
	const at = 42_000 // where the ear is
	type step struct {
		m    Message
		want string
	}
	play := step{PlayItems{items("abc")}, "playing abc@0+0 ahead= begin(a,0)"}
	need := step{NeedNext{}, "playing abc@0+0 ahead=b hand(b)"}
	for name, steps := range map[string][]step{
		"resume without queue": {{Resume{}, "conflict"}},
		"resume while playing": {play, {Resume{}, "playing abc@0+0 ahead="}},
		"pause, resume": {play, {Pause{}, "paused abc@0+42000 ahead= halt"}, {Pause{}, "paused abc@0+42000 ahead="},
			{Resume{}, "playing abc@0+42000 ahead= begin(a,42000)"}},
		"pause while stopped": {{Enqueue{Items: items("a")}, "stopped a@0+0 ahead="}, {Pause{}, "conflict"}},
		"stop resets the position": {play, {Pause{}, "paused abc@0+42000 ahead= halt"}, {Stop{}, "stopped abc@0+0 ahead="},
			{Resume{}, "playing abc@0+0 ahead= begin(a,0)"}, {Stop{}, "stopped abc@0+0 ahead= halt"}, {Stop{}, "stopped abc@0+0 ahead="}},
		"the queue plays through": {play, need, {Begun{"b"}, "playing abc@0+0 ahead=b"}, {Audible{ID: "b"}, "playing abc@1+0 ahead="},
			{NeedNext{}, "playing abc@1+0 ahead=c hand(c)"}, {NeedNext{}, "playing abc@1+0 ahead=c waiting"},
			{Audible{ID: "c"}, "playing abc@2+0 ahead= waiting"}, {Ended{}, "stopped abc@0+0 ahead= halt"}},
		"next and previous": {play, {Next{}, "playing abc@1+0 ahead= begin(b,0)"}, {Next{}, "playing abc@2+0 ahead= begin(c,0)"},
			{Next{}, "conflict"}, {Previous{}, "playing abc@2+0 ahead= begin(c,0)"}},
		"next drops what is ahead": {play, need, {Next{}, "playing abc@1+0 ahead= begin(b,0)"}},
		"next while paused":        {play, {Pause{}, "paused abc@0+42000 ahead= halt"}, {Next{}, "paused abc@1+0 ahead="}, {Previous{}, "paused abc@0+0 ahead="}},
		"previous wraps on repeat": {play, {Stop{}, "stopped abc@0+0 ahead= halt"}, {SetRepeat{"all"}, "stopped abc@0+0 ahead="}, {Previous{}, "stopped abc@2+0 ahead="}},
		"seek":                     {play, {Seek{7000}, "playing abc@0+7000 ahead= begin(a,7000)"}, {Seek{100_001}, "out_of_range"}, {Seek{-1}, "out_of_range"}},
		"seek relative is clamped": {play, {SeekRelative{-60_000}, "playing abc@0+0 ahead= begin(a,0)"}, {SeekRelative{90_000}, "playing abc@0+100000 ahead= begin(a,100000)"}},
		"seek while stopped":       {{Enqueue{Items: items("a")}, "stopped a@0+0 ahead="}, {Seek{5000}, "paused a@0+5000 ahead="}},
		"seek without queue":       {{Seek{5000}, "conflict"}},
		"repeat one repeats":       {play, {SetRepeat{"one"}, "playing abc@0+0 ahead="}, {NeedNext{}, "playing abc@0+0 ahead=a hand(a)"}, {Audible{ID: "a"}, "playing abc@0+0 ahead="}, {Next{}, "playing abc@1+0 ahead= begin(b,0)"}},
		"repeat all wraps":         {{PlayItems{items("a")}, "playing a@0+0 ahead= begin(a,0)"}, {SetRepeat{"all"}, "playing a@0+0 ahead="}, {NeedNext{}, "playing a@0+0 ahead=a hand(a)"}},
		"repeat is checked":        {{SetRepeat{"twice"}, "out_of_range"}},
		"repeat changes the plan": {play, need, {SetRepeat{"one"}, "playing abc@0+0 ahead=b turn=b"},
			{Audible{ID: "b"}, "playing abc@0+0 ahead= at once begin(a,0)"}},
		"repeat keeps a right plan": {play, need, {SetRepeat{"all"}, "playing abc@0+0 ahead=b"}},
		"repeat feeds a waiting feed": {{PlayItems{items("a")}, "playing a@0+0 ahead= begin(a,0)"}, {NeedNext{}, "playing a@0+0 ahead= waiting"},
			{SetRepeat{"all"}, "playing a@0+0 ahead=a hand(a)"}},
		"shuffle and back": {play, {SetShuffle{true}, "playing acb@0+0 ahead="}, {Next{}, "playing acb@1+0 ahead= begin(c,0)"},
			{Enqueue{Items: items("d")}, "playing acbd@1+0 ahead="}, {SetShuffle{false}, "playing abcd@2+0 ahead="}, {SetShuffle{false}, "playing abcd@2+0 ahead="}},
		"shuffle changes the plan": {play, need, {SetShuffle{true}, "playing acb@0+0 ahead=b turn=b"}, {Turn{}, "playing acb@1+0 ahead= at once begin(c,0)"}},
		"a change taken back":      {play, need, {SetShuffle{true}, "playing acb@0+0 ahead=b turn=b"}, {NeedNext{}, "playing acb@0+0 ahead=b waiting turn=b"}, {SetShuffle{false}, "playing abc@0+0 ahead=bc hand(c)"}},
		"a turn with a rest":       {play, need, {Remove{"b"}, "playing ac@0+0 ahead=b turn=b"}, {Turn{95_000, true}, "playing ac@0+95000 ahead= at once begin(a,95000)"}},
		"a turn to the end":        {play, need, {Clear{}, "playing a@0+0 ahead=b turn=b"}, {Audible{ID: "b"}, "stopped a@0+0 ahead= halt"}},
		"a turn that broke":        {play, need, {Remove{"b"}, "playing ac@0+0 ahead=b turn=b"}, {Failed{"b", "x", false}, "playing ac@0+0 ahead="}, {NeedNext{}, "playing ac@0+0 ahead=c hand(c)"}},
		"a turn that stalled":      {play, need, {Remove{"b"}, "playing ac@0+0 ahead=b turn=b"}, {Stalled{"b", 0}, "playing ac@1+0 ahead= at once begin(c,0)"}},
		"a turn that ended":        {play, need, {Remove{"b"}, "playing ac@0+0 ahead=b turn=b"}, {Ended{}, "playing ac@1+0 ahead= at once begin(c,0)"}},
		"a turn behind the next":   {play, need, {NeedNext{}, "playing abc@0+0 ahead=bc hand(c)"}, {Remove{"c"}, "playing ab@0+0 ahead=bc turn=c"}, {Audible{ID: "b"}, "playing ab@1+0 ahead=c turn=c"}, {Enqueue{Items: items("d")}, "playing abd@1+0 ahead=c turn=c"}, {Audible{ID: "c"}, "playing abd@2+0 ahead= at once begin(d,0)"}},
		"repeat one from the start": {{SetRepeat{"one"}, "stopped @-1+0 ahead="}, {PlayItems{items("ab")}, "playing ab@0+0 ahead= begin(a,0)"}, {NeedNext{}, "playing ab@0+0 ahead=a hand(a)"},
			{Audible{ID: "a", First: true}, "playing ab@0+0 ahead=a"}, {Audible{ID: "a"}, "playing ab@0+0 ahead="}},
		"add next":        {play, {Enqueue{Items: items("xy"), At: AtNext}, "playing axybc@0+0 ahead="}, {NeedNext{}, "playing axybc@0+0 ahead=x hand(x)"}},
		"add next, late":  {play, need, {Enqueue{Items: items("x"), At: AtNext}, "playing axbc@0+0 ahead=b turn=b"}},
		"add at an index": {play, {Enqueue{Items: items("x"), Index: new(int)}, "playing xabc@1+0 ahead="}},
		"add nowhere":     {play, {Enqueue{Items: items("x"), At: "there"}, "out_of_range"}},
		"move":            {play, {Move{"c", 0}, "playing cab@1+0 ahead="}, {Move{"a", 2}, "playing cba@2+0 ahead="}, {Move{"a", 3}, "out_of_range"}, {Move{"x", 0}, "not_found"}},
		"move the next":   {play, need, {Move{"b", 2}, "playing acb@0+0 ahead=b turn=b"}, {Move{"b", 1}, "playing abc@0+0 ahead=b"}},
		"remove what plays": {play, {Remove{"a"}, "playing bc@0+0 ahead= begin(b,0)"}, {Next{}, "playing bc@1+0 ahead= begin(c,0)"}, {Remove{"c"}, "stopped b@0+0 ahead= halt"},
			{Remove{"b"}, "stopped @-1+0 ahead="}, {Remove{"b"}, "not_found"}},
		"remove the last on repeat": {play, {SetRepeat{"all"}, "playing abc@0+0 ahead="}, {Jump{"c"}, "playing abc@2+0 ahead= begin(c,0)"}, {Remove{"c"}, "playing ab@0+0 ahead= begin(a,0)"}},
		"remove what is paused":     {play, {Next{}, "playing abc@1+0 ahead= begin(b,0)"}, {Pause{}, "paused abc@1+42000 ahead= halt"}, {Remove{"a"}, "paused bc@0+42000 ahead="}, {Remove{"b"}, "stopped c@0+0 ahead="}},
		"restart":                   {play, need, {Restart{}, "playing abc@0+42000 ahead= begin(a,42000)"}, {Stop{}, "stopped abc@0+0 ahead= halt"}, {Restart{}, "stopped abc@0+0 ahead="}},
		"jump":                      {play, need, {Jump{"c"}, "playing abc@2+0 ahead= begin(c,0)"}, {Stop{}, "stopped abc@2+0 ahead= halt"}, {Jump{"b"}, "playing abc@1+0 ahead= begin(b,0)"}, {Jump{"x"}, "not_found"}},
		"play after a clear": {play, {Audible{ID: "a", First: true}, "playing abc@0+0 ahead="}, {Stop{}, "stopped abc@0+0 ahead= halt"}, {Clear{}, "stopped @-1+0 ahead="},
			{Resume{}, "playing a@0+0 ahead= begin(a,0)"}},
		"play with shuffle on": {{SetShuffle{true}, "stopped @-1+0 ahead="}, {PlayItems{items("abc")}, "playing cba@0+0 ahead= begin(c,0)"}},
		"enqueue feeds a waiting feed": {{PlayItems{items("a")}, "playing a@0+0 ahead= begin(a,0)"}, {NeedNext{}, "playing a@0+0 ahead= waiting"},
			{Enqueue{Items: items("b")}, "playing ab@0+0 ahead=b hand(b)"}},
		"enqueue after the feed gave up": {{PlayItems{items("a")}, "playing a@0+0 ahead= begin(a,0)"}, {NeedNext{}, "playing a@0+0 ahead= waiting"},
			{Enqueue{Items: items("b")}, "playing ab@0+0 ahead=b hand(b)"}, {Ended{}, "playing ab@1+0 ahead= begin(b,0)"}},

		"clear keeps a right plan":  {play, {Clear{}, "playing a@0+0 ahead="}, {NeedNext{}, "playing a@0+0 ahead= waiting"}},
		"clear while paused":        {play, {Pause{}, "paused abc@0+42000 ahead= halt"}, {Clear{}, "stopped @-1+0 ahead="}, {Resume{}, "conflict"}},
		"play nothing":              {{PlayItems{}, "out_of_range"}},
		"a bad title is skipped":    {play, need, {Failed{"b", "b.flac: broken", false}, "playing abc@0+0 ahead="}, {NeedNext{}, "playing abc@0+0 ahead=c hand(c)"}, {Begun{"c"}, "playing abc@0+0 ahead=c"}},
		"a half title sounds":       {play, need, {Failed{"b", "b.flac: broken", true}, "playing abc@0+0 ahead=b"}, {NeedNext{}, "playing abc@0+0 ahead=bc hand(c)"}},
		"all bad ends":              {play, {Failed{"a", "x", false}, "playing abc@0+0 ahead="}, need, {Failed{"b", "x", false}, "playing abc@0+0 ahead="}, {NeedNext{}, "playing abc@0+0 ahead=c hand(c)"}, {Failed{"c", "x", false}, "playing abc@0+0 ahead="}, {SetRepeat{"all"}, "playing abc@0+0 ahead="}, {NeedNext{}, "playing abc@0+0 ahead= waiting"}, {Ended{}, "stopped abc@0+0 ahead= halt"}},
		"a stall begins anew":       {play, {Stalled{"a", 9000}, "playing abc@0+9000 ahead= begin(a,9000)"}},
		"many stalls give up":       {play, {Stalled{"a", 1}, "playing abc@0+1 ahead= begin(a,1)"}, {Stalled{"a", 1}, "playing abc@0+1 ahead= begin(a,1)"}, {Stalled{"a", 1}, "playing abc@0+1 ahead= begin(a,1)"}, {Stalled{"a", 1}, "playing abc@0+1 ahead= begin(a,1)"}, {Stalled{"a", 2}, "paused abc@0+2 ahead= halt"}},
		"stalls far apart are fine": {play, {Stalled{"a", 1}, "playing abc@0+1 ahead= begin(a,1)"}, {Stalled{"a", 40_000}, "playing abc@0+40000 ahead= begin(a,40000)"}, {Stalled{"a", 80_000}, "playing abc@0+80000 ahead= begin(a,80000)"}, {Stalled{"a", 3}, "playing abc@0+3 ahead= begin(a,3)"}, {Stalled{"a", 40_000}, "playing abc@0+40000 ahead= begin(a,40000)"}},
		"reports after a stop":      {play, {Stop{}, "stopped abc@0+0 ahead= halt"}, {NeedNext{}, "stopped abc@0+0 ahead="}, {Ended{}, "stopped abc@0+0 ahead="}, {Stalled{"a", 1}, "stopped abc@0+0 ahead="}},
	} {
		t.Run(name, func(t *testing.T) {
			s := New()
			for i, st := range steps {
				next, eff, err := Handle(s, env(at), st.m)
				got := show(next, eff)
				if err != nil {
					got = string(fault.CodeOf(err))
					if !reflect.DeepEqual(next, s) {
						t.Fatalf("step %d: a refused message changed the state", i)
					}
				}
				if got != st.want {
					t.Fatalf("step %d (%T):\n got %s\nwant %s", i, st.m, got, st.want)
				}
				s = next
			}
		})
	}
}

// TestHandleKeepsItsInvariants sends random messages and checks what must always hold.
func TestHandleKeepsItsInvariants(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	e := Env{Perm: rng.Perm}
	for range 2000 {
		s, n := New(), 0
		for range 60 {
			before := s
			copied := append([]Item(nil), s.Queue...)
			m := random(rng, s, &n)
			e.AudibleMS = rng.Int64N(100_000)
			next, eff, _ := Handle(s, e, m)
			if !reflect.DeepEqual(append([]Item(nil), before.Queue...), copied) {
				t.Fatalf("%T changed the old state's queue", m)
			}
			check(t, next, eff, m)
			s = next
		}
	}
}

func random(rng *rand.Rand, s State, n *int) Message {
	fresh := func() (out []Item) {
		for range 1 + rng.IntN(3) {
			*n++
			out = append(out, Item{ID: fmt.Sprint(*n), DurationMS: 100_000})
		}
		return out
	}
	some := ""
	if len(s.Queue) > 0 {
		some = s.Queue[rng.IntN(len(s.Queue))].ID
	}
	all := []Message{Resume{}, PlayItems{fresh()}, Pause{}, Stop{}, Next{}, Previous{}, Seek{rng.Int64N(110_000)}, SeekRelative{rng.Int64N(200_000) - 100_000},
		SetRepeat{[]string{"off", "one", "all"}[rng.IntN(3)]}, SetShuffle{rng.IntN(2) == 0}, Enqueue{Items: fresh()}, Clear{}, NeedNext{}, NeedNext{}, NeedNext{}, Ended{},
		Enqueue{Items: fresh(), At: AtNext}, Move{some, rng.IntN(len(s.Queue) + 1)}, Remove{some}, Jump{some}, Turn{}, Turn{5, true}, Restart{},
		Begun{some}, Failed{some, "x", rng.IntN(2) == 0}, Stalled{some, rng.Int64N(100_000)}}
	if len(s.Ahead) > 0 {
		all = append(all, Audible{ID: s.Ahead[0]}, Audible{ID: s.Ahead[0]}, Audible{ID: s.Ahead[0]})
	}
	return all[rng.IntN(len(all))]
}

func check(t *testing.T, s State, eff []Effect, m Message) {
	t.Helper()
	if (len(s.Queue) == 0) != (s.Index < 0) || s.Index >= len(s.Queue) {
		t.Fatalf("%T: index %d of %d", m, s.Index, len(s.Queue))
	}
	if s.Mode != Stopped && len(s.Queue) == 0 {
		t.Fatalf("%T: mode %d without a queue", m, s.Mode)
	}
	if s.Mode != Playing && (len(s.Ahead) > 0 || s.Waiting || s.Turn != "") {
		t.Fatalf("%T: a feed is expected while not playing", m)
	}
	if s.Shuffle != (s.Unshuffled != nil) && len(s.Queue) > 0 {
		t.Fatalf("%T: shuffle %v with %d remembered", m, s.Shuffle, len(s.Unshuffled))
	}
	if s.Shuffle && len(s.Unshuffled) != len(s.Queue) {
		t.Fatalf("%T: %d of %d titles are remembered", m, len(s.Unshuffled), len(s.Queue))
	}
	seen := map[string]bool{}
	for _, it := range s.Queue {
		if seen[it.ID] {
			t.Fatalf("%T: %s is twice in the queue", m, it.ID)
		}
		seen[it.ID] = true
	}
	for _, x := range eff {
		if b, ok := x.(Begin); ok && (s.Mode != Playing || s.Queue[s.Index].ID != b.Item.ID) {
			t.Fatalf("%T: begin of %s does not fit the state", m, b.Item.ID)
		}
	}
}

func TestLabelHidesSecrets(t *testing.T) {
	for uri, want := range map[string]string{
		"Blue/one.flac": "Blue/one.flac",
		"tone:440":      "tone:440",
		"http://user:secret@host:80/a/b.flac?key=123": "http://host:80/a/b.flac",
		"HTTPS://host/x#y":                            "https://host/x",
		"http://[bad":                                 "an http address",
	} {
		if got := (Item{URI: uri}).Label(); got != want {
			t.Errorf("Label(%s) = %s, want %s", uri, got, want)
		}
	}
}
