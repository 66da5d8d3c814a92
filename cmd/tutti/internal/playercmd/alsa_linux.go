//go:build alsa

package playercmd

/*
#cgo LDFLAGS: -lasound
#include <stdlib.h>
#include <alsa/asoundlib.h>
*/
import "C"

import (
	"fmt"
	"math"
	"sync/atomic"
	"unsafe"

	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/cmd/tutti/internal/playercmd/deck"
	"github.com/tutti-audio/tutti/sendspin/player"
	"github.com/tutti-audio/tutti/sendspin/player/render"
)

const (
	alsaLatencyUS = 100_000 // of the device's buffer
	alsaLeadUS    = 500_000 // how early the renderer gets samples
	alsaPeriod    = 50      // periods a second
)

// alsa is the sound card output. The loop's goroutine calls its methods; a writer
// goroutine for each opened device owns renderer and device, and takes its orders
// through a channel. Segment, Clear and Close do not outlive their writer.
type alsa struct {
	device    string
	now       func() int64
	clock     clockFunc
	controls  alsaControls
	format    pcm.Format
	firstTS   int64
	frames    int64 // of the segment so far
	orders    chan any
	done      chan error
	failed    error
	syncError atomic.Int64
	measured  atomic.Bool
}

// orders of the writer
type (
	alsaPush struct {
		ts      int64
		samples []int32
	}
	alsaControls struct {
		amplitude float64
		delayUS   int64
	}
	alsaClear struct{}
)

// clockFunc is the time filter for the renderer. Without a measurement every moment is
// far away, which the renderer fills with silence.
type clockFunc func(server int64) (int64, bool)

func (f clockFunc) ClientTime(server int64) int64 {
	if at, ok := f(server); ok {
		return at
	}
	return math.MaxInt64 / 4
}

// newALSA returns an output that opens the device with the first segment. It is silent
// until SetControls tells the volume.
func newALSA(device string, now func() int64, clock func(int64) (int64, bool)) (deck.Output, error) {
	if device == "" {
		device = "default"
	}
	return &alsa{device: device, now: now, clock: clock}, nil
}

// SetControls applies volume, mute and output delay.
func (o *alsa) SetControls(volume int, muted bool, delayUS int64) {
	o.controls = alsaControls{amplitude: player.VolumeAmplitude(volume), delayUS: delayUS}
	if muted {
		o.controls.amplitude = 0
	}
	_ = o.order(o.controls) // a writer that has ended says why at the next Write
}

// order hands an order to the writer; it blocks while the writer is far behind.
func (o *alsa) order(m any) error {
	if o.orders == nil {
		return o.failed
	}
	select {
	case o.orders <- m:
		return nil
	case err := <-o.done:
		o.orders, o.failed = nil, err
		return err
	}
}

// Segment opens the device when the format is new. What the old format still has to
// say is played to its end first, which takes alsaLeadUS at most.
func (o *alsa) Segment(f pcm.Format, firstTS int64) error {
	o.firstTS, o.frames = firstTS, 0
	if o.orders != nil && f.SampleRate == o.format.SampleRate && f.Channels == o.format.Channels && f.BitDepth == o.format.BitDepth {
		return nil
	}
	if err := o.finish(); err != nil {
		return err
	}
	o.format = f
	return o.open()
}

func (o *alsa) open() error {
	name := C.CString(o.device)
	defer C.free(unsafe.Pointer(name))
	var handle *C.snd_pcm_t
	if code := C.snd_pcm_open(&handle, name, C.SND_PCM_STREAM_PLAYBACK, 0); code < 0 {
		return fmt.Errorf("open sound card %q: %s: choose another with --output alsa:DEVICE (aplay -L lists them)", o.device, alsaError(code))
	}
	code := C.snd_pcm_set_params(handle, C.SND_PCM_FORMAT_S32, C.SND_PCM_ACCESS_RW_INTERLEAVED,
		C.uint(o.format.Channels), C.uint(o.format.SampleRate), 1, alsaLatencyUS)
	if code < 0 {
		C.snd_pcm_close(handle)
		return fmt.Errorf("sound card %q refuses %d Hz with %d channels: %s: offer other --formats", o.device, o.format.SampleRate, o.format.Channels, alsaError(code))
	}
	r, err := render.New(render.Config{SampleRate: o.format.SampleRate, Channels: o.format.Channels})
	if err != nil {
		C.snd_pcm_close(handle)
		return err
	}
	w := &alsaWriter{out: o, pcm: handle, format: o.format, render: r, orders: make(chan any, 64), controls: o.controls}
	r.SetOutputDelay(o.controls.delayUS)
	o.orders, o.done = w.orders, make(chan error, 1)
	go func(done chan error) { done <- w.run() }(o.done) // finish ends it and waits
	return nil
}

// Write gives samples their timestamp and queues them.
func (o *alsa) Write(samples []int32) error {
	err := o.order(alsaPush{ts: o.firstTS + o.format.DurationUS(o.frames), samples: append([]int32(nil), samples...)})
	o.frames += int64(len(samples) / o.format.Channels)
	return err
}

// Silence is what the renderer puts where nothing is.
func (o *alsa) Silence(frames int64) error {
	o.frames += frames
	return nil
}

// LeadUS is how early samples are wanted.
func (o *alsa) LeadUS() int64 { return alsaLeadUS }

// Clear drops what the device has not been given.
func (o *alsa) Clear() error { return o.order(alsaClear{}) }

// SyncErrorUS is the renderer's newest.
func (o *alsa) SyncErrorUS() (int64, bool) { return o.syncError.Load(), o.measured.Load() }

// Close plays to the end and closes the device.
func (o *alsa) Close() error { return o.finish() }

func (o *alsa) finish() error {
	if o.orders == nil {
		return o.failed
	}
	close(o.orders)
	err := <-o.done
	o.orders, o.failed = nil, err
	return err
}

func alsaError(code C.int) string { return C.GoString(C.snd_strerror(code)) }

// alsaWriter feeds one opened device, in real time: the device's full buffer is what
// makes it wait.
type alsaWriter struct {
	out      *alsa
	pcm      *C.snd_pcm_t
	format   pcm.Format
	render   *render.Renderer
	orders   chan any
	controls alsaControls
	gain     float64 // of the last frame that was written
}

// run writes period after period until the orders are closed and the queue is empty.
func (w *alsaWriter) run() error {
	defer C.snd_pcm_close(w.pcm)
	frames := w.format.SampleRate / alsaPeriod
	buf := make([]int32, frames*w.format.Channels)
	for open := true; open || w.render.Queued() > 0; {
		if open {
			open = w.takeOrders()
		}
		w.render.Read(buf, w.out.now()+w.delayUS(), w.out.clock)
		w.out.syncError.Store(w.render.Stats().ErrorUS)
		w.out.measured.Store(w.render.Stats().Snaps > 0)
		w.amplify(buf)
		if err := w.write(buf); err != nil {
			return err
		}
	}
	C.snd_pcm_drain(w.pcm)
	return nil
}

// takeOrders carries out what waits; false means that no more will come.
func (w *alsaWriter) takeOrders() bool {
	for {
		select {
		case m, ok := <-w.orders:
			if !ok {
				return false
			}
			switch m := m.(type) {
			case alsaPush:
				_ = w.render.Push(m.ts, m.samples) // full at a minute: the deck gives half a second
			case alsaClear:
				w.render.Clear()
			case alsaControls:
				w.controls = m
				w.render.SetOutputDelay(m.delayUS)
			}
		default:
			return true
		}
	}
}

// delayUS is how long a sample that is written now takes to the port.
func (w *alsaWriter) delayUS() int64 {
	var delay C.snd_pcm_sframes_t
	if code := C.snd_pcm_delay(w.pcm, &delay); code < 0 {
		C.snd_pcm_recover(w.pcm, code, 1)
		return 0
	}
	return w.format.DurationUS(max(int64(delay), 0))
}

// amplify applies the volume, over one period when it changes so that nothing clicks,
// and aligns samples to the left of 32 bits.
func (w *alsaWriter) amplify(buf []int32) {
	shift := uint(32 - w.format.BitDepth)
	frames := len(buf) / w.format.Channels
	step := (w.controls.amplitude - w.gain) / float64(frames)
	if step == 0 && w.gain == 1 { // full volume leaves samples as they are
		for i := range buf {
			buf[i] <<= shift
		}
		return
	}
	for f := range frames {
		w.gain += step
		for c := range w.format.Channels {
			i := f*w.format.Channels + c
			buf[i] = int32(float64(buf[i]<<shift) * w.gain)
		}
	}
	w.gain = w.controls.amplitude
}

// write blocks until the device has taken everything.
func (w *alsaWriter) write(buf []int32) error {
	for len(buf) > 0 {
		n := C.snd_pcm_writei(w.pcm, unsafe.Pointer(&buf[0]), C.snd_pcm_uframes_t(len(buf)/w.format.Channels))
		if n < 0 {
			if code := C.snd_pcm_recover(w.pcm, C.int(n), 1); code < 0 {
				return fmt.Errorf("sound card %q: %s", w.out.device, alsaError(code))
			}
			continue
		}
		buf = buf[int(n)*w.format.Channels:]
	}
	return nil
}
