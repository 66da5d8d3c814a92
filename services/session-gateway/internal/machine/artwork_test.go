package machine

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/platform/fault"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// display is a machine whose client has the artwork and color roles, before its first
// client/state.
func display(t *testing.T) *Machine {
	t.Helper()
	h := hello()
	h.SupportedRoles = []string{"artwork@v1", "color@v1"}
	m := New(Config{ClientID: "c", SessionID: "s", Hello: h, Category: "sn"})
	expect(t, "first activation", m.Admit(all, 0), "activate [] [artwork@v1 color@v1]; presence")
	return m
}

func channelsState(available bool, widths ...int) *wire.ClientState {
	s := &wire.ClientState{Available: available, Artwork: &wire.ArtworkState{}}
	for _, w := range widths {
		c := wire.ArtworkChannel{Source: "album", Format: "jpeg", Width: w, Height: w}
		if w == 0 {
			c = wire.ArtworkChannel{Source: "none"}
		}
		s.Artwork.Channels = append(s.Artwork.Channels, c)
	}
	return s
}

func showCmd(group string, active bool, ids ...string) *tuttiv1.SessionCommand {
	a := &tuttiv1.ArtworkShow{Active: active}
	for i, id := range ids {
		a.Album = append(a.Album, &tuttiv1.Picture{ImageId: id, AtUs: int64(i)})
	}
	return &tuttiv1.SessionCommand{GroupId: group, Command: &tuttiv1.SessionCommand_Artwork{Artwork: a}}
}

// do carries a command out that must be accepted.
func do(t *testing.T, m *Machine, c *tuttiv1.SessionCommand) string {
	t.Helper()
	out, err := m.Command(c, 0)
	if err != nil {
		t.Fatal(err)
	}
	return lines(out)
}

// lines is show with the effects of this file.
func lines(effects []Effect) string {
	var out []string
	for _, e := range effects {
		switch e := e.(type) {
		case StartArtwork:
			s := "artwork"
			for _, c := range e.Config {
				s += fmt.Sprintf(" %s%d", c.Source[:1], c.Width)
			}
			out = append(out, s)
		case ShowArtwork:
			s := "shows"
			for _, p := range e.Album {
				s += " " + p.ID
			}
			out = append(out, s)
		case EndArtwork:
			out = append(out, "artwork ends")
		case Changed:
		default:
			out = append(out, show([]Effect{e}))
		}
	}
	return strings.Join(out, "; ")
}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
}

func TestArtworkStreamWaitsForTheClientsState(t *testing.T) {
	m := display(t)
	want(t, "before client/state", do(t, m, showCmd("g", true, "a")), "shows a")
	want(t, "not available", lines(m.Message(channelsState(false, 10), nil, 0)), "")
	want(t, "available", lines(m.Message(channelsState(true, 10), nil, 0)), "artwork a10 n0 n0 n0")
	want(t, "the same again", lines(m.Message(channelsState(true, 10), nil, 0)), "")
	want(t, "the next title", do(t, m, showCmd("g", true, "a", "b")), "shows a b")
	want(t, "stop", do(t, m, showCmd("g", false)), "artwork ends")
	want(t, "stop again", do(t, m, showCmd("g", false)), "")
}

func TestArtworkConfigurationChangesAnActiveStreamOnly(t *testing.T) {
	m := display(t)
	m.Message(channelsState(true, 10), nil, 0)
	want(t, "without a stream", lines(m.Message(channelsState(true, 20), nil, 0)), "")
	want(t, "the stream has it", do(t, m, showCmd("g", true, "a")), "shows a; artwork a20 n0 n0 n0")
	want(t, "a change", lines(m.Message(channelsState(true, 20, 0, 30), nil, 0)), "artwork a20 n0 a30 n0")
	want(t, "all off", lines(m.Message(channelsState(true, 0), nil, 0)), "artwork n0 n0 n0 n0")
	want(t, "a truncated list is the same", lines(m.Message(channelsState(true, 0, 0), nil, 0)), "")
	want(t, "end", do(t, m, showCmd("g", false)), "artwork ends")
	want(t, "after the end", lines(m.Message(channelsState(true, 40), nil, 0)), "")
}

func TestArtworkEndsWhileTheClientIsNotAvailable(t *testing.T) {
	m := display(t)
	m.Message(channelsState(true, 10), nil, 0)
	do(t, m, showCmd("g", true, "a"))
	want(t, "not available", lines(m.Message(&wire.ClientState{Available: false}, nil, 0)), "artwork ends")
	want(t, "meanwhile", do(t, m, showCmd("g", true, "b")), "shows b")
	want(t, "available", lines(m.Message(&wire.ClientState{Available: true}, nil, 0)), "artwork a10 n0 n0 n0")
}

func TestArtworkRoleGoesAfterItsStreamEnd(t *testing.T) {
	m := display(t)
	m.Message(channelsState(true, 10), nil, 0)
	do(t, m, showCmd("g", true, "a"))
	none := Admission{State: tuttiv1.TrustState_TRUST_STATE_APPROVED}
	got := lines(m.Admit(none, 0))
	if !strings.HasPrefix(got, "artwork ends; activate [] []") {
		t.Errorf("%s", got)
	}
	if _, err := m.Command(showCmd("g", true, "a"), 0); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("artwork without the role: %v", err)
	}
	m.Admit(all, 0)
	want(t, "the role is back, its state is not", do(t, m, showCmd("g", true, "a")), "shows a")
	want(t, "state without the object", lines(m.Message(&wire.ClientState{Available: true}, nil, 0)), "")
	want(t, "fresh state", lines(m.Message(channelsState(true, 20), nil, 0)), "artwork a20 n0 n0 n0")
}

func TestArtworkFollowsTheGroup(t *testing.T) {
	m := display(t)
	m.Message(channelsState(true, 10), nil, 0)
	group := func(id, state string) string {
		return do(t, m, &tuttiv1.SessionCommand{GroupId: id, Command: &tuttiv1.SessionCommand_Group{Group: &tuttiv1.GroupInfo{GroupId: id, PlaybackState: state}}})
	}
	want(t, "group", group("g", "stopped"), "group g stopped")
	want(t, "paused: no playback", do(t, m, showCmd("g", true, "a")), "shows a; artwork a10 n0 n0 n0")
	want(t, "plays", group("g", "playing"), "group g playing; activate [playback] [artwork@v1 color@v1]")
	want(t, "pauses", group("g", "stopped"), "group g stopped; activate [] [artwork@v1 color@v1]")
	want(t, "moves", group("h", "stopped"), "group h stopped")
	if _, err := m.Command(showCmd("g", true, "a"), 0); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("artwork of the group it has left: %v", err)
	}
	want(t, "the new group", do(t, m, showCmd("h", true, "b")), "shows b")
	if out, err := m.Command(showCmd("g", false), 0); fault.CodeOf(err) != fault.Conflict || len(out) != 0 {
		t.Errorf("the old group's end ends the new group's artwork: %v, %v", out, err)
	}
	want(t, "the new group's end", do(t, m, showCmd("h", false)), "artwork ends")
}

func TestArtworkIsShownInPresence(t *testing.T) {
	m := display(t)
	m.Message(channelsState(true, 10, 0), nil, 0)
	p := &tuttiv1.ClientPresence{}
	m.Fill(p)
	if c := p.GetArtwork().GetChannels(); len(c) != 2 || c[0].GetWidth() != 10 || c[0].GetFormat() != "jpeg" || c[1].GetSource() != "none" {
		t.Errorf("%v", c)
	}
}

func colorCmd(at int64, primary uint32) *tuttiv1.SessionCommand {
	return &tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_State{State: &tuttiv1.StateUpdate{
		Color: &tuttiv1.ColorState{TimestampUs: at, Primary: &primary}}}}
}

// colors is what was said of colors: timestamp and primary.
func colors(t *testing.T, effects []Effect) string {
	t.Helper()
	var out []string
	for _, e := range effects {
		if s, ok := e.(Send); ok {
			if m, ok := s.Msg.(*wire.ServerState); ok && m.Color != nil {
				p := wire.RGB{}
				if m.Color.Primary != nil {
					p = *m.Color.Primary
				}
				out = append(out, fmt.Sprintf("%v@%d", p, m.Color.Timestamp))
			}
		}
	}
	return strings.Join(out, "; ")
}

func TestColorsFirstOfNowThenScheduled(t *testing.T) {
	h := hello()
	h.SupportedRoles = []string{"color@v1"}
	m := New(Config{ClientID: "c", SessionID: "s", Hello: h, Category: "sn"})
	send := func(c *tuttiv1.SessionCommand, now int64) string {
		t.Helper()
		out, err := m.Command(c, now)
		if err != nil {
			t.Fatal(err)
		}
		return colors(t, out)
	}
	want(t, "before the role", send(colorCmd(5, 0x010203), 10), "")
	want(t, "scheduled before the role", send(colorCmd(50, 0x040506), 10), "")
	want(t, "activation", colors(t, m.Admit(all, 20)), "[1 2 3]@5; [4 5 6]@50")
	want(t, "replaced", send(colorCmd(60, 0x070809), 20), "[7 8 9]@60")
	want(t, "cancelled", send(colorCmd(5, 0x010203), 30), "[1 2 3]@5")
	none := Admission{State: tuttiv1.TrustState_TRUST_STATE_APPROVED}
	m.Admit(none, 30)
	want(t, "without the role", send(colorCmd(70, 0x0A0B0C), 30), "")
	want(t, "the role again, after the moment", colors(t, m.Admit(all, 80)), "[10 11 12]@70")
}

func TestColorWithOnlyAScheduledOneSaysNothingOfNow(t *testing.T) {
	m := display(t)
	out, err := m.Command(colorCmd(100, 0xFF), 10)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "first", colors(t, out), "[0 0 0]@10; [0 0 255]@100")
}

func TestColorIsOwedAfterAGrace(t *testing.T) {
	m := display(t)
	want(t, "grace", colors(t, m.Overdue(40)), "[0 0 0]@40")
	want(t, "once", colors(t, m.Overdue(50)), "")
}
