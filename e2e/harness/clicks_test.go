package harness

import (
	"math"
	"testing"
)

func TestClicksAreFoundWhereTheyAre(t *testing.T) {
	for _, rate := range []int{44100, 48000, 96000} {
		const start = 123_456.789
		track := make([]float64, 10*rate)
		for i := range track {
			track[i] = float64(ClickTrack(float64(i) * 1e6 / float64(rate)))
		}
		clicks := FindClicks(track, start, rate)
		if len(clicks) != 20 {
			t.Fatalf("%d Hz: %d clicks in ten seconds", rate, len(clicks))
		}
		for i, c := range clicks {
			if want := start + ClickTime(i%Numbers, i/Numbers); c.Number != i%Numbers || math.Abs(c.AtUS-want) > 1 {
				t.Errorf("%d Hz: click %d is number %d at %.1f, want %.1f", rate, i, c.Number, c.AtUS, want)
			}
		}
	}
}
