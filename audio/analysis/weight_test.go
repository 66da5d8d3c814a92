package analysis

import (
	"math"
	"testing"
)

// The values of IEC 61672-1, table 3, in dB.
func TestAWeightingIsTheStandards(t *testing.T) {
	for hz, want := range map[float64]float64{
		10: -70.4, 20: -50.5, 31.5: -39.4, 63: -26.2, 125: -16.1, 250: -8.6, 500: -3.2, 1000: 0, 2000: 1.2, 4000: 1.0, 8000: -1.1, 16000: -6.6, 20000: -9.3,
	} {
		// The table is for the exact frequencies 10^(n/10), of which these are the names.
		exact := math.Pow(10, math.Round(10*math.Log10(hz))/10)
		if got := 20 * math.Log10(AWeight(exact)); math.Abs(got-want) > 0.06 {
			t.Errorf("%v Hz: %.2f dB, want %.1f", hz, got, want)
		}
	}
	if AWeight(0) != 0 {
		t.Error("DC counts")
	}
}

func TestLevelScale(t *testing.T) {
	for db, want := range map[float64]uint16{3: 65535, 0: 65535, -30: 32768, -59: 1092, -60: 0, -90: 0} {
		if got := Level(math.Pow(10, db/10)); got != want {
			t.Errorf("%v dB is %d, want %d", db, got, want)
		}
	}
	if Level(0) != 0 || Level(-1) != 0 {
		t.Error("silence has a level")
	}
}
