package machine

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/tutti-audio/tutti/platform/fault"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

func TestNarrowerLimitsWin(t *testing.T) {
	n := func(v int32) *int32 {
		if v < 0 {
			return nil
		}
		return &v
	}
	for name, c := range map[string]struct {
		min, max, startup, placeMin, placeMax int32 // -1: not set
		want                                  string
	}{
		"nothing":                     {-1, -1, -1, -1, -1, "<nil>"},
		"the whole range":             {0, 100, -1, 0, 100, "<nil>"},
		"the client's":                {10, 60, -1, -1, -1, "10-60"},
		"the persona's":               {-1, -1, -1, 5, 50, "5-50"},
		"the narrower of each":        {10, 60, -1, 5, 50, "10-50"},
		"nothing left: the lower max": {70, 90, -1, 0, 40, "40-40"},
		"start-up inside":             {-1, -1, 30, -1, -1, "0-100 from 30"},
		"start-up outside":            {-1, -1, 80, -1, 40, "0-40 from 40"},
		"start-up 0":                  {-1, -1, 0, -1, -1, "0-100 from 0"},
	} {
		l := narrow(&tuttiv1.ClientTuning{VolumeMin: n(c.min), VolumeMax: n(c.max), VolumeStartup: n(c.startup)},
			&tuttiv1.Endpoint{VolumeMin: n(c.placeMin), VolumeMax: n(c.placeMax)}, nil)
		got := "<nil>"
		if l != nil {
			got = fmt.Sprintf("%d-%d", l.GetMin(), l.GetMax())
			if l.Startup != nil {
				got += fmt.Sprintf(" from %d", l.GetStartup())
			}
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// volumes lists the volume commands among effects.
func volumes(effects []Effect) (out []int) {
	for _, e := range effects {
		if s, ok := e.(Send); ok {
			if c, ok := s.Msg.(*wire.ServerCommand); ok && c.Player.Command == wire.PlayerVolume {
				out = append(out, *c.Player.Volume)
			}
		}
	}
	return out
}

// says is a client/state of a player at a volume, which can be set or not.
func says(volume int, settable bool) *wire.ClientState {
	p := &wire.PlayerState{Volume: &volume}
	if settable {
		p.SupportedCommands = []string{wire.PlayerVolume}
	}
	return &wire.ClientState{Available: true, Player: p}
}

func TestVolumeIsSetOfItselfOnlyAtTheStartAndForTheLimits(t *testing.T) {
	tuned := &tuttiv1.ClientTuning{VolumeMin: proto.Int32(10), VolumeMax: proto.Int32(60), VolumeStartup: proto.Int32(30)}
	begin := func(tuning *tuttiv1.ClientTuning) *Machine {
		m := New(Config{ClientID: "c", SessionID: "s", Hello: pairable(), Category: sentinel})
		m.Tune(tuning)
		m.Admit(all, 0)
		return m
	}
	step := func(m *Machine, what string, effects []Effect, want ...int) {
		t.Helper()
		if got := volumes(effects); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: sent %v, want %v", what, got, want)
		}
	}
	hear := func(m *Machine, v int, settable bool) []Effect { return m.Message(says(v, settable), nil, 0) }

	m := begin(tuned)
	step(m, "the session begins loud", hear(m, 100, true), 30)
	step(m, "the device obeys", hear(m, 30, true))
	step(m, "a hand at the knob", hear(m, 90, true))
	step(m, "the same tuning again", m.Tune(proto.Clone(tuned).(*tuttiv1.ClientTuning)))
	step(m, "another start-up volume", m.Tune(&tuttiv1.ClientTuning{VolumeMin: proto.Int32(10), VolumeMax: proto.Int32(60), VolumeStartup: proto.Int32(20)}), 60)
	step(m, "the device obeys", hear(m, 60, true))
	step(m, "lower limits", m.Tune(&tuttiv1.ClientTuning{VolumeMax: proto.Int32(40)}), 40)
	step(m, "it loses its volume", hear(m, 40, false))
	step(m, "it gains another amplifier", hear(m, 100, true), 40)
	step(m, "it will not have it", hear(m, 100, true))
	step(m, "no limits", m.Tune(nil))
	step(m, "roles go", m.Admit(Admission{State: unapproved}, 0))
	step(m, "roles come back", m.Admit(all, 0))
	step(m, "and its state", hear(m, 100, true))

	m = begin(tuned)
	step(m, "no volume at first", hear(m, 100, false))
	step(m, "gained later: no start any more, but limits", hear(m, 100, true), 60)
	m = begin(tuned)
	step(m, "already there", hear(m, 30, true))
	m = begin(nil)
	step(m, "nothing is set", hear(m, 100, true))
	step(m, "a start-up volume while it plays", m.Tune(&tuttiv1.ClientTuning{VolumeStartup: proto.Int32(20)}))
	step(m, "the keys are replaced", m.Credential(sentinel, SentinelKeyID(), 0))
	if m.Handshakes() != 1 {
		t.Error("no re-handshake")
	}
	step(m, "after the re-handshake", hear(m, 90, true))
	m = begin(&tuttiv1.ClientTuning{VolumeStartup: proto.Int32(0)})
	step(m, "silence at the start", hear(m, 50, true), 0)
}

// A lost network and a restarted server are no power-on: who comes back with the volume
// that it left with keeps it.
func TestStartUpVolumeIsNotForThosePlayersThatKeptTheirVolume(t *testing.T) {
	type said struct {
		volume   int
		settable bool
	}
	on := func(volume ...int) (out []said) {
		for _, v := range volume {
			out = append(out, said{v, true})
		}
		return out
	}
	for name, c := range map[string]struct {
		kept      int32 // -1: unknown
		start     int32 // -1: no start-up volume
		says      []said
		sent      []int
		keepsThen int32 // -1: unknown
	}{
		"the first appearance":                        {-1, 30, on(100), []int{30}, 30},
		"as it left":                                  {70, 30, on(70), nil, 70},
		"as it left, at the start-up volume":          {30, 30, on(30), nil, 30},
		"as it left, and is turned then":              {70, 30, on(70, 80), nil, 80},
		"power-on with another volume":                {30, 30, on(100), []int{30}, 30},
		"the same, quieter":                           {70, 30, on(10), []int{30}, 30},
		"power-on, and it obeys":                      {70, 30, on(100, 30), []int{30}, 30},
		"power-on, and tells more before it obeys":    {70, 30, on(100, 100), []int{30}, 30},
		"obeys, and is turned back by hand":           {70, 30, on(100, 30, 100), []int{30}, 100},
		"silent as it left":                           {0, 30, on(0), nil, 0},
		"no start-up volume":                          {-1, -1, on(100, 50), nil, 50},
		"lost before it told anything":                {70, 30, nil, nil, 70},
		"a volume that is only shown is not its kept": {70, 30, []said{{50, false}}, nil, 70},
	} {
		cfg := Config{ClientID: "c", SessionID: "s", Hello: pairable(), Category: sentinel}
		if c.kept >= 0 {
			cfg.Kept = &c.kept
		}
		m := New(cfg)
		if c.start >= 0 {
			m.Tune(&tuttiv1.ClientTuning{VolumeStartup: &c.start})
		}
		m.Admit(all, 0)
		var sent []int
		for _, s := range c.says {
			sent = append(sent, volumes(m.Message(says(s.volume, s.settable), nil, 0))...)
		}
		if fmt.Sprint(sent) != fmt.Sprint(c.sent) {
			t.Errorf("%s: sent %v, want %v", name, sent, c.sent)
		}
		var p tuttiv1.ClientPresence
		m.Fill(&p)
		if p.KeptVolume == nil || p.GetKeptVolume() != c.keepsThen {
			t.Errorf("%s: keeps %v then, want %d", name, p.KeptVolume, c.keepsThen)
		}
	}

	// Who was lost between an order and its answer may have taken it over, or not.
	for name, c := range map[string]struct {
		answers []int
		comes   int
		sent    []int
	}{
		"comes back as it was told":         {nil, 50, nil},
		"comes back as it was before":       {nil, 70, nil},
		"comes back with another one":       {nil, 100, []int{30}},
		"had said something else meanwhile": {[]int{70}, 50, nil},
		"had obeyed, and is as before":      {[]int{50}, 70, []int{30}},
		"had not obeyed":                    {[]int{60}, 50, []int{30}},
	} {
		tuned := &tuttiv1.ClientTuning{VolumeStartup: proto.Int32(30)}
		m := New(Config{ClientID: "c", SessionID: "s", Hello: pairable(), Category: sentinel, Kept: proto.Int32(70)})
		m.Tune(tuned)
		m.Admit(all, 0)
		m.Message(says(70, true), nil, 0)
		run(t, m, name, &tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_Player{
			Player: &tuttiv1.PlayerCommand{Command: &tuttiv1.PlayerCommand_Volume{Volume: 50}}}}, "server/command")
		for _, v := range c.answers {
			m.Message(says(v, true), nil, 0)
		}
		var p tuttiv1.ClientPresence
		m.Fill(&p)
		m = New(Config{ClientID: "c", SessionID: "s2", Hello: pairable(), Category: sentinel, Kept: p.KeptVolume, Ordered: p.OrderedVolume})
		m.Tune(tuned)
		m.Admit(all, 0)
		if got := volumes(m.Message(says(c.comes, true), nil, 0)); fmt.Sprint(got) != fmt.Sprint(c.sent) {
			t.Errorf("%s: sent %v, want %v", name, got, c.sent)
		}
		m.Fill(&p)
		if p.OrderedVolume != nil {
			t.Errorf("%s: an order of the session before is still open: %d", name, p.GetOrderedVolume())
		}
	}

	// The limits hold for what is kept, too.
	m := New(Config{ClientID: "c", SessionID: "s", Hello: pairable(), Category: sentinel, Kept: proto.Int32(70)})
	m.Tune(&tuttiv1.ClientTuning{VolumeMax: proto.Int32(60), VolumeStartup: proto.Int32(30)})
	m.Admit(all, 0)
	if got := volumes(m.Message(says(70, true), nil, 0)); fmt.Sprint(got) != "[60]" {
		t.Errorf("came back above a new limit: sent %v, want 60", got)
	}
}

// Whatever happens, no command leaves the limits, and without one nothing is sent.
func TestEveryVolumeCommandIsInsideTheLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := New(Config{ClientID: "c", SessionID: "s", Hello: pairable(), Category: sentinel})
		m.Admit(all, 0)
		percent := rapid.Int32Range(0, 100)
		opt := func(name string) *int32 {
			if rapid.Bool().Draw(t, name+" is set") {
				return proto.Int32(percent.Draw(t, name))
			}
			return nil
		}
		check := func(effects []Effect, asked bool) {
			sent := volumes(effects)
			if len(sent) > 1 {
				t.Fatalf("several volumes at once: %v", sent)
			}
			for _, v := range sent {
				if l := m.volume.limits; l == nil && (!asked || v < 0 || v > 100) || l != nil && (v < int(l.GetMin()) || v > int(l.GetMax())) {
					t.Fatalf("sent %d with limits %v", v, l)
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"tune": func(t *rapid.T) {
				check(m.Tune(&tuttiv1.ClientTuning{VolumeMin: opt("min"), VolumeMax: opt("max"), VolumeStartup: opt("startup")}), false)
			},
			"place": func(t *rapid.T) {
				a := all
				a.Endpoint = &tuttiv1.Endpoint{VolumeMin: opt("min"), VolumeMax: opt("max")}
				check(m.Admit(a, 0), false)
			},
			"report": func(t *rapid.T) {
				check(m.Message(says(int(percent.Draw(t, "volume")), rapid.Bool().Draw(t, "settable")), nil, 0), false)
			},
			"ask": func(t *rapid.T) {
				v := percent.Draw(t, "asked")
				effects, _ := m.Command(&tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_Player{
					Player: &tuttiv1.PlayerCommand{Command: &tuttiv1.PlayerCommand_Volume{Volume: v}}}}, 0)
				check(effects, true)
			},
		})
	})
}

// Specification, server/command player object: nothing before the initial client/state,
// nor again before that of a role that came back, and only what the latest one lists.
func TestPlayerCommandsWaitForTheState(t *testing.T) {
	m := New(Config{ClientID: "c", SessionID: "s", Hello: pairable(), Category: sentinel})
	volume := &tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_Player{
		Player: &tuttiv1.PlayerCommand{Command: &tuttiv1.PlayerCommand_Volume{Volume: 30}}}}
	m.Tune(&tuttiv1.ClientTuning{VolumeMax: proto.Int32(40), VolumeStartup: proto.Int32(20)})
	if got := volumes(m.Admit(all, 0)); len(got) > 0 {
		t.Errorf("set before the state: %v", got)
	}
	refuse(t, m, "before the state", volume, fault.Conflict)
	m.Message(says(50, true), nil, 0)
	run(t, m, "after it", volume, "server/command")
	m.Message(says(50, false), nil, 0)
	refuse(t, m, "a volume that is only shown", volume, fault.Conflict)
	m.Message(says(50, true), nil, 0)
	m.Admit(Admission{State: unapproved}, 0)
	refuse(t, m, "without the role", volume, fault.Conflict)
	m.Admit(all, 0)
	refuse(t, m, "before the state of the role that came back", volume, fault.Conflict)
}

// in is the group's word with a cap; below 0: without.
func in(quiet int32) *tuttiv1.SessionCommand {
	g := &tuttiv1.GroupInfo{GroupId: "g", Name: "G", PlaybackState: wire.PlaybackStopped}
	if quiet >= 0 {
		g.VolumeCap = &quiet
	}
	return &tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_Group{Group: g}}
}

// Quiet hours: nothing is louder than the cap, whoever wants it, the device itself
// included; and nothing gets louder when they end.
func TestTheCapOfQuietHoursHolds(t *testing.T) {
	ask := func(m *Machine, v int32) []Effect {
		effects, _ := m.Command(&tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_Player{
			Player: &tuttiv1.PlayerCommand{Command: &tuttiv1.PlayerCommand_Volume{Volume: v}}}}, 0)
		return effects
	}
	word := func(m *Machine, quiet int32) []Effect { effects, _ := m.Command(in(quiet), 0); return effects }
	step := func(what string, effects []Effect, want ...int) {
		t.Helper()
		if got := volumes(effects); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: sent %v, want %v", what, got, want)
		}
	}
	hear := func(m *Machine, v int) []Effect { return m.Message(says(v, true), nil, 0) }

	m := New(Config{ClientID: "c", SessionID: "s", Hello: pairable(), Category: sentinel})
	m.Admit(all, 0)
	step("loud, and nothing forbids it", hear(m, 90))
	step("quiet hours begin", word(m, 30), 30)
	step("it obeys", hear(m, 30))
	step("somebody wants more", ask(m, 100), 30)
	step("and less", ask(m, 10), 10)
	step("it obeys", hear(m, 10))
	step("a hand at the knob", hear(m, 50), 30)
	step("again", hear(m, 51), 30)
	step("it obeys", hear(m, 30))
	step("below it may be turned", hear(m, 20))
	step("the same word again", word(m, 30))
	step("the operator's limit is narrower", m.Tune(&tuttiv1.ClientTuning{VolumeMax: proto.Int32(15)}), 15)
	step("it obeys", hear(m, 15))
	step("the limit goes, the cap does not", m.Tune(nil))
	step("somebody wants more", ask(m, 100), 30)
	step("an operator's minimum gives way", m.Tune(&tuttiv1.ClientTuning{VolumeMin: proto.Int32(60)}), 30)
	step("it obeys", hear(m, 30))
	m.Tune(nil)
	step("quiet hours end", word(m, -1))
	step("nothing is louder by itself", hear(m, 30))
	step("somebody wants more", ask(m, 100), 100)
	step("it obeys", hear(m, 100))
	step("quieter ones begin", word(m, 40), 40)

	m = New(Config{ClientID: "c", SessionID: "s", Hello: pairable(), Category: sentinel})
	m.Tune(&tuttiv1.ClientTuning{VolumeStartup: proto.Int32(70)})
	m.Admit(all, 0)
	step("before its state", word(m, 20))
	step("a start-up volume above the cap", hear(m, 100), 20)

	// A device that does not obey is not argued with at the speed of the network.
	m = New(Config{ClientID: "c", SessionID: "s", Hello: pairable(), Category: sentinel})
	m.Admit(all, 0)
	word(m, 20)
	told := 0
	for range 1000 {
		told += len(volumes(hear(m, 80)))
	}
	if told < patience || told > patience+1000/patience+1 {
		t.Errorf("told %d times of 1000", told)
	}
	step("it obeys at last", hear(m, 20))
	step("and is turned up later", hear(m, 80), 20)
}
