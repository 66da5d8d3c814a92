package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/tutti-audio/tutti/audio/convert"
	"github.com/tutti-audio/tutti/audio/mix"
	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/audio/source"
	"github.com/tutti-audio/tutti/services/stream/internal/timeline"
)

// Bounds of a clip: it is held in memory as a whole, so that it can neither stall nor go
// on for ever once it has begun.
const (
	MaxClipSeconds = 600
	maxClipBytes   = 128 << 20
)

// RampUS is how long the music takes to go down before a clip, and to come up after it.
const RampUS = 200_000

// Clip is a short piece of audio in memory. It is not changed once it is made.
type Clip struct {
	Rate, Channels, Depth int
	Frames                int64
	data                  []byte // packed
}

// ReadClip reads all of src, which it closes. It fails when the clip is longer than
// MaxClipSeconds, when it does not end before ctx does, or when it is empty.
func ReadClip(ctx context.Context, src source.Source) (*Clip, error) {
	defer src.Close() //nolint:errcheck // read only: nothing can be lost
	i := src.Info()
	if err := check(i); err != nil {
		return nil, err
	}
	if i.Live {
		return nil, errors.New("it is a live stream, which has no end: announce a file")
	}
	c := &Clip{Rate: i.SampleRate, Channels: i.Channels, Depth: i.BitDepth}
	buf := make([]int32, max(i.SampleRate*blockMS/1000, 1)*i.Channels)
	for {
		n, err := src.Read(buf)
		c.data = pcm.Pack(c.data, buf[:n*i.Channels], i.BitDepth)
		c.Frames += int64(n)
		switch {
		case errors.Is(err, io.EOF) && c.Frames == 0:
			return nil, errors.New("it holds no audio")
		case errors.Is(err, io.EOF):
			return c, nil
		case err != nil:
			return nil, err
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case c.Frames > MaxClipSeconds*int64(i.SampleRate) || len(c.data) > maxClipBytes:
			return nil, fmt.Errorf("it is longer than an announcement may be (%d minutes): cut it, or play it as music", MaxClipSeconds/60)
		}
	}
}

// DurationUS is the clip's length in µs, rounded up.
func (c *Clip) DurationUS() int64 {
	return (c.Frames*timeline.Micro + int64(c.Rate) - 1) / int64(c.Rate)
}

// Source is the clip as a medium.
func (c *Clip) Source() source.Source { return &clipSource{c: c} }

type clipSource struct {
	c  *Clip
	at int64
}

func (s *clipSource) Info() source.Info {
	return source.Info{SampleRate: s.c.Rate, Channels: s.c.Channels, BitDepth: s.c.Depth, Frames: s.c.Frames, Seekable: true, Codec: "clip"}
}

func (s *clipSource) Read(dst []int32) (int, error) {
	samples, n := s.c.frames(dst[:0], s.at, int64(len(dst)/s.c.Channels))
	if n == 0 {
		return 0, io.EOF
	}
	copy(dst, samples)
	s.at += n
	return int(n), nil
}

func (s *clipSource) SeekFrame(f int64) error { s.at = min(f, s.c.Frames); return nil }
func (s *clipSource) Close() error            { return nil }

// frames appends up to n frames from frame at on.
func (c *Clip) frames(dst []int32, at, n int64) ([]int32, int64) {
	n = min(n, c.Frames-at)
	if n <= 0 {
		return dst, 0
	}
	size := int64(c.Channels * c.Depth / 8)
	dst, err := pcm.Unpack(dst, c.data[at*size:(at+n)*size], c.Depth)
	if err != nil {
		panic(err) // ReadClip packed them
	}
	return dst, n
}

// Overlay is a clip over the music of an epoch, from its beginning on.
type Overlay struct {
	Clip *Clip
	// FromUS is where in the overlay the epoch begins, in µs: not 0 when an epoch before
	// it played the rest. The overlay is RampUS, the clip, RampUS.
	FromUS int64
	DuckDB float64 // how much quieter the music is meanwhile; not negative
}

// over mixes an overlay into blocks, whatever formats these have. It belongs to the feed.
type over struct {
	Overlay
	format timeline.Format
	duck   *mix.Duck
	conv   *convert.Converter
	ch     int // channels that conv gives
	read   int64
	queue  []int32 // converted clip that is not mixed yet
	in     []int32
}

// active reports whether the music is not yet as it was.
func (v *over) active() bool { return v != nil && (v.duck == nil || !v.duck.Over()) }

// mix lowers samples and adds the clip, in place.
func (v *over) mix(samples []int32, f timeline.Format) error {
	if !v.active() {
		return nil
	}
	if v.format != f {
		if err := v.turn(f); err != nil {
			return err
		}
	}
	after, n := v.duck.Clip(int64(len(samples) / f.Channels))
	v.duck.Mix(samples, v.take(n), after)
	return nil
}

// turn goes on in another format, at the same moment of the clip.
func (v *over) turn(f timeline.Format) error {
	at := timeline.Scale(v.FromUS, int64(f.SampleRate), timeline.Micro)
	if v.duck != nil {
		at = timeline.Scale(v.duck.At, int64(f.SampleRate), int64(v.format.SampleRate))
	}
	ramp := int64(f.SampleRate) * RampUS / timeline.Micro
	if v.ch = f.Channels; !pcm.CanMap(v.Clip.Channels, f.Channels) {
		v.ch = 2
	}
	c := v.Clip
	var err error
	v.conv, err = convert.New(pcm.Format{Codec: pcm.CodecPCM, SampleRate: c.Rate, Channels: c.Channels, BitDepth: c.Depth},
		pcm.Format{Codec: pcm.CodecPCM, SampleRate: f.SampleRate, Channels: v.ch, BitDepth: f.BitDepth})
	if err != nil {
		return err
	}
	v.format, v.queue = f, v.queue[:0]
	v.read = timeline.Scale(max(at-ramp, 0), int64(c.Rate), int64(f.SampleRate))
	v.duck = &mix.Duck{Floor: mix.DB(-v.DuckDB), Ramp: ramp, Length: v.conv.OutputFrames(c.Frames), Channels: f.Channels, Depth: f.BitDepth, At: at}
	return nil
}

// take is the next n frames of the clip, in the format's channels.
func (v *over) take(n int64) []int32 {
	want := int(n) * v.ch
	for len(v.queue) < want && v.read < v.Clip.Frames {
		var got int64
		v.in, got = v.Clip.frames(v.in[:0], v.read, 4096)
		v.queue = v.conv.Process(v.queue, v.in)
		if v.read += got; v.read == v.Clip.Frames {
			v.queue = v.conv.Flush(v.queue)
		}
	}
	want = min(want, len(v.queue))
	out := spread(v.queue[:want], v.ch, v.format.Channels)
	v.queue = v.queue[:copy(v.queue, v.queue[want:])]
	return out
}

// spread copies samples of `from` channels into the first of `to` channels.
func spread(samples []int32, from, to int) []int32 {
	out := make([]int32, len(samples)/from*to)
	for i := 0; i*from < len(samples); i++ {
		copy(out[i*to:(i+1)*to], samples[i*from:(i+1)*from])
	}
	return out
}
