package playercmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync/atomic"

	"github.com/tutti-audio/tutti/audio/encode"
	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/sendspin/client"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// recorder reads an input in real time, senses whether there is a signal, and sends what
// it reads while the server wants it. Its loop belongs to run's goroutine; the rest may be
// called from any.
type recorder struct {
	in     input
	client func() *client.Client
	tell   func(string, fields)

	to    atomic.Pointer[takes]
	level atomic.Int64 // of the last block, dBFS times 10
	sense sense
}

// takes is an open input stream with its encoder.
type takes struct {
	capture *client.Capture
	enc     encode.Encoder
}

// open answers the server's request.
func (r *recorder) open(codecs []string) error {
	f := r.in.Format()
	enc, err := encode.New(f, f.SampleRate*blockMS/1000)
	if err != nil {
		return err
	}
	c, err := r.client().OpenCapture(wire.AudioFormat{Codec: f.Codec, Channels: f.Channels, SampleRate: f.SampleRate, BitDepth: f.BitDepth}, enc.Header())
	if err != nil {
		return fmt.Errorf("the server takes %v: %w", codecs, err)
	}
	r.to.Store(&takes{c, enc})
	return nil
}

// stop forgets the stream, which the client has ended.
func (r *recorder) stop() { r.to.Store(nil) }

// run reads until the input ends (io.EOF) or ctx does.
func (r *recorder) run(ctx context.Context) error {
	for {
		samples, at, err := r.in.Next(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			r.finish()
			return err
		}
		r.watch(samples)
		if to := r.to.Load(); to != nil {
			r.send(to, at, samples)
		}
	}
}

// finish ends the stream with the input.
func (r *recorder) finish() {
	if to := r.to.Swap(nil); to != nil {
		_ = to.capture.Close() // a connection that is over has ended it
	}
}

// send encodes and sends a block. The last one of a file may be short.
func (r *recorder) send(to *takes, at int64, samples []int32) {
	data, err := to.enc.Encode(nil, samples)
	if err != nil {
		r.tell("capture_error", fields{"error": err.Error()})
		r.to.CompareAndSwap(to, nil)
		return
	}
	err = to.capture.Write(at, data)
	if errors.Is(err, client.ErrInvalid) {
		err = to.capture.WriteLast(at, data)
	}
	if errors.Is(err, client.ErrNotRequested) {
		r.to.CompareAndSwap(to, nil)
	}
}

// watch senses the signal of a block.
func (r *recorder) watch(samples []int32) {
	f := r.in.Format()
	db := level(samples, f.BitDepth)
	r.level.Store(int64(db * 10))
	us := f.DurationUS(int64(len(samples) / f.Channels))
	if changed, present := r.sense.take(db, us); changed {
		_ = r.client().SetSignal(present) // fails only when the client hangs; the next change says it again
		r.tell("signal", fields{"present": present, "level_db": math.Round(db*10) / 10})
	}
}

// level is the root mean square of samples in dB below full scale, at least -120.
func level(samples []int32, depth int) float64 {
	var sum float64
	for _, v := range samples {
		sum += float64(v) * float64(v)
	}
	if len(samples) == 0 || sum == 0 {
		return -120
	}
	full := math.Ldexp(1, depth-1)
	return max(10*math.Log10(sum/float64(len(samples))/(full*full)), -120)
}

// sense decides whether there is a signal: present after presentUS above the threshold,
// absent after absentUS below it.
type sense struct {
	threshold float64 // dBFS
	present   bool
	for_      int64 // µs that say otherwise
}

const (
	presentUS = 200_000
	absentUS  = 5_000_000
)

func (s *sense) take(db float64, us int64) (changed, present bool) {
	if (db >= s.threshold) == s.present {
		s.for_ = 0
		return false, s.present
	}
	s.for_ += us
	if limit := map[bool]int64{false: presentUS, true: absentUS}[s.present]; s.for_ < limit {
		return false, s.present
	}
	s.present, s.for_ = !s.present, 0
	return true, s.present
}

// ended words the end of an input.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return fmt.Errorf("read the input: %w", err)
}

// inputFormat checks --format for a source.
func inputFormat(s string) (pcm.Format, error) {
	f, err := pcm.ParseFormat(s)
	if err != nil {
		return f, usage("--format: %w", err)
	}
	if f.Codec == pcm.CodecOpus {
		return f, usage("--format: choose flac or pcm, which every server takes")
	}
	return f, nil
}
