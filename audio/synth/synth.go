// Package synth makes music without a file.
package synth

import (
	"errors"
	"io"
)

// Track names a piece that Tutti can play.
type Track struct {
	Name   string // of synth:<name>
	Title  string
	Artist string
	Album  string
	Frames int64 // at 44,100 Hz
}

// Tracks lists the pieces, in order.
func Tracks() []Track { return nil }

// GenerateFLAC writes seconds of synthesised music as a 44.1 kHz/16-bit stereo FLAC
// file; equal arguments give equal bytes.
func GenerateFLAC(w io.Writer, seconds float64, seed int64) error {
	return errors.New("synth: not built yet")
}

// GenerateWAV is GenerateFLAC for a WAVE file with the same samples.
func GenerateWAV(w io.Writer, seconds float64, seed int64) error {
	return errors.New("synth: not built yet")
}
