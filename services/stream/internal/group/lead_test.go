package group

import (
	"math/rand/v2"
	"testing"
)

const second = int64(1_000_000)

// TestSendAheadFollows walks through the rules of a recomputation.
func TestSendAheadFollows(t *testing.T) {
	type step struct {
		at, ask int64
		changed bool
		us      int64
		again   int64
	}
	const ms = 1000
	for name, c := range map[string]struct {
		live  bool
		steps []step
	}{
		"grows at once": {false, []step{{10 * second, 900 * ms, true, 900 * ms, 0}}},
		"small changes change nothing": {false, []step{
			{10 * second, 520 * ms, false, 500 * ms, 0}, {11 * second, 480 * ms, false, 500 * ms, 0}, {60 * second, 525 * ms, false, 500 * ms, 0}}},
		"one recomputation in two seconds": {false, []step{
			{10 * second, 600 * ms, true, 600 * ms, 0}, {11 * second, 900 * ms, false, 600 * ms, 12 * second}, {12 * second, 900 * ms, true, 900 * ms, 0}}},
		"shrinks after ten seconds, to the most of them": {false, []step{
			{10 * second, 100 * ms, false, 500 * ms, 20 * second}, {15 * second, 300 * ms, false, 500 * ms, 20 * second},
			{19 * second, 50 * ms, false, 500 * ms, 20 * second}, {20 * second, 50 * ms, true, 300 * ms, 0}}},
		"a dip does not count": {false, []step{
			{10 * second, 100 * ms, false, 500 * ms, 20 * second}, {15 * second, 500 * ms, false, 500 * ms, 0}, {21 * second, 100 * ms, false, 500 * ms, 31 * second}}},
		"live grows with room for small steps": {true, []step{
			{10 * second, 600 * ms, true, 625 * ms, 0}, {13 * second, 640 * ms, false, 625 * ms, 0}}},
		"live keeps what it has": {true, []step{{10 * second, 100 * ms, false, 500 * ms, 0}, {60 * second, 0, false, 500 * ms, 0}}},
	} {
		s := sendAhead{ask: ask{us: 500 * ms, client: "old"}, atUS: 5 * second}
		for i, st := range c.steps {
			changed, again := s.follow(ask{st.ask, "new"}, c.live, st.at)
			if changed != st.changed || s.us != st.us || again != st.again {
				t.Errorf("%s, step %d: changed %v, %d µs, again at %d; want %+v", name, i, changed, s.us, again, st)
			}
			if changed && s.client != "new" {
				t.Errorf("%s, step %d: the lead is still that of %q", name, i, s.client)
			}
		}
	}
}

// TestSendAheadIsEnough drives it with players that change their minds all the time: what
// is in force is never more than a small change, which our margin covers, below what was
// asked for steadily; recomputations are at least two seconds apart; and whoever asks
// again at the time that it is told needs nothing else.
func TestSendAheadIsEnough(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		live := seed%2 == 0
		now := int64(r.IntN(1000)) * second
		want := int64(r.IntN(2_000_000))
		s := sendAhead{ask: ask{us: want}, atUS: now}
		last := now - 10*second
		for range 500 {
			changed, again := s.follow(ask{us: want}, live, now)
			if changed {
				if now-last < leadEveryUS && last > 0 {
					t.Fatalf("seed %d: two recomputations within %d µs", seed, now-last)
				}
				last = now
			}
			if again != 0 && again <= now {
				t.Fatalf("seed %d: asked to come again at %d, it is %d", seed, again, now)
			}
			if again == 0 && s.us+smallMostUS < want {
				t.Fatalf("seed %d: %d µs are in force for %d, and nothing is due", seed, s.us, want)
			}
			switch {
			case again != 0 && r.IntN(2) == 0:
				now = again
			default:
				now += int64(r.IntN(3_000_000))
				if r.IntN(3) == 0 {
					want = int64(r.IntN(2_000_000))
				}
			}
		}
	}
}
