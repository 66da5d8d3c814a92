package client

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/sendspintest"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

var allRoles = []string{wire.RolePlayerV1, wire.RoleControllerV1, wire.RoleMetadataV1, wire.RoleColorV1}

func TestSessionFromHelloToMusic(t *testing.T) {
	r := newRig(t, sendspintest.ServerOptions{}, func(c *Config) { c.DeviceInfo = &wire.DeviceInfo{ProductName: "P"} })
	hello := r.srv.Greet()
	if hello.Name != "rig" || hello.Player == nil || hello.Player.BufferCapacity != 1<<20 || !hello.UnpairedAccess.Enabled || hello.PairMethods.PSK == nil {
		t.Errorf("hello %+v", hello)
	}
	if got := waitFor[Connected](t, r.recorder); got.Paired || got.Category != noise.Sentinel {
		t.Errorf("%+v", got)
	}
	r.srv.Activate([]string{wire.ActivityPlayback}, wire.RolePlayerV1, wire.RoleMetadataV1)
	state := sendspintest.Expect[*wire.ClientState](r.srv)
	want := &wire.ClientState{Available: true, Player: &wire.PlayerState{
		Volume: ptr(100), Muted: ptr(false), MinBufferMS: 100, SupportedCommands: []string{"volume", "mute", "set_output_delay"},
	}}
	if !reflect.DeepEqual(state, want) {
		t.Errorf("state %+v, want %+v", state, want)
	}
	if !r.c.Stats().Synced {
		t.Error("available before the clock is synchronized")
	}
	r.srv.Send(&wire.GroupUpdate{PlaybackState: wire.PlaybackPlaying, GroupID: "g", GroupName: "G"})
	if got := waitFor[GroupChanged](t, r.recorder).Group; got.GroupID != "g" {
		t.Errorf("%+v", got)
	}
	r.srv.Send(&wire.ServerState{Metadata: &wire.Metadata{Timestamp: r.srv.Now(), Title: "T"}})
	if got := waitFor[MetadataChanged](t, r.recorder).Metadata; got == nil || got.Title != "T" {
		t.Errorf("%+v", got)
	}

	now := r.srv.Now()
	r.srv.Send(&wire.StreamStart{ServerTransmitted: now, Player: &wire.PlayerStream{Format: pcm}})
	first := now + 20_000_000
	for i := range int64(5) {
		r.srv.SendAudio(first+i*20_000, pcm20)
	}
	start := waitFor[StreamStarted](t, r.recorder)
	if start.Format != pcm || start.InPlace {
		t.Errorf("%+v", start)
	}
	for i := range int64(5) {
		c := r.nextChunk(t)
		if c.Timestamp != first+i*20_000 || len(c.Data) != len(pcm20) || c.Format != pcm {
			t.Errorf("chunk %d: %+v", i, c.Timestamp)
		}
		back, ok := r.c.ServerTime(c.PlayAt)
		if diff := back - c.Timestamp; !ok || diff > 50_000 || diff < -50_000 {
			t.Errorf("chunk %d: played %d µs off", i, diff)
		}
	}
	r.srv.Send(&wire.StreamEnd{})
	waitFor[StreamEnded](t, r.recorder)
	s := r.c.Stats()
	if s.Chunks != 5 || s.Bytes != 5*(13+3840) || s.Late != 0 || s.Outside != 0 || s.MinLeadUS > 20_050_000 || s.MinLeadUS < 0 {
		t.Errorf("stats %+v", s)
	}
	r.wantNoViolations(t)

	r.cancel()
	if g := sendspintest.Expect[*wire.ClientGoodbye](r.srv); g.Reason != wire.GoodbyeShutdown {
		t.Errorf("%+v", g)
	}
	var bye *GoodbyeError
	if err := r.end(t); !errors.As(err, &bye) {
		t.Errorf("Run ended with %v", err)
	}
}

func TestBadFirstMessages(t *testing.T) {
	for name, script := range map[string]func(*sendspintest.Server){
		"activate before hello":   func(s *sendspintest.Server) { s.Activate(nil) },
		"unknown before hello":    func(s *sendspintest.Server) { s.SendRaw([]byte(`{"type":"server/future","payload":{}}`)) },
		"two hellos":              func(s *sendspintest.Server) { s.Greet(); s.Send(&wire.ServerHello{Name: "again"}) },
		"unknown before activate": func(s *sendspintest.Server) { s.Greet(); s.SendRaw([]byte(`{"type":"server/future","payload":{}}`)) },
		"audio before activate":   func(s *sendspintest.Server) { s.Greet(); s.SendAudio(1, pcm20) },
		"no JSON":                 func(s *sendspintest.Server) { s.SendRaw([]byte(`{`)) },
		"a client's message": func(s *sendspintest.Server) {
			s.Greet()
			s.Activate(nil)
			s.SendRaw([]byte(`{"type":"client/leave","payload":{}}`))
		},
		"hello after activate":   func(s *sendspintest.Server) { s.Greet(); s.Activate(nil); s.Send(&wire.ServerHello{}) },
		"pairing out of nowhere": func(s *sendspintest.Server) { s.Greet(); s.Activate(nil); s.Send(&wire.ServerPairFinalize{}) },
		"a field of wrong type": func(s *sendspintest.Server) {
			s.Greet()
			s.SendRaw([]byte(`{"type":"server/activate","payload":{"activities":"x"}}`))
		},
	} {
		for _, strict := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				r := newRig(t, sendspintest.ServerOptions{}, func(c *Config) { c.Strict = strict })
				script(r.srv)
				if err := r.end(t); err == nil {
					t.Error("no error")
				}
				var closed *channel.CloseError
				if err := r.srv.WaitClosed(); !errors.As(err, &closed) || closed.Code != channel.CloseSilent {
					t.Errorf("the server sees %v, want a silent close", err)
				}
				if got := len(r.violations()) > 0; got != strict {
					t.Errorf("violations reported: %v", got)
				}
			})
		}
	}
}

func TestActivationRefusals(t *testing.T) {
	psk, err := noise.GeneratePSK(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		paired, access bool
		msg            *wire.ServerActivate
		reason         string
	}{
		"no unpaired access":      {false, false, &wire.ServerActivate{Activities: []string{"playback"}, ActiveRoles: allRoles}, wire.GoodbyePairingRequired},
		"roles without playback":  {false, false, &wire.ServerActivate{Activities: []string{}, ActiveRoles: allRoles}, wire.GoodbyePairingRequired},
		"pairing on a paired one": {true, false, &wire.ServerActivate{Activities: []string{"pairing"}, ActiveRoles: []string{}, Pairing: &wire.ActivatePairing{Method: "pairing_psk"}}, wire.GoodbyeUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			server, err := noise.GenerateKey(nil)
			if err != nil {
				t.Fatal(err)
			}
			o := sendspintest.ServerOptions{Identity: server}
			store, err := NewStore(nil)
			if err != nil {
				t.Fatal(err)
			}
			if c.paired {
				o.Credential = channel.Credential{PSK: psk, Category: noise.LongTerm}
				if err := store.PutRecord(server.Public().ID(), psk); err != nil {
					t.Fatal(err)
				}
			}
			r := newRig(t, o, func(cfg *Config) { cfg.UnpairedAccess, cfg.Store = c.access, store })
			r.srv.Greet()
			r.srv.Send(c.msg)
			if g := sendspintest.Expect[*wire.ClientGoodbye](r.srv); g.Reason != c.reason {
				t.Errorf("goodbye %s, want %s", g.Reason, c.reason)
			}
			var bye *GoodbyeError
			if err := r.end(t); !errors.As(err, &bye) || bye.Reason != c.reason {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

func TestPairingIsAnsweredMethodNotSupported(t *testing.T) {
	r := newRig(t, sendspintest.ServerOptions{}, nil)
	r.srv.Greet()
	r.srv.Send(&wire.ServerActivate{Activities: []string{"pairing"}, ActiveRoles: []string{}, Pairing: &wire.ActivatePairing{Method: wire.MethodStaticCode}})
	if a := sendspintest.Expect[*wire.PairAbort](r.srv); a.Reason != wire.AbortMethodNotSupported {
		t.Errorf("%+v", a)
	}
	if e := waitFor[PairingRefused](t, r.recorder); e.Method != wire.MethodStaticCode {
		t.Errorf("%+v", e)
	}
	r.srv.Send(&wire.ServerPairAuth{PAKEMsg1: make([]byte, 32)}) // still in flight: dropped
	r.srv.Activate([]string{wire.ActivityPlayback}, wire.RolePlayerV1)
	if s := sendspintest.Expect[*wire.ClientState](r.srv); !s.Available {
		t.Errorf("%+v", s)
	}
}

func TestRolesPersistAndAreDropped(t *testing.T) {
	r := newRig(t, sendspintest.ServerOptions{}, func(c *Config) { c.Roles = allRoles })
	r.play(t, allRoles...)
	past := r.srv.Now() - 1_000_000 // due, whatever the client's estimate of the clock is
	r.srv.Send(&wire.ServerState{
		Metadata: &wire.Metadata{Timestamp: past, Title: "now"}, Color: &wire.Color{Timestamp: past},
		Controller: &wire.ControllerState{SupportedCommands: []string{"play"}, Repeat: "off"},
	})
	waitFor[ControllerChanged](t, r.recorder)
	r.srv.Send(&wire.ServerActivate{Activities: []string{}}) // active_roles stay
	if a := waitFor[Activated](t, r.recorder); !reflect.DeepEqual(a.Roles, allRoles) || a.Removed != nil {
		t.Errorf("%+v", a)
	}
	r.srv.Activate([]string{}, wire.RolePlayerV1)
	if m := waitFor[MetadataChanged](t, r.recorder); m.Metadata != nil {
		t.Errorf("metadata of a removed role: %+v", m)
	}
	if a := waitFor[Activated](t, r.recorder); len(a.Removed) != 3 {
		t.Errorf("%+v", a)
	}
	if err := r.c.SendCommand(wire.ControllerCommand{Command: "play"}); !errors.Is(err, ErrNotConnected) {
		t.Errorf("command without the role: %v", err)
	}
	r.srv.Activate([]string{wire.ActivityPlayback}, wire.RolePlayerV1, wire.RoleControllerV1)
	sendspintest.Expect[*wire.ClientState](r.srv) // a role was added
	r.wantNoViolations(t)
}

func TestPlayerCommandsAndReports(t *testing.T) {
	r := newRig(t, sendspintest.ServerOptions{}, func(c *Config) { c.Commands = []string{"volume", "set_output_delay"}; c.Strict = false })
	r.play(t, wire.RolePlayerV1)
	next := func() *wire.PlayerState {
		t.Helper()
		return sendspintest.Expect[*wire.ClientState](r.srv).Player
	}
	r.srv.Send(&wire.ServerCommand{Player: &wire.PlayerCommand{Command: "volume", Volume: ptr(20)}})
	if p := next(); *p.Volume != 20 || *p.Muted {
		t.Errorf("%+v", p)
	}
	if e := waitFor[PlayerChanged](t, r.recorder); e.Volume != 20 || !e.ByServer {
		t.Errorf("%+v", e)
	}
	r.srv.Send(&wire.ServerCommand{Player: &wire.PlayerCommand{Command: "mute", Mute: ptr(true)}}) // not offered: ignored
	r.srv.Send(&wire.ServerCommand{Player: &wire.PlayerCommand{Command: "set_output_delay", OutputDelayMS: ptr(77)}})
	if p := next(); p.OutputDelayMS != 77 || *p.Muted {
		t.Errorf("%+v", p)
	}
	for name, call := range map[string]func() error{
		"volume":    func() error { return r.c.SetVolume(5) },
		"mute":      func() error { return r.c.SetMuted(true) },
		"delay":     func() error { return r.c.SetOutputDelay(10) },
		"timing":    func() error { return r.c.SetTiming(300, 200) },
		"format":    func() error { return r.c.SetFormat(&pcm) },
		"available": func() error { return r.c.SetAvailable(false) },
	} {
		if err := call(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		next()
	}
	if err := r.c.SetAvailable(true); err != nil {
		t.Fatal(err)
	}
	p := next()
	if *p.Volume != 5 || !*p.Muted || p.OutputDelayMS != 10 || p.RequiredLeadMS != 300 || p.MinBufferMS != 200 || *p.Format != pcm {
		t.Errorf("%+v", p)
	}
	for name, err := range map[string]error{
		"volume": r.c.SetVolume(101), "delay": r.c.SetOutputDelay(5001), "timing": r.c.SetTiming(-1, 0),
		"format": r.c.SetFormat(&wire.AudioFormat{Codec: "pcm", Channels: 9}), "goodbye": r.c.Goodbye("bored"),
		"command": r.c.SendCommand(wire.ControllerCommand{Command: "volume"}),
	} {
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUnavailableClientDropsAudio(t *testing.T) {
	for _, strict := range []bool{true, false} {
		r := newRig(t, sendspintest.ServerOptions{}, func(c *Config) { c.Strict = strict })
		r.play(t, wire.RolePlayerV1)
		r.srv.Send(&wire.StreamStart{ServerTransmitted: r.srv.Now(), Player: &wire.PlayerStream{Format: pcm}})
		waitFor[StreamStarted](t, r.recorder)
		if err := r.c.SetAvailable(false); err != nil {
			t.Fatal(err)
		}
		sendspintest.Expect[*wire.ClientState](r.srv)
		r.srv.SendAudio(r.srv.Now()+500_000, pcm20)
		r.settle(t)
		if n := len(r.chunks); n != 0 || r.c.Stats().Chunks != 1 {
			t.Errorf("strict %v: %d chunks delivered, %d counted", strict, n, r.c.Stats().Chunks)
		}
	}
}

func TestStreamEpochs(t *testing.T) {
	r := newRig(t, sendspintest.ServerOptions{}, nil)
	r.play(t, wire.RolePlayerV1)
	at := r.srv.Now() + 20_000_000
	send := func(offset int64) uint64 {
		t.Helper()
		r.srv.SendAudio(at+offset, pcm20)
		return r.nextChunk(t).Stream
	}
	r.srv.Send(&wire.StreamStart{ServerTransmitted: r.srv.Now(), Player: &wire.PlayerStream{Format: pcm}})
	a := send(0)
	r.srv.Send(&wire.StreamStart{ServerTransmitted: r.srv.Now(), Player: &wire.PlayerStream{Format: pcm}})
	b := send(20_000)
	r.srv.Send(&wire.StreamClear{ServerTransmitted: r.srv.Now()})
	c := send(0)
	r.srv.Send(&wire.StreamEnd{Roles: []string{"player"}})
	r.srv.Send(&wire.StreamStart{ServerTransmitted: r.srv.Now(), Player: &wire.PlayerStream{Format: pcm}})
	d := send(0)
	if a != b || b == c || c == d {
		t.Errorf("streams %d %d %d %d: want the same in place, another after clear and end", a, b, c, d)
	}
	r.wantNoViolations(t)
}

func TestScheduledMetadata(t *testing.T) {
	r := newRig(t, sendspintest.ServerOptions{}, nil)
	r.play(t, wire.RolePlayerV1, wire.RoleMetadataV1)
	send := func(title string, in time.Duration) {
		r.srv.Send(&wire.ServerState{Metadata: &wire.Metadata{Timestamp: r.srv.Now() + in.Microseconds(), Title: title}})
	}
	send("one", -time.Second) // due, whatever the client's estimate of the clock is: not pending first
	if m := waitFor[MetadataChanged](t, r.recorder).Metadata; m.Title != "one" {
		t.Fatalf("%+v", m)
	}
	send("two", 10*time.Second)
	send("three", 3*time.Second) // replaces "two"; it has to come before that
	for m := waitFor[MetadataPending](t, r.recorder).Metadata; m == nil || m.Title != "three"; {
		m = waitFor[MetadataPending](t, r.recorder).Metadata
	}
	began := r.srv.Now()
	if m := waitFor[MetadataChanged](t, r.recorder).Metadata; m.Title != "three" || r.srv.Now() < began {
		t.Errorf("%+v", m)
	}
	send("four", 10*time.Second)
	send("five", -time.Second) // cancels "four"
	if m := waitFor[MetadataChanged](t, r.recorder).Metadata; m.Title != "five" {
		t.Errorf("%+v", m)
	}
	r.settle(t)
	r.wantNoViolations(t)
}

func TestControllerCommands(t *testing.T) {
	r := newRig(t, sendspintest.ServerOptions{}, nil)
	r.srv.Greet()
	r.srv.Activate([]string{}, wire.RoleControllerV1)
	if s := sendspintest.Expect[*wire.ClientState](r.srv); s.Player != nil || !s.Available {
		t.Errorf("%+v", s)
	}
	r.srv.Send(&wire.ServerState{Controller: &wire.ControllerState{SupportedCommands: []string{"play", "volume"}, Repeat: "off"}})
	waitFor[ControllerChanged](t, r.recorder)
	for _, cmd := range []wire.ControllerCommand{{Command: "next"}, {Command: "volume", Volume: ptr(3)}} {
		if err := r.c.SendCommand(cmd); err != nil {
			t.Fatal(err)
		}
	}
	if got := sendspintest.Expect[*wire.ClientCommand](r.srv); got.Controller.Command != "volume" { // "next" is not offered
		t.Errorf("%+v", got.Controller)
	}
	if err := r.c.Leave(); err != nil {
		t.Fatal(err)
	}
	sendspintest.Expect[*wire.ClientLeave](r.srv)
	if err := r.c.Goodbye(wire.GoodbyeUserRequest); err != nil {
		t.Fatal(err)
	}
	if g := sendspintest.Expect[*wire.ClientGoodbye](r.srv); g.Reason != wire.GoodbyeUserRequest {
		t.Errorf("%+v", g)
	}
}

func TestUnpair(t *testing.T) {
	server, err := noise.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	psk, err := noise.GeneratePSK(nil)
	if err != nil {
		t.Fatal(err)
	}
	store, err := NewStore(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.PutRecord(server.Public().ID(), psk); err != nil {
		t.Fatal(err)
	}
	o := sendspintest.ServerOptions{Identity: server, Credential: channel.Credential{PSK: psk, Category: noise.LongTerm}}
	r := newRig(t, o, func(c *Config) { c.Store, c.UnpairedAccess = store, false })
	r.play(t, wire.RolePlayerV1)
	if e := waitFor[Connected](t, r.recorder); !e.Paired {
		t.Errorf("%+v", e)
	}
	if store.LastPlayback() != server.Public().ID() {
		t.Error("the last-playback server is not kept")
	}
	r.srv.Send(&wire.ServerUnpair{})
	if g := sendspintest.Expect[*wire.ClientGoodbye](r.srv); g.Reason != wire.GoodbyeUnpaired {
		t.Errorf("%+v", g)
	}
	_ = r.end(t)
	if got := store.Records(); len(got) != 0 {
		t.Errorf("records %+v", got)
	}
	// On an unpaired session it means nothing. This one fell back to the Sentinel.
	r.connect(t, o)
	r.srv.Greet()
	r.srv.Activate([]string{})
	r.srv.Send(&wire.ServerUnpair{})
	r.settle(t)
	if !r.srv.Conn.Mismatch() {
		t.Error("the server did not see a credential mismatch")
	}
}

func TestRehandshakeKeepsTheSession(t *testing.T) {
	server, err := noise.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	psk, err := noise.GeneratePSK(nil)
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, sendspintest.ServerOptions{Identity: server}, nil)
	r.play(t, wire.RolePlayerV1)
	r.srv.Send(&wire.StreamStart{ServerTransmitted: r.srv.Now(), Player: &wire.PlayerStream{Format: pcm}})
	waitFor[StreamStarted](t, r.recorder)
	if err := r.c.Store().PutRecord(server.Public().ID(), psk); err != nil {
		t.Fatal(err)
	}
	err = r.srv.Conn.Rehandshake(t.Context(), channel.Credential{PSK: psk, Category: noise.LongTerm}, func() ([]byte, error) {
		return wire.Current().Encode(&wire.ServerActivate{Activities: []string{"playback"}})
	})
	if err != nil {
		t.Fatal(err)
	}
	r.srv.SendAudio(r.srv.Now()+1_000_000, pcm20)
	if c := r.nextChunk(t); c.Format != pcm {
		t.Errorf("%+v", c)
	}
	r.wantNoViolations(t)
}

func TestUnsyncedPlayerHoldsItsState(t *testing.T) {
	r := newRig(t, sendspintest.ServerOptions{}, nil)
	r.srv.AnswerTime(false)
	r.srv.Greet()
	r.srv.Activate([]string{wire.ActivityPlayback}, wire.RolePlayerV1)
	waitFor[Activated](t, r.recorder)
	if err := r.c.SetVolume(30); err != nil {
		t.Fatal(err)
	}
	if err := r.c.SetAvailable(false); err != nil { // may be said without a clock
		t.Fatal(err)
	}
	if s := sendspintest.Expect[*wire.ClientState](r.srv); s.Available || *s.Player.Volume != 30 {
		t.Errorf("%+v", s)
	}
	if err := r.c.SetAvailable(true); err != nil {
		t.Fatal(err)
	}
	r.srv.AnswerTime(true)
	if s := sendspintest.Expect[*wire.ClientState](r.srv); !s.Available || !r.c.Stats().Synced {
		t.Errorf("%+v", s)
	}
}

func TestOneWayOfConnectingAtATime(t *testing.T) {
	r := newRig(t, sendspintest.ServerOptions{}, nil)
	r.srv.Greet()
	a, _ := sendspintest.Pipe()
	if err := r.c.Run(t.Context(), a); !errors.Is(err, ErrRunning) {
		t.Errorf("%v", err)
	}
}

func TestConfigurationFaults(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no format":      {Name: "x", BufferCapacity: 1},
		"only opus":      {Name: "x", BufferCapacity: 1, Formats: []wire.AudioFormat{{Codec: "opus", Channels: 2, SampleRate: 48000}}},
		"no capacity":    {Name: "x", Formats: testFormats()},
		"unknown role":   {Name: "x", Roles: []string{"dancer@v1"}},
		"bad suite":      {Name: "x", Roles: []string{}, Suite: "rot13"},
		"bad command":    {Name: "x", BufferCapacity: 1, Formats: testFormats(), Commands: []string{"dance"}},
		"bad format":     {Name: "x", BufferCapacity: 1, Formats: []wire.AudioFormat{{Codec: "pcm"}}},
		"negative times": {Name: "x", BufferCapacity: 1, Formats: testFormats(), MinBufferMS: -1},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := New(Config{Name: "x", Roles: []string{wire.RoleControllerV1}}); err != nil {
		t.Errorf("a wall controller: %v", err)
	}
}

func TestUnpairedAccessIsSwitchedOff(t *testing.T) {
	r := newRig(t, sendspintest.ServerOptions{}, nil)
	r.play(t, wire.RolePlayerV1)
	if err := r.c.SetUnpairedAccess(false); err != nil {
		t.Fatal(err)
	}
	wantGoodbye(t, r.srv, wire.GoodbyePairingRequired)
	_ = r.end(t)
	r.connect(t, sendspintest.ServerOptions{})
	if h := r.srv.Greet(); h.UnpairedAccess.Enabled {
		t.Error("the next hello still offers unpaired access")
	}
	r.srv.Activate(nil) // relies on nothing
	r.settle(t)
}
