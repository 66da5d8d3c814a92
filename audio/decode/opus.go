//go:build opus && cgo

package decode

import (
	"fmt"
	"math"

	"github.com/tutti-audio/tutti/audio/internal/opus"
	"github.com/tutti-audio/tutti/audio/pcm"
)

// opusBuilt: this build has an Opus decoder.
const opusBuilt = true

type opusDecoder struct {
	dec   *opus.Decoder
	scale float64
}

func newOpus(f pcm.Format) (Decoder, error) {
	dec, err := opus.NewDecoder(f.SampleRate, f.Channels)
	if err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return &opusDecoder{dec: dec, scale: float64(int64(1) << (Depth(f) - 1))}, nil
}

// Decode decodes the packet of a chunk.
func (d *opusDecoder) Decode(dst []int32, chunk []byte) ([]int32, error) {
	samples, err := d.dec.Decode(chunk)
	if err != nil {
		return dst, fmt.Errorf("decode: %w", err)
	}
	for _, s := range samples {
		v := math.Floor(float64(s)*d.scale + 0.5)
		dst = append(dst, int32(min(max(v, -d.scale), d.scale-1)))
	}
	return dst, nil
}
