//go:build opus && cgo

package encode

import (
	"fmt"

	"github.com/tutti-audio/tutti/audio/internal/opus"
	"github.com/tutti-audio/tutti/audio/pcm"
)

// opusBuilt: this build has an Opus encoder.
const opusBuilt = true

// opusBits is the depth of the samples that Encode takes for opus.
const opusBits = 24

// bitratePerChannel is transparent for music (listening tests find stereo to be so at 128
// kbit/s) with some room.
const bitratePerChannel = 80_000

// opusEncoder makes one packet a chunk. Its samples have 24 bits.
type opusEncoder struct {
	enc      *opus.Encoder
	channels int
	frames   int
	buf      []float32
}

func newOpus(f pcm.Format, chunkFrames int) (Encoder, error) {
	if ms := chunkFrames * 1000 / f.SampleRate; chunkFrames*1000%f.SampleRate != 0 || ms != 20 && ms != 40 && ms != 60 {
		return nil, fmt.Errorf("encode: an opus chunk is one packet of 20, 40 or 60 ms, not of %d frames at %d Hz", chunkFrames, f.SampleRate)
	}
	enc, err := opus.NewEncoder(f.SampleRate, f.Channels, bitratePerChannel*f.Channels)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return &opusEncoder{enc: enc, channels: f.Channels, frames: chunkFrames, buf: make([]float32, chunkFrames*f.Channels)}, nil
}

func (e *opusEncoder) Header() []byte   { return nil }
func (e *opusEncoder) ChunkFrames() int { return e.frames }
func (e *opusEncoder) Delay() int       { return e.enc.Delay() }
func (e *opusEncoder) Reset()           { e.enc.Reset() }

func (e *opusEncoder) Encode(dst []byte, samples []int32) ([]byte, error) {
	if len(samples) != e.frames*e.channels {
		return dst, fmt.Errorf("encode: an opus packet has %d frames, not %d samples of %d channels", e.frames, len(samples), e.channels)
	}
	for i, s := range samples {
		e.buf[i] = float32(s) / (1 << (opusBits - 1))
	}
	dst, err := e.enc.Encode(dst, e.buf)
	if err != nil {
		return dst, fmt.Errorf("encode: %w", err)
	}
	return dst, nil
}
