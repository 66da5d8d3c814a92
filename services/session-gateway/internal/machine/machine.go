// Package machine is the state machine of one session: what the server says to a
// client, given what the client said, what pairing allows and what the group
// asks. It is pure: inputs in, effects out, no sockets, clocks or goroutines, so
// that protocol rules are tested as they stand in the specification.
//
// Effects are to be carried out in their order; those that end up on the wire go
// through one queue, so the order of effects is the order of messages.
package machine

import (
	"github.com/tutti-audio/tutti/sendspin/wire"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
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
	// Resumes: the client played a moment ago, on a gateway that is lost. Its player may
	// still hold that connection for alive, and lets another one in only if it is for
	// playback, too. So the session begins with that activity, and drops it after the
	// grace of Overdue if nothing plays.
	Resumes bool
	// ForPairing: the client was dialled for an attempt to pair, and the session is keyed
	// for it. Its first activation waits for PairingBegin, because a client that another
	// server has admits this one only if that says what it is for.
	ForPairing bool
	// WasPaired: with ForPairing, the client has a long-term PSK, too.
	WasPaired bool
	// Kept is the volume, 0-100, that the client's last session ended with; nil: unknown.
	// A player that comes back with it is not set to its start-up volume.
	Kept *int32
	// Ordered is the volume, 0-100, that it was told last and had not answered; nil: none.
	Ordered *int32
}

// Machine is the state of one session. It is used by one goroutine.
type Machine struct {
	cfg  Config
	keys keyState

	attempt   attempt
	unclaimed bool // dialled for an attempt that has not begun
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

	resumes  bool // the client played on a gateway that was lost: see Config.Resumes
	gen      uint64
	stream   *StartStream
	past     *StartStream // the one that ended last, until another begins
	ending   bool         // a stream/end is scheduled
	source   source
	draining bool // stream/end was sent, 'playback' goes when it has played out
}

// New returns the state after client/hello, before the first server/activate.
func New(cfg Config) *Machine {
	m := &Machine{
		cfg: cfg, fences: map[string]uint64{},
		keys:   keyState{category: cfg.Category, id: cfg.KeyID, mismatch: cfg.Mismatch},
		source: source{codecs: cfg.SourceCodecs}, resumes: cfg.Resumes,
		unclaimed: cfg.ForPairing, wasPaired: cfg.WasPaired,
		volume: bounds{kept: cfg.Kept, ordered: cfg.Ordered},
	}
	m.ignoreHello(cfg.Hello)
	return m
}

// has reports whether a version of the role is active.
func (m *Machine) has(family string) bool { return wire.ActiveFamily(m.roles, family) != "" }

// endNow ends the active stream.
func (m *Machine) endNow() Effect {
	m.gen++
	m.past, m.stream, m.ending = m.stream, nil, false
	return EndStream{Gen: m.gen}
}

// StreamEnded is the writer's word that it sent a scheduled stream/end.
func (m *Machine) StreamEnded(gen uint64) []Effect {
	if gen != m.gen || m.stream == nil {
		return nil
	}
	m.past, m.stream, m.ending = m.stream, nil, false
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
