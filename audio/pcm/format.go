// Package pcm describes uncompressed audio and converts it exactly: formats, bit
// depths, channel layouts, and the byte packing of the Sendspin `pcm` codec
// (Player messages, "PCM Encoding Convention").
//
// Samples are []int32, interleaved by channel, right-aligned: a 16-bit sample lies
// in -32768..32767 whatever the width of the variable that carries it.
package pcm

import (
	"fmt"
	"strconv"
	"strings"
)

// Codec names of the Sendspin specification (Player messages, supported_formats).
const (
	CodecPCM  = "pcm"
	CodecFLAC = "flac"
	CodecOpus = "opus"
)

// Bounds on formats that Tutti handles. They keep hostile headers from asking for
// absurd amounts of memory, and cover every device the specification has in mind.
const (
	MinSampleRate = 8000
	MaxSampleRate = 192000
	MaxChannels   = 8
)

// Format is the format of a stream of audio. The zero value is not valid.
type Format struct {
	Codec      string // "pcm", "flac" or "opus"
	SampleRate int    // Hz, MinSampleRate..MaxSampleRate
	Channels   int    // 1..MaxChannels
	BitDepth   int    // bits per sample: 16, 24 or 32; ignored for opus
}

// ParseFormat reads the form that flags use, "codec:rate:depth:channels", for
// example "flac:48000:24:2". The error says which part is wrong.
func ParseFormat(s string) (Format, error) {
	parts := strings.Split(strings.TrimSpace(s), ":")
	if len(parts) != 4 {
		return Format{}, fmt.Errorf("format %q: want codec:rate:depth:channels, for example flac:48000:24:2", s)
	}
	var nums [3]int
	for i, name := range []string{"sample rate", "bit depth", "channels"} {
		n, err := strconv.Atoi(parts[i+1])
		if err != nil {
			return Format{}, fmt.Errorf("format %q: %s %q is not a number", s, name, parts[i+1])
		}
		nums[i] = n
	}
	f := Format{Codec: parts[0], SampleRate: nums[0], BitDepth: nums[1], Channels: nums[2]}
	if err := f.Validate(); err != nil {
		return Format{}, fmt.Errorf("format %q: %w", s, err)
	}
	return f, nil
}

// Validate reports the first field outside the bounds of this package.
func (f Format) Validate() error {
	switch f.Codec {
	case CodecPCM, CodecFLAC, CodecOpus:
	default:
		return fmt.Errorf("codec %q is not one of pcm, flac, opus", f.Codec)
	}
	if f.SampleRate < MinSampleRate || f.SampleRate > MaxSampleRate {
		return fmt.Errorf("sample rate %d Hz is outside %d..%d", f.SampleRate, MinSampleRate, MaxSampleRate)
	}
	if f.Channels < 1 || f.Channels > MaxChannels {
		return fmt.Errorf("%d channels is outside 1..%d", f.Channels, MaxChannels)
	}
	if f.Codec == CodecOpus {
		return nil
	}
	if f.BitDepth != 16 && f.BitDepth != 24 && (f.BitDepth != 32 || f.Codec == CodecFLAC) {
		return fmt.Errorf("bit depth %d is not one of 16, 24 (or 32 for pcm)", f.BitDepth)
	}
	return nil
}

// String is the form that ParseFormat reads.
func (f Format) String() string {
	return fmt.Sprintf("%s:%d:%d:%d", f.Codec, f.SampleRate, f.BitDepth, f.Channels)
}

// BytesPerFrame is the packed size of one frame (one sample of every channel).
func (f Format) BytesPerFrame() int { return f.Channels * f.BitDepth / 8 }

// FramesIn is the whole number of frames in durUS microseconds, rounded down.
func (f Format) FramesIn(durUS int64) int64 { return durUS * int64(f.SampleRate) / 1_000_000 }

// DurationUS is the duration of frames in microseconds, rounded down. It is exact
// for an accumulated frame count; never add up rounded durations of chunks.
func (f Format) DurationUS(frames int64) int64 {
	rate := int64(f.SampleRate)
	return frames/rate*1_000_000 + frames%rate*1_000_000/rate
}
