// Package visual decides which analysis frames of a group's tape a session sends to a
// visualizer and when: the types that it asked for, every n-th periodic frame, in the
// order of time, within its buffer_capacity, and nothing that comes too late. Like package
// pump it is a pure state machine on bytes and microseconds of the house clock; the
// session's writer owns it and does the sending.
//
// Specification: section "Visualizer messages".
package visual

import (
	"reflect"
	"slices"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Config is the configuration of a visualizer stream. The zero value streams nothing.
type Config struct {
	// Stream is what stream/start says.
	Stream wire.VisualizerStream
	// Every is n when every n-th periodic frame of the tape is sent; at least 1.
	Every uint32
}

// Same reports whether stream/start says the same of both.
func (c Config) Same(o Config) bool { return reflect.DeepEqual(c.Stream, o.Stream) }

// Derive is the configuration that the tape can serve of what the client asks for in its
// client/state. A type that the tape has not, or a spectrum that is not the one that was
// asked for, is left out silently. The rate is that of the tape divided by a whole number,
// announced rounded up, which never is more than was asked for.
func Derive(asked *wire.VisualizerState, tape *tuttiv1.VisualStart) Config {
	rate := max(int(tape.GetFrameRate()), 1)
	every := 1
	if asked.RateMax < rate {
		every = (rate + asked.RateMax - 1) / max(asked.RateMax, 1)
	}
	c := Config{Every: uint32(every), Stream: wire.VisualizerStream{Types: []string{}, RateMax: (rate + every - 1) / every}}
	for _, kind := range asked.Types {
		if slices.Contains(c.Stream.Types, kind) || !has(tape, kind, asked.Spectrum) {
			continue
		}
		c.Stream.Types = append(c.Stream.Types, kind)
		switch kind {
		case wire.VisualBeat:
			downbeats := tape.GetDownbeats()
			c.Stream.TracksDownbeats = &downbeats
		case wire.VisualSpectrum:
			spectrum := *asked.Spectrum
			c.Stream.Spectrum = &spectrum
		}
	}
	return c
}

// has reports whether a tape has frames of a type.
func has(tape *tuttiv1.VisualStart, kind string, asked *wire.Spectrum) bool {
	switch kind {
	case wire.VisualLoudness, wire.VisualFPeak, wire.VisualPeak:
		return true
	case wire.VisualBeat:
		return tape.GetBeats()
	case wire.VisualSpectrum:
		s := tape.GetSpectrum()
		return s != nil && asked != nil && *asked == wire.Spectrum{
			Bins: int(s.GetBins()), Scale: s.GetScale(), FMin: int(s.GetFMin()), FMax: int(s.GetFMax())}
	}
	return false
}

// kind is the type of a message id, "" for another id.
func kind(id uint8) string {
	switch id {
	case wire.IDLoudness:
		return wire.VisualLoudness
	case wire.IDBeat:
		return wire.VisualBeat
	case wire.IDFPeak:
		return wire.VisualFPeak
	case wire.IDSpectrum:
		return wire.VisualSpectrum
	case wire.IDPeak:
		return wire.VisualPeak
	}
	return ""
}

func periodic(id uint8) bool { return id != wire.IDBeat && id != wire.IDPeak }

// bodyLen is the length of a message's data under a configuration; -1: of no use.
func (c Config) bodyLen(id uint8) int {
	switch id {
	case wire.IDLoudness:
		return 2
	case wire.IDBeat, wire.IDPeak:
		return 1
	case wire.IDFPeak:
		return 4
	case wire.IDSpectrum:
		if c.Stream.Spectrum != nil {
			return 2 * c.Stream.Spectrum.Bins
		}
	}
	return -1
}
