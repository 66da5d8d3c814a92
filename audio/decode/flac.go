package decode

import (
	"errors"
	"fmt"

	"github.com/tutti-audio/tutti/audio/internal/flacdec"
	"github.com/tutti-audio/tutti/audio/pcm"
)

type flacDecoder struct {
	dec   *flacdec.Decoder
	limit int
}

// newFLAC checks that header is `fLaC` and a STREAMINFO block that agrees with f.
func newFLAC(f pcm.Format, header []byte, limit int) (Decoder, error) {
	if len(header) < 42 || len(header) > 1<<16 {
		return nil, fmt.Errorf("decode: flac codec_header has %d bytes, want at least 42 (fLaC and STREAMINFO)", len(header))
	}
	if string(header[:4]) != "fLaC" || header[4]&0x7F != 0 || string(header[5:8]) != "\x00\x00\x22" {
		return nil, errors.New("decode: flac codec_header does not begin with fLaC and STREAMINFO")
	}
	b := header[18:] // after block and frame sizes: 20 bits rate, 3 channels, 5 depth
	rate := int(b[0])<<12 | int(b[1])<<4 | int(b[2])>>4
	channels := int(b[2]>>1&7) + 1
	depth := int(b[2]&1)<<4 + int(b[3]>>4) + 1
	if rate != f.SampleRate || channels != f.Channels || depth != f.BitDepth {
		return nil, fmt.Errorf("decode: flac codec_header says %d Hz, %d bits, %d channels, but the stream is %s", rate, depth, channels, f)
	}
	dec, err := flacdec.New(flacdec.Stream{Rate: rate, Channels: channels, Depth: depth})
	if err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return &flacDecoder{dec: dec, limit: limit}, nil
}

// Decode decodes the whole FLAC frames of a chunk.
func (d *flacDecoder) Decode(dst []int32, chunk []byte) ([]int32, error) {
	if len(chunk) == 0 {
		return dst, errors.New("decode: empty flac chunk")
	}
	out := dst
	for total := 0; len(chunk) > 0; {
		h, err := flacdec.ParseHeader(chunk)
		if err != nil {
			return dst, fmt.Errorf("decode: %w", err)
		}
		if total += h.Block; total > d.limit {
			return dst, fmt.Errorf("decode: a flac chunk of more than %d frames is longer than %d ms", d.limit, maxChunkMS)
		}
		var n int
		if out, n, err = d.dec.Frame(out, chunk, h); err != nil {
			return dst, fmt.Errorf("decode: %w", err)
		}
		chunk = chunk[n:]
	}
	return out, nil
}
