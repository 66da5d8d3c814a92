package machine

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/platform/fault"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

var format = wire.AudioFormat{Codec: "pcm", Channels: 2, SampleRate: 48000, BitDepth: 16}

func hello() *wire.ClientHello {
	return &wire.ClientHello{
		Name:           "kitchen",
		SupportedRoles: []string{"player@v2", "player@v1", "metadata@v1", "controller@v1", "lamp@v1", "_x@v1"},
		Player:         &wire.PlayerSupport{Formats: []wire.AudioFormat{format}, BufferCapacity: 1000},
		UnpairedAccess: wire.UnpairedAccess{Enabled: true},
	}
}

var all = Admission{State: tuttiv1.TrustState_TRUST_STATE_APPROVED, Families: []string{"player", "metadata", "controller", "artwork", "color", "visualizer"}}

// show writes effects in one line each.
func show(effects []Effect) string {
	var out []string
	for _, e := range effects {
		switch e := e.(type) {
		case Send:
			switch m := e.Msg.(type) {
			case *wire.ServerActivate:
				out = append(out, "activate "+activation(m))
			case *wire.ServerState:
				s := "state"
				if m.Metadata != nil {
					s += fmt.Sprintf(" metadata %q@%d", m.Metadata.Title, m.Metadata.Timestamp)
				}
				if m.Controller != nil {
					s += fmt.Sprintf(" controller %d", m.Controller.Volume)
				}
				out = append(out, s)
			case *wire.GroupUpdate:
				out = append(out, fmt.Sprintf("group %s %s", m.GroupID, m.PlaybackState))
			case *wire.ServerCommand:
				if m.Source != nil {
					out = append(out, "server/command "+m.Source.Command)
					break
				}
				out = append(out, m.Type())
			default:
				out = append(out, m.Type())
			}
		case StartStream:
			out = append(out, fmt.Sprintf("start %s/%s epoch %d", e.GroupID, e.Rendition, e.Epoch))
		case ClearStream:
			out = append(out, fmt.Sprintf("clear epoch %d", e.Stream.Epoch))
		case EndStream:
			out = append(out, fmt.Sprintf("end at %d drain %v", e.At, e.Drain))
		case Close:
			out = append(out, "close "+string(e.Reason))
		case Changed:
			out = append(out, "presence")
		case Report:
			out = append(out, fmt.Sprintf("report delay %d available %v", e.Timing.OutputDelay, e.Available))
		case Rekey:
			out = append(out, "re-handshake "+e.Category+" "+activation(e.Activate))
		case Relay:
			out = append(out, "relay "+e.AttemptID+" "+e.Msg.Type())
		case AttemptGone:
			out = append(out, "gone "+e.AttemptID)
		case LimitAttempt:
			out = append(out, "limit "+e.AttemptID+" "+e.After.String())
		case Listen:
			out = append(out, fmt.Sprintf("listen %v", e.Wanted))
		case WatchSource:
			out = append(out, "watch")
		case Ignored: // TestWhatIsNotKnownIsCountedAndShown
		case Forward:
			out = append(out, "forward "+strings.Fields(e.Command.String())[2])
		default:
			out = append(out, fmt.Sprintf("%T", e))
		}
	}
	return strings.Join(out, "; ")
}

func activation(a *wire.ServerActivate) string {
	out := fmt.Sprintf("%v %v", a.Activities, a.ActiveRoles)
	if a.Pairing != nil {
		out += " " + a.Pairing.Method + a.Pairing.Format
	}
	return out
}

func expect(t *testing.T, what string, effects []Effect, want string) {
	t.Helper()
	if got := show(effects); got != want {
		t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
}

// ready is a machine with all roles whose player has reported.
func ready(t *testing.T) *Machine {
	t.Helper()
	m := New(Config{ClientID: "c", SessionID: "s", Hello: hello(), Category: "sn"})
	expect(t, "first activation", m.Admit(all, 0), "activate [] [player@v1 metadata@v1 controller@v1]; presence")
	expect(t, "client/state", m.Message(state(true), nil, 0), "presence; report delay 20000 available true")
	return m
}

func state(available bool) *wire.ClientState {
	return &wire.ClientState{Available: available, Player: &wire.PlayerState{OutputDelayMS: 20, SupportedCommands: []string{"volume"}}}
}

func start(group, rendition string, epoch uint64) *tuttiv1.SessionCommand {
	return &tuttiv1.SessionCommand{GroupId: group, Command: &tuttiv1.SessionCommand_StreamStart{StreamStart: &tuttiv1.StreamStart{
		RenditionId: rendition, Epoch: epoch,
		Format: &tuttiv1.AudioFormat{Codec: "pcm", Channels: 2, SampleRate: 48000, BitDepth: 16},
	}}}
}

func end(group string, at int64, drained bool) *tuttiv1.SessionCommand {
	return &tuttiv1.SessionCommand{GroupId: group, Command: &tuttiv1.SessionCommand_StreamEnd{
		StreamEnd: &tuttiv1.StreamEnd{AtUs: at, Drained: drained}}}
}

func clearTo(group string, epoch uint64) *tuttiv1.SessionCommand {
	return &tuttiv1.SessionCommand{GroupId: group, Command: &tuttiv1.SessionCommand_StreamClear{
		StreamClear: &tuttiv1.StreamClear{Epoch: epoch}}}
}

func group(id, playback string) *tuttiv1.SessionCommand {
	return &tuttiv1.SessionCommand{GroupId: id, Command: &tuttiv1.SessionCommand_Group{
		Group: &tuttiv1.GroupInfo{GroupId: id, Name: "n", PlaybackState: playback}}}
}

func run(t *testing.T, m *Machine, what string, c *tuttiv1.SessionCommand, want string) {
	t.Helper()
	effects, err := m.Command(c, 0)
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
	expect(t, what, effects, want)
}

func refuse(t *testing.T, m *Machine, what string, c *tuttiv1.SessionCommand, code fault.Code) {
	t.Helper()
	effects, err := m.Command(c, 0)
	if fault.CodeOf(err) != code || len(effects) != 0 {
		t.Errorf("%s: got %v and %q, want %s", what, err, show(effects), code)
	}
}

func TestActivationFollowsTrust(t *testing.T) {
	locked := hello()
	locked.UnpairedAccess.Enabled = false
	for name, c := range map[string]struct {
		cfg  Config
		a    Admission
		want string
	}{
		"approved":                      {Config{Hello: hello(), Category: "sn"}, all, "activate [] [player@v1 metadata@v1 controller@v1]; presence"},
		"unapproved":                    {Config{Hello: hello(), Category: "sn"}, Admission{State: tuttiv1.TrustState_TRUST_STATE_UNAPPROVED}, "activate [] []; group solo- stopped; presence"},
		"some roles":                    {Config{Hello: hello(), Category: "lt"}, Admission{Families: []string{"metadata"}}, "activate [] [metadata@v1]; presence"},
		"paired, unpaired access off":   {Config{Hello: locked, Category: "lt"}, all, "activate [] [player@v1 metadata@v1 controller@v1]; presence"},
		"unpaired, unpaired access off": {Config{Hello: locked, Category: "sn"}, all, "activate [] []; group solo- stopped; presence"},
		"mismatch": {Config{Hello: hello(), Category: "sn", Mismatch: true},
			Admission{State: tuttiv1.TrustState_TRUST_STATE_CREDENTIAL_MISMATCH, Families: all.Families}, "activate [] []; group solo- stopped; presence"},
	} {
		expect(t, name, New(c.cfg).Admit(c.a, 0), c.want)
	}
}

func TestRevocationEndsTheStreamFirst(t *testing.T) {
	m := ready(t)
	run(t, m, "start", start("g", "r", 1), "activate [playback] [player@v1 metadata@v1 controller@v1]; start g/r epoch 1; presence")
	expect(t, "event", m.TrustChanged(&tuttiv1.TrustChanged{}, 1), "machine.AskAdmission")
	none := Admission{State: tuttiv1.TrustState_TRUST_STATE_UNAPPROVED}
	expect(t, "revoked", m.Admit(none, 0), "end at 0 drain false; activate [] []; group solo-c stopped; presence")
	expect(t, "same again", m.Admit(none, 0), "")
	refuse(t, m, "start", start("g", "r", 1), fault.Conflict)
	// Back again: the old player state is stale until the client reports anew.
	expect(t, "approved", m.Admit(all, 0), "activate [] [player@v1 metadata@v1 controller@v1]; presence")
	refuse(t, m, "start before the fresh state", start("g", "r", 1), fault.Conflict)
	m.Message(state(true), nil, 0)
	run(t, m, "start", start("g", "r", 1), "activate [playback] [player@v1 metadata@v1 controller@v1]; start g/r epoch 1; presence")
	expect(t, "denied", m.TrustChanged(&tuttiv1.TrustChanged{Disconnect: true}, 1), "close trust")
}

func TestStreamLife(t *testing.T) {
	m := ready(t)
	roles := " [player@v1 metadata@v1 controller@v1]; "
	run(t, m, "start", start("g", "r", 1), "activate [playback]"+roles+"start g/r epoch 1; presence")
	run(t, m, "said again", start("g", "r", 1), "")
	run(t, m, "other rendition", start("g", "q", 1), "start g/q epoch 1; presence")
	run(t, m, "clear", clearTo("g", 4), "clear epoch 4; presence")
	refuse(t, m, "clear back", clearTo("g", 3), fault.Conflict)
	refuse(t, m, "another group's clear", clearTo("h", 9), fault.Conflict)
	run(t, m, "scheduled end", end("g", 500, false), "end at 500 drain false")
	run(t, m, "start takes it back", start("g", "q", 4), "start g/q epoch 4; presence")
	run(t, m, "scheduled end", end("g", 600, false), "end at 600 drain false")
	expect(t, "an earlier generation ended", m.StreamEnded(m.gen-1), "")
	expect(t, "it ended", m.StreamEnded(m.gen), "activate []"+roles+"presence")
	refuse(t, m, "end again", end("g", 0, false), fault.Conflict)

	run(t, m, "start", start("g", "r", 5), "activate [playback]"+roles+"start g/r epoch 5; presence")
	run(t, m, "end, played out", end("g", 0, true), "end at 0 drain true; presence")
	expect(t, "drained", m.Drained(m.gen), "activate []"+roles+"presence")
	expect(t, "drained twice", m.Drained(m.gen), "")

	run(t, m, "start", start("g", "r", 6), "activate [playback]"+roles+"start g/r epoch 6; presence")
	run(t, m, "end, played out", end("g", 0, true), "end at 0 drain true; presence")
	old := m.gen
	run(t, m, "start before it has", start("g", "r", 7), "start g/r epoch 7; presence")
	expect(t, "late word of the drain", m.Drained(old), "")
	run(t, m, "end", end("g", 0, false), "end at 0 drain false; activate []"+roles+"presence")
}

func TestAnotherGroupsStreamEndsTheOldOne(t *testing.T) {
	m := ready(t)
	run(t, m, "group", group("g", "playing"), "group g playing")
	run(t, m, "same", group("g", "playing"), "")
	run(t, m, "start", start("g", "r", 1), "activate [playback] [player@v1 metadata@v1 controller@v1]; start g/r epoch 1; presence")
	run(t, m, "moved", group("h", "stopped"), "group h stopped")
	refuse(t, m, "start of the old group", start("g", "q", 1), fault.Conflict)
	run(t, m, "start of the new one", start("h", "r", 1), "end at 0 drain false; start h/r epoch 1; presence")
	refuse(t, m, "the old group's end comes late", end("g", 0, false), fault.Conflict)
}

func TestFence(t *testing.T) {
	m := ready(t)
	c := group("g", "playing")
	c.Fence = 5
	run(t, m, "fence 5", c, "group g playing")
	c = group("g", "stopped")
	c.Fence = 4
	refuse(t, m, "fence 4", c, fault.Conflict)
	c = group("h", "stopped")
	c.Fence = 1
	run(t, m, "another group's fence", c, "group h stopped")
}

func TestStateIsSentToActiveRolesAndKeptForLater(t *testing.T) {
	m := ready(t)
	update := func(title string, ts int64, volume int32) *tuttiv1.SessionCommand {
		return &tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_State{State: &tuttiv1.StateUpdate{
			Metadata:   &tuttiv1.MetadataState{Title: &title, TimestampUs: ts},
			Controller: &tuttiv1.ControllerState{Volume: volume, Repeat: "off"},
		}}}
	}
	send := func(now int64, c *tuttiv1.SessionCommand, want string) {
		t.Helper()
		effects, err := m.Command(c, now)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, "state", effects, want)
	}
	// The first object of a role is never a scheduled one.
	send(100, update("next", 900, 10), `state metadata ""@100; state metadata "next"@900; state controller 10`)
	send(200, update("now", 200, 20), `state metadata "now"@200; state controller 20`)
	send(300, update("later", 800, 30), `state metadata "later"@800; state controller 30`)
	m.Admit(Admission{Families: []string{"player"}}, 400)
	send(500, update("later still", 850, 40), ``)
	// Re-added: brought up to date first, then what is scheduled.
	expect(t, "re-added", m.Admit(all, 600),
		`activate [] [player@v1 metadata@v1 controller@v1]; state metadata "now"@200; state metadata "later still"@850; state controller 40; presence`)
	m.Admit(Admission{Families: []string{"player"}}, 700)
	expect(t, "when its time has come", m.Admit(all, 900),
		`activate [] [player@v1 metadata@v1 controller@v1]; state metadata "later still"@850; state controller 40; presence`)
}

func TestClientMessages(t *testing.T) {
	m := ready(t)
	one := int64(1)
	m.Command(&tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_State{State: &tuttiv1.StateUpdate{
		Controller: &tuttiv1.ControllerState{SupportedCommands: []string{"play", "seek"}, Repeat: "off", SeekMaxMs: &one}}}}, 0)
	two := int64(2)
	for name, c := range map[string]struct {
		msg  wire.Message
		want string
	}{
		"leave":                      {&wire.ClientLeave{}, "forward leave:{}"},
		"offered command":            {&wire.ClientCommand{Controller: &wire.ControllerCommand{Command: "play"}}, `forward controller:{command:"play"}`},
		"command not offered":        {&wire.ClientCommand{Controller: &wire.ControllerCommand{Command: "next"}}, ""},
		"seek in range":              {&wire.ClientCommand{Controller: &wire.ControllerCommand{Command: "seek", PositionMS: &one}}, `forward controller:{command:"seek"`},
		"seek out of range":          {&wire.ClientCommand{Controller: &wire.ControllerCommand{Command: "seek", PositionMS: &two}}, ""},
		"goodbye":                    {&wire.ClientGoodbye{Reason: "restart"}, "close goodbye"},
		"unknown":                    {&wire.Unknown{Name: "client/new"}, "presence"},
		"wrong direction":            {&wire.Unknown{Name: "server/hello", WrongDirection: true}, "close protocol_error"},
		"second hello":               {hello(), "close protocol_error"},
		"pairing outside an attempt": {&wire.ClientPairInit{}, "close protocol_error"},
		"unavailable":                {&wire.ClientState{}, "presence; report delay 20000 available false"},
	} {
		got := strings.Join(strings.Fields(show(m.Message(c.msg, nil, 0))), " ")
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestFaultsOfInactiveRolesAreIgnored(t *testing.T) {
	m := ready(t)
	bad := func(role string) error {
		return wire.RoleErrors{{Message: "client/state", Field: role + ".x", Role: role}}
	}
	if got := show(m.Message(state(true), bad("artwork"), 0)); strings.Contains(got, "close") {
		t.Errorf("inactive role: %s", got)
	}
	expect(t, "active role", m.Message(state(true), bad("player"), 0), "close protocol_error")
	expect(t, "a command's argument", m.Message(&wire.ClientCommand{}, bad("controller"), 0), "")
	// An object of a role that is not active does not count as reported.
	n := New(Config{Hello: hello(), Category: "sn"})
	n.Admit(Admission{Families: []string{"metadata"}}, 0)
	n.Message(state(true), nil, 0)
	var p tuttiv1.ClientPresence
	n.Fill(&p)
	if p.Player != nil || !p.GetAvailable() {
		t.Errorf("presence %v", &p)
	}
}

func TestAbsurdTimingDoesNotOverflow(t *testing.T) {
	got := timing(&wire.PlayerState{OutputDelayMS: 5000, RequiredLeadMS: math.MaxInt, MinBufferMS: math.MaxInt/1000 + 1})
	if got.RequiredLead != got.MinBuffer || got.MinBuffer < 1_000_000_000 || got.OutputDelay != 5_000_000 {
		t.Errorf("timing %+v", got)
	}
}

func TestPresence(t *testing.T) {
	m := ready(t)
	run(t, m, "start", start("g", "r", 3), "activate [playback] [player@v1 metadata@v1 controller@v1]; start g/r epoch 3; presence")
	var p tuttiv1.ClientPresence
	m.Fill(&p)
	if p.GetName() != "kitchen" || fmt.Sprint(p.GetUnknownRoles()) != "[player@v2 lamp@v1]" ||
		fmt.Sprint(p.GetActivities()) != "[playback]" || p.GetStream().GetEpoch() != 3 || p.GetPlayer().GetOutputDelayMs() != 20 ||
		p.GetPlayerSupport().GetSupportedFormats()[0].GetSampleRate() != 48000 {
		t.Errorf("presence %v", &p)
	}
}

// FuzzMessage feeds what a client may send, as bytes, through the decoder.
func FuzzMessage(f *testing.F) {
	for _, s := range []string{
		`{"type":"client/state","payload":{"available":true,"player":{"output_delay_ms":1,"required_lead_time_ms":1,"min_buffer_ms":1,"supported_commands":[]}}}`,
		`{"type":"client/command","payload":{"controller":{"command":"seek","position_ms":1}}}`,
		`{"type":"client/goodbye","payload":{"reason":"x"}}`, `{"type":"pair/abort","payload":{"reason":"x"}}`,
		`{"type":"client/pair-pending","payload":{"pairing_index":2}}`, `{"type":"client/pair-retry","payload":{}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m := New(Config{Hello: pairable(), Category: "sn", KeyID: SentinelKeyID()})
		m.Admit(all, 0)
		msg, err := wire.Current().DecodeFromClient(b)
		if msg == nil && err == nil {
			t.Fatal("neither message nor error")
		}
		m.Message(msg, err, 0)
		_, _ = m.Pairing(beginCmd("a", wire.MethodDynamicCode), SentinelKeyID(), 0)
		m.Message(msg, err, 0)
		m.Fill(&tuttiv1.ClientPresence{})
	})
}
