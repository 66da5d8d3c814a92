package presence

import (
	"slices"
	"strings"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// Active reports whether the client has a session with roles: it belongs in a group.
func Active(p *tuttiv1.ClientPresence) bool {
	return p.GetConnected() && len(p.GetActiveRoles()) > 0
}

// HasRole reports whether a version of the role family is active.
func HasRole(p *tuttiv1.ClientPresence, family string) bool {
	return slices.ContainsFunc(p.GetActiveRoles(), func(r string) bool {
		name, _, _ := strings.Cut(r, "@")
		return name == family
	})
}

// Player is the player state of a session whose player role is active and that has
// reported it, else nil.
func Player(p *tuttiv1.ClientPresence) *tuttiv1.PlayerState {
	if !Active(p) || !HasRole(p, "player") {
		return nil
	}
	return p.GetPlayer()
}

// CanStream reports whether a player stream may be started: role, state and
// availability (specification, stream/start).
func CanStream(p *tuttiv1.ClientPresence) bool {
	return Player(p) != nil && p.Available != nil && p.GetAvailable()
}

// Takes reports whether the player lists a command in its supported_commands now.
func Takes(s *tuttiv1.PlayerState, command string) bool {
	return slices.Contains(s.GetSupportedCommands(), command)
}

// Full is the lead, in µs, that a player wants between stream/start and its first sample
// for buffered media: max(required_lead_time_ms, min_buffer_ms) + output_delay_ms
// (specification, Server Audio Send Constraints), within what an honest player asks.
func Full(s *tuttiv1.PlayerState) int64 {
	ms := max(s.GetRequiredLeadTimeMs(), s.GetMinBufferMs(), 0) + int64(max(s.GetOutputDelayMs(), 0))
	return min(ms, maxLeadMS) * 1000
}

// Must is the lead, in µs, that a player needs in any case, and all that it gets of a live
// source: min_buffer_ms + output_delay_ms (specification, Server Audio Send Constraints),
// within the same bound.
func Must(s *tuttiv1.PlayerState) int64 {
	ms := max(s.GetMinBufferMs(), 0) + int64(max(s.GetOutputDelayMs(), 0))
	return min(ms, maxLeadMS) * 1000
}

// maxLeadMS bounds what one player can make a whole group wait.
const maxLeadMS = 20_000
