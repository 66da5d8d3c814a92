package playback

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tutti-audio/tutti/platform/fault"
)

// of is the message of a controller command that needs no more than the state.
func of(command string, s State) Message {
	switch command {
	case "play":
		return Resume{}
	case "pause":
		return Pause{}
	case "stop":
		return Stop{}
	case "next":
		return Next{}
	case "previous":
		return Previous{}
	case "repeat_off":
		return SetRepeat{"off"}
	case "repeat_one":
		return SetRepeat{"one"}
	case "repeat_all":
		return SetRepeat{"all"}
	case "shuffle":
		return SetShuffle{true}
	case "unshuffle":
		return SetShuffle{false}
	case "seek":
		it, _ := s.Current()
		return Seek{it.DurationMS}
	case "seek_relative":
		return SeekRelative{1}
	}
	return nil
}

// In every state each command that is offered works, and each that is not would be
// refused or do nothing: supported_commands are true at every moment.
func TestWhatIsOfferedIsTrue(t *testing.T) {
	all := []string{"play", "pause", "stop", "next", "previous", "repeat_off", "repeat_one", "repeat_all", "shuffle", "unshuffle", "seek", "seek_relative"}
	rng := rand.New(rand.NewPCG(5, 6))
	e := Env{Perm: rng.Perm}
	for range 500 {
		s, n := New(), 0
		for range 60 {
			if next, _, err := Handle(s, e, random(rng, s, &n)); err == nil {
				s = next
			}
			offered := s.Commands()
			for _, c := range all {
				_, effects, err := Handle(s, e, of(c, s))
				switch has := slices.Contains(offered, c); {
				case has && err != nil:
					t.Fatalf("%s is offered and refused: %v (%+v)", c, err, s)
				case !has && err == nil && len(effects) > 0:
					t.Fatalf("%s is not offered and does %v (%+v)", c, effects, s)
				}
			}
			if it, ok := s.Current(); slices.Contains(offered, "seek") != (ok && it.DurationMS > 0) {
				t.Fatalf("seek is offered without a range, or not with one: %+v", s)
			}
		}
	}
}

func TestSeekRelativeIsClampedHoweverFar(t *testing.T) {
	s, _, err := Handle(New(), Env{}, PlayItems{[]Item{{ID: "a", DurationMS: 100_000}}})
	if err != nil {
		t.Fatal(err)
	}
	for offset, want := range map[int64]int64{math.MaxInt64: 100_000, math.MinInt64: 0, 1000: 43_000, -50_000: 0} {
		_, effects, err := Handle(s, Env{AudibleMS: 42_000}, SeekRelative{offset})
		if err != nil || len(effects) != 1 {
			t.Fatalf("%d: %v, %v", offset, effects, err)
		}
		if b, ok := effects[0].(Begin); !ok || b.PositionMS != want {
			t.Errorf("%d: %+v, want a begin at %d", offset, effects[0], want)
		}
	}
	if _, _, err := Handle(s, Env{}, Seek{100_001}); fault.CodeOf(err) != fault.OutOfRange {
		t.Errorf("beyond the end: %v", err)
	}
}
