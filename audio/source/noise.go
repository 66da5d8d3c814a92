package source

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// signal is an endless sound for setting up speakers, computed from the number of each
// frame, so that a seek needs nothing. at gives the left and right sample in -1..1.
type signal struct {
	info Info
	at   func(frame int64) (l, r float64)
	next int64
}

func newSignal(title string, at func(frame int64) (l, r float64)) *signal {
	return &signal{at: at, info: Info{SampleRate: toneRate, Channels: 2, BitDepth: toneDepth, Seekable: true, Codec: "tone",
		Tags: Tags{Title: title, Artist: "Tutti"}}}
}

func (s *signal) Info() Info { return s.info }

func (s *signal) Read(dst []int32) (int, error) {
	frames := len(dst) / 2
	for i := range frames {
		l, r := s.at(s.next + int64(i))
		dst[2*i], dst[2*i+1] = quantize(l), quantize(r)
	}
	s.next += int64(frames)
	return frames, nil
}

func quantize(v float64) int32 { return int32(math.Round(v * (1<<(toneDepth-1) - 1))) }

func (s *signal) SeekFrame(frame int64) error {
	s.next = max(frame, 0)
	return nil
}

func (s *signal) Close() error { return nil }

// openNoise opens noise:white and noise:pink. The two channels differ, as in a diffuse
// sound field.
func openNoise(kind string) (Source, error) {
	switch kind {
	case "white":
		return newSignal("White noise", func(n int64) (float64, float64) {
			return whiteLevel * white(uint64(n), 0), whiteLevel * white(uint64(n), 1)
		}), nil
	case "pink":
		return newSignal("Pink noise", func(n int64) (float64, float64) { return pink(n, 0), pink(n, 1) }), nil
	}
	return nil, fmt.Errorf("noise:%s: choose noise:white or noise:pink", kind)
}

// Levels: -20 dBFS RMS, the usual one for setting up.
const (
	whiteLevel = 0.1 * 1.7320508 // of an even distribution
	pinkRows   = 15              // down to 1.5 Hz
	pinkLevel  = 0.1 * 1.7320508 / 4
)

// white is noise in -1..1, the same for the same n (SplitMix64).
func white(n, channel uint64) float64 {
	x := n*2 + channel + 1
	x *= 0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	x ^= x >> 31
	return float64(int64(x)) / (1 << 63)
}

// pink adds rows of white noise that change every second, fourth, eighth, … frame
// (Voss-McCartney): 3 dB less per octave, within half a decibel over the audible range.
func pink(n int64, channel uint64) float64 {
	sum := white(uint64(n), channel)
	for row := range uint64(pinkRows) {
		// Rows change at different frames, so that no frame changes all of them.
		held := (uint64(n) + 1<<row) >> (row + 1)
		sum += white(held+(row+1)<<48, channel)
	}
	return pinkLevel * sum
}

// Times of the sweep: ten seconds up, then a pause.
const (
	sweepSeconds = 10
	sweepPause   = 1
)

// openSweep opens sweep:20-20000: a logarithmic sweep, again and again.
func openSweep(arg string) (Source, error) {
	from, to, _ := strings.Cut(arg, "-")
	lo, e1 := strconv.ParseFloat(strings.TrimSpace(from), 64)
	hi, e2 := strconv.ParseFloat(strings.TrimSpace(to), 64)
	if e1 != nil || e2 != nil || !(lo >= 1 && hi <= 20000 && lo < hi) {
		return nil, fmt.Errorf("sweep:%s: give two frequencies of 1 to 20000 Hz, the lower first, for example sweep:20-20000", arg)
	}
	ratio := math.Log(hi / lo)
	return newSignal(fmt.Sprintf("Sweep %v-%v Hz", lo, hi), func(n int64) (float64, float64) {
		t := float64(n%((sweepSeconds+sweepPause)*toneRate)) / toneRate
		if t >= sweepSeconds {
			return 0, 0
		}
		phase := 2 * math.Pi * lo * sweepSeconds / ratio * (math.Exp(t/sweepSeconds*ratio) - 1)
		v := toneLevel * math.Sin(phase) * fade(t, sweepSeconds)
		return v, v
	}), nil
}

// fade takes the clicks off both ends of something of the given length, in seconds.
func fade(t, length float64) float64 {
	const ramp = 0.01
	return min(1, t/ramp, (length-t)/ramp)
}

// openChannels opens channels: — one ping on the left, two on the right, three on both,
// two seconds apart.
func openChannels(string) (Source, error) {
	return newSignal("Left, right, both", func(n int64) (l, r float64) {
		const turn = 2 * toneRate
		step, at := n/turn%3, float64(n%turn)/toneRate
		v := pings(at, int(step)+1)
		switch step {
		case 0:
			return v, 0
		case 1:
			return 0, v
		}
		return v, v
	}), nil
}

// pings are count short tones from t = 0 on, in seconds.
func pings(t float64, count int) float64 {
	const length, every = 0.15, 0.3
	i := int(t / every)
	if t -= float64(i) * every; i >= count || t >= length {
		return 0
	}
	return toneLevel * math.Sin(2*math.Pi*880*t) * fade(t, length)
}
