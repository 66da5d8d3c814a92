package machine

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tutti-audio/tutti/platform/fault"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

const second = int64(1_000_000)

// lineIn is a machine whose source role is active.
func lineIn(t *testing.T) *Machine {
	t.Helper()
	h := hello()
	h.SupportedRoles, h.Player, h.Source = []string{"source@v1", "metadata@v1"}, nil, &wire.SourceSupport{LineSense: ptr(true)}
	m := New(Config{ClientID: "c", SessionID: "s", Hello: h, Category: "sn", SourceCodecs: []string{"flac", "pcm"}})
	expect(t, "first activation", m.Admit(Admission{State: approved, Families: []string{"source", "metadata"}}, 0),
		"activate [] [source@v1 metadata@v1]; presence")
	return m
}

func ptr[T any](v T) *T { return &v }

// reported is lineIn after the client/state that makes it ready.
func reported(t *testing.T) *Machine {
	m := lineIn(t)
	expect(t, "client/state", m.Message(signal(true, "absent"), nil, 0), "presence")
	return m
}

func signal(available bool, s string) *wire.ClientState {
	return &wire.ClientState{Available: available, Source: &wire.SourceState{Signal: s}}
}

func wish(user string, start bool) *tuttiv1.SessionCommand {
	return &tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_Source{Source: &tuttiv1.SourceCommand{User: user, Start: start, TtlMs: 5000}}}
}

func opens(codec string) *wire.ClientStreamStart {
	return &wire.ClientStreamStart{Source: wire.InputStream{Format: wire.AudioFormat{Codec: codec, Channels: 2, SampleRate: 44100, BitDepth: 16}}}
}

var ends = &wire.ClientStreamEnd{}

func TestSourceFromStartToStop(t *testing.T) {
	m := reported(t)
	run(t, m, "the first user", wish("a", true), "activate [playback] [source@v1 metadata@v1]; server/command start; listen true; watch; presence")
	run(t, m, "the second user", wish("b", true), "listen true; watch; presence")
	expect(t, "client-stream/start", m.Message(opens("pcm"), nil, 0), "watch; presence")
	run(t, m, "a renews", wish("a", true), "watch")
	expect(t, "in place", m.Message(opens("flac"), nil, 0), "watch; presence")
	if got := m.InputOpen(); got == nil || got.Format.Codec != "flac" {
		t.Errorf("open %+v", got)
	}
	var p tuttiv1.ClientPresence
	m.Fill(&p)
	if s := p.GetSource(); !s.GetStreaming() || s.GetFormat().GetCodec() != "flac" || strings.Join(s.GetUsers(), " ") != "a b" || p.GetSourceSignal() != "absent" {
		t.Errorf("presence %v", &p)
	}
	run(t, m, "one user goes", wish("a", false), "")
	run(t, m, "the last user goes", wish("b", false), "server/command stop; listen false; watch; presence")
	run(t, m, "who is not there goes", wish("b", false), "")
	expect(t, "client-stream/end", m.Message(ends, nil, 0), "activate [] [source@v1 metadata@v1]; presence")
	expect(t, "another end", m.Message(ends, nil, 0), "")
}

func TestStartNeedsARoleAStateAndAvailability(t *testing.T) {
	m := lineIn(t)
	refuse(t, m, "before client/state", wish("a", true), fault.Conflict)
	m.Message(&wire.ClientState{Available: true}, nil, 0)
	refuse(t, m, "before the source object", wish("a", true), fault.Conflict)
	m.Message(signal(false, ""), nil, 0)
	refuse(t, m, "while unavailable", wish("a", true), fault.Conflict)
	m.Message(signal(true, ""), nil, 0)
	run(t, m, "now", wish("a", true), "activate [playback] [source@v1 metadata@v1]; server/command start; listen true; watch; presence")

	m.Admit(Admission{State: approved, Families: []string{"metadata"}}, 0)
	refuse(t, m, "without the role", wish("a", true), fault.Conflict)
	m.Admit(Admission{State: approved, Families: []string{"source"}}, 0)
	refuse(t, m, "reactivated, without the new client/state", wish("a", true), fault.Conflict)
	m.Message(signal(true, ""), nil, 0)
	run(t, m, "reactivated", wish("a", true), "activate [playback] [source@v1]; server/command start; listen true; watch; presence")

	for _, bad := range []*tuttiv1.SourceCommand{
		{User: "", Start: true, TtlMs: 5000}, {User: strings.Repeat("x", 200), Start: true, TtlMs: 5000},
		{User: "z", Start: true, TtlMs: 999}, {User: "z", Start: true, TtlMs: 60_001},
	} {
		if _, err := m.Command(&tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_Source{Source: bad}}, 0); err == nil {
			t.Errorf("%v is accepted", bad)
		}
	}
}

func TestUnsolicitedStreamIsRefused(t *testing.T) {
	for name, prepare := range map[string]func(m *Machine){
		"never asked": func(*Machine) {},
		"asked once, opened twice": func(m *Machine) {
			_, _ = m.Command(wish("a", true), 0)
			m.Message(opens("pcm"), nil, 0)
			m.Message(ends, nil, 0)
		},
		"asked, but unavailable": func(m *Machine) {
			_, _ = m.Command(wish("a", true), 0)
			m.Message(signal(false, ""), nil, 0)
		},
		"taken back long ago": func(m *Machine) {
			_, _ = m.Command(wish("a", true), 0)
			_, _ = m.Command(wish("a", false), 0)
			m.SourceDeadline(0)
			m.SourceTick(voidFor)
		},
	} {
		m := reported(t)
		prepare(m)
		expect(t, name, m.Message(opens("pcm"), nil, 0), "close protocol_error")
		if m.InputOpen() != nil {
			t.Errorf("%s: it counts as open", name)
		}
	}
}

func TestUnlistedCodecIsRefused(t *testing.T) {
	m := reported(t)
	_, _ = m.Command(wish("a", true), 0)
	expect(t, "opus", m.Message(opens("opus"), nil, 0), "close protocol_error")
}

func TestUnusableFormatIsStoppedAndNamed(t *testing.T) {
	m := reported(t)
	_, _ = m.Command(wish("a", true), 0)
	wide := opens("pcm")
	wide.Source.Format.Channels = 300
	expect(t, "300 channels", m.Message(wide, nil, 0), "server/command stop; listen false; watch; presence")
	var p tuttiv1.ClientPresence
	m.Fill(&p)
	if !strings.Contains(p.GetSource().GetError(), "pcm:44100:16:300 cannot be used") {
		t.Errorf("presence says %q", p.GetSource().GetError())
	}
	refuse(t, m, "again", wish("a", true), fault.Conflict)
}

// In-flight answers to a start that was taken back are good until client-stream/end.
func TestAnswersUnderWayAreTolerated(t *testing.T) {
	m := reported(t)
	_, _ = m.Command(wish("a", true), 0)
	run(t, m, "taken back before the answer", wish("a", false), "server/command stop; listen false; activate [] [source@v1 metadata@v1]; watch; presence")
	expect(t, "the answer", m.Message(opens("pcm"), nil, 0), "watch; presence")
	if m.InputOpen() == nil {
		t.Error("not open: its audio would close the session")
	}
	expect(t, "its end", m.Message(ends, nil, 0), "presence")

	// A start that crossed the client's own end of the stream opens another one.
	_, _ = m.Command(wish("a", true), 0)
	m.Message(opens("pcm"), nil, 0)
	_, _ = m.Command(wish("a", false), 0)
	run(t, m, "start while the end is under way", wish("b", true), "server/command start; listen true; watch; presence")
	expect(t, "the end of the first", m.Message(ends, nil, 0), "presence")
	expect(t, "the second", m.Message(opens("pcm"), nil, 0), "watch; presence")

	// The role goes: what is under way is tolerated.
	expect(t, "removal", m.Admit(Admission{State: approved, Families: []string{"metadata"}}, 0), "listen false; watch; activate [] [metadata@v1]; presence")
	expect(t, "in place, after the removal", m.Message(opens("pcm"), nil, 0), "watch; presence")
	expect(t, "the end", m.Message(ends, nil, 0), "presence")
	expect(t, "unasked now", m.Message(opens("pcm"), nil, 0), "close protocol_error")
}

// A start that was sent before the server heard of "available: false, then true" may
// have reached the client after both.
func TestStartThatCrossedAvailability(t *testing.T) {
	m := reported(t)
	_, _ = m.Command(wish("a", true), 0)
	expect(t, "unavailable", m.Message(signal(false, ""), nil, 0), "presence; listen false; watch; activate [] [source@v1 metadata@v1]")
	m.Message(signal(true, ""), nil, 0)
	expect(t, "the answer to the start before", m.Message(opens("pcm"), nil, 0), "watch; presence")
}

func TestUnavailableIsAnImplicitStop(t *testing.T) {
	m := reported(t)
	_, _ = m.Command(wish("a", true), 0)
	m.Message(opens("pcm"), nil, 0)
	m.Message(signal(false, ""), nil, 0)
	if m.InputOpen() != nil {
		t.Error("still open")
	}
	expect(t, "available again: no start by itself", m.Message(signal(true, ""), nil, 0), "presence")
	run(t, m, "a new wish", wish("a", true), "activate [playback] [source@v1 metadata@v1]; server/command start; listen true; watch; presence")
}

func TestUsersExpire(t *testing.T) {
	m := reported(t)
	_, _ = m.Command(wish("a", true), 0)
	m.Message(opens("pcm"), nil, 0)
	if at := m.SourceDeadline(0); at != 5*second {
		t.Errorf("deadline %d", at)
	}
	if _, err := m.Command(wish("a", true), 4*second); err != nil {
		t.Fatal(err)
	}
	expect(t, "the old deadline", m.SourceTick(5*second), "watch")
	expect(t, "nobody renews", m.SourceTick(9*second), "server/command stop; listen false; watch; presence")
	if at := m.SourceDeadline(9 * second); at != 0 {
		t.Errorf("deadline %d without users", at)
	}
}

func TestRenewalReopensWhatTheClientEnded(t *testing.T) {
	m := reported(t)
	_, _ = m.Command(wish("a", true), 0)
	run(t, m, "no answer yet", wish("a", true), "server/command start; watch")
	m.Message(opens("pcm"), nil, 0)
	m.Message(ends, nil, 0) // by itself
	run(t, m, "still wanted", wish("a", true), "server/command start; watch")
}

// sourceClient is a client that keeps to the specification. Messages take their time in
// both directions.
type sourceClient struct {
	t                     *rapid.T
	m                     *Machine
	pending, open, avail  bool
	role                  bool
	toClient              []Effect
	toServer              []wire.Message
	heardRole, heardAvail bool // as the server knows
	heardState            bool
}

func (c *sourceClient) take(effects []Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case Close:
			c.t.Fatalf("the server closes on a conformant client: %s", e.Detail)
		case Send:
			if cmd, ok := e.Msg.(*wire.ServerCommand); ok && cmd.Source != nil && cmd.Source.Command == "start" && !(c.heardRole && c.heardState && c.heardAvail) {
				c.t.Fatalf("start with role %v, state %v, available %v", c.heardRole, c.heardState, c.heardAvail)
			}
			if a, ok := e.Msg.(*wire.ServerActivate); ok {
				role := slices.Contains(a.ActiveRoles, "source@v1")
				if role && !c.heardRole {
					c.heardState = false
				}
				c.heardRole = role
			}
			c.toClient = append(c.toClient, e)
		}
	}
}

// hear has the client act on one message.
func (c *sourceClient) hear() {
	if len(c.toClient) == 0 {
		return
	}
	e := c.toClient[0].(Send)
	c.toClient = c.toClient[1:]
	switch m := e.Msg.(type) {
	case *wire.ServerCommand:
		switch {
		case m.Source.Command == "stop":
			c.stop()
		case c.avail && c.role && !c.open:
			c.pending = true
		}
	case *wire.ServerActivate:
		role := slices.Contains(m.ActiveRoles, "source@v1")
		if !role {
			c.stop()
		}
		if role && !c.role {
			c.role = true
			c.report()
		}
		c.role = role
	}
}

func (c *sourceClient) stop() {
	c.pending = false
	if c.open {
		c.open = false
		c.toServer = append(c.toServer, ends)
	}
}

func (c *sourceClient) report() { c.toServer = append(c.toServer, signal(c.avail, "")) }

// deliver has the server hear one message.
func (c *sourceClient) deliver() {
	if len(c.toServer) == 0 {
		return
	}
	msg := c.toServer[0]
	c.toServer = c.toServer[1:]
	if s, ok := msg.(*wire.ClientState); ok {
		c.heardAvail = s.Available
		c.heardState = c.heardState || c.heardRole && s.Source != nil
	}
	c.take(c.m.Message(msg, nil, 0))
}

func (c *sourceClient) settle(now int64, wanted bool) {
	for range 6 {
		if wanted {
			if e, err := c.m.Command(wish("u", true), now); err == nil {
				c.take(e)
			}
		}
		for len(c.toClient)+len(c.toServer) > 0 {
			c.hear()
			if c.pending {
				c.pending, c.open = false, true
				c.toServer = append(c.toServer, opens("pcm"))
			}
			c.deliver()
		}
	}
}

// A conformant client is never closed, never asked too early, streams while somebody
// wants it and is silent when nobody does, whatever crosses whatever.
func TestSourceWalk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := hello()
		h.SupportedRoles, h.Player, h.Source = []string{"source@v1"}, nil, &wire.SourceSupport{}
		c := &sourceClient{t: t, avail: true, m: New(Config{ClientID: "c", SessionID: "s", Hello: h, Category: "sn", SourceCodecs: []string{"pcm"}})}
		c.take(c.m.Admit(Admission{State: approved, Families: []string{"source"}}, 0))
		now, role := int64(0), true
		t.Repeat(map[string]func(*rapid.T){
			"user": func(t *rapid.T) {
				u := fmt.Sprint(rapid.IntRange(0, 2).Draw(t, "user"))
				if e, err := c.m.Command(wish(u, rapid.Bool().Draw(t, "start")), now); err == nil {
					c.take(e)
				}
			},
			"role": func(*rapid.T) {
				role = !role
				f := []string{}
				if role {
					f = append(f, "source")
				}
				c.take(c.m.Admit(Admission{State: approved, Families: f}, now))
			},
			"time": func(t *rapid.T) {
				now += rapid.Int64Range(0, 8*second).Draw(t, "passes")
				if at := c.m.SourceDeadline(now); at != 0 && at <= now {
					// Nothing is under way for as long as a void start lives.
					for len(c.toClient)+len(c.toServer) > 0 {
						c.hear()
						c.deliver()
					}
					c.take(c.m.SourceTick(now))
				}
			},
			"hear":    func(*rapid.T) { c.hear() },
			"deliver": func(*rapid.T) { c.deliver() },
			"open": func(*rapid.T) {
				if c.pending {
					c.pending, c.open = false, true
					c.toServer = append(c.toServer, opens("pcm"))
				}
			},
			"format": func(*rapid.T) {
				if c.open {
					c.toServer = append(c.toServer, opens("pcm"))
				}
			},
			"end": func(*rapid.T) {
				if c.open {
					c.open = false
					c.toServer = append(c.toServer, ends)
				}
			},
			"available": func(*rapid.T) {
				if c.avail = !c.avail; !c.avail {
					c.stop()
				}
				c.report()
			},
		})
		if !role {
			c.take(c.m.Admit(Admission{State: approved, Families: []string{"source"}}, now))
		}
		if !c.avail {
			c.avail = true
			c.report()
		}
		c.settle(now, false)
		c.settle(now, true)
		if !c.open || c.m.InputOpen() == nil {
			t.Fatalf("wanted, but the client streams: %v, as the server knows: %v", c.open, c.m.InputOpen() != nil)
		}
		for _, u := range []string{"u", "0", "1", "2"} {
			e, _ := c.m.Command(wish(u, false), now)
			c.take(e)
		}
		c.settle(now, false)
		if c.open || c.m.InputOpen() != nil || c.pending {
			t.Fatalf("nobody wants it, but the client streams: %v, pending: %v", c.open, c.pending)
		}
	})
}
