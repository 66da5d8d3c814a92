package harness

import (
	"math"
	"testing"
)

// A known shift is found to a tenth of a microsecond, at every pair of rates, at
// every volume, over more than a sample.
func TestLagFindsAKnownShift(t *testing.T) {
	tone := func(rate int, n int, lateUS, gain float64) []float64 {
		out := make([]float64, n)
		for i := range out {
			x := float64(i)/float64(rate) - lateUS/1e6
			out[i] = gain * (math.Sin(2*math.Pi*441*x) + 0.5*math.Sin(2*math.Pi*1234.5*x+1) + 0.3*math.Sin(2*math.Pi*6000*x*(1+0.1*x)))
		}
		return out
	}
	ref := tone(44100, 44100, 0, 1)
	for _, rate := range []int{44100, 48000, 88200, 96000} {
		for _, late := range []float64{0, 0.3, -7, 21, -50} {
			const skip = 100
			got := tone(rate, rate, late, 3)[skip : rate-100]
			start := float64(skip) * 1e6 / float64(rate)
			if lag := Lag(got, start, rate, ref, 44100, 4); math.Abs(lag-late) > 0.1 {
				t.Errorf("%d Hz, %.1f µs late: found %.3f µs", rate, late, lag)
			}
		}
	}
}
