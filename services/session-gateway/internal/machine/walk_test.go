package machine

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// referee is a client that holds the server to the specification while pairing, trust,
// the operator and the stream service do what they like.
type referee struct {
	t        *rapid.T
	unpaired bool
	category string
	roles    []string
	stream   bool
	visual   bool
	// What the client said last of itself, and of the role since it became active.
	available, reported bool
	pairings            uint32
}

func (r *referee) take(effects []Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case Rekey:
			r.category, r.pairings = e.Category, 0
			r.activate(e.Activate)
		case StartStream:
			r.streamMay("start")
			r.stream = true
		case ClearStream:
			r.streamMay("clear")
		case EndStream:
			if e.At == 0 {
				r.stream = false
			}
		case StartVisual:
			r.visualMay("start")
			r.visual = true
		case EndVisual:
			if e.At == 0 && !r.visual {
				r.t.Fatal("a visualizer stream/end without a stream")
			}
			r.visual = r.visual && e.At != 0
		case Unpairing:
			r.unpairing()
		case Send:
			r.message(e.Msg)
		}
	}
}

func (r *referee) streamMay(what string) {
	if wire.ActiveFamily(r.roles, wire.RolePlayer) == "" {
		r.t.Fatalf("stream %s without the role", what)
	}
}

func (r *referee) visualMay(what string) {
	if wire.ActiveFamily(r.roles, wire.RoleVisualizer) == "" || !r.available || !r.reported {
		r.t.Fatalf("visualizer %s: roles %v, available %v, reported %v", what, r.roles, r.available, r.reported)
	}
}

func (r *referee) unpairing() {
	if r.category != longTerm || len(r.roles) > 0 {
		r.t.Fatalf("server/unpair on a session keyed %s with roles %v", r.category, r.roles)
	}
}

func (r *referee) message(m wire.Message) {
	switch m := m.(type) {
	case *wire.ServerActivate:
		r.activate(m)
	case *wire.ServerState:
		if m.App != nil && !slices.Contains(r.roles, rolePersonaV1) {
			r.t.Fatal("a roster without its role")
		}
	}
}

// activate applies the table of allowed activity sets.
func (r *referee) activate(a *wire.ServerActivate) {
	capable := r.category == longTerm || r.unpaired
	switch {
	case a.Has(wire.ActivityPairing) && r.category == longTerm:
		r.t.Fatal("pairing over a long-term PSK")
	case a.Has(wire.ActivityPairing) && (a.Pairing.Method == wire.MethodPSK) != (r.category == pairingPSK):
		r.t.Fatalf("%s over %s", a.Pairing.Method, r.category)
	case !capable && (a.Has(wire.ActivityPlayback) || len(a.ActiveRoles) > 0):
		r.t.Fatalf("%v %v on a session that is not playback-capable", a.Activities, a.ActiveRoles)
	case r.stream && wire.ActiveFamily(a.ActiveRoles, wire.RolePlayer) == "":
		r.t.Fatal("the role goes before its stream/end")
	case r.visual && wire.ActiveFamily(a.ActiveRoles, wire.RoleVisualizer) == "":
		r.t.Fatal("the visualizer role goes before its stream/end")
	case r.category != longTerm && slices.Contains(a.ActiveRoles, rolePersonaV1):
		r.t.Fatal("the roster's role on an unpaired session")
	}
	if a.Has(wire.ActivityPairing) {
		r.pairings++
	}
	if wire.ActiveFamily(r.roles, wire.RoleVisualizer) == "" {
		r.reported = false // an activation asks for a fresh client/state
	}
	r.roles = a.ActiveRoles
}

// A random walk never breaks a rule that the client would close for, never gives a role
// that pairing does not allow, and counts as the client counts.
func TestWalk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := pairable()
		h.SupportedRoles = append(h.SupportedRoles, rolePersonaV1, wire.RoleVisualizerV1)
		h.Visualizer = &wire.VisualizerSupport{BufferCapacity: 1000}
		h.UnpairedAccess.Enabled = rapid.Bool().Draw(t, "unpaired access")
		category := rapid.SampledFrom([]string{longTerm, sentinel}).Draw(t, "category")
		cfg := Config{ClientID: "c", SessionID: "s", Hello: h, Category: category}
		if category == sentinel {
			cfg.KeyID = SentinelKeyID()
			cfg.Mismatch = rapid.Bool().Draw(t, "mismatch")
		}
		m := New(cfg)
		r := &referee{t: t, unpaired: h.UnpairedAccess.Enabled, category: category}
		var allowed []string
		admit := func(t *rapid.T) {
			state := rapid.SampledFrom([]tuttiv1.TrustState{approved, unapproved, paired, mismatch}).Draw(t, "state")
			a := Admission{State: state, Unpair: rapid.IntRange(0, 19).Draw(t, "unpair") == 0}
			if state == approved || state == paired && m.keys.category == longTerm {
				a.Families = all.Families
			}
			beside := m.Attempt() != ""
			r.take(m.Admit(a, 0))
			if !beside || m.Attempt() == "" {
				allowed = a.Families
			}
		}
		admit(t)
		say := func(s *wire.ClientState) {
			r.available = s.Available
			r.reported = r.reported || s.Visualizer != nil && wire.ActiveFamily(r.roles, wire.RoleVisualizer) != ""
			r.take(m.Message(s, nil, m.Handshakes()))
		}
		say(state(true))
		n := 0
		id := func() string { return fmt.Sprintf("a%d", n) }
		pairing := func(c *tuttiv1.SessionCommand, key string) error {
			effects, err := m.Pairing(c, key, 0)
			r.take(effects)
			return err
		}
		t.Repeat(map[string]func(*rapid.T){
			"admit": admit,
			"begin": func(t *rapid.T) {
				n++
				families := rapid.SampledFrom([][]string{nil, all.Families}).Draw(t, "families")
				method, key := wire.MethodDynamicCode, SentinelKeyID()
				if rapid.Bool().Draw(t, "token") {
					method, key = wire.MethodPSK, rapid.SampledFrom([]string{"k1", "k2"}).Draw(t, "key")
				}
				err := pairing(beginCmd(id(), method, families...), key)
				if err != nil {
					n--
					return
				}
				allowed = families
			},
			"end": func(t *rapid.T) {
				e := &tuttiv1.PairingEnd{AttemptId: id(), State: unapproved}
				key := ""
				if rapid.Bool().Draw(t, "success") {
					e.State, e.Category, e.AllowedFamilies, key = paired, longTerm, all.Families, "new"
				}
				if pairing(endCmd(e), key) == nil {
					allowed = e.AllowedFamilies
				}
			},
			"lost": func(*rapid.T) { r.take(m.AttemptLost(id(), "x", 0)) },
			"credential": func(t *rapid.T) {
				before := m.keys.category
				if rapid.Bool().Draw(t, "long-term") {
					r.take(m.Credential(longTerm, "key", 0))
				} else {
					r.take(m.Credential(sentinel, SentinelKeyID(), 0))
				}
				if before != m.keys.category {
					allowed = nil
				}
			},
			"trust": func(t *rapid.T) {
				kind := rapid.SampledFrom([]string{"paired", "label", "revoked"}).Draw(t, "kind")
				r.take(m.TrustChanged(&tuttiv1.TrustChanged{Kind: kind}, 0))
			},
			"state": func(t *rapid.T) {
				if m.leaving {
					return
				}
				s := state(rapid.Bool().Draw(t, "available"))
				if rapid.Bool().Draw(t, "with the visualizer object") {
					s.Visualizer = visualState(true, rapid.IntRange(1, 70).Draw(t, "rate"), "beat", "spectrum").Visualizer
				}
				say(s)
			},
			"visual": func(t *rapid.T) {
				effects, _ := m.Command(visualCmd("g", uint64(rapid.IntRange(1, 3).Draw(t, "epoch")), int32(4*rapid.IntRange(0, 1).Draw(t, "spectrum"))), 0)
				r.take(effects)
			},
			"visual end": func(t *rapid.T) {
				effects, _ := m.Command(visualEndCmd("g", int64(rapid.IntRange(0, 1).Draw(t, "at"))), 0)
				r.take(effects)
			},
			"visual ended": func(*rapid.T) {
				effects := m.VisualEnded(m.visual.gen)
				r.visual = m.visual.active
				r.take(effects)
			},
			"start": func(t *rapid.T) {
				effects, _ := m.Command(start("g", "r", uint64(rapid.IntRange(1, 3).Draw(t, "epoch"))), 0)
				r.take(effects)
			},
			"stop": func(t *rapid.T) {
				effects, _ := m.Command(end("g", 0, rapid.Bool().Draw(t, "drained")), 0)
				r.take(effects)
			},
			"drained": func(*rapid.T) { r.take(m.Drained(m.gen)) },
			"roster":  func(t *rapid.T) { r.take(m.Roster("x", uint64(rapid.IntRange(1, 3).Draw(t, "seq")), 0)) },
			"": func(t *rapid.T) {
				for _, role := range r.roles {
					if family, _ := wire.ParseRole(role); family != familyPersona && !slices.Contains(allowed, family) {
						t.Fatalf("role %s is not allowed (%v)", role, allowed)
					}
				}
				if got := m.Describe().GetPairingIndex(); got != r.pairings {
					t.Fatalf("index %d, the client counts %d", got, r.pairings)
				}
				if m.Category() != r.category {
					t.Fatalf("the machine believes in %s, the client in %s", m.Category(), r.category)
				}
			},
		})
	})
}
