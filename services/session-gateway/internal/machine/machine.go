// Package machine is the state machine of one session: what the server says to a
// client, given what the client said, what pairing allows and what the group
// asks. It is pure: inputs in, effects out, no sockets, clocks or goroutines, so
// that protocol rules are tested as they stand in the specification.
//
// Effects are to be carried out in their order; those that end up on the wire go
// through one queue, so the order of effects is the order of messages.
package machine

import (
	"slices"
	"time"

	"github.com/tutti-audio/tutti/sendspin/wire"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/pump"
)

// Implemented are the role versions that this gateway activates. Others that a
// client lists are shown to the operator and stay inactive.
func Implemented() []string {
	return []string{
		wire.RolePlayerV1, wire.RoleSourceV1, wire.RoleMetadataV1, wire.RoleControllerV1, wire.RoleArtworkV1, wire.RoleColorV1,
		wire.RoleVisualizerV1, rolePersonaV1,
	}
}

// Categories of the PSK that keys a session (specification, Pre-Shared Key).
const (
	longTerm   = "lt"
	pairingPSK = "pr"
	sentinel   = "sn"
)

// Effect is something the session has to do.
type Effect interface{ effect() }

// Send puts a message in the control lane.
type Send struct{ Msg wire.Message }

// StartStream opens a player stream, or moves the active one in place.
type StartStream struct {
	Gen                uint64
	GroupID, Rendition string
	Player             wire.PlayerStream
	Epoch              uint64
	NotBefore          int64
	Live               bool
}

// ClearStream sends stream/clear and goes on with a new epoch. Stream is the whole
// stream, for the case that it ended by itself a moment ago.
type ClearStream struct{ Stream StartStream }

// EndStream sends stream/end: at once, or when the house clock reaches At (then a
// StreamEnded input follows). With Drain a Drained input follows when what was sent
// has played out.
type EndStream struct {
	Gen   uint64
	At    int64
	Drain bool
}

// Report tells the writer what the player reported last.
type Report struct {
	Timing    pump.Timing
	Available bool
}

// Forward hands a client's command to its group.
type Forward struct{ Command *tuttiv1.ClientCommand }

// Changed asks for a presence write without delay.
type Changed struct{}

// AskAdmission asks pairing again what this client may do.
type AskAdmission struct{}

// Rekey re-handshakes to a PSK of Category; Activate is the first message under the
// new keys. The PSK itself never comes here.
type Rekey struct {
	Category string
	Activate *wire.ServerActivate
}

// Restore asks pairing for the client's credential, so that a session whose attempt
// went nowhere can go back to its long-term PSK.
type Restore struct{}

// Relay hands a client's pairing message to its attempt.
type Relay struct {
	AttemptID string
	Msg       wire.Message
}

// LimitAttempt asks for AttemptLost after this time.
type LimitAttempt struct {
	AttemptID string
	After     time.Duration
}

// AttemptGone tells an attempt that the session left pairing by itself.
type AttemptGone struct{ AttemptID, Detail string }

// Unpairing says that server/unpair is on its way: the session ends with the client's
// goodbye, or without it a moment later.
type Unpairing struct{}

// RosterSent says that the roster of this number is on its way.
type RosterSent struct{ Seq uint64 }

// Close ends the session.
type Close struct {
	// Reason is for the log, the metrics and the operator.
	Reason Reason
	// Detail says more about it.
	Detail string
	// Goodbye is the client's own reason, if it gave one.
	Goodbye string
	// NoRedial keeps the dialer from dialling again by itself.
	NoRedial bool
}

// Reason is why a session ended: a metric label, so a closed set.
type Reason string

// The reasons of a closed session.
const (
	ReasonGoodbye       Reason = "goodbye"
	ReasonPeerClosed    Reason = "peer_closed"
	ReasonProtocolError Reason = "protocol_error"
	ReasonWriteDeadline Reason = "write_deadline"
	ReasonPingTimeout   Reason = "ping_timeout"
	ReasonOutboxFull    Reason = "outbox_full"
	ReasonReplaced      Reason = "replaced"
	ReasonTrust         Reason = "trust"
	ReasonOperator      Reason = "operator"
	ReasonShutdown      Reason = "shutdown"
	ReasonInternal      Reason = "internal"
	ReasonRehandshake   Reason = "rehandshake"
	ReasonPairing       Reason = "pairing"
)

func (Send) effect()         {}
func (StartStream) effect()  {}
func (ClearStream) effect()  {}
func (EndStream) effect()    {}
func (Report) effect()       {}
func (Forward) effect()      {}
func (Changed) effect()      {}
func (AskAdmission) effect() {}
func (Rekey) effect()        {}
func (Restore) effect()      {}
func (Relay) effect()        {}
func (LimitAttempt) effect() {}
func (AttemptGone) effect()  {}
func (Unpairing) effect()    {}
func (RosterSent) effect()   {}
func (Close) effect()        {}

// Config is what the opening handshake found out.
type Config struct {
	ClientID, SessionID string
	Hello               *wire.ClientHello
	// Category is the category of the PSK that the opening handshake matched.
	Category string
	// Mismatch is its credential-mismatch signal.
	Mismatch bool
	// SourceCodecs are those that server/hello lists for sources.
	SourceCodecs []string
	// KeyID is the psk_id of that PSK where it is known; only a session that is keyed
	// with the Sentinel needs it.
	KeyID string
}

// Machine is the state of one session. It is used by one goroutine.
type Machine struct {
	cfg  Config
	keys keyState

	attempt   attempt
	wasPaired bool // before the attempts that this session has seen
	leaving   bool // server/unpair was sent
	reportEnd bool
	endpoint  endpoint
	tuning    *tuttiv1.ClientTuning
	volume    bounds
	roster    roster

	ignored      ignored
	helloIgnored []Effect // not yet counted

	trust      tuttiv1.TrustState
	allowed    []string
	activated  bool
	activities []string
	roles      []string

	available *bool
	player    *wire.PlayerState // nil until reported since the role became active

	group     *wire.GroupUpdate // what was sent last
	groupWant *tuttiv1.GroupInfo
	groupID   string
	fences    map[string]uint64

	meta       schedule[wire.Metadata]
	color      schedule[wire.Color]
	artwork    artwork
	visual     visualizer
	controller *wire.ControllerState

	gen      uint64
	stream   *StartStream
	ending   bool // a stream/end is scheduled
	source   source
	draining bool // stream/end was sent, 'playback' goes when it has played out
}

// New returns the state after client/hello, before the first server/activate.
func New(cfg Config) *Machine {
	m := &Machine{
		cfg: cfg, fences: map[string]uint64{},
		keys:   keyState{category: cfg.Category, id: cfg.KeyID, mismatch: cfg.Mismatch},
		source: source{codecs: cfg.SourceCodecs},
	}
	m.ignoreHello(cfg.Hello)
	return m
}

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
	case m.leaving:
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

// wantActivities derives the minimal set.
func (m *Machine) wantActivities() []string {
	want := []string{}
	plays := (m.stream != nil || m.draining) && m.has(wire.RolePlayer)
	shows := m.artwork.active && m.groupWant.GetPlaybackState() == wire.PlaybackPlaying || m.visual.active
	if plays || shows || m.sourceWanted() && m.has(wire.RoleSource) {
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

// has reports whether a version of the role is active.
func (m *Machine) has(family string) bool { return wire.ActiveFamily(m.roles, family) != "" }

// endNow ends the active stream.
func (m *Machine) endNow() Effect {
	m.gen++
	m.stream, m.ending = nil, false
	return EndStream{Gen: m.gen}
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

// StreamEnded is the writer's word that it sent a scheduled stream/end.
func (m *Machine) StreamEnded(gen uint64) []Effect {
	if gen != m.gen || m.stream == nil {
		return nil
	}
	m.stream, m.ending = nil, false
	return m.stopped()
}

// Drained is the writer's word that what was sent has played out.
func (m *Machine) Drained(gen uint64) []Effect {
	if gen != m.gen || !m.draining {
		return nil
	}
	m.draining = false
	return m.stopped()
}

// stopped drops the 'playback' activity as soon as its purpose ends.
func (m *Machine) stopped() []Effect {
	if !m.setActivities() {
		return []Effect{Changed{}}
	}
	return []Effect{m.activate(), Changed{}}
}

// Streaming reports the active stream; nil when there is none.
func (m *Machine) Streaming() *StartStream { return m.stream }
