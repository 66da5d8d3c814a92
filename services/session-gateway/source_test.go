package gateway

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/capture"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/client"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// turntable is a source: the client library, strict with its server.
type turntable struct {
	t      testing.TB
	c      *client.Client
	format wire.AudioFormat

	mu      sync.Mutex
	open    *client.Capture
	hello   []string // codecs that the server offers
	stops   []client.CaptureEnd
	ended   []error
	faults  []client.Violation
	started chan struct{}
}

func newTurntable(r *rig) *turntable {
	r.t.Helper()
	s := &turntable{
		t: r.t, format: wire.AudioFormat{Codec: "pcm", Channels: 1, SampleRate: 8000, BitDepth: 16},
		started: make(chan struct{}, 100),
	}
	c, err := client.New(client.Config{
		Name: "turntable", Roles: []string{wire.RoleSourceV1}, LineSense: true, UnpairedAccess: true, Strict: true, OnEvent: s.event,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	s.c = c
	return s
}

func (s *turntable) event(e client.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e := e.(type) {
	case client.CaptureRequested:
		s.hello = e.Codecs
		open, err := s.c.OpenCapture(s.format, nil)
		if err != nil {
			s.t.Errorf("open: %v", err)
		}
		s.open = open
		s.started <- struct{}{}
	case client.CaptureStopped:
		s.open = nil
		s.stops = append(s.stops, e.Reason)
	case client.Violation:
		s.faults = append(s.faults, e)
	case client.Disconnected:
		s.ended = append(s.ended, e.Err)
	}
}

// connect runs one connection; stop ends it.
func (s *turntable) connect(r *rig) (stop func()) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.c.Connect(ctx, r.url()) })
	stop = func() { cancel(); wg.Wait() }
	r.t.Cleanup(stop)
	r.waitPresence(s.c.ID(), func(p *tuttiv1.ClientPresence) string {
		if !p.GetConnected() || p.GetSourceSignal() == "" || !p.GetAvailable() {
			return fmt.Sprintf("presence is %v", p)
		}
		if !s.c.Stats().Synced { // it stamps what it captures
			return "the clock is not synchronized"
		}
		return ""
	})
	return stop
}

func (s *turntable) awaitStart() {
	s.t.Helper()
	select {
	case <-s.started:
	case <-time.After(patience):
		s.t.Fatal("the server does not ask for audio")
	}
}

// play sends a chunk of 20 ms whose samples are all b.
func (s *turntable) play(b byte) {
	s.t.Helper()
	s.mu.Lock()
	open := s.open
	s.mu.Unlock()
	if open == nil {
		s.t.Fatal("nothing is open")
	}
	if err := open.Write(s.c.Now(), bytes.Repeat([]byte{b}, 320)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *turntable) clean() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.faults {
		s.t.Errorf("violation: %s", v)
	}
}

// listener hears a source's captures.
type listener struct {
	mu  sync.Mutex
	got []capture.Message
}

func (r *rig) listen(client string) *listener {
	r.t.Helper()
	l := &listener{}
	stop, err := r.bus.SubscribeBytes(subject.Capture(client), func(b []byte) {
		m, err := capture.Parse(b)
		if err != nil {
			r.t.Errorf("%x: %v", b, err)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.got = append(l.got, m)
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(stop)
	return l
}

// story is what was heard, hints left out: S(tart), the first byte of each chunk, E(nd).
func (l *listener) story() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out strings.Builder
	var seq uint64
	for _, m := range l.got {
		if m.Kind == capture.Start && m.Seq == seq {
			continue
		}
		seq = m.Seq
		switch m.Kind {
		case capture.Start:
			out.WriteByte('S')
		case capture.End:
			out.WriteByte('E')
		default:
			out.WriteByte(m.Data[0])
		}
	}
	return out.String()
}

func (l *listener) wait(t testing.TB, want string) {
	t.Helper()
	eventually(t, func() string {
		if got := l.story(); got != want {
			return fmt.Sprintf("heard %q, want %q", got, want)
		}
		return ""
	})
}

func sourceCmd(user string, start bool) *tuttiv1.SessionCommand {
	return &tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_Source{Source: &tuttiv1.SourceCommand{User: user, Start: start, TtlMs: 60_000}}}
}

func (p *pairingFake) admitSources() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.families = []string{"player", "source", "metadata", "controller"}
}

func TestSourceIsHeardFromStartToStop(t *testing.T) {
	r := newRig(t)
	r.pairing.admitSources()
	s := newTurntable(r)
	l := r.listen(s.c.ID())
	s.connect(r)
	r.mustCommand(s.c.ID(), sourceCmd("g", true))
	s.awaitStart()
	if got := strings.Join(s.hello, " "); got != "flac pcm" {
		t.Errorf("server/hello lists %q", got)
	}
	before := r.house.NowMicros()
	s.play('a')
	s.play('b')
	l.wait(t, "Sab")
	l.mu.Lock()
	first := l.got[1]
	l.mu.Unlock()
	if d := first.TimestampUS - before; d < -100_000 || d > 5_000_000 {
		t.Errorf("captured %d µs after it was played", d)
	}
	p := r.waitPresence(s.c.ID(), func(p *tuttiv1.ClientPresence) string {
		if p.GetSource().GetChunks() != 2 {
			return fmt.Sprintf("presence says %v", p.GetSource())
		}
		return ""
	})
	if st := p.GetSource(); !st.GetStreaming() || st.GetFormat().GetSampleRate() != 8000 || st.GetUsers()[0] != "g" || p.GetActivities()[0] != "playback" {
		t.Errorf("presence %v", p)
	}
	r.mustCommand(s.c.ID(), sourceCmd("g", false))
	l.wait(t, "SabE")
	r.waitPresence(s.c.ID(), func(p *tuttiv1.ClientPresence) string {
		if p.GetSource().GetStreaming() || len(p.GetActivities()) > 0 {
			return fmt.Sprintf("presence says %v", p)
		}
		return ""
	})
	s.clean()
}

func TestLineSenseReachesPresence(t *testing.T) {
	r := newRig(t)
	r.pairing.admitSources()
	s := newTurntable(r)
	s.connect(r)
	if err := s.c.SetSignal(true); err != nil {
		t.Fatal(err)
	}
	r.waitPresence(s.c.ID(), func(p *tuttiv1.ClientPresence) string {
		if p.GetSourceSignal() != "present" || !p.GetSourceLineSense() {
			return fmt.Sprintf("signal %q", p.GetSourceSignal())
		}
		return ""
	})
	s.clean()
}

func TestSourceIsAskedAgainAfterItsReconnection(t *testing.T) {
	r := newRig(t)
	r.pairing.admitSources()
	s := newTurntable(r)
	l := r.listen(s.c.ID())
	stop := s.connect(r)
	r.mustCommand(s.c.ID(), sourceCmd("g", true))
	s.awaitStart()
	s.play('a')
	l.wait(t, "Sa")
	stop()
	l.wait(t, "SaE") // the gateway says that it is over
	r.waitPresence(s.c.ID(), func(p *tuttiv1.ClientPresence) string {
		if p.GetConnected() {
			return "still connected"
		}
		return ""
	})
	s.connect(r)
	eventually(t, func() string {
		if err := r.command(s.c.ID(), sourceCmd("g", true)); err != nil {
			return err.Error()
		}
		return ""
	})
	s.awaitStart()
	s.play('b')
	eventually(t, func() string {
		if got := l.story(); !strings.HasSuffix(got, "Sb") {
			return got
		}
		return ""
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	if a, b := l.got[0].Session, l.got[len(l.got)-1].Session; b <= a {
		t.Errorf("session numbers %d, then %d", a, b)
	}
	s.clean()
}

func TestUnavailableSourceIsNotAsked(t *testing.T) {
	r := newRig(t)
	r.pairing.admitSources()
	s := newTurntable(r)
	l := r.listen(s.c.ID())
	s.connect(r)
	r.mustCommand(s.c.ID(), sourceCmd("g", true))
	s.awaitStart()
	s.play('a')
	l.wait(t, "Sa")
	if err := s.c.SetAvailable(false); err != nil {
		t.Fatal(err)
	}
	l.wait(t, "SaE")
	eventually(t, func() string {
		if err := r.command(s.c.ID(), sourceCmd("g", true)); fault.CodeOf(err) != fault.Conflict {
			return fmt.Sprintf("command: %v", err)
		}
		return ""
	})
	if err := s.c.SetAvailable(true); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if err := r.command(s.c.ID(), sourceCmd("g", true)); err != nil {
			return err.Error()
		}
		return ""
	})
	s.awaitStart()
	s.clean()
}

func TestRoleRemovalStopsTheSource(t *testing.T) {
	r := newRig(t)
	r.pairing.admitSources()
	s := newTurntable(r)
	l := r.listen(s.c.ID())
	s.connect(r)
	r.mustCommand(s.c.ID(), sourceCmd("g", true))
	s.awaitStart()
	s.play('a')
	l.wait(t, "Sa")
	r.pairing.decide(s.c.ID(), tuttiv1.TrustState_TRUST_STATE_APPROVED, "approval", false)
	l.wait(t, "SaE")
	eventually(t, func() string {
		if err := r.command(s.c.ID(), sourceCmd("g", true)); fault.CodeOf(err) != fault.Conflict {
			return fmt.Sprintf("command: %v", err)
		}
		return ""
	})
	s.mu.Lock()
	if len(s.ended) > 0 {
		t.Errorf("the connection ended: %v", s.ended)
	}
	s.mu.Unlock()
	s.clean()
}

// A source without approval for it is an ordinary session without that role.
func TestSourceNeedsItsFamily(t *testing.T) {
	r := newRig(t)
	d := newDevice(r, func(d *device) {
		d.hello.SupportedRoles = append(d.hello.SupportedRoles, "source@v1")
		d.hello.Source = &wire.SourceSupport{}
	}).join(r)
	if m := waitType[*wire.ServerActivate](d, 1); wire.ActiveFamily(m.ActiveRoles, "source") != "" {
		t.Errorf("active: %v", m.ActiveRoles)
	}
	if err := r.command(d.id(), sourceCmd("g", true)); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("command: %v", err)
	}
}

// sourceDevice is a hand-played source.
func sourceDevice(r *rig) *device {
	r.t.Helper()
	r.pairing.admitSources()
	d := newDevice(r, func(d *device) {
		d.hello.SupportedRoles = []string{"source@v1"}
		d.hello.Source, d.hello.Player = &wire.SourceSupport{}, nil
	}).join(r)
	d.send(&wire.ClientState{Available: true, Source: &wire.SourceState{}})
	eventually(r.t, func() string {
		if err := r.command(d.id(), sourceCmd("g", true)); err != nil {
			return err.Error()
		}
		return ""
	})
	waitType[*wire.ServerCommand](d, 1)
	return d
}

var opensPCM = &wire.ClientStreamStart{Source: wire.InputStream{Format: wire.AudioFormat{Codec: "pcm", Channels: 1, SampleRate: 8000, BitDepth: 16}}}

func (d *device) sourceAudio(b byte) {
	_ = d.conn.WritePlain(context.Background(), wire.AppendSourceChunk(nil, d.house.NowMicros(), bytes.Repeat([]byte{b}, 320)))
}

func TestSourceAudioOutOfPlaceCloses(t *testing.T) {
	for name, script := range map[string]func(d *device){
		"before client-stream/start": func(d *device) { d.sourceAudio('a') },
		"after client-stream/end": func(d *device) {
			d.send(opensPCM)
			d.sourceAudio('a')
			d.send(&wire.ClientStreamEnd{})
			d.sourceAudio('b')
		},
		"while unavailable": func(d *device) {
			d.send(opensPCM)
			d.send(&wire.ClientState{Available: false, Source: &wire.SourceState{}})
			d.sourceAudio('b')
		},
		"a second opening": func(d *device) { d.send(opensPCM); d.send(&wire.ClientStreamEnd{}); d.send(opensPCM) },
		"an unlisted codec": func(d *device) {
			d.send(&wire.ClientStreamStart{Source: wire.InputStream{Format: wire.AudioFormat{Codec: "opus", Channels: 1, SampleRate: 48000}}})
		},
		"a flood": func(d *device) {
			d.send(opensPCM)
			for range 30_000 {
				if d.conn.WritePlain(context.Background(), wire.AppendSourceChunk(nil, 1, make([]byte, 1600))) != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			d := sourceDevice(r)
			script(d)
			d.waitEnd()
			r.waitPresence(d.id(), func(p *tuttiv1.ClientPresence) string {
				if !strings.HasPrefix(p.GetLastError(), "protocol_error: ") {
					return fmt.Sprintf("last error %q", p.GetLastError())
				}
				return ""
			})
		})
	}
}

// What is in flight when a stop or a removal is sent is dropped until the end of the
// stream, and the session lives.
func TestAudioInFlightAfterStopIsDiscarded(t *testing.T) {
	for name, stop := range map[string]func(r *rig, d *device){
		"stop": func(r *rig, d *device) {
			r.mustCommand(d.id(), sourceCmd("g", false))
			waitType[*wire.ServerCommand](d, 2)
		},
		"role removal": func(r *rig, d *device) {
			r.pairing.decide(d.id(), tuttiv1.TrustState_TRUST_STATE_APPROVED, "approval", false)
			waitType[*wire.ServerActivate](d, 3)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			d := sourceDevice(r)
			l := r.listen(d.id())
			d.send(opensPCM)
			d.sourceAudio('a')
			l.wait(t, "Sa")
			stop(r, d)
			d.sourceAudio('b')
			d.send(opensPCM) // the format may still change in place
			d.sourceAudio('c')
			d.send(&wire.ClientStreamEnd{})
			l.wait(t, "SaSE")
			if err := d.ended(); err != nil {
				t.Errorf("the session ended: %v", err)
			}
		})
	}
}
