package client

import (
	"slices"

	"github.com/tutti-audio/tutti/sendspin/wire"
)

// sourceApplied checks and notes what an activation says of the source role.
func (r *referee) sourceApplied(added []string) {
	const rule = "server/hello source@v1 support object"
	if wire.ActiveFamily(added, wire.RoleSource) == "" {
		return
	}
	r.sourceFrom = false
	in := r.s.inputs
	r.check(in != nil, rule, "the source role is active, but server/hello has no source@v1_support")
	if in != nil {
		r.check(slices.Contains(in.Codecs, wire.CodecFLAC) && slices.Contains(in.Codecs, wire.CodecPCM), rule,
			"supported_codecs %v lacks flac or pcm", in.Codecs)
	}
}

// sourceCommand checks that a start is one that the server may send; a stop may come at
// any time while the role is active.
func (r *referee) sourceCommand(c *wire.SourceCommand, at int64) {
	const rule = "Source command semantics"
	if c == nil {
		return
	}
	r.check(wire.ActiveFamily(r.s.roles, wire.RoleSource) != "", "server/command", "the source role is not active")
	if c.Command != wire.SourceStart {
		return
	}
	r.check(r.sourceFrom, rule, "start before the client/state with the source object that the activation asks for")
	r.check(r.mayStart(at), rule, "start while the client is not available")
}
