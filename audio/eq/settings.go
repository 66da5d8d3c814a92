// Package eq is a player's parametric equalizer and peak limiter: a chain of biquads
// after the Audio EQ Cookbook (Robert Bristow-Johnson, W3C Note of 8 June 2021), in
// double precision, and a limiter that looks a moment ahead. What the limiter delays is
// made good: a processor gives out exactly as many frames as it was given, at the same
// places on the timeline, so an equalized player stays aligned with its neighbours.
package eq

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
)

// Kind is the shape of a band.
type Kind string

// The kinds, by the Cookbook's names.
const (
	Peak      Kind = "peak"
	LowShelf  Kind = "low_shelf"
	HighShelf Kind = "high_shelf"
	LowPass   Kind = "low_pass"
	HighPass  Kind = "high_pass"
)

// MaxBands is the most bands that a setting can have.
const MaxBands = 10

// Bounds of a setting.
const (
	MinFrequency, MaxFrequency = 10.0, 22_000.0 // Hz
	MaxGain                    = 24.0           // dB, up and down
	MinQ, MaxQ                 = 0.1, 20.0
	MinPreamp, MaxPreamp       = -24.0, 12.0 // dB
	MinCeiling, MaxCeiling     = -24.0, 0.0  // dBFS
)

// Band is one biquad.
type Band struct {
	Kind      Kind
	Frequency float64 // Hz: centre, or where a shelf or pass turns
	GainDB    float64 // of peaks and shelves
	Q         float64
}

// Settings are a whole equalizer. The zero value is off. Settings can be compared, and
// after Normal equal ones sound equal.
type Settings struct {
	PreampDB float64
	Bands    [MaxBands]Band
	Count    int // of Bands in use, from the first
	// Limiter holds peaks at CeilingDB below full scale.
	Limiter   bool
	CeilingDB float64
}

// Off reports that nothing would be changed.
func (s Settings) Off() bool { return s.Normal() == Settings{} }

// Validate names the first value that is out of bounds.
func (s Settings) Validate() error {
	if s.Count < 0 || s.Count > MaxBands {
		return fmt.Errorf("%d bands, at most %d are possible", s.Count, MaxBands)
	}
	for i, b := range s.Bands[:s.Count] {
		if err := b.validate(); err != nil {
			return fmt.Errorf("band %d: %w", i+1, err)
		}
	}
	if !within(s.PreampDB, MinPreamp, MaxPreamp) {
		return fmt.Errorf("preamp %g dB is not in %g to %g", s.PreampDB, MinPreamp, MaxPreamp)
	}
	if s.Limiter && !within(s.CeilingDB, MinCeiling, MaxCeiling) {
		return fmt.Errorf("limiter %g dBFS is not in %g to %g", s.CeilingDB, MinCeiling, MaxCeiling)
	}
	return nil
}

func (b Band) validate() error {
	switch b.Kind {
	case Peak, LowShelf, HighShelf, LowPass, HighPass:
	default:
		return fmt.Errorf("kind %q is not one of peak, low_shelf, high_shelf, low_pass, high_pass", b.Kind)
	}
	switch {
	case !within(b.Frequency, MinFrequency, MaxFrequency):
		return fmt.Errorf("frequency %g Hz is not in %g to %g", b.Frequency, MinFrequency, MaxFrequency)
	case b.shaped() && !within(b.GainDB, -MaxGain, MaxGain):
		return fmt.Errorf("gain %g dB is not in %g to %g", b.GainDB, -MaxGain, MaxGain)
	case !within(b.Q, MinQ, MaxQ):
		return fmt.Errorf("q %g is not in %g to %g", b.Q, MinQ, MaxQ)
	}
	return nil
}

// shaped reports whether the gain counts.
func (b Band) shaped() bool { return b.Kind != LowPass && b.Kind != HighPass }

// within is false for NaN, too.
func within(v, lo, hi float64) bool { return v >= lo && v <= hi }

// Normal is s without what has no effect: bands of 0 dB, the gain of a pass, the ceiling
// of a limiter that is off.
func (s Settings) Normal() Settings {
	out := Settings{PreampDB: s.PreampDB + 0, Limiter: s.Limiter} // + 0: no negative zero
	for _, b := range s.Bands[:min(max(s.Count, 0), MaxBands)] {
		switch {
		case !b.shaped():
			b.GainDB = 0
		case b.GainDB == 0:
			continue
		}
		out.Bands[out.Count] = b
		out.Count++
	}
	if s.Limiter {
		out.CeilingDB = s.CeilingDB + 0
	}
	return out
}

// Hash names a setting in 8 hexadecimal digits: equal ones equally.
func (s Settings) Hash() string {
	s = s.Normal()
	b := binary.LittleEndian.AppendUint64(nil, math.Float64bits(s.PreampDB))
	for _, band := range s.Bands[:s.Count] {
		b = append(append(b, band.Kind...), 0)
		for _, v := range []float64{band.Frequency, band.GainDB, band.Q} {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		}
	}
	if s.Limiter {
		b = binary.LittleEndian.AppendUint64(append(b, 1), math.Float64bits(s.CeilingDB))
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:4])
}
