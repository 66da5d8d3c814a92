package machine

import (
	"slices"
	"time"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Admission is pairing's answer.
type Admission struct {
	State    tuttiv1.TrustState
	Families []string
	// Unpair: the record is to go, and the client is to be told.
	Unpair bool
	// ReportEnd: pairing wants to know when the session ends.
	ReportEnd bool
	// Endpoint is what the client inherits from its persona, or nil.
	Endpoint *tuttiv1.Endpoint
	// EndsAt is when an approval ends by itself, wall clock; zero: it does not.
	EndsAt time.Time
}

// Admit applies pairing's answer: the first time it makes the first
// server/activate, later it adds and removes roles. now is house clock µs.
func (m *Machine) Admit(a Admission, now int64) []Effect {
	switch {
	case m.leaving, m.unclaimed:
		return nil
	case m.attempt.id != "":
		return m.admitBeside(a, now)
	}
	changed := !m.activated || a.State != m.trust
	m.trust, m.allowed, m.reportEnd = a.State, a.Families, a.ReportEnd
	if a.Unpair && m.keys.category == longTerm {
		return m.unpair(now)
	}
	if !m.activated {
		m.setEndpoint(a.Endpoint) // the first record shows its limits; nothing can be set yet
	}
	out := m.helloIgnored
	m.helloIgnored = nil
	switch {
	case !m.activated || !slices.Equal(m.wantRoles(), m.roles):
		out = append(out, m.transition(now, false)...)
	case changed:
		out = append(out, Changed{})
	}
	return append(out, m.setEndpoint(a.Endpoint)...)
}

// TrustChanged handles the event of the same name. now is house clock µs.
func (m *Machine) TrustChanged(ev *tuttiv1.TrustChanged, now int64) []Effect {
	switch {
	case ev.GetDisconnect() && ev.GetKind() == "forgotten" && m.keys.category == longTerm && m.activated:
		return m.unpair(now)
	case ev.GetDisconnect():
		return []Effect{Close{Reason: ReasonTrust, Detail: ev.GetKind()}}
	case m.attempt.id != "" && ev.GetKind() == "paired":
		// The record stands before the session is keyed by it; the end of the attempt,
		// which is on its way, asks again.
		return nil
	}
	return []Effect{AskAdmission{}}
}

// transition activates what is wanted now: at once, or as the first message after a
// re-handshake.
func (m *Machine) transition(now int64, rekey bool) []Effect {
	roles := m.wantRoles()
	var out []Effect
	// Specification, server/activate: stream/end goes before the removal of the role,
	// and before the re-handshake that precedes it.
	if m.has(wire.RolePlayer) && wire.ActiveFamily(roles, wire.RolePlayer) == "" {
		if m.stream != nil {
			out = append(out, m.endNow())
		}
		m.player, m.draining = nil, false
	}
	if m.has(wire.RoleArtwork) && wire.ActiveFamily(roles, wire.RoleArtwork) == "" {
		out = append(out, m.dropArtwork()...)
	}
	if m.has(wire.RoleVisualizer) && wire.ActiveFamily(roles, wire.RoleVisualizer) == "" {
		out = append(out, m.removeVisual()...)
	}
	if m.has(wire.RoleSource) && wire.ActiveFamily(roles, wire.RoleSource) == "" {
		out = append(out, m.endSource()...) // the client stops by itself
	}
	before := m.roles
	m.roles, m.activated = roles, true
	m.activities = m.wantActivities()
	if rekey {
		out = append(out, Rekey{Category: m.keys.category, Activate: m.activation()})
	} else {
		out = append(out, Send{m.activation()})
	}
	out = append(out, m.bringUpToDate(before, now)...)
	switch {
	case m.group == nil && m.groupWant != nil:
		out = append(out, m.sendGroup()...)
	case len(m.roles) == 0:
		out = append(out, m.provisionalGroup()...) // nobody else will
	}
	return append(out, Changed{})
}

// wantRoles applies the specification's own limits to what pairing allows.
func (m *Machine) wantRoles() []string {
	h := m.cfg.Hello
	switch {
	case m.leaving:
		return []string{}
	case m.keys.category != longTerm && (m.trust == tuttiv1.TrustState_TRUST_STATE_CREDENTIAL_MISMATCH ||
		m.trust == tuttiv1.TrustState_TRUST_STATE_PAIRED):
		// Sentinel Fallback, or left over from an attempt: no roles while a pairing record
		// exists that does not key the session.
		return []string{}
	case m.keys.category != longTerm && !h.UnpairedAccess.Enabled:
		// Not playback-capable, with or without pairing: the client would have to close
		// with pairing_required.
		return []string{}
	}
	return wire.ActivateRoles(Implemented(), h, func(family string) bool {
		if family == familyPersona {
			return m.takesRoster()
		}
		return slices.Contains(m.allowed, family)
	})
}

// bringUpToDate sends the state of roles that were added (specification,
// server/state).
func (m *Machine) bringUpToDate(before []string, now int64) []Effect {
	added := func(family string) bool {
		r := wire.ActiveFamily(m.roles, family)
		return r != "" && r != wire.ActiveFamily(before, family)
	}
	var out []Effect
	if added(wire.RolePlayer) {
		m.player, m.volume.due = nil, true // stale: the activation requires a fresh client/state
	}
	if added(wire.RoleSource) {
		m.source.state = nil // as above
	}
	if added(wire.RoleMetadata) {
		m.meta.sent = false
		out = append(out, m.sendMetadata(now)...)
	}
	if added(wire.RoleColor) {
		m.color.sent = false
		out = append(out, m.sendColor(now)...)
	}
	if added(wire.RoleArtwork) {
		m.artwork = artwork{} // the activation requires a fresh client/state here, too
	}
	if added(wire.RoleController) && m.controller != nil {
		out = append(out, Send{&wire.ServerState{Controller: m.controller}})
	}
	if added(familyPersona) {
		m.roster.sent = 0
		out = append(out, m.sendRoster()...)
	}
	return out
}

func (m *Machine) activate() Effect { return Send{m.activation()} }

func (m *Machine) activation() *wire.ServerActivate {
	return &wire.ServerActivate{
		Activities: slices.Clone(m.activities), ActiveRoles: slices.Clone(m.roles), Pairing: m.attempt.pairing,
	}
}

// Rests reports whether the client takes part in nothing: it was told of no activity, and its
// group does not play.
func (m *Machine) Rests() bool {
	return m.activities != nil && len(m.activities) == 0 && m.groupWant.GetPlaybackState() != wire.PlaybackPlaying
}

// wantActivities derives the minimal set.
func (m *Machine) wantActivities() []string {
	want := []string{}
	plays := (m.stream != nil || m.draining) && m.has(wire.RolePlayer)
	shows := m.artwork.active && m.groupWant.GetPlaybackState() == wire.PlaybackPlaying || m.visual.active
	if plays || shows || m.resumes && m.has(wire.RolePlayer) || m.sourceWanted() && m.has(wire.RoleSource) {
		want = append(want, wire.ActivityPlayback)
	}
	if m.attempt.pairing != nil {
		want = append(want, wire.ActivityPairing)
	}
	return want
}

// setActivities derives the minimal set and reports whether it changed. While an
// attempt runs it stands still: every server/activate ends the attempt or begins
// another (specification, Entering and leaving pairing), and a stream is none of its
// business.
func (m *Machine) setActivities() bool {
	if m.attempt.id != "" {
		return false
	}
	want := m.wantActivities()
	if m.activities != nil && slices.Equal(want, m.activities) {
		return false
	}
	m.activities = want
	return true
}
