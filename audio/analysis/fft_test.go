package analysis

import (
	"math"
	"math/cmplx"
	"math/rand/v2"
	"testing"
)

// TestTransformIsTheDefinition compares with the sum that defines the transform.
func TestTransformIsTheDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{2, 4, 8, 16, 128, 512, 1024} {
		f := newFFT(n)
		for range 2 {
			x := make([]complex128, n)
			for i := range x {
				x[i] = complex(rng.Float64()-0.5, rng.Float64()-0.5)
			}
			copy(f.input(), x)
			got := f.run()
			for k := range n {
				var want complex128
				for i, v := range x {
					want += v * cmplx.Rect(1, -2*math.Pi*float64(k*i%n)/float64(n))
				}
				if cmplx.Abs(got[k]-want) > 1e-11*float64(n) {
					t.Fatalf("%d points: bin %d is %v, want %v", n, k, got[k], want)
				}
			}
		}
	}
}

func BenchmarkTransform(b *testing.B) {
	f := newFFT(4096)
	b.ReportAllocs()
	for b.Loop() {
		f.input()[1] = 1
		f.run()
	}
}
