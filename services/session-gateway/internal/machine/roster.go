package machine

import (
	"encoding/json"
	"slices"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Clients that keep the server persona's roster, to know the server again after it
// changed its key, list this application-specific role. It carries one object in
// server/state and nothing else.
const (
	familyPersona = "_tutti_persona"
	rolePersonaV1 = familyPersona + "@v1"
)

// roster is the newest signed roster of the server persona.
type roster struct {
	text string
	seq  uint64
	sent uint64 // the number that the client was sent last; 0: none
}

// Roster takes the newest roster, "" when there is none. now is house clock µs.
func (m *Machine) Roster(text string, seq uint64, now int64) []Effect {
	if text == m.roster.text && seq == m.roster.seq {
		return nil
	}
	m.roster.text, m.roster.seq = text, seq
	if !m.activated || m.leaving || m.attempt.id != "" {
		return nil
	}
	if !slices.Equal(m.wantRoles(), m.roles) {
		return m.transition(now, false)
	}
	return m.sendRoster()
}

// takesRoster reports whether the role may be active: only over keys that prove the
// server, and only with something to say.
func (m *Machine) takesRoster() bool {
	return m.roster.text != "" && m.keys.category == longTerm && m.trust == tuttiv1.TrustState_TRUST_STATE_PAIRED
}

// sendRoster sends the roster once per number.
func (m *Machine) sendRoster() []Effect {
	if !m.has(familyPersona) || m.roster.sent == m.roster.seq {
		return nil
	}
	object, err := json.Marshal(map[string]string{"roster": m.roster.text})
	if err != nil {
		return nil // a string can always be marshalled
	}
	m.roster.sent = m.roster.seq
	return []Effect{
		Send{&wire.ServerState{App: wire.AppObjects{familyPersona: object}}},
		RosterSent{Seq: m.roster.seq},
	}
}

// KeepsRosters reports whether the client keeps rosters of its server.
func KeepsRosters(h *wire.ClientHello) bool { return slices.Contains(h.SupportedRoles, rolePersonaV1) }
