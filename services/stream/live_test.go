package stream

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/proto/capture"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/timeline"
)

var format8 = capture.Format{Codec: "pcm", Channels: 1, BitDepth: 16, SampleRate: 8000}

// deck stands in for a source's session on a gateway: while somebody wants its audio it
// publishes a constant level, in real time. Its rate is low, because resampling under the
// race detector is dear.
type deck struct {
	r    *rig
	id   string
	stop func()

	mu      sync.Mutex
	users   map[string]bool
	level   int16
	changed map[int16]int64 // when each level was captured first, house µs
	muted   bool            // publishes nothing, whoever wants it
	session uint64
	seq     uint64
	open    bool
	at      int64
	cancel  context.CancelFunc
	wg      sync.WaitGroup
}

func (r *rig) deck(name string, change func(p *tuttiv1.ClientPresence)) *deck {
	r.t.Helper()
	d := &deck{r: r, id: (name + "-0123456789012345678901234567890123456789012")[:43], users: map[string]bool{}, level: 1000, changed: map[int16]int64{}, session: 1}
	p := &tuttiv1.ClientPresence{ClientId: d.id, Name: name, SessionId: "1", Connected: true, Stage: "ready",
		SupportedRoles: []string{"source@v1"}, ActiveRoles: []string{"source@v1"}, Available: proto.Bool(true), Source: &tuttiv1.SourceStatus{}}
	if change != nil {
		change(p)
	}
	d.say(p)
	stop, err := bus.HandleExclusive(r.bus, subject.Session(d.id), func(_ context.Context, c *tuttiv1.SessionCommand) (*tuttiv1.SessionReply, error) {
		if s := c.GetSource(); s != nil {
			d.mu.Lock()
			defer d.mu.Unlock()
			if d.users[s.GetUser()] = true; !s.GetStart() {
				delete(d.users, s.GetUser())
			}
		}
		return &tuttiv1.SessionReply{SessionId: "1"}, nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	d.cancel = cancel
	d.wg.Go(func() { d.play(ctx) })
	d.stop = sync.OnceFunc(func() { stop(); cancel(); d.wg.Wait() })
	r.t.Cleanup(d.stop)
	return d
}

func (d *deck) say(p *tuttiv1.ClientPresence) {
	d.r.t.Helper()
	if _, err := d.r.presence.Put(context.Background(), d.id, p); err != nil {
		d.r.t.Fatal(err)
	}
}

// play publishes 20 ms at a time.
func (d *deck) play(ctx context.Context) {
	t := time.NewTicker(5 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			d.step(houseclock.MonotonicMicros())
		case <-ctx.Done():
			return
		}
	}
}

func (d *deck) step(now int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	wanted := len(d.users) > 0 && !d.muted
	switch {
	case wanted && !d.open:
		d.open, d.at = true, now
		d.publish(capture.Message{Kind: capture.Start, Format: format8})
	case !wanted && d.open:
		d.open = false
		d.publish(capture.Message{Kind: capture.End})
	}
	for d.open && d.at+20_000 <= now {
		if _, ok := d.changed[d.level]; !ok {
			d.changed[d.level] = d.at
		}
		samples := bytes.Repeat([]byte{byte(d.level), byte(d.level >> 8)}, 160)
		d.publish(capture.Message{Kind: capture.Audio, TimestampUS: d.at, Data: samples})
		d.at += 20_000
		if d.seq%50 == 0 { // a hint for listeners that came late, as a gateway gives it
			d.seq--
			d.publish(capture.Message{Kind: capture.Start, Format: format8})
		}
	}
}

func (d *deck) publish(m capture.Message) {
	d.seq++
	m.Session, m.Seq = d.session, d.seq
	if err := d.r.bus.PublishBytes(subject.Capture(d.id), capture.Append(nil, &m)); err != nil {
		d.r.t.Error(err)
	}
}

func (d *deck) set(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

// wanted waits until the source is wanted, or not.
func (d *deck) wanted(want bool) {
	d.r.t.Helper()
	until(d.r.t, func() string {
		d.mu.Lock()
		defer d.mu.Unlock()
		if got := len(d.users) > 0; got != want {
			return fmt.Sprintf("the source is wanted by %v", d.users)
		}
		return ""
	})
}

// heard waits until a device plays a level, and returns when its first frame is heard. On
// a slow machine the epoch may begin anew meanwhile.
func (d *deck) heard(group string, by *device, level int16) (at int64) {
	d.r.t.Helper()
	until(d.r.t, func() string {
		s, _, _, _ := by.now()
		chunks := d.r.tapes.of(group, s.GetRenditionId(), s.GetEpoch())
		for _, c := range chunks {
			samples, err := pcm.Unpack(nil, c.Data, 24)
			if err != nil {
				d.r.t.Fatal(err)
			}
			for i, v := range samples {
				if w := int32(level) << 8; v > w-w/8 && v < w+w/8 {
					at = c.TimestampUS + timeline.Scale(int64(i), 1_000_000, 8000)
					return ""
				}
			}
		}
		last := []int32{}
		if n := len(chunks); n > 0 {
			last, _ = pcm.Unpack(nil, chunks[n-1].Data, 24)
			last = last[:min(4, len(last))]
		}
		return fmt.Sprintf("level %d is not among %d chunks of %s; the last one begins with %v", level, len(chunks), s.GetRenditionId(), last)
	})
	return at
}

// begin plays the source as soon as the instance knows of it.
func (d *deck) begin(group string) {
	d.r.t.Helper()
	until(d.r.t, func() string {
		if err := try(d.r, subject.StreamCommand, play(group, "source:"+d.id), &tuttiv1.GroupReply{}); err != nil {
			return err.Error()
		}
		return ""
	})
}

func TestSourcePlaysInTwoGroups(t *testing.T) {
	r := embedded(t)
	deck := r.deck("Turntable", nil)
	a, b := r.device("a", "pcm:8000:24:1"), r.device("b", "pcm:8000:24:1")
	one, two := r.make("One", a), r.make("Two", b)
	deck.begin(one)
	sa := a.playing(0)
	if !strings.HasSuffix(sa.GetRenditionId(), "-20ms") || !sa.GetLive() {
		t.Errorf("stream %v, want short chunks, live", sa)
	}
	deck.begin(two)
	sb := b.playing(0)
	deck.heard(one, a, 1000)
	deck.heard(two, b, 1000)
	epoch := func(d *device) uint64 { s, _, _, _ := d.now(); return s.GetEpoch() }
	was := []uint64{epoch(a), epoch(b)}
	deck.set(func() { deck.level = 9000 })
	ha, hb := deck.heard(one, a, 9000), deck.heard(two, b, 9000)
	is := []uint64{epoch(a), epoch(b)}
	deck.mu.Lock()
	captured := deck.changed[9000]
	deck.mu.Unlock()
	for i, h := range []int64{ha, hb} {
		// The latency itself is computed in package pipeline; this machine may be slow. So
		// slow that the group began anew, it hears the change with what comes after.
		if lat := h - captured; lat < 100_000 || lat > 3_000_000 && was[i] == is[i] {
			t.Errorf("heard %d µs after its capture", lat)
		}
	}
	g := r.get(one)
	if !g.GetLive() || g.GetNowPlaying().GetTitle() != "Turntable" || g.GetSource() != "source:"+deck.id {
		t.Errorf("group %v", g)
	}
	if code := r.code(seek(one, 5)); code != fault.Conflict {
		t.Errorf("seek is answered %q", code)
	}
	_, _, _, control := a.now()
	if c := strings.Join(control.GetSupportedCommands(), " "); strings.Contains(c, "seek") {
		t.Errorf("a live source offers %s", c)
	}
	r.command(&tuttiv1.GroupCommand{GroupId: one, Command: &tuttiv1.GroupCommand_Stop{Stop: &tuttiv1.Empty{}}})
	a.silent()
	deck.wanted(true) // by the other group
	r.command(&tuttiv1.GroupCommand{GroupId: two, Command: &tuttiv1.GroupCommand_Pause{Pause: &tuttiv1.Empty{}}})
	deck.wanted(false)
	r.command(play(two, "")) // goes on with what is captured now
	deck.wanted(true)
	b.playing(sb.GetEpoch())
	deck.heard(two, b, 9000)
}

func TestSourcesThatCannotBeHeard(t *testing.T) {
	r := embedded(t)
	g := r.make("One", r.device("a", "pcm:8000:24:1"))
	for name, c := range map[string]struct {
		change func(p *tuttiv1.ClientPresence)
		says   string
	}{
		"nosource":   {func(p *tuttiv1.ClientPresence) { p.SupportedRoles = []string{"player@v1"} }, "has no source"},
		"off":        {func(p *tuttiv1.ClientPresence) { p.Connected = false }, "not connected"},
		"unapproved": {func(p *tuttiv1.ClientPresence) { p.ActiveRoles = []string{"metadata@v1"} }, "--source"},
		"busy":       {func(p *tuttiv1.ClientPresence) { p.Available = proto.Bool(false) }, "in use"},
		"odd":        {func(p *tuttiv1.ClientPresence) { p.Source.Error = "pcm:1:1:1 cannot be used" }, "cannot be used"},
	} {
		d := r.deck(name, c.change)
		until(t, func() string {
			err := try(r, subject.StreamCommand, play(g, "source:"+d.id), &tuttiv1.GroupReply{})
			if fault.CodeOf(err) != fault.Conflict || !strings.Contains(err.Error(), c.says) {
				return fmt.Sprintf("%s: %v, want %q", name, err, c.says)
			}
			return ""
		})
	}
	if code := r.code(play(g, "source:nobody")); code != fault.NotFound {
		t.Errorf("an unknown device is answered %q", code)
	}
}

// A source that is lost for a moment leaves silence; one that stays away ends its item,
// with the reason, and what follows in the queue plays.
func TestSourceThatGoesAway(t *testing.T) {
	r := embedded(t)
	r.file("music.flac", 20, 1)
	deck := r.deck("Turntable", nil)
	a := r.device("a", "pcm:8000:24:1")
	g := r.make("One", a)
	deck.begin(g)
	s := a.playing(0)
	deck.heard(g, a, 1000)
	deck.set(func() { deck.muted = true })
	time.Sleep(300 * time.Millisecond) // real time passes for the source
	deck.set(func() { deck.muted, deck.open, deck.level, deck.session, deck.seq = false, false, 7000, 2, 0 })
	deck.heard(g, a, 7000)

	r.command(&tuttiv1.GroupCommand{GroupId: g, Command: &tuttiv1.GroupCommand_Enqueue{Enqueue: &tuttiv1.Enqueue{Uris: []string{"music.flac"}}}})
	deck.set(func() { deck.muted = true })
	var next *tuttiv1.StreamStart
	until(t, func() string {
		if next, _, _, _ = a.now(); next == nil || next.GetLive() {
			return fmt.Sprintf("it plays %v", next)
		}
		return ""
	})
	if next.GetEpoch() == s.GetEpoch() || strings.HasSuffix(next.GetRenditionId(), "-20ms") {
		t.Errorf("what follows is %v", next)
	}
	if e := r.get(g).GetLastError(); !strings.HasPrefix(e, "Turntable is not heard") || !strings.Contains(e, "no audio") {
		t.Errorf("last error %q", e)
	}
	deck.wanted(false)
}
