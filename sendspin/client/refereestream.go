package client

import (
	"slices"

	"github.com/tutti-audio/tutti/sendspin/wire"
)

func (r *referee) streamStart(m *wire.StreamStart, active bool, at int64) {
	const rule = "stream/start"
	r.transmitted(m.ServerTransmitted, at, rule)
	r.check(r.mayStart(at), rule, "the client has not reported available: true")
	r.check(m.Player != nil || m.Artwork != nil || m.Visualizer != nil, rule, "no role of this client in it")
	r.check(m.App == nil, rule, "it starts a role that is not active")
	r.artworkStart(m.Artwork, at)
	if m.Visualizer != nil {
		r.visualStart(m.Visualizer, at)
	}
	if m.Player == nil {
		return
	}
	r.check(wire.ActiveFamily(r.s.roles, wire.RolePlayer) != "", rule, "the player role is not active")
	support := wire.PlayerSupport{Formats: r.s.core.cfg.Formats}
	r.check(support.Lists(m.Player.Format), rule, "format %s is not one that the client lists", m.Player.Format)
	if m.Player.Format.Codec == wire.CodecFLAC {
		r.flacHeader(m.Player)
	}
	if !active {
		r.accounting.Reset()
		r.audio = audioTrack{trigger: m.ServerTransmitted, needsLead: true}
	}
}

func (r *referee) streamClear(m *wire.StreamClear, at int64) {
	const rule = "stream/clear"
	r.transmitted(m.ServerTransmitted, at, rule)
	r.targets(rule, m.Roles, wire.RolePlayer, wire.RoleVisualizer)
	if r.s.streaming(wire.RolePlayer) && targets(m.Roles, wire.RolePlayer) {
		r.accounting.Reset()
		r.audio = audioTrack{trigger: m.ServerTransmitted, needsLead: true}
	}
	if targets(m.Roles, wire.RoleVisualizer) {
		r.visual.restart()
	}
}

func (r *referee) streamEnd(m *wire.StreamEnd) {
	r.targets("stream/end", m.Roles, wire.RolePlayer, wire.RoleArtwork, wire.RoleVisualizer)
	if targets(m.Roles, wire.RolePlayer) {
		r.accounting.Reset()
		r.audio = audioTrack{}
	}
	if targets(m.Roles, wire.RoleArtwork) {
		r.artworkEnd()
	}
	if targets(m.Roles, wire.RoleVisualizer) {
		r.visualEnded()
	}
}

// targets checks that the roles of a clear or an end, which may be one of families, have
// active streams.
func (r *referee) targets(rule string, roles []string, families ...string) {
	if len(roles) == 0 {
		r.check(slices.ContainsFunc(families, r.s.streaming), rule, "no stream is active")
	}
	for _, role := range roles {
		r.check(slices.Contains(families, role) && r.s.streaming(role), rule, "role %q has no active stream", role)
	}
}
