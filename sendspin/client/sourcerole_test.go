package client

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/sendspin/clock"
	"github.com/tutti-audio/tutti/sendspin/sendspintest"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// lineIn is a source with line sensing, connected and asked to report.
func lineIn(t *testing.T, o sendspintest.ServerOptions, change func(*Config)) *rig {
	t.Helper()
	r := newRig(t, o, func(c *Config) {
		c.Roles, c.LineSense = []string{wire.RoleSourceV1}, true
		if change != nil {
			change(c)
		}
	})
	hello := r.srv.GreetWith(&wire.ServerHello{Name: "test", Source: &wire.ServerSourceSupport{Codecs: []string{"flac", "pcm"}}})
	if hello.Source == nil || hello.Source.LineSense == nil || *hello.Source.LineSense != r.c.cfg.LineSense {
		t.Errorf("hello %+v", hello)
	}
	return r
}

// reported activates the source and returns its first client/state.
func (r *rig) reported(t *testing.T) *wire.ClientState {
	t.Helper()
	r.srv.Activate([]string{wire.ActivityPlayback}, wire.RoleSourceV1)
	r.srv.Send(&wire.GroupUpdate{PlaybackState: wire.PlaybackStopped, GroupID: "g"})
	return sendspintest.Expect[*wire.ClientState](r.srv)
}

func (r *rig) command(what string) {
	r.srv.Send(&wire.ServerCommand{Source: &wire.SourceCommand{Command: what}})
}

// opened answers the server's request and returns the open stream.
func (r *rig) opened(t *testing.T) *Capture {
	t.Helper()
	waitFor[CaptureRequested](t, r.recorder)
	x, err := r.c.OpenCapture(pcm, nil)
	if err != nil {
		t.Fatal(err)
	}
	if m := sendspintest.Expect[*wire.ClientStreamStart](r.srv); m.Source.Format != pcm || m.Source.CodecHeader != nil {
		t.Errorf("%+v", m)
	}
	return x
}

// justNow is a time of capture that is not stale, also if the machine stands still before
// the client sends the chunk.
func (r *rig) justNow() int64 { return r.c.Now() + time.Minute.Microseconds() }

func write(t *testing.T, r *rig, x *Capture) {
	t.Helper()
	if err := x.Write(r.justNow(), pcm20); err != nil {
		t.Fatal(err)
	}
	sendspintest.Expect[*sendspintest.SourceAudio](r.srv)
}

// silent waits until the client has dealt with everything, and fails if it sent
// anything.
func (r *rig) silent(t *testing.T) {
	t.Helper()
	r.settle(t)
	if err := r.c.Leave(); err != nil { // a marker behind whatever it sent
		t.Fatal(err)
	}
	sendspintest.Expect[*wire.ClientLeave](r.srv)
}

// freeze keeps the client's mapping of the clocks as it is: the server answers no more
// questions, the client has dealt with what it was told before, and it asks nothing any
// more, or it would give a server up that is silent for some seconds.
func (r *rig) freeze(t *testing.T) {
	t.Helper()
	r.srv.AnswerTime(false)
	r.settle(t)
	r.inCore(t, func(k *core) {
		k.holder.timing = &timing{Sync: clock.NewSync(0), filter: k.holder.timing.filter}
	})
}

func TestSourceStreamsFromStartToStop(t *testing.T) {
	r := lineIn(t, sendspintest.ServerOptions{}, nil)
	state := r.reported(t)
	if !state.Available || state.Source == nil || state.Source.Signal != wire.SignalAbsent || state.Player != nil {
		t.Errorf("state %+v", state)
	}
	if err := r.c.SetSignal(true); err != nil {
		t.Fatal(err)
	}
	if state = sendspintest.Expect[*wire.ClientState](r.srv); state.Source.Signal != wire.SignalPresent {
		t.Errorf("state %+v", state.Source)
	}
	if _, err := r.c.OpenCapture(pcm, nil); !errors.Is(err, ErrNotRequested) {
		t.Errorf("unasked: %v", err)
	}
	r.command(wire.SourceStart)
	x := r.opened(t)
	r.freeze(t) // between the stamp and the look at what it should be
	captured := r.justNow()
	if err := x.Write(captured, pcm20); err != nil {
		t.Fatal(err)
	}
	audio := sendspintest.Expect[*sendspintest.SourceAudio](r.srv)
	chunk, err := wire.ParseSourceChunk(audio.Payload)
	want, _ := r.c.ServerTime(captured)
	if d := chunk.Timestamp - want; err != nil || d < -2000 || d > 2000 || len(chunk.Data) != len(pcm20) {
		t.Errorf("chunk of %d bytes at %d, want %d: %v", len(chunk.Data), chunk.Timestamp, want, err)
	}
	r.command(wire.SourceStop)
	sendspintest.Expect[*wire.ClientStreamEnd](r.srv)
	if e := waitFor[CaptureStopped](t, r.recorder); e.Reason != CaptureStoppedByServer {
		t.Errorf("%+v", e)
	}
	if err := x.Write(r.c.Now(), pcm20); !errors.Is(err, ErrNotRequested) {
		t.Errorf("after the stop: %v", err)
	}
	r.silent(t)
	if s := r.c.Stats(); s.Captured != 1 {
		t.Errorf("%d chunks", s.Captured)
	}
	r.wantNoViolations(t)
}

// The inverse of the mapping takes the drift into account: a crystal that is 1000 ppm
// off puts a capture of two minutes later 120 ms elsewhere.
func TestCaptureTimesHaveOffsetAndDrift(t *testing.T) {
	start := time.Now()
	server := func() int64 { return 1e12 + time.Since(start).Nanoseconds()/1000*1001/1000 }
	r := lineIn(t, sendspintest.ServerOptions{Now: server}, func(c *Config) { c.SyncInterval = 50 * time.Millisecond })
	r.reported(t)
	r.command(wire.SourceStart)
	x := r.opened(t)
	// The first estimate may be far off when the machine is busy.
	for deadline := time.Now().Add(time.Minute); math.Abs(r.c.Stats().DriftPPM-1000) >= 200; {
		if time.Now().After(deadline) {
			t.Fatalf("the filter sees a drift of %.0f ppm, want 1000", r.c.Stats().DriftPPM)
		}
		waitFor[Synced](t, r.recorder)
	}
	r.freeze(t)
	at := r.c.Now() + 120e6
	if err := x.Write(at, pcm20); err != nil {
		t.Fatal(err)
	}
	chunk, _ := wire.ParseSourceChunk(sendspintest.Expect[*sendspintest.SourceAudio](r.srv).Payload)
	offsetOnly := float64(at) + r.c.Stats().OffsetUS
	if moved := float64(chunk.Timestamp) - offsetOnly; moved < 50_000 {
		t.Errorf("a capture in two minutes is stamped %.0f µs after offset alone, want about 120000", moved)
	}
	if back, _ := r.c.ClientTime(chunk.Timestamp); back-at > 30_000 || at-back > 30_000 {
		t.Errorf("the stamp maps back to %d µs from the capture", back-at)
	}
}

func TestStartAuthorizesOneOpening(t *testing.T) {
	r := lineIn(t, sendspintest.ServerOptions{}, nil)
	r.reported(t)
	r.command(wire.SourceStop) // nothing to stop
	r.command(wire.SourceStart)
	r.command(wire.SourceStart)
	x := r.opened(t)
	r.command(wire.SourceStart) // neither restarts nor allows a later opening
	r.settle(t)
	write(t, r, x)
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	sendspintest.Expect[*wire.ClientStreamEnd](r.srv)
	if _, err := r.c.OpenCapture(pcm, nil); !errors.Is(err, ErrNotRequested) {
		t.Errorf("reopened without a new start: %v", err)
	}
	r.silent(t)
	r.command(wire.SourceStart)
	write(t, r, r.opened(t))
	r.wantNoViolations(t)
}

func TestPendingStartIsCleared(t *testing.T) {
	for name, c := range map[string]struct {
		by   func(r *rig)
		why  CaptureEnd
		tell bool // a client/state comes with it
	}{
		"by stop":           {func(r *rig) { r.command(wire.SourceStop) }, CaptureStoppedByServer, false},
		"by role removal":   {func(r *rig) { r.srv.Activate([]string{wire.ActivityPlayback}, wire.RoleControllerV1) }, CaptureRoleRemoved, true},
		"by unavailability": {func(r *rig) { _ = r.c.SetAvailable(false) }, CaptureUnavailable, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := lineIn(t, sendspintest.ServerOptions{}, func(c *Config) { c.Roles = append(c.Roles, wire.RoleControllerV1) })
			r.reported(t)
			r.command(wire.SourceStart)
			waitFor[CaptureRequested](t, r.recorder)
			c.by(r)
			if e := waitFor[CaptureStopped](t, r.recorder); e.Reason != c.why {
				t.Errorf("%+v", e)
			}
			if _, err := r.c.OpenCapture(pcm, nil); !errors.Is(err, ErrNotRequested) {
				t.Errorf("opened: %v", err)
			}
			if c.tell {
				sendspintest.Expect[*wire.ClientState](r.srv)
			}
			r.silent(t)
		})
	}
}

func TestOpenStreamEndsBeforeUnavailableIsReported(t *testing.T) {
	r := lineIn(t, sendspintest.ServerOptions{}, nil)
	r.reported(t)
	r.command(wire.SourceStart)
	write(t, r, r.opened(t))
	if err := r.c.SetAvailable(false); err != nil {
		t.Fatal(err)
	}
	sendspintest.Expect[*wire.ClientStreamEnd](r.srv)
	if m := sendspintest.Expect[*wire.ClientState](r.srv); m.Available {
		t.Errorf("%+v", m)
	}
	r.crossing(t)
	r.command(wire.SourceStart) // crossed with the report: ignored
	r.settle(t)
	if err := r.c.SetAvailable(true); err != nil {
		t.Fatal(err)
	}
	sendspintest.Expect[*wire.ClientState](r.srv)
	if _, err := r.c.OpenCapture(pcm, nil); !errors.Is(err, ErrNotRequested) {
		t.Errorf("available again resumes without a start: %v", err)
	}
	r.silent(t)
	r.wantNoViolations(t)
}

func TestRoleRemovalEndsTheStream(t *testing.T) {
	r := lineIn(t, sendspintest.ServerOptions{}, nil)
	r.reported(t)
	r.command(wire.SourceStart)
	write(t, r, r.opened(t))
	r.srv.Activate([]string{wire.ActivityPlayback})
	sendspintest.Expect[*wire.ClientStreamEnd](r.srv)
	r.srv.Activate([]string{wire.ActivityPlayback}, wire.RoleSourceV1)
	if m := sendspintest.Expect[*wire.ClientState](r.srv); m.Source == nil {
		t.Errorf("%+v", m)
	}
	if _, err := r.c.OpenCapture(pcm, nil); !errors.Is(err, ErrNotRequested) {
		t.Errorf("resumed without a start: %v", err)
	}
	r.silent(t)
	r.wantNoViolations(t)
}

func TestFormatIsReplacedInPlace(t *testing.T) {
	r := lineIn(t, sendspintest.ServerOptions{}, nil)
	r.reported(t)
	r.command(wire.SourceStart)
	before := r.opened(t)
	flac := testFormats()[0]
	after, err := r.c.OpenCapture(flac, streamInfo())
	if err != nil {
		t.Fatal(err)
	}
	if m := sendspintest.Expect[*wire.ClientStreamStart](r.srv); m.Source.Format != flac || len(m.Source.CodecHeader) != 42 {
		t.Errorf("%+v", m)
	}
	if err := before.Write(r.c.Now(), pcm20); !errors.Is(err, ErrNotRequested) {
		t.Errorf("the former stream takes audio: %v", err)
	}
	if err := after.Write(r.justNow(), flacFrame(960, 0)); err != nil {
		t.Error(err)
	}
	sendspintest.Expect[*sendspintest.SourceAudio](r.srv)
}

func TestChunksThatMustNotBeSent(t *testing.T) {
	r := lineIn(t, sendspintest.ServerOptions{}, nil)
	r.reported(t)
	r.command(wire.SourceStart)
	x := r.opened(t)
	for name, data := range map[string][]byte{
		"longer than 150 ms": make([]byte, 7201*4), "shorter than 5 ms": make([]byte, 239*4),
		"half a frame": pcm20[:len(pcm20)-1], "empty": {},
	} {
		if err := x.Write(r.c.Now(), data); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := x.Write(r.c.Now()-2e6, pcm20); err != nil { // captured before a stall of two seconds
		t.Error(err)
	}
	if err := x.WriteLast(r.justNow(), pcm20[:4]); err != nil {
		t.Error(err)
	}
	sendspintest.Expect[*sendspintest.SourceAudio](r.srv)
	sendspintest.Expect[*wire.ClientStreamEnd](r.srv)
	if s := r.c.Stats(); s.Captured != 1 || s.CaptureDropped != 1 {
		t.Errorf("%d sent, %d dropped", s.Captured, s.CaptureDropped)
	}
	if _, err := r.c.OpenCapture(wire.AudioFormat{Codec: wire.CodecOpus, Channels: 2, SampleRate: 48000}, nil); !errors.Is(err, ErrNotRequested) {
		t.Errorf("ended: %v", err)
	}
	r.command(wire.SourceStart)
	waitFor[CaptureRequested](t, r.recorder)
	if _, err := r.c.OpenCapture(wire.AudioFormat{Codec: wire.CodecOpus, Channels: 2, SampleRate: 48000}, nil); !errors.Is(err, ErrInvalid) {
		t.Errorf("a codec that the server does not list: %v", err)
	}
}

// A connection that takes nothing must not grow a queue of old audio.
func TestBacklogIsBounded(t *testing.T) {
	r := lineIn(t, sendspintest.ServerOptions{}, nil)
	r.reported(t)
	r.command(wire.SourceStart)
	x := r.opened(t)
	release, held := make(chan struct{}), make(chan struct{})
	if err := r.c.do(func(*core) { close(held); <-release }); err != nil { // the core hangs
		t.Fatal(err)
	}
	<-held
	sent := 0
	for range 100 {
		err := x.Write(r.c.Now(), pcm20)
		if err != nil && !errors.Is(err, ErrBacklog) {
			t.Fatal(err)
		}
		if err == nil {
			sent++
		}
	}
	close(release)
	if sent != 15 {
		t.Errorf("%d chunks of 20 ms wait, want 15", sent)
	}
}

func TestReconnectionNeedsANewStart(t *testing.T) {
	r := lineIn(t, sendspintest.ServerOptions{}, nil)
	r.reported(t)
	r.command(wire.SourceStart)
	x := r.opened(t)
	r.srv.Close()
	if e := waitFor[CaptureStopped](t, r.recorder); e.Reason != CaptureDisconnected {
		t.Errorf("%+v", e)
	}
	if err := r.end(t); err == nil {
		t.Error("no error")
	}
	if err := x.Write(r.c.Now(), pcm20); !errors.Is(err, ErrNotRequested) {
		t.Errorf("%v", err)
	}
	r.connect(t, sendspintest.ServerOptions{})
	r.srv.GreetWith(&wire.ServerHello{Name: "test", Source: &wire.ServerSourceSupport{Codecs: []string{"flac", "pcm"}}})
	r.reported(t)
	r.silent(t)
	r.command(wire.SourceStart)
	write(t, r, r.opened(t))
}

func TestUnsyncedSourceHoldsItsState(t *testing.T) {
	r := lineIn(t, sendspintest.ServerOptions{}, nil)
	r.srv.AnswerTime(false)
	r.srv.Activate([]string{wire.ActivityPlayback}, wire.RoleSourceV1)
	r.settle(t)
	r.command(wire.SourceStart) // must not be sent yet; a violation, and not obeyed
	r.settle(t)
	if _, err := r.c.OpenCapture(pcm, nil); !errors.Is(err, ErrNotRequested) {
		t.Errorf("opened before the clock is synchronized: %v", err)
	}
	r.srv.AnswerTime(true)
	if m := sendspintest.Expect[*wire.ClientState](r.srv); !m.Available || m.Source == nil {
		t.Errorf("%+v", m)
	}
}

func TestRefereeOfTheSource(t *testing.T) {
	for name, c := range map[string]struct {
		rule   string
		script func(t *testing.T, r *rig)
	}{
		"start before the state": {"Source command", func(t *testing.T, r *rig) {
			r.srv.AnswerTime(false)
			r.srv.Activate([]string{wire.ActivityPlayback}, wire.RoleSourceV1)
			r.command(wire.SourceStart)
		}},
		"command without the role": {"server/command", func(t *testing.T, r *rig) {
			r.srv.Activate([]string{wire.ActivityPlayback})
			r.command(wire.SourceStop)
		}},
		"start while unavailable": {"Source command", func(t *testing.T, r *rig) {
			if err := r.c.SetAvailable(false); err != nil {
				t.Fatal(err)
			}
			if r.reported(t).Available {
				t.Error("available")
			}
			r.command(wire.SourceStart)
		}},
		"audio from the server": {"Binary Message ID", func(t *testing.T, r *rig) {
			r.reported(t)
			_ = r.srv.Conn.WriteMessage(t.Context(), wire.IDSource, make([]byte, 20))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := lineIn(t, sendspintest.ServerOptions{}, nil)
			c.script(t, r)
			if v := waitFor[Violation](t, r.recorder); !strings.HasPrefix(v.Rule, c.rule) {
				t.Errorf("violation %q, want one of %q", v, c.rule)
			}
		})
	}
}

func TestRefereeOfTheServersCodecs(t *testing.T) {
	for name, hello := range map[string]string{
		"no support object": `{"type":"server/hello","payload":{"name":"s"}}`,
		"no pcm":            `{"type":"server/hello","payload":{"name":"s","source@v1_support":{"supported_codecs":["flac","newer"]}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, sendspintest.ServerOptions{}, func(c *Config) { c.Roles = []string{wire.RoleSourceV1} })
			r.srv.SendRaw([]byte(hello))
			sendspintest.Expect[*wire.ClientHello](r.srv)
			r.reported(t)
			for {
				if v := waitFor[Violation](t, r.recorder); strings.HasPrefix(v.Rule, "server/hello") {
					return
				}
			}
		})
	}
}

func TestUnknownCodecsOfTheServerAreIgnored(t *testing.T) {
	r := newRig(t, sendspintest.ServerOptions{}, func(c *Config) { c.Roles, c.Strict = []string{wire.RoleSourceV1}, false })
	r.srv.SendRaw([]byte(`{"type":"server/hello","payload":{"name":"s","source@v1_support":{"supported_codecs":["newer","flac","pcm"]}}}`))
	if h := sendspintest.Expect[*wire.ClientHello](r.srv); h.Source == nil || *h.Source.LineSense {
		t.Errorf("%+v", h.Source)
	}
	if m := r.reported(t); m.Source == nil || m.Source.Signal != "" {
		t.Errorf("%+v: signal without line sensing", m.Source)
	}
	r.command(wire.SourceStart)
	if e := waitFor[CaptureRequested](t, r.recorder); strings.Join(e.Codecs, " ") != "flac pcm" {
		t.Errorf("%v", e.Codecs)
	}
}
