package machine

import (
	"testing"

	"pgregory.net/rapid"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// gazer is a display that holds the server to the rules of stream/start and stream/end,
// and to the order of color objects.
type gazer struct {
	t         *rapid.T
	role      bool // artwork is active
	color     bool
	stream    bool
	available bool
	reported  *wire.ArtworkState // since the role became active
	config    [4]wire.ArtworkChannel
	may       bool // a stream may start in response to what happens now
	hadColor  bool // since the role became active
	now       int64
}

func (s *gazer) take(effects []Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case StartArtwork:
			s.start(e)
		case EndArtwork:
			if !s.stream {
				s.t.Fatal("the end of a stream that there is not")
			}
			s.stream = false
		case Send:
			s.message(e.Msg)
		}
	}
}

func (s *gazer) start(e StartArtwork) {
	switch {
	case !s.role:
		s.t.Fatal("stream/start without the role")
	case !s.available:
		s.t.Fatal("stream/start to a client that is not available")
	case s.reported == nil:
		s.t.Fatal("stream/start before the client/state that the activation asks for")
	case !s.stream && !s.may:
		s.t.Fatal("a stream starts in response to a changed configuration")
	}
	for ch, c := range e.Config {
		want := wire.ArtworkChannel{Source: wire.ArtworkNone}
		if ch < len(s.reported.Channels) && s.reported.Channels[ch].Source != wire.ArtworkNone {
			want = s.reported.Channels[ch]
		}
		if c != want {
			s.t.Fatalf("channel %d is %v, the client asks for %v", ch, c, want)
		}
	}
	s.stream, s.config = true, e.Config
}

func (s *gazer) message(m wire.Message) {
	switch m := m.(type) {
	case *wire.ServerActivate:
		role, color := wire.ActiveFamily(m.ActiveRoles, wire.RoleArtwork) != "", wire.ActiveFamily(m.ActiveRoles, wire.RoleColor) != ""
		if !role && s.stream {
			s.t.Fatal("the role goes before its stream/end")
		}
		if role && !s.role {
			s.reported = nil
		}
		if color != s.color {
			s.hadColor = false
		}
		s.role, s.color = role, color
	case *wire.ServerState:
		if m.Color == nil {
			return
		}
		if !s.color {
			s.t.Fatal("colors without the role")
		}
		if !s.hadColor && m.Color.Timestamp > s.now {
			s.t.Fatal("the first colors are scheduled")
		}
		s.hadColor = true
	}
}

// Whatever the operator, the group and the display do: no rule of streams is broken, and
// the stream is there exactly when it should be.
func TestDisplayWalk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := hello()
		h.SupportedRoles = []string{"artwork@v1", "color@v1"}
		m := New(Config{ClientID: "c", SessionID: "s", Hello: h, Category: "sn"})
		s := &gazer{t: t, now: 1000}
		group, show := "", "" // of the session, and the one whose pictures it shows
		admit := func(t *rapid.T) {
			a := Admission{State: approved}
			for _, f := range []string{"artwork", "color"} {
				if rapid.IntRange(0, 3).Draw(t, f) > 0 {
					a.Families = append(a.Families, f)
				}
			}
			before := s.role
			s.take(m.Admit(a, s.now))
			if before && !s.role || !before && s.role {
				show = ""
			}
		}
		admit(t)
		groups := rapid.SampledFrom([]string{"g", "h"})
		t.Repeat(map[string]func(*rapid.T){
			"admit": admit,
			"time":  func(t *rapid.T) { s.now += rapid.Int64Range(0, 50).Draw(t, "µs") },
			"state": func(t *rapid.T) {
				state := &wire.ClientState{Available: rapid.Bool().Draw(t, "available")}
				if s.role && (s.reported == nil || rapid.Bool().Draw(t, "with channels")) {
					state = channelsState(state.Available, rapid.SliceOfN(rapid.IntRange(0, 2), 1, 4).Draw(t, "widths")...)
				}
				s.may = state.Available && (!s.available || s.reported == nil)
				s.available = state.Available
				if s.role && state.Artwork != nil {
					s.reported = state.Artwork
				}
				s.take(m.Message(state, nil, 0))
			},
			"group": func(t *rapid.T) {
				group = groups.Draw(t, "group")
				out, err := m.Command(&tuttiv1.SessionCommand{GroupId: group, Command: &tuttiv1.SessionCommand_Group{Group: &tuttiv1.GroupInfo{
					GroupId: group, PlaybackState: rapid.SampledFrom([]string{"playing", "stopped"}).Draw(t, "state")}}}, s.now)
				if err != nil {
					t.Fatal(err)
				}
				s.take(out)
			},
			"show": func(t *rapid.T) {
				from, active := groups.Draw(t, "from"), rapid.Bool().Draw(t, "active")
				s.may = true
				out, err := m.Command(showCmd(from, active, "a"), s.now)
				s.take(out)
				if err != nil {
					return
				}
				switch {
				case active:
					show = from
				case show == from:
					show = ""
				}
			},
			"color": func(t *rapid.T) {
				out, err := m.Command(colorCmd(s.now+rapid.Int64Range(-20, 20).Draw(t, "at"), 1), s.now)
				if err != nil {
					t.Fatal(err)
				}
				s.take(out)
			},
			"overdue": func(*rapid.T) { s.take(m.Overdue(s.now)) },
			"": func(t *rapid.T) {
				if want := s.role && s.available && s.reported != nil && show != ""; s.stream != want || m.ShowsArtwork() != want {
					t.Fatalf("the stream is active: %v (the machine believes %v), want %v", s.stream, m.ShowsArtwork(), want)
				}
			},
		})
	})
}
