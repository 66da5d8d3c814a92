package volume

import (
	"fmt"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// at are players without limits.
func at(volumes ...int) (out []Level) {
	for _, v := range volumes {
		out = append(out, Level{v, 0, 100})
	}
	return out
}

func TestGroup(t *testing.T) {
	for _, c := range []struct {
		in   []int
		want int
		ok   bool
	}{{nil, 100, false}, {[]int{50}, 50, true}, {[]int{50, 51}, 51, true}, {[]int{0, 0, 100}, 33, true}, {[]int{0, 100, 100}, 67, true}} {
		if v, ok := Group(at(c.in...)); v != c.want || ok != c.ok {
			t.Errorf("Group(%v) = %d, %v, want %d, %v", c.in, v, ok, c.want, c.ok)
		}
	}
}

func TestRange(t *testing.T) {
	for _, c := range []struct {
		in        []Level
		low, high int
	}{
		{nil, 0, 100},
		{at(1, 2), 0, 100},
		{[]Level{{90, 5, 60}}, 5, 60},
		{[]Level{{50, 10, 60}, {50, 0, 100}}, 5, 80},
		{[]Level{{50, 10, 60}, {50, 11, 61}}, 11, 61},
	} {
		if low, high := Range(c.in); low != c.low || high != c.high {
			t.Errorf("Range(%v) = %d, %d, want %d, %d", c.in, low, high, c.low, c.high)
		}
	}
}

func TestMuted(t *testing.T) {
	for _, c := range []struct {
		in    []bool
		m, ok bool
	}{{nil, false, false}, {[]bool{true}, true, true}, {[]bool{true, false}, false, true}, {[]bool{true, true}, true, true}} {
		if m, ok := Muted(c.in); m != c.m || ok != c.ok {
			t.Errorf("Muted(%v) = %v, %v, want %v, %v", c.in, m, ok, c.m, c.ok)
		}
	}
}

func TestSetKeepsDifferencesAndBounds(t *testing.T) {
	for _, c := range []struct {
		in   []Level
		want int
		out  []int
	}{
		{nil, 10, []int{}},
		{at(20), 100, []int{100}},
		{at(20, 60), 50, []int{30, 70}},
		{at(20, 60), 100, []int{100, 100}},
		{at(20, 60), 0, []int{0, 0}},
		{at(10, 90), 80, []int{60, 100}},
		{at(0, 10, 90), 20, []int{0, 0, 60}},
		{at(100, 100, 0), 70, []int{100, 100, 10}},
		{at(10, 11), 20, []int{19, 20}}, // 19.5 and 20.5
		{at(0, 0, 1), 10, []int{10, 10, 11}},
		{[]Level{{20, 0, 50}, {20, 0, 100}}, 60, []int{50, 70}},
		{[]Level{{20, 0, 50}, {20, 0, 100}}, 100, []int{50, 100}},
		{[]Level{{60, 30, 100}, {20, 0, 100}}, 10, []int{30, 0}},
		{[]Level{{100, 0, 40}, {20, 0, 100}}, 40, []int{40, 40}}, // a knob beyond its limit
	} {
		if got := Set(c.in, c.want); !slices.Equal(got, c.out) {
			t.Errorf("Set(%v, %d) = %v, want %v", c.in, c.want, got, c.out)
		}
	}
}

// reference is the specification's text, step by step, in fractions.
func reference(levels []Level, want int) []int {
	n := len(levels)
	vol := make([]*big.Rat, n)
	sum := new(big.Rat)
	for i, l := range levels {
		vol[i] = big.NewRat(int64(min(max(l.Volume, l.Min), l.Max)), 1)
		sum.Add(sum, vol[i])
	}
	// 1. Calculate the delta.
	current := new(big.Rat).Quo(sum, big.NewRat(int64(n), 1))
	delta := new(big.Rat).Sub(big.NewRat(int64(want), 1), current)
	clamped := make([]bool, n)
	for {
		lost, left := new(big.Rat), 0
		for i, l := range levels {
			if clamped[i] {
				continue
			}
			// 2. Apply it. 3. Clamp. 4. What is lost?
			proposed := new(big.Rat).Add(vol[i], delta)
			vol[i] = proposed
			for _, bound := range []*big.Rat{big.NewRat(int64(l.Max), 1), big.NewRat(int64(l.Min), 1)} {
				if beyond := proposed.Cmp(bound); beyond > 0 && bound.Cmp(big.NewRat(int64(l.Max), 1)) == 0 ||
					beyond < 0 && bound.Cmp(big.NewRat(int64(l.Min), 1)) == 0 {
					vol[i], clamped[i] = bound, true
				}
			}
			lost.Add(lost, new(big.Rat).Sub(proposed, vol[i]))
			if !clamped[i] {
				left++
			}
		}
		if lost.Sign() == 0 || left == 0 {
			break
		}
		delta = lost.Quo(lost, big.NewRat(int64(left), 1))
	}
	out := make([]int, n)
	for i, v := range vol {
		// The nearest integer, halves down: ceil(v - 1/2).
		x := new(big.Rat).Sub(v, big.NewRat(1, 2))
		q, r := new(big.Int).DivMod(x.Num(), x.Denom(), new(big.Int))
		if r.Sign() != 0 {
			q.Add(q, big.NewInt(1))
		}
		out[i] = int(q.Int64())
	}
	return out
}

func anyLevels(t *rapid.T, from int) (levels []Level) {
	percent := rapid.IntRange(0, 100)
	for range rapid.IntRange(from, 12).Draw(t, "players") {
		l := Level{percent.Draw(t, "volume"), 0, 100}
		if rapid.Bool().Draw(t, "limited") {
			a, b := percent.Draw(t, "limit"), percent.Draw(t, "limit")
			l.Min, l.Max = min(a, b), max(a, b)
		}
		levels = append(levels, l)
	}
	return levels
}

// moved are the levels after their volumes were set.
func moved(levels []Level, volumes []int) []Level {
	out := slices.Clone(levels)
	for i, v := range volumes {
		out[i].Volume = v
	}
	return out
}

func TestSetAgreesWithReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in, want := anyLevels(t, 1), rapid.IntRange(0, 100).Draw(t, "want")
		if got, ref := Set(in, want), reference(in, want); !slices.Equal(got, ref) {
			t.Fatalf("Set(%v, %d) = %v, want %v", in, want, got, ref)
		}
	})
}

func TestSetKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in, want := anyLevels(t, 1), rapid.IntRange(0, 100).Draw(t, "want")
		got := Set(in, want)
		fail := func(what string) {
			t.Helper()
			t.Fatalf("Set(%v, %d) = %v: %s", in, want, got, what)
		}
		for i, v := range got {
			if v < in[i].Min || v > in[i].Max {
				fail("outside its limits")
			}
			for j := range got {
				if in[i].Volume <= in[j].Volume && in[i].Min <= in[j].Min && in[i].Max <= in[j].Max && v > got[j] {
					fail(fmt.Sprintf("%d and %d have changed places", i, j))
				}
			}
		}
		after := moved(in, got)
		low, high := 0, 0 // sums
		for _, l := range in {
			low, high = low+l.Min, high+l.Max
		}
		read, _ := Group(after)
		switch {
		case want*len(in) >= low && want*len(in) <= high && read != want:
			fail(fmt.Sprintf("reads %d", read))
		case want*len(in) > high && !slices.EqualFunc(got, in, func(v int, l Level) bool { return v == l.Max }):
			fail("not everyone is at the maximum")
		case want*len(in) < low && !slices.EqualFunc(got, in, func(v int, l Level) bool { return v == l.Min }):
			fail("not everyone is at the minimum")
		}
		if again := Set(after, want); !slices.Equal(again, got) {
			fail(fmt.Sprintf("setting it again gives %v", again))
		}
		if same := Set(after, read); want*len(in) >= low && want*len(in) <= high && !slices.Equal(same, got) {
			fail(fmt.Sprintf("setting what is read gives %v", same))
		}
	})
}

// Setting the volume that a group shows changes no player, as long as no limit is in
// the way.
func TestSettingWhatIsReadChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var in []Level
		var volumes []int
		for _, l := range anyLevels(t, 1) {
			l.Min, l.Max = min(l.Min, l.Volume-1), max(l.Max, l.Volume+1)
			in, volumes = append(in, l), append(volumes, l.Volume)
		}
		read, _ := Group(in)
		if got := Set(in, read); !slices.Equal(got, volumes) {
			t.Fatalf("Set(%v, %d) = %v", in, read, got)
		}
	})
}

func TestFullAndSilent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anyLevels(t, 0)
		for i, v := range Set(in, 100) {
			if v != in[i].Max {
				t.Fatalf("Set(%v, 100): player %d is at %d", in, i, v)
			}
		}
		for i, v := range Set(in, 0) {
			if v != in[i].Min {
				t.Fatalf("Set(%v, 0): player %d is at %d", in, i, v)
			}
		}
	})
}

func BenchmarkSet(b *testing.B) {
	var in []Level
	for i := range 1000 {
		in = append(in, Level{i % 101, 0, 100 - i%7})
	}
	for b.Loop() {
		Set(in, 80)
	}
}
