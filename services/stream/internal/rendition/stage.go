package rendition

import (
	"fmt"

	"github.com/tutti-audio/tutti/audio/convert"
	"github.com/tutti-audio/tutti/audio/eq"
	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/services/stream/internal/timeline"
)

// workBits is the depth at which samples are equalized, and given to Opus.
const workBits = 24

// stage is what a spec does to samples between the converter and the encoder: it picks
// or mixes channels, equalizes, spreads the result over the output's channels, and
// brings it to the output's depth. It gives every frame that it takes, in order; what
// the limiter holds back comes with flush.
//
// Left and right alone change no sample; mono rounds as pcm.MapChannels does. A stage whose spec does nothing passes on.
type stage struct {
	spec  Spec
	depth int // of the output
	work  int // of the input and in between
	eq    *eq.Processor
	down  *pcm.Depth

	in   int // channels of the input, for the present segment
	flat []int32
	wet  []int32
}

func newStage(s Spec) (*stage, error) {
	st := &stage{spec: s, depth: s.Format.BitDepth}
	if s.Format.Codec == pcm.CodecOpus {
		st.depth = workBits // the encoder takes what there is
	}
	st.work = st.depth
	if !s.EQ.Off() {
		st.work = workBits
	}
	st.down = pcm.NewDepth(st.work, st.depth, pcm.Dither)
	if s.EQ.Off() {
		return st, nil
	}
	var err error
	if st.eq, err = eq.New(s.EQ, s.Format.SampleRate, st.inside(), workBits); err != nil {
		return nil, fmt.Errorf("equalizer of %s: %w", s.ID(), err)
	}
	return st, nil
}

// inside is the number of channels that are equalized: one where all outputs are equal.
func (st *stage) inside() int {
	if st.spec.Mode != Stereo {
		return 1
	}
	return st.spec.Format.Channels
}

// converter makes what brings a segment's source to the stage's input.
func (st *stage) converter(f timeline.Format) (*convert.Converter, error) {
	st.in = st.spec.Format.Channels
	if st.spec.Mode != Stereo {
		st.in = min(f.Channels, 2)
	}
	return convert.New(
		pcm.Format{Codec: pcm.CodecPCM, SampleRate: f.SampleRate, Channels: f.Channels, BitDepth: f.BitDepth},
		pcm.Format{Codec: pcm.CodecPCM, SampleRate: st.spec.Format.SampleRate, Channels: st.in, BitDepth: st.work})
}

// process appends what is known after in, which it may change, to dst.
func (st *stage) process(dst, in []int32) []int32 {
	if !st.spec.processes() {
		return append(dst, in...)
	}
	st.flat = st.pick(st.flat[:0], in)
	if st.eq == nil {
		return st.finish(dst, st.flat)
	}
	st.wet = st.eq.Process(st.wet[:0], st.flat)
	return st.finish(dst, st.wet)
}

// flush appends what is held back, as if silence followed.
func (st *stage) flush(dst []int32) []int32 {
	if st.eq == nil {
		return dst
	}
	st.wet = st.eq.Flush(st.wet[:0])
	return st.finish(dst, st.wet)
}

// reset forgets all input.
func (st *stage) reset() {
	if st.eq != nil {
		st.eq.Reset()
	}
}

// pick makes the channels of the input those that are equalized.
func (st *stage) pick(dst, in []int32) []int32 {
	if st.spec.Mode == Stereo || st.in == 1 {
		return append(dst, in...)
	}
	for i := 0; i+1 < len(in); i += 2 {
		v := in[i]
		switch st.spec.Mode {
		case Right:
			v = in[i+1]
		case Mono:
			v = int32((int64(in[i]) + int64(in[i+1]) + 1) >> 1)
		}
		dst = append(dst, v)
	}
	return dst
}

// finish spreads over the output's channels and brings to its depth.
func (st *stage) finish(dst, in []int32) []int32 {
	start := len(dst)
	if n := st.spec.Format.Channels; n > st.inside() {
		for _, v := range in {
			for range n {
				dst = append(dst, v)
			}
		}
	} else {
		dst = append(dst, in...)
	}
	st.down.Convert(dst[start:])
	return dst
}
