package volume

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestGroup(t *testing.T) {
	for _, c := range []struct {
		in   []int
		want int
		ok   bool
	}{{nil, 100, false}, {[]int{50}, 50, true}, {[]int{50, 51}, 51, true}, {[]int{0, 0, 100}, 33, true}, {[]int{0, 100, 100}, 67, true}} {
		if v, ok := Group(c.in); v != c.want || ok != c.ok {
			t.Errorf("Group(%v) = %d, %v, want %d, %v", c.in, v, ok, c.want, c.ok)
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
		in   []int
		want int
		out  []int
	}{
		{nil, 10, nil},
		{[]int{20}, 100, []int{100}},
		{[]int{20, 60}, 50, []int{30, 70}},
		{[]int{20, 60}, 100, []int{100, 100}},
		{[]int{20, 60}, 0, []int{0, 0}},
		{[]int{10, 90}, 80, []int{60, 100}},
		{[]int{0, 10, 90}, 20, []int{0, 0, 60}},
		{[]int{100, 100, 0}, 70, []int{100, 100, 10}},
	} {
		got := Set(c.in, c.want)
		for i := range c.out {
			if got[i] != c.out[i] {
				t.Errorf("Set(%v, %d) = %v, want %v", c.in, c.want, got, c.out)
				break
			}
		}
	}
}

// reference finds the same answer another way: every player ends at
// clamp(v + d) for the one d that makes the average right, by bisection. The
// loop of the specification and this agree when all clamping is on one side,
// which it is: the delta has one sign.
func reference(volumes []int, want int) []float64 {
	at := func(d float64) (out []float64, avg float64) {
		for _, v := range volumes {
			x := min(max(float64(v)+d, 0), 100)
			out = append(out, x)
			avg += x / float64(len(volumes))
		}
		return out, avg
	}
	lo, hi := -100.0, 100.0
	for range 200 {
		mid := (lo + hi) / 2
		if _, avg := at(mid); avg < float64(want) {
			lo = mid
		} else {
			hi = mid
		}
	}
	out, _ := at((lo + hi) / 2)
	return out
}

func TestSetAgreesWithReference(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		in := make([]int, 1+rng.IntN(12))
		for i := range in {
			in[i] = rng.IntN(101)
		}
		want := rng.IntN(101)
		got, ref := Set(in, want), reference(in, want)
		avg := 0.0
		for i := range in {
			if got[i] < 0 || got[i] > 100 {
				t.Fatalf("Set(%v, %d) = %v: out of bounds", in, want, got)
			}
			if math.Abs(float64(got[i])-ref[i]) > 0.5+1e-6 {
				t.Fatalf("Set(%v, %d) = %v, want about %v", in, want, got, ref)
			}
			avg += float64(got[i]) / float64(len(in))
		}
		if math.Abs(avg-float64(want)) > 0.5+1e-6 {
			t.Fatalf("Set(%v, %d) = %v: average %v", in, want, got, avg)
		}
	}
}
