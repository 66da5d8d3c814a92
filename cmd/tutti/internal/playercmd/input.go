package playercmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/audio/wav"
)

// blockMS is how much an input gives at a time: a chunk of the source.
const blockMS = 20

// input is what `tutti source` captures from.
type input interface {
	// Format is that of the samples.
	Format() pcm.Format
	// Next waits for the next block, whole frames within the format's depth, and returns
	// the client's time when its first sample was captured. io.EOF is the end.
	Next(ctx context.Context) (samples []int32, at int64, err error)
	Close() error
}

// openInput opens what --input names. f is the format of inputs that have none of their
// own. now is the client's clock.
func openInput(name string, f pcm.Format, stdin io.Reader, clock clockwork.Clock, now func() int64) (input, error) {
	kind, rest, _ := strings.Cut(name, ":")
	switch {
	case name == "-":
		return newStream(stdin, f, now), nil
	case kind == "tone":
		hz, err := strconv.ParseFloat(rest, 64)
		if err != nil || hz < 20 || hz > float64(f.SampleRate)/2 {
			return nil, usage("--input tone:%s: give a frequency from 20 Hz to half the sample rate, such as tone:440", rest)
		}
		return newPaced(&toneReader{step: 2 * math.Pi * hz / float64(f.SampleRate), format: f}, f, clock, now), nil
	case kind == "wav" && rest != "":
		return openWAVInput(rest, f.Codec, clock, now)
	}
	return nil, usage("--input %q: choose tone:HZ, wav:FILE or - (samples on stdin)", name)
}

// sampleReader gives samples as fast as they are asked for.
type sampleReader interface {
	Read(dst []int32) (frames int, err error)
}

// paced gives what a reader holds in real time, frame k at its start plus k/rate.
type paced struct {
	r      sampleReader
	closer io.Closer
	format pcm.Format
	clock  clockwork.Clock
	now    func() int64
	begin  int64
	frames int64
}

func newPaced(r sampleReader, f pcm.Format, clock clockwork.Clock, now func() int64) *paced {
	return &paced{r: r, format: f, clock: clock, now: now}
}

func (p *paced) Format() pcm.Format { return p.format }

func (p *paced) Next(ctx context.Context) ([]int32, int64, error) {
	buf := make([]int32, p.format.SampleRate*blockMS/1000*p.format.Channels)
	n := 0
	for n*p.format.Channels < len(buf) {
		k, err := p.r.Read(buf[n*p.format.Channels:])
		if n += k; err != nil && n == 0 {
			return nil, 0, err
		} else if err != nil {
			break
		}
	}
	if p.frames == 0 {
		p.begin = p.now()
	}
	at := p.begin + p.format.DurationUS(p.frames)
	p.frames += int64(n)
	if wait := p.begin + p.format.DurationUS(p.frames) - p.now(); wait > 0 {
		select {
		case <-p.clock.After(time.Duration(wait) * time.Microsecond):
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
	return buf[:n*p.format.Channels], at, nil
}

func (p *paced) Close() error {
	if p.closer == nil {
		return nil
	}
	return p.closer.Close()
}

func openWAVInput(path, codec string, clock clockwork.Clock, now func() int64) (input, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("--input wav: %w", err)
	}
	r, err := wav.NewReader(file)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("--input wav:%s: %w: record it as PCM", path, err), file.Close())
	}
	f := r.Format()
	f.Codec = codec
	if codec == pcm.CodecFLAC && f.BitDepth == 32 {
		return nil, errors.Join(usage("--input wav:%s has 32 bits, which flac cannot carry here: choose --format pcm", path), file.Close())
	}
	p := newPaced(r, f, clock, now)
	p.closer = file
	return p, nil
}

// toneReader is a sine at half of full scale, the same on each channel.
type toneReader struct {
	step, phase float64
	format      pcm.Format
}

func (t *toneReader) Read(dst []int32) (int, error) {
	full := math.Ldexp(0.5, t.format.BitDepth-1)
	frames := len(dst) / t.format.Channels
	for i := range frames {
		v := int32(math.Round(full * math.Sin(t.phase)))
		for c := range t.format.Channels {
			dst[i*t.format.Channels+c] = v
		}
		t.phase = math.Mod(t.phase+t.step, 2*math.Pi)
	}
	return frames, nil
}

// stream is samples that another program captures and writes to a pipe, little-endian and
// packed. Pipes and programs hand them over in bursts; when each was captured follows from
// counting, with the earliest arrivals as the anchor.
type stream struct {
	r      io.Reader
	under  io.Reader // of r
	format pcm.Format
	now    func() int64
	end    float64 // when the last frame was captured, by counting; 0: not begun
	buf    []byte
}

func newStream(r io.Reader, f pcm.Format, now func() int64) *stream {
	n := f.SampleRate * blockMS / 1000 * f.BytesPerFrame()
	return &stream{r: bufio.NewReaderSize(r, n), under: r, format: f, now: now, buf: make([]byte, n)}
}

func (s *stream) Format() pcm.Format { return s.format }

func (s *stream) Next(context.Context) ([]int32, int64, error) {
	n, err := io.ReadFull(s.r, s.buf)
	if n -= n % s.format.BytesPerFrame(); n == 0 {
		return nil, 0, err
	}
	samples, err := pcm.Unpack(nil, s.buf[:n], s.format.BitDepth)
	if err != nil {
		return nil, 0, err
	}
	us := float64(s.format.DurationUS(int64(n / s.format.BytesPerFrame())))
	return samples, int64(s.arrived(us) - us), nil
}

const (
	// creep is how fast the anchor of a stream may move to later, because the clock of the
	// sound card is not ours: 500 ppm.
	creep = 500e-6
	// restart is how late a block must be to show that the other program had paused, µs.
	restart = 1e6
)

// arrived takes a block of us microseconds that is here now, and returns when its last
// frame was captured.
func (s *stream) arrived(us float64) float64 {
	now := float64(s.now())
	expected := s.end + us
	switch late := now - expected; {
	case s.end == 0, late < 0, late > restart:
		s.end = now
	default:
		s.end = expected + min(late, us*creep)
	}
	return s.end
}

func (s *stream) Close() error { return nil }
