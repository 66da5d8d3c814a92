package playback

import "testing"

func TestAside(t *testing.T) {
	x := Item{ID: "x", URI: "source:x", Live: true}
	y := Item{ID: "y", URI: "source:y", Live: true}
	const at = 42_000
	for name, steps := range map[string][]struct {
		m    Message
		want string
	}{
		"what played stays paused": {
			{PlayItems{items("ab")}, "playing ab@0+0 ahead= begin(a,0)"},
			{PlayAside{x}, "playing axb@1+0 ahead= begin(x,0)"},
			{PlayAside{x}, "playing axb@1+0 ahead="},
			{EndAside{"source:y"}, "playing axb@1+0 ahead="},
			{EndAside{"source:x"}, "paused ab@0+42000 ahead= halt"},
			{EndAside{"source:x"}, "paused ab@0+42000 ahead="},
		},
		"an empty queue stays empty": {
			{PlayAside{x}, "playing x@0+0 ahead= begin(x,0)"},
			{EndAside{"source:x"}, "stopped @-1+0 ahead= halt"},
		},
		"what was stopped stays stopped": {
			{Enqueue{Items: items("ab")}, "stopped ab@0+0 ahead="},
			{PlayAside{x}, "playing axb@1+0 ahead= begin(x,0)"},
			{EndAside{"source:x"}, "stopped ab@0+0 ahead= halt"},
		},
		"another source takes over": {
			{PlayItems{items("a")}, "playing a@0+0 ahead= begin(a,0)"},
			{PlayAside{x}, "playing ax@1+0 ahead= begin(x,0)"},
			{PlayAside{y}, "playing ay@1+0 ahead= begin(y,0)"},
			{EndAside{"source:x"}, "playing ay@1+0 ahead="},
			{EndAside{"source:y"}, "paused a@0+42000 ahead= halt"},
		},
		"a person plays something else meanwhile": {
			{PlayItems{items("ab")}, "playing ab@0+0 ahead= begin(a,0)"},
			{PlayAside{x}, "playing axb@1+0 ahead= begin(x,0)"},
			{Next{}, "playing axb@2+0 ahead= begin(b,0)"},
			{EndAside{"source:x"}, "playing ab@1+0 ahead="},
		},
		"a person replaced the queue": {
			{PlayAside{x}, "playing x@0+0 ahead= begin(x,0)"},
			{PlayItems{items("a")}, "playing a@0+0 ahead= begin(a,0)"},
			{EndAside{"source:x"}, "playing a@0+0 ahead="},
		},
		"a person paused the source": {
			{PlayItems{items("a")}, "playing a@0+0 ahead= begin(a,0)"},
			{PlayAside{x}, "playing ax@1+0 ahead= begin(x,0)"},
			{Pause{}, "paused ax@1+42000 ahead= halt"},
			{EndAside{"source:x"}, "paused a@0+42000 ahead="},
		},
		"what was put aside is gone": {
			{PlayItems{items("ab")}, "playing ab@0+0 ahead= begin(a,0)"},
			{PlayAside{x}, "playing axb@1+0 ahead= begin(x,0)"},
			{Remove{"a"}, "playing xb@0+0 ahead="},
			{EndAside{"source:x"}, "stopped b@0+0 ahead= halt"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := New()
			for i, st := range steps {
				next, eff, err := Handle(s, env(at), st.m)
				if err != nil {
					t.Fatalf("step %d: %v", i, err)
				}
				if got := show(next, eff); got != st.want {
					t.Fatalf("step %d (%T):\n got %s\nwant %s", i, st.m, got, st.want)
				}
				check(t, next, eff, st.m)
				s = next
			}
		})
	}
}
