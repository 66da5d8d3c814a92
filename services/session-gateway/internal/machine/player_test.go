package machine

import (
	"testing"

	"github.com/tutti-audio/tutti/platform/fault"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

func player(p *tuttiv1.PlayerCommand) *tuttiv1.SessionCommand {
	return &tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_Player{Player: p}}
}

func volumeTo(v int32) *tuttiv1.SessionCommand {
	return player(&tuttiv1.PlayerCommand{Command: &tuttiv1.PlayerCommand_Volume{Volume: v}})
}

func muteTo(on bool) *tuttiv1.SessionCommand {
	return player(&tuttiv1.PlayerCommand{Command: &tuttiv1.PlayerCommand_Mute{Mute: on}})
}

func delayTo(ms int32) *tuttiv1.SessionCommand {
	return player(&tuttiv1.PlayerCommand{Command: &tuttiv1.PlayerCommand_OutputDelayMs{OutputDelayMs: ms}})
}

// reports is a client/state of an available player that takes these commands.
func reports(commands ...string) *wire.ClientState {
	volume, muted := 40, true
	return &wire.ClientState{Available: true, Player: &wire.PlayerState{Volume: &volume, Muted: &muted, SupportedCommands: commands}}
}

// command sends one, which must be taken, and returns what the client is told.
func command(t *testing.T, m *Machine, c *tuttiv1.SessionCommand) *wire.PlayerCommand {
	t.Helper()
	effects, err := m.Command(c, 0)
	if err != nil || len(effects) != 1 {
		t.Fatalf("%v: %s, %v", c, show(effects), err)
	}
	send, ok := effects[0].(Send)
	if !ok {
		t.Fatalf("%v: %s", c, show(effects))
	}
	return send.Msg.(*wire.ServerCommand).Player
}

// TestPlayerCommandsOnlyAsSupported: each command goes out only when the latest player
// state lists it, whatever values that state reports, and never before the first state.
func TestPlayerCommandsOnlyAsSupported(t *testing.T) {
	all3 := map[string]*tuttiv1.SessionCommand{wire.PlayerVolume: volumeTo(30), wire.PlayerMute: muteTo(true), wire.PlayerSetOutputDelay: delayTo(50)}
	m := New(Config{ClientID: "c", SessionID: "s", Hello: hello(), Category: "sn"})
	for name, c := range all3 {
		refuse(t, m, name+" before the role is active", c, fault.Conflict)
	}
	m.Admit(all, 0)
	for name, c := range all3 {
		refuse(t, m, name+" before the first client/state", c, fault.Conflict)
	}
	m.Message(&wire.ClientState{Available: true}, nil, 0)
	for name, c := range all3 {
		refuse(t, m, name+" after a client/state without the player object", c, fault.Conflict)
	}
	for listed := range all3 {
		m.Message(reports(listed), nil, 0)
		for name, c := range all3 {
			if name == listed {
				if got := command(t, m, c); got.Command != name {
					t.Errorf("%s became %+v", name, got)
				}
				continue
			}
			// volume and muted are reported: that does not make them settable.
			refuse(t, m, name+" while only "+listed+" is listed", c, fault.Conflict)
		}
	}
	m.Message(reports(), nil, 0)
	for name, c := range all3 {
		refuse(t, m, name+" after the list was emptied", c, fault.Conflict)
	}
}

// TestPlayerCommandsCarryOneThing: a volume says nothing of mute, and the other way round.
func TestPlayerCommandsCarryOneThing(t *testing.T) {
	m := ready(t)
	m.Message(reports(wire.PlayerVolume, wire.PlayerMute, wire.PlayerSetOutputDelay), nil, 0)
	if c := command(t, m, volumeTo(55)); c.Volume == nil || *c.Volume != 55 || c.Mute != nil || c.OutputDelayMS != nil {
		t.Errorf("volume: %+v", c)
	}
	if c := command(t, m, muteTo(false)); c.Mute == nil || *c.Mute || c.Volume != nil || c.OutputDelayMS != nil {
		t.Errorf("mute: %+v", c)
	}
	if c := command(t, m, delayTo(5000)); c.OutputDelayMS == nil || *c.OutputDelayMS != 5000 || c.Volume != nil || c.Mute != nil {
		t.Errorf("output delay: %+v", c)
	}
	for name, c := range map[string]*tuttiv1.SessionCommand{"volume 101": volumeTo(101), "volume -1": volumeTo(-1), "5001 ms": delayTo(5001), "-1 ms": delayTo(-1)} {
		refuse(t, m, name, c, fault.OutOfRange)
	}
	refuse(t, m, "nothing", player(&tuttiv1.PlayerCommand{}), fault.Invalid)
}

// TestStateIsStaleAfterReactivation: after the role was taken and given again, neither a
// stream nor a command goes by what the player said before.
func TestStateIsStaleAfterReactivation(t *testing.T) {
	m := ready(t)
	m.Message(reports(wire.PlayerVolume), nil, 0)
	command(t, m, volumeTo(30))
	m.Admit(Admission{State: all.State, Families: []string{"metadata"}}, 1)
	refuse(t, m, "a command without the role", volumeTo(30), fault.Conflict)
	refuse(t, m, "a stream without the role", start("g", "r", 1), fault.Conflict)
	// What an inactive role says is not kept for later.
	m.Message(reports(wire.PlayerVolume), nil, 0)
	m.Admit(all, 2)
	refuse(t, m, "a command by the old state", volumeTo(30), fault.Conflict)
	refuse(t, m, "a stream by the old state", start("g", "r", 1), fault.Conflict)
	var p tuttiv1.ClientPresence
	if m.Fill(&p); p.Player != nil {
		t.Errorf("the old state is shown: %v", p.Player)
	}
	m.Message(&wire.ClientState{Available: true}, nil, 0) // without the object: still stale
	refuse(t, m, "a stream after a state without the player object", start("g", "r", 1), fault.Conflict)
	m.Message(reports(wire.PlayerVolume), nil, 0)
	command(t, m, volumeTo(30))
	run(t, m, "a stream", start("g", "r", 1), "activate [playback] [player@v1 metadata@v1 controller@v1]; start g/r epoch 1; presence")
}

// TestStreamsOnlyForWhoCanPlayThem: stream/start needs available: true and a format of the
// client's list; clear and end need an active stream.
func TestStreamsOnlyForWhoCanPlayThem(t *testing.T) {
	m := ready(t)
	refuse(t, m, "a clear without a stream", clearTo("g", 2), fault.Conflict)
	refuse(t, m, "an end without a stream", end("g", 0, false), fault.Conflict)
	m.Message(&wire.ClientState{Available: false}, nil, 0)
	refuse(t, m, "a stream while it is unavailable", start("g", "r", 1), fault.Conflict)
	m.Message(&wire.ClientState{Available: true}, nil, 0)
	other := start("g", "r", 1)
	other.GetStreamStart().Format.BitDepth = 24
	refuse(t, m, "a format that it does not list", other, fault.Conflict)
	run(t, m, "a stream", start("g", "r", 1), "activate [playback] [player@v1 metadata@v1 controller@v1]; start g/r epoch 1; presence")
	refuse(t, m, "a change to a format that it does not list", other, fault.Conflict)
	// An opus entry is the same whatever depth it names.
	h := hello()
	h.Player.Formats = []wire.AudioFormat{{Codec: "opus", Channels: 2, SampleRate: 48000, BitDepth: 24}, format}
	n := New(Config{ClientID: "c", SessionID: "s", Hello: h, Category: "sn"})
	n.Admit(all, 0)
	n.Message(state(true), nil, 0)
	opus := start("g", "r", 1)
	opus.GetStreamStart().Format = &tuttiv1.AudioFormat{Codec: "opus", Channels: 2, SampleRate: 48000, BitDepth: 16}
	run(t, n, "opus", opus, "activate [playback] [player@v1 metadata@v1 controller@v1]; start g/r epoch 1; presence")
}
