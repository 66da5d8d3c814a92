package client

import (
	"errors"
	"slices"

	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// What the referee checks of pairing. What is out of order within an attempt is a
// protocol error, which the flow finds and the session reports.

// judged reports an activation that the specification does not allow, and one that
// gives roles to a client whose record the server still has.
func (r *referee) judged(v verdict, m *wire.ServerActivate, first bool) {
	const rule = "server/activate"
	s := r.s
	switch v {
	case pairingRequired:
		r.check(s.access, rule, "activities %q with roles %q need unpaired access, which the client does not give", m.Activities, m.ActiveRoles)
	case unauthorized:
		r.report(rule, "the activities or roles are not allowed with the PSK that matched")
	case methodRefused:
		s.broken(rule, "pairing method %q %q does not go with the PSK that matched, or is not offered", m.Pairing.Method, m.Pairing.Format)
	}
	if first && s.conn.Mismatch() {
		idle := len(m.ActiveRoles) == 0 && !m.Has(wire.ActivityPlayback)
		r.check(idle, "Sentinel Fallback", "activities %q with roles %q although the client could not use the server's PSK", m.Activities, m.ActiveRoles)
	}
	if !paired(s.matched) {
		r.check(!slices.Contains(m.ActiveRoles, RoleSuccessors), RoleSuccessors, "it is for paired sessions")
	}
}

// promoted checks that a pairing ends with a re-handshake to the new PSK. owed is
// true when the attempt before this activation succeeded.
func (r *referee) promoted(owed, rekeyed bool) {
	if owed {
		r.check(rekeyed && paired(r.s.matched), "Pairing", "no re-handshake to the new long-term PSK came after server/pair-finalize")
	}
}

// pairingMessage checks what no flow looks at.
func (r *referee) pairingMessage(m wire.Message) {
	if a, ok := m.(*wire.PairAbort); ok {
		server := a.Reason == wire.AbortCodeMismatch || a.Reason == wire.AbortUserCancelled
		r.check(server, "pair/abort", "reason %q is not a server's", a.Reason)
	}
}

func (r *referee) unpair() {
	r.check(paired(r.s.matched), "server/unpair", "the session is not paired")
}

// channelFault reports what ended the connection below the messages, where that is the
// server's doing.
func (r *referee) channelFault(err error) {
	if errors.Is(err, channel.ErrUnexpected) {
		r.report("Re-handshake", "server/activate does not come first under the new keys, or the handshake is out of order")
		return
	}
	for _, fault := range []error{
		channel.ErrCleartext, channel.ErrEmpty, channel.ErrTooLarge, channel.ErrFragmentFirst, channel.ErrFragmentStray,
		channel.ErrFragmentInterrupted, channel.ErrFragmentFlags, channel.ErrFragmentNested, channel.ErrFragmentShort,
	} {
		if errors.Is(err, fault) {
			r.report("Communication", err.Error())
			return
		}
	}
}
