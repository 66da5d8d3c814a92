package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/client"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// room is one virtual speaker of the demo.
type room struct {
	name   string
	client *client.Client

	lastPlayAt atomic.Int64 // when the newest chunk starts to sound, client µs

	mu     sync.Mutex
	format string
	title  string
}

func newRoom(dir, name string, suite noise.Suite, format wire.AudioFormat, log *slog.Logger) (*room, error) {
	r := &room{name: name}
	store, err := client.OpenStore(filepath.Join(dir, strings.ReplaceAll(strings.ToLower(name), " ", "-")+".json"), nil)
	if err != nil {
		return nil, err
	}
	volume := 40
	r.client, err = client.New(client.Config{
		Name: name, Store: store, Suite: suite, UnpairedAccess: true, Strict: true,
		DeviceInfo: &wire.DeviceInfo{ProductName: "Virtual room", Manufacturer: "Tutti"},
		Formats:    []wire.AudioFormat{format}, BufferCapacity: demoBuffer,
		RequiredLeadMS: 200, MinBufferMS: 300, Volume: &volume,
		OnEvent: func(e client.Event) { r.event(e, log) },
		OnChunk: func(c client.Chunk) { r.lastPlayAt.Store(c.PlayAt) },
	})
	return r, err
}

func (r *room) event(e client.Event, log *slog.Logger) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch e := e.(type) {
	case client.StreamStarted:
		f := e.Format
		r.format = fmt.Sprintf("%s %g kHz/%d bit", f.Codec, float64(f.SampleRate)/1000, f.BitDepth)
	case client.StreamEnded, client.Disconnected:
		r.format = ""
	case client.MetadataChanged:
		r.title = ""
		if e.Metadata != nil {
			r.title = e.Metadata.Title
		}
	case client.Violation:
		log.Warn("demo room: the server broke a rule", obs.KeyName, r.name, obs.KeyReason, e.String())
	}
}

// line is the room's state in one line for a person.
func (r *room) line() string {
	r.mu.Lock()
	format, title := r.format, r.title
	r.mu.Unlock()
	s := r.client.Stats()
	if format == "" {
		return fmt.Sprintf("  %-12s silent", r.name)
	}
	ahead := max(0, r.lastPlayAt.Load()-r.client.Now())
	return fmt.Sprintf("  %-12s %-24s buffer %5.1f s   clock ±%3.0f µs   late %d   %s",
		r.name, format, float64(ahead)/1e6, s.StdDevUS, s.Late, title)
}

// demoLines is how often the demo tells how its rooms do.
const demoLines = 10 * time.Second

// show prints the rooms' state now and then: what a newcomer without a speaker
// can see of the music.
func (d *demo) show(ctx context.Context, p *process, out io.Writer) {
	fmt.Fprintf(out, "  three virtual rooms play, encrypted and on one clock; try `tutti status`, `tutti pause %s`, `tutti volume kitchen 20`; Ctrl-C ends\n", demoGroup)
	tick := time.NewTicker(demoLines)
	defer tick.Stop()
	first := time.After(3 * time.Second)
	for {
		select {
		case <-ctx.Done():
			return
		case <-first:
		case <-tick.C:
		}
		var b strings.Builder
		fmt.Fprintf(&b, "\n  %s\n", time.Now().Format("15:04:05"))
		for _, r := range d.rooms {
			b.WriteString(r.line() + "\n")
		}
		fmt.Fprint(out, b.String())
	}
}

func openGroups(ctx context.Context, c *bus.Conn) (*bus.Bucket[tuttiv1.Group, *tuttiv1.Group], error) {
	return bus.OpenBucket[tuttiv1.Group](ctx, c, subject.BucketGroups, bus.BucketOptions{})
}
