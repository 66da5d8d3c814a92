package rendition

import (
	"fmt"

	"github.com/tutti-audio/tutti/audio/eq"
	"github.com/tutti-audio/tutti/audio/pcm"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// Mode says which of the source's channels a player gives out.
type Mode string

// The modes. A source with more channels than two is folded to stereo first; one with a
// single channel gives the same in every mode.
const (
	Stereo Mode = ""      // as the source has them
	Mono   Mode = "mono"  // (left+right)/2 on every channel, so it can never clip
	Left   Mode = "left"  // the left one on every channel
	Right  Mode = "right" // the right one on every channel
)

// Spec is what one rendition of a group is: players whose specs are equal share one.
// Make it with NewSpec, which puts it in its normal form.
type Spec struct {
	Format pcm.Format
	Mode   Mode
	EQ     eq.Settings
	// Short: chunks of ShortMS, for a player whose buffer holds few long ones.
	Short bool
}

// ShortMS is the duration of short chunks: inside what a chunk may last (15 to 150 ms;
// specification, Server Audio Send Constraints), and what an Opus packet lasts.
const ShortMS = 20

// fewChunks is the least number of full-size chunks that a player's buffer must hold:
// one that sounds, one that follows, and two for a network that hesitates.
const fewChunks = 4

// NewSpec is the spec of a player that is sent format f: what the operator set for it,
// and a chunk size that its buffer_capacity (bytes; 0: unknown) can hold several of. A
// value of t that is out of bounds is left out: it was checked when it was set.
func NewSpec(f pcm.Format, t *tuttiv1.ClientTuning, capacity int64, chunkMS int) Spec {
	s := Spec{Format: f}
	if f.Codec == pcm.CodecOpus {
		s.Format.BitDepth = 16 // has no meaning; one value for all
	}
	switch m := Mode(t.GetChannels()); m {
	case Left, Right:
		s.Mode = m
	case Mono:
		if f.Channels > 1 { // one channel is always the mix
			s.Mode = m
		}
	}
	if e := Equalizer(t.GetEqualizer()); e.Validate() == nil {
		s.EQ = e.Normal()
	}
	s.Short = capacity > 0 && f.Codec != pcm.CodecOpus && chunkMS > ShortMS && fewChunks*largest(f, chunkMS) > capacity
	return s
}

// Starves says why a player of spec s cannot play without gaps whatever is done: its
// buffer does not hold two of the shortest chunks. It is "" when it does.
func (s Spec) Starves(capacity int64) string {
	if need := 2 * largest(s.Format, ShortMS); capacity < need {
		return fmt.Sprintf("its buffer_capacity of %d bytes does not hold two chunks of %d ms in %s (%d bytes): choose a format of fewer bytes",
			capacity, ShortMS, s.Format, need)
	}
	return ""
}

// largest is the most that a chunk of ms milliseconds counts for buffer_capacity: its
// header and audio that does not compress.
func largest(f pcm.Format, ms int) int64 {
	if f.Codec == pcm.CodecOpus {
		return chunkHeader + maxOpusPacket
	}
	n := chunkHeader + int64(f.SampleRate*ms/1000*f.BytesPerFrame())
	if f.Codec == pcm.CodecFLAC {
		n += flacOverhead
	}
	return n
}

const (
	chunkHeader   = 13   // of an audio message (specification, Audio Chunks)
	flacOverhead  = 64   // frame and subframe headers of a few FLAC frames
	maxOpusPacket = 1275 // RFC 6716, section 3.2.1
)

// ID names the rendition; it is a token of the tape's subject. Without processing it is
// the format alone.
func (s Spec) ID() string {
	f := s.Format
	id := fmt.Sprintf("%s-%d-%d-%d", f.Codec, f.SampleRate, f.Channels, f.BitDepth)
	switch s.Mode {
	case Mono:
		id += "-mono"
	case Left:
		id += "-l"
	case Right:
		id += "-r"
	}
	if !s.EQ.Off() {
		id += "-eq" + s.EQ.Hash()
	}
	if s.Short {
		id += fmt.Sprintf("-%dms", ShortMS)
	}
	return id
}

// ChunkFrames is the number of frames of a full chunk when chunks last about ms
// milliseconds where nothing else asks for shorter ones. It is a whole number of
// milliseconds wherever the rate has one in reach, so that renditions of
// different rates and sizes meet often and a player can be moved between them without a
// gap.
func (s Spec) ChunkFrames(ms int) int {
	if s.Short || s.Format.Codec == pcm.CodecOpus {
		ms = ShortMS
	}
	rate := s.Format.SampleRate
	for near := ms; near >= minChunkMS; near-- {
		if rate*near%1000 == 0 {
			return rate * near / 1000
		}
	}
	for near := ms + 1; near <= maxNearMS; near++ {
		if rate*near%1000 == 0 {
			return rate * near / 1000
		}
	}
	return rate * ms / 1000
}

const (
	minChunkMS = 15 // specification, Server Audio Send Constraints
	maxNearMS  = 60 // what a short chunk may become: 11025 Hz needs 40 ms
)

// processes reports whether samples are changed between converter and encoder.
func (s Spec) processes() bool { return s.Mode != Stereo || !s.EQ.Off() }

// Equalizer is e in the form of package eq. What is not understood is left for Validate
// to refuse.
func Equalizer(e *tuttiv1.Equalizer) eq.Settings {
	out := eq.Settings{PreampDB: e.GetPreampDb(), Limiter: e.GetLimiter(), CeilingDB: e.GetLimiterDb(), Count: len(e.GetBands())}
	for i, b := range e.GetBands()[:min(len(e.GetBands()), eq.MaxBands)] {
		out.Bands[i] = eq.Band{Kind: eq.Kind(b.GetKind()), Frequency: b.GetFrequency(), GainDB: b.GetGainDb(), Q: b.GetQ()}
	}
	return out
}

// ProtoEqualizer is Equalizer's inverse; nil when it is off.
func ProtoEqualizer(s eq.Settings) *tuttiv1.Equalizer {
	if s.Off() {
		return nil
	}
	out := &tuttiv1.Equalizer{PreampDb: s.PreampDB, Limiter: s.Limiter, LimiterDb: s.CeilingDB}
	for _, b := range s.Bands[:s.Count] {
		out.Bands = append(out.Bands, &tuttiv1.EqualizerBand{Kind: string(b.Kind), Frequency: b.Frequency, GainDb: b.GainDB, Q: b.Q})
	}
	return out
}

// Proto is the rendition on the bus, without its clients.
func (s Spec) Proto() *tuttiv1.Rendition {
	r := &tuttiv1.Rendition{RenditionId: s.ID(), Format: Proto(s.Format), Channels: string(s.Mode), Equalizer: ProtoEqualizer(s.EQ)}
	if s.Mode == Stereo {
		r.Channels = "stereo"
	}
	if s.Short {
		r.ChunkMs = ShortMS
	}
	return r
}
