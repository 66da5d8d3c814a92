package machine

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// forwarded is the one command that effects hand to the group, "" when there is none.
func forwarded(t *testing.T, effects []Effect) string {
	t.Helper()
	out := ""
	for _, e := range effects {
		switch e := e.(type) {
		case Forward:
			if out != "" {
				t.Errorf("forwarded twice: %v", e.Command)
			}
			c := e.Command.GetController()
			out = c.GetCommand()
			for _, p := range []any{c.Volume, c.Mute, c.PositionMs, c.OffsetMs} {
				switch p := p.(type) {
				case *int32:
					if p != nil {
						out += fmt.Sprint(" ", *p)
					}
				case *int64:
					if p != nil {
						out += fmt.Sprint(" ", *p)
					}
				case *bool:
					if p != nil {
						out += fmt.Sprint(" ", *p)
					}
				}
			}
		case Close:
			t.Errorf("a command closes: %s", e.Detail)
		}
	}
	return out
}

func int64p(v int64) *int64 { return &v }
func intp(v int) *int       { return &v }
func boolp(v bool) *bool    { return &v }

// TestControllerCommandTable holds for every command of the specification: it is handed on
// when it is offered, and only then, with its own parameter and no other.
func TestControllerCommandTable(t *testing.T) {
	full := func(command string) *wire.ClientCommand {
		return &wire.ClientCommand{Controller: &wire.ControllerCommand{Command: command, Volume: intp(30), Mute: boolp(true), PositionMS: int64p(1000), OffsetMS: int64p(-5000)}}
	}
	parameter := map[string]string{"volume": " 30", "mute": " true", "seek": " 1000", "seek_relative": " -5000"}
	offers := func(m *Machine, seekMax *int64, commands ...string) {
		_, err := m.Command(&tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_State{State: &tuttiv1.StateUpdate{
			Controller: &tuttiv1.ControllerState{SupportedCommands: commands, Repeat: "off", SeekMaxMs: seekMax}}}}, 0)
		if err != nil {
			t.Fatal(err)
		}
	}
	all15 := wire.ControllerCommands()
	if len(all15) != 15 {
		t.Fatalf("the specification defines 15 commands, wire %d", len(all15))
	}
	for _, command := range all15 {
		t.Run(command, func(t *testing.T) {
			m := ready(t)
			hear := func() string { return forwarded(t, m.Message(full(command), nil, 0)) }
			if got := hear(); got != "" {
				t.Errorf("before the group has offered anything: %s", got)
			}
			var others []string
			for _, c := range all15 {
				if c != command {
					others = append(others, c)
				}
			}
			offers(m, int64p(2000), others...)
			if got := hear(); got != "" {
				t.Errorf("not offered: %s", got)
			}
			offers(m, int64p(2000), command)
			if got, want := hear(), command+parameter[command]; got != want {
				t.Errorf("offered: %q, want %q", got, want)
			}
			if _, needs := parameter[command]; needs {
				bare := &wire.ClientCommand{Controller: &wire.ControllerCommand{Command: command}}
				if got := forwarded(t, m.Message(bare, nil, 0)); got != "" {
					t.Errorf("without its parameter: %s", got)
				}
			}
			m.Admit(Admission{State: approved, Families: []string{"player"}}, 0)
			if got := hear(); got != "" {
				t.Errorf("without the role: %s", got)
			}
		})
	}
}

func TestCommandsOutOfRangeAreIgnored(t *testing.T) {
	m := ready(t)
	_, err := m.Command(&tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_State{State: &tuttiv1.StateUpdate{
		Controller: &tuttiv1.ControllerState{SupportedCommands: []string{"volume", "seek", "seek_relative"}, Repeat: "off", SeekMaxMs: proto.Int64(2000)}}}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		k    wire.ControllerCommand
		want string
	}{
		"silent":                    {wire.ControllerCommand{Command: "volume", Volume: intp(0)}, "volume 0"},
		"full":                      {wire.ControllerCommand{Command: "volume", Volume: intp(100)}, "volume 100"},
		"louder than full":          {wire.ControllerCommand{Command: "volume", Volume: intp(101)}, ""},
		"less than silent":          {wire.ControllerCommand{Command: "volume", Volume: intp(-1)}, ""},
		"a number that wraps to 50": {wire.ControllerCommand{Command: "volume", Volume: intp(1<<32 + 50)}, ""},
		"the beginning":             {wire.ControllerCommand{Command: "seek", PositionMS: int64p(0)}, "seek 0"},
		"the end":                   {wire.ControllerCommand{Command: "seek", PositionMS: int64p(2000)}, "seek 2000"},
		"beyond the end":            {wire.ControllerCommand{Command: "seek", PositionMS: int64p(2001)}, ""},
		"before the beginning":      {wire.ControllerCommand{Command: "seek", PositionMS: int64p(-1)}, ""},
		"far back":                  {wire.ControllerCommand{Command: "seek_relative", OffsetMS: int64p(-1 << 62)}, fmt.Sprint("seek_relative ", -1<<62)},
		"a command of the future":   {wire.ControllerCommand{Command: "dance"}, ""},
	} {
		if got := forwarded(t, m.Message(&wire.ClientCommand{Controller: &c.k}, nil, 0)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	p := &tuttiv1.ClientPresence{}
	m.Fill(p)
	found := false
	for _, s := range p.GetIgnored() {
		found = found || s == "value:controller.command: dance"
	}
	if !found {
		t.Errorf("ignored: %q", p.GetIgnored())
	}
}
