package harness

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// A click track tells by itself when each of its parts was made: every half second there
// are two soft pulses, and the distance between them is a number. The numbers go around
// after Numbers clicks.
const (
	ClickEveryUS = 500_000
	Numbers      = 16
	pulseUS      = 600   // half the width of a pulse
	leastApartUS = 4_000 // of number 0
	apartUS      = 2_000 // more for each number
	loud         = 16_000
)

// ClickTrack is the value of the click track at time us since its beginning, 16 bits. The
// first click is at 250 ms.
func ClickTrack(us float64) int32 {
	n := math.Floor(us / ClickEveryUS)
	first := n*ClickEveryUS + ClickEveryUS/2
	apart := float64(leastApartUS + apartUS*(int(n)%Numbers))
	return int32(math.Round(loud * (pulse(us-first) + pulse(us-first-apart))))
}

// ClickFile writes seconds of the click track as dir/name: a WAV file, 44.1 kHz, 16 bits,
// stereo.
func ClickFile(t testing.TB, dir, name string, seconds int) {
	t.Helper()
	n := seconds * 44100
	b := make([]byte, 0, 44+4*n)
	b = append(b, "RIFF"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(36+4*n))
	b = append(b, "WAVEfmt \x10\x00\x00\x00\x01\x00\x02\x00"...)
	b = binary.LittleEndian.AppendUint32(b, 44100)
	b = binary.LittleEndian.AppendUint32(b, 4*44100)
	b = append(b, "\x04\x00\x10\x00data"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(4*n))
	for i := range n {
		v := uint16(ClickTrack(float64(i) * 1e6 / 44100))
		b = binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(b, v), v)
	}
	if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// pulse is a raised cosine around 0.
func pulse(us float64) float64 {
	if math.Abs(us) >= pulseUS {
		return 0
	}
	return 0.5 + 0.5*math.Cos(math.Pi*us/pulseUS)
}

// ClickTime is when number n of round r is in the track, in µs.
func ClickTime(n, r int) float64 {
	return float64(r*Numbers+n)*ClickEveryUS + ClickEveryUS/2
}

// Click is a click that was found.
type Click struct {
	Number int
	AtUS   float64 // of its first pulse
}

// FindClicks finds the clicks in audio that begins at startUS, one channel. A pulse is
// where its energy is centred, which is exact to a small part of a sample.
func FindClicks(samples []float64, startUS float64, rate int) []Click {
	var at []float64
	for i := 0; i < len(samples); {
		if math.Abs(samples[i]) < loud/8 {
			i++
			continue
		}
		until := i + int(2*pulseUS*float64(rate)/1e6) + 2
		var sum, weighted float64
		for k := max(0, i-until+i); k < min(until, len(samples)); k++ {
			e := samples[k] * samples[k]
			sum, weighted = sum+e, weighted+e*float64(k)
		}
		at = append(at, startUS+weighted/sum*1e6/float64(rate))
		i = until
	}
	var out []Click
	for i := 0; i+1 < len(at); i++ {
		apart := (at[i+1] - at[i] - leastApartUS) / apartUS
		if n := int(math.Round(apart)); n >= 0 && n < Numbers && math.Abs(apart-float64(n)) < 0.1 {
			out = append(out, Click{Number: n, AtUS: at[i]})
			i++
		}
	}
	return out
}
