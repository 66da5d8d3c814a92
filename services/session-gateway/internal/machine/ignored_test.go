package machine

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// counted lists the kinds that effects count, and whether presence is written.
func counted(effects []Effect) string {
	var out []string
	for _, e := range effects {
		switch e := e.(type) {
		case Ignored:
			out = append(out, e.Kind)
		case Changed:
			out = append(out, "shown")
		}
	}
	return strings.Join(out, " ")
}

func TestWhatIsNotKnownIsCountedAndShown(t *testing.T) {
	h := hello()
	h.SupportedRoles = []string{"player@v2", "player@v1", "controller@v1", "hologram@v1", "_mine@v1"}
	h.Ignored = []string{"player@v1_support.supported_formats[0].codec: vorbis"}
	m := New(Config{ClientID: "c", SessionID: "s", Hello: h, Category: sentinel})
	step := func(what string, effects []Effect, want string) {
		t.Helper()
		if got := counted(effects); got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
		for _, e := range effects {
			if c, ok := e.(Close); ok {
				t.Errorf("%s: closes: %s", what, c.Detail)
			}
		}
	}
	hear := func(msg wire.Message) []Effect { return m.Message(msg, nil, 0) }
	step("hello", m.Admit(all, 0), "role role value shown")
	step("a message", hear(&wire.Unknown{Name: "client/dance"}), "message shown")
	step("the same", hear(&wire.Unknown{Name: "client/dance"}), "message")
	step("an id of the future", m.Binary(24), "binary shown")
	step("an application's id", m.Binary(200), "binary shown")
	s := state(true)
	s.Ignored = []string{"player.supported_commands: fade"}
	step("a value", hear(s), "value shown shown")
	step("a name for a terminal", hear(&wire.Unknown{Name: "client/\x1b[2J\n" + strings.Repeat("x", 300)}), "message shown")

	p := &tuttiv1.ClientPresence{}
	m.Fill(p)
	want := []string{"binary:200", "binary:24", "message:client/?[2J?" + strings.Repeat("x", 52), "message:client/dance", "role:hologram@v1", "role:player@v2",
		"value:player.supported_commands: fade", "value:player@v1_support.supported_formats[0].codec: vorbis"}
	if got := p.GetIgnored(); !slices.Equal(got, want) {
		t.Errorf("shown:\n%q, want\n%q", got, want)
	}
	// However much a client says, what is kept of it is bounded.
	for i := range 1000 {
		hear(&wire.Unknown{Name: fmt.Sprint("client/", i)})
	}
	m.Fill(p)
	if n := len(p.GetIgnored()); n != maxIgnored {
		t.Errorf("%d are kept", n)
	}
	step("and no more is written", hear(&wire.Unknown{Name: "client/one-more"}), "message")
	// A message that only a server sends is no message of the future.
	if out := hear(&wire.Unknown{Name: "server/hello", WrongDirection: true}); show(out) != "close protocol_error" {
		t.Errorf("server/hello from a client: %s", show(out))
	}
}
