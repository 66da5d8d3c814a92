package harness

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/audio/decode"
	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/sendspin/client"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Span is decoded audio that a device was told to play from a house time on.
type Span struct {
	TimestampUS int64
	Frames      int
	Samples     []int32 // interleaved
	Stream      uint64
}

// Device is a virtual player: the real client library over a real socket, with
// the strict referee on. It keeps every sample with its timestamp.
type Device struct {
	Name   string
	Format wire.AudioFormat
	Client *client.Client

	mu         sync.Mutex
	spans      []Span
	events     []client.Event
	violations []string
	dec        decode.Decoder
	decStream  wire.AudioFormat
	visuals    []client.Visual
	err        error
	started    int
	ended      int
}

// DeviceOptions of NewDevice; zero values are those of a small speaker.
type DeviceOptions struct {
	Suite    noise.Suite
	Formats  []wire.AudioFormat // default: the device's one format
	Buffer   int                // bytes; default 1 MiB
	LeadMS   int                // required_lead_time_ms; default 100
	BufferMS int                // min_buffer_ms; default 150
	Store    *client.Store
	Roles    []string
	Unpaired *bool // unpaired_access; default true
	// Visualizer is what a device with that role asks for; Artwork is for that role.
	Visualizer *wire.VisualizerState
	Artwork    []wire.ArtworkChannel
}

// PCM and FLAC at CD quality, and what a studio monitor wants.
var (
	PCM44  = wire.AudioFormat{Codec: wire.CodecPCM, SampleRate: 44100, Channels: 2, BitDepth: 16}
	FLAC44 = wire.AudioFormat{Codec: wire.CodecFLAC, SampleRate: 44100, Channels: 2, BitDepth: 16}
	PCM48  = wire.AudioFormat{Codec: wire.CodecPCM, SampleRate: 48000, Channels: 2, BitDepth: 24}
)

// NewDevice makes a device; Connect starts it.
func NewDevice(t testing.TB, name string, format wire.AudioFormat, o DeviceOptions) *Device {
	t.Helper()
	d := &Device{Name: name, Format: format}
	volume := 35
	if o.Formats == nil {
		o.Formats = []wire.AudioFormat{format}
	}
	orInt(&o.Buffer, 1<<20)
	orInt(&o.LeadMS, 100)
	orInt(&o.BufferMS, 150)
	c, err := client.New(client.Config{
		Name: name, Suite: o.Suite, Store: o.Store, Roles: o.Roles, UnpairedAccess: o.Unpaired == nil || *o.Unpaired, Strict: true,
		Formats: o.Formats, BufferCapacity: o.Buffer, RequiredLeadMS: o.LeadMS, MinBufferMS: o.BufferMS, Volume: &volume,
		SyncInterval: time.Second, BackoffMin: 200 * time.Millisecond, BackoffMax: time.Second,
		Artwork: o.Artwork, VisualCapacity: 1 << 16, Visualizer: o.Visualizer,
		OnEvent: d.event, OnChunk: d.chunk, OnVisual: d.visual,
	})
	if err != nil {
		t.Fatal(err)
	}
	d.Client = c
	return d
}

func orInt(p *int, v int) {
	if *p == 0 {
		*p = v
	}
}

// Connect dials url until the test ends or the returned stop is called.
func (d *Device) Connect(t testing.TB, url string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = d.Client.Dial(ctx, url) // ends with ctx, or as the device's events tell
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(func() {
		stop()
		if v := d.Violations(); len(v) > 0 {
			t.Errorf("%s: the server broke %d rules of the specification, first: %s", d.Name, len(v), v[0])
		}
		if err := d.Err(); err != nil {
			t.Errorf("%s: %v", d.Name, err)
		}
	})
	return stop
}

func (d *Device) event(e client.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, e)
	switch e := e.(type) {
	case client.Violation:
		d.violations = append(d.violations, e.String())
	case client.StreamStarted:
		d.started++
		d.openDecoder(e)
	case client.StreamEnded:
		d.ended++
	}
}

func (d *Device) openDecoder(e client.StreamStarted) {
	f := pcm.Format{Codec: e.Format.Codec, SampleRate: e.Format.SampleRate, Channels: e.Format.Channels, BitDepth: e.Format.BitDepth}
	dec, err := decode.New(f, e.CodecHeader)
	if err != nil {
		d.err = fmt.Errorf("stream/start %+v: %w", e.Format, err)
	}
	d.dec, d.decStream = dec, e.Format
}

func (d *Device) chunk(c client.Chunk) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dec == nil {
		return
	}
	samples, err := d.dec.Decode(nil, c.Data)
	if err != nil {
		d.err = fmt.Errorf("chunk at %d does not decode: %w", c.Timestamp, err)
		return
	}
	d.spans = append(d.spans, Span{TimestampUS: c.Timestamp, Frames: len(samples) / d.decStream.Channels, Samples: samples, Stream: c.Stream})
}

func (d *Device) visual(v client.Visual) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.visuals = append(d.visuals, v)
}

// Visuals are the visualizer's frames so far.
func (d *Device) Visuals() []client.Visual {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.visuals)
}

// Spans is everything received so far, in order of arrival.
func (d *Device) Spans() []Span {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.spans)
}

// Forget drops what was received so far.
func (d *Device) Forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.spans, d.visuals, d.started, d.ended = nil, nil, 0, 0
}

// Frames counts decoded frames received since the last Forget.
func (d *Device) Frames() int {
	n := 0
	for _, s := range d.Spans() {
		n += s.Frames
	}
	return n
}

// Started and Ended count stream/start and stream/end since the last Forget.
func (d *Device) Started() int { d.mu.Lock(); defer d.mu.Unlock(); return d.started }

// Ended counts stream/end.
func (d *Device) Ended() int { d.mu.Lock(); defer d.mu.Unlock(); return d.ended }

// Violations are the rules that the server broke, by the strict client.
func (d *Device) Violations() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.violations)
}

// Err is what the device could not decode.
func (d *Device) Err() error { d.mu.Lock(); defer d.mu.Unlock(); return d.err }

// Last finds the newest event of a type.
func Last[E client.Event](d *Device) (e E, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, ev := range slices.Backward(d.events) {
		if e, ok := ev.(E); ok {
			return e, true
		}
	}
	return e, false
}

// Events is everything the device was told, in order.
func (d *Device) Events() []client.Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.events)
}
