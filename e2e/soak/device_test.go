package soak

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/audio/decode"
	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/e2e/harness"
	"github.com/tutti-audio/tutti/sendspin/client"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// device is one virtual device: the real client library over a real socket, strict, and
// an ear that compares what it hears with the music.
type device struct {
	name   string
	client *client.Client
	kind   kind
	proxy  *harness.Proxy
	ref    *reference

	mu         sync.Mutex
	violations []string
	faults     []string
	group      string
	playing    bool
	commands   []string // what the controller state lists
	last       map[string]int
	ear        ear
	cancel     context.CancelFunc // of the capturing goroutine
	work       sync.WaitGroup
}

// count notes that something of a kind arrived.
func (d *device) count(what string) { d.last[what]++ }

// counted is how often it did.
func (d *device) counted(what string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last[what]
}

// connect dials through the device's own proxy until the test ends.
func (d *device) connect(t testing.TB) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = d.client.Dial(ctx, d.proxy.URL)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		d.mu.Lock()
		d.endCapture()
		d.mu.Unlock()
		d.work.Wait()
	})
}

// event is told what happens. The client calls it and chunk one after the other.
func (d *device) event(e client.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch e := e.(type) {
	case client.Violation:
		d.violations = append(d.violations, e.String())
	case client.GroupChanged:
		if e.Group.GroupID != d.group {
			d.group = e.Group.GroupID
			d.disturb(false)
		}
		d.playing = e.Group.PlaybackState == wire.PlaybackPlaying
		d.count("group")
	case client.ControllerChanged:
		d.commands = nil
		if e.State != nil {
			d.commands = slices.Clone(e.State.SupportedCommands)
		}
		d.count("controller")
	case client.StreamStarted:
		d.open(e)
		if !e.InPlace {
			d.disturb(true)
		}
	case client.StreamCleared, client.StreamEnded:
		d.disturb(true)
	case client.Disconnected:
		d.disturb(true)
		d.group, d.playing, d.commands = "", false, nil
	case client.MetadataChanged:
		d.count("metadata")
	case client.ColorChanged:
		d.count("color")
	case client.ArtworkChanged:
		d.count("artwork")
	case client.CaptureRequested:
		d.count("capture")
		ctx, cancel := context.WithCancel(context.Background())
		d.cancel = cancel
		d.work.Go(func() { harness.Capture(ctx, d.client, nothing, func(int64) {}) })
	case client.CaptureStopped:
		d.endCapture()
	}
}

// nothing is a chunk of silence: what a line-in hears whose turntable does not turn.
func nothing(int64) []byte { return make([]byte, 882*4) }

func (d *device) endCapture() {
	if d.cancel != nil {
		d.cancel()
		d.cancel = nil
	}
}

func (d *device) open(e client.StreamStarted) {
	f := pcm.Format{Codec: e.Format.Codec, SampleRate: e.Format.SampleRate, Channels: e.Format.Channels, BitDepth: e.Format.BitDepth}
	dec, err := decode.New(f, e.CodecHeader)
	if err != nil {
		d.faults = append(d.faults, fmt.Sprintf("stream/start in %s: %v", e.Format, err))
	}
	d.ear.dec, d.ear.format = dec, e.Format
}

// now is the server's clock; 0 while it is not known.
func (d *device) now() int64 {
	at, _ := d.client.ServerTime(d.client.Now())
	return at
}

// disturb notes that the timeline changes here. What was not heard yet is dropped when
// the buffer is.
func (d *device) disturb(cleared bool) {
	now := d.now()
	if now > 0 { // or nothing was heard yet
		d.ear.disturbed = append(d.ear.disturbed, now)
	}
	if !cleared {
		return
	}
	d.ear.follows = false
	for n := len(d.ear.heard); n > 0 && d.ear.heard[n-1].at > now; n-- {
		d.ear.heard = d.ear.heard[:n-1]
	}
}

// chunk is told the audio.
func (d *device) chunk(c client.Chunk) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count("chunks")
	if d.ear.dec == nil {
		return
	}
	samples, err := d.ear.dec.Decode(nil, c.Data)
	if err != nil {
		d.faults = append(d.faults, fmt.Sprintf("chunk at %d does not decode: %v", c.Timestamp, err))
		return
	}
	if fault := d.ear.take(d.ref, c.Timestamp, samples, d.group); fault != "" {
		d.faults = append(d.faults, fault)
	}
}

func (d *device) visual(client.Visual) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count("visual")
}

// found are the violations and faults so far.
func (d *device) found() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Concat(d.violations, d.faults)
}

func (d *device) where() (group string, playing bool, commands []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.group, d.playing, slices.Clone(d.commands)
}

// await waits until something of each kind has arrived that was not there before.
func (d *device) await(t testing.TB, kinds ...string) {
	t.Helper()
	before := map[string]int{}
	for _, k := range kinds {
		before[k] = d.counted(k)
	}
	harness.Eventually(t, time.Minute, d.name+" gets something", func() string {
		for _, k := range kinds {
			if d.counted(k) == before[k] {
				return "no " + k
			}
		}
		return ""
	})
}
