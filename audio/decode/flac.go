package decode

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/mewkiz/flac"
	"github.com/mewkiz/flac/frame"

	"github.com/tutti-audio/tutti/audio/pcm"
)

type flacDecoder struct {
	format pcm.Format
	limit  int
	reader bytes.Reader
}

// newFLAC checks that header is `fLaC` and a STREAMINFO block that agrees with f.
func newFLAC(f pcm.Format, header []byte, limit int) (d Decoder, err error) {
	defer recoverInto(&err)
	if len(header) < 42 || len(header) > 1<<16 {
		return nil, fmt.Errorf("decode: flac codec_header has %d bytes, want at least 42 (fLaC and STREAMINFO)", len(header))
	}
	// A header of the specification has one block; one whose last-block flag is not set
	// would make the parser read on, so only the first block is shown to it.
	first := append([]byte(nil), header[:42]...)
	first[4] |= 0x80
	s, err := flac.New(bytes.NewReader(first))
	if err != nil {
		return nil, fmt.Errorf("decode: flac codec_header: %w", err)
	}
	i := s.Info
	if int(i.SampleRate) != f.SampleRate || int(i.NChannels) != f.Channels || int(i.BitsPerSample) != f.BitDepth {
		return nil, fmt.Errorf("decode: flac codec_header says %d Hz, %d bits, %d channels, but the stream is %s",
			i.SampleRate, i.BitsPerSample, i.NChannels, f)
	}
	return &flacDecoder{format: f, limit: limit}, nil
}

// Decode parses the whole FLAC frames of a chunk.
func (d *flacDecoder) Decode(dst []int32, chunk []byte) (out []int32, err error) {
	start := len(dst)
	defer func() {
		recoverInto(&err)
		if err != nil {
			out = dst[:start]
		}
	}()
	if len(chunk) == 0 {
		return dst, errors.New("decode: empty flac chunk")
	}
	d.reader.Reset(chunk)
	out = dst
	for total := 0; d.reader.Len() > 0; {
		f, err := frame.New(&d.reader)
		if err != nil {
			return dst, fmt.Errorf("decode: flac frame header: %w", err)
		}
		if err := d.check(f); err != nil {
			return dst, err
		}
		if total += int(f.BlockSize); total > d.limit {
			return dst, fmt.Errorf("decode: a flac chunk of more than %d frames is longer than %d ms", d.limit, maxChunkMS)
		}
		if err := f.Parse(); err != nil {
			return dst, fmt.Errorf("decode: flac frame: %w", err)
		}
		out = interleave(out, f)
	}
	return out, nil
}

// check compares a frame header with the stream's format; a header may leave rate and
// depth to STREAMINFO.
func (d *flacDecoder) check(f *frame.Frame) error {
	if f.BitsPerSample == 0 {
		f.BitsPerSample = uint8(d.format.BitDepth)
	}
	if f.SampleRate == 0 {
		f.SampleRate = uint32(d.format.SampleRate)
	}
	if int(f.SampleRate) != d.format.SampleRate || f.Channels.Count() != d.format.Channels || int(f.BitsPerSample) != d.format.BitDepth {
		return fmt.Errorf("decode: flac frame of %d Hz, %d bits, %d channels in a stream of %s",
			f.SampleRate, f.BitsPerSample, f.Channels.Count(), d.format)
	}
	return nil
}

func interleave(dst []int32, f *frame.Frame) []int32 {
	for i := range int(f.BlockSize) {
		for _, s := range f.Subframes {
			dst = append(dst, s.Samples[i])
		}
	}
	return dst
}

// recoverInto turns a panic of a parser library into an error: a defect there must not
// end a player.
func recoverInto(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("decode: malformed flac: %v", p)
	}
}
