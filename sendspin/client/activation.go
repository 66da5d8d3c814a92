package client

import (
	"slices"

	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// verdict is what a client does with a server/activate.
type verdict int

const (
	admissible      verdict = iota
	pairingRequired         // close with client/goodbye pairing_required
	unauthorized            // close with client/goodbye unauthorized
	methodRefused           // answer pair/abort method_not_supported, stay open
)

// activation is what decides on a server/activate.
type activation struct {
	matched  noise.Category // of the PSK that keys the session
	unpaired bool           // unpaired access is enabled
	offers   wire.PairMethods
	msg      *wire.ServerActivate
	// roles are the active_roles of the message; nil when it leaves them out.
	roles []string
}

// judge applies the admissibility rules in the order of section server/activate.
func (a activation) judge() verdict {
	if a.ok() {
		return admissible
	}
	if a.matched != noise.LongTerm && !a.unpaired {
		enabled := a
		enabled.unpaired = true
		if enabled.ok() {
			return pairingRequired
		}
	}
	if !a.setAllowed(a.msg.Activities) || len(a.roles) > 0 && !a.playbackCapable() {
		return unauthorized
	}
	return methodRefused
}

// ok reports whether the activation is admissible.
func (a activation) ok() bool {
	return a.setAllowed(a.msg.Activities) && (len(a.roles) == 0 || a.playbackCapable()) && a.methodAllowed()
}

// setAllowed is the table of allowed activity sets.
func (a activation) setAllowed(set []string) bool {
	for i, activity := range set {
		if slices.Contains(set[:i], activity) {
			return false // a set has no member twice
		}
		switch activity {
		case wire.ActivityPlayback:
			if a.matched != noise.LongTerm && !a.unpaired {
				return false
			}
		case wire.ActivityPairing:
			if a.matched == noise.LongTerm {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// playbackCapable reports whether the activities, extended with playback, are an
// allowed set.
func (a activation) playbackCapable() bool {
	set := a.msg.Activities
	if !a.msg.Has(wire.ActivityPlayback) {
		set = append(slices.Clone(set), wire.ActivityPlayback)
	}
	return a.setAllowed(set)
}

// methodAllowed checks the pairing object: pairing_psk goes with the pairing PSK and
// with nothing else, and the client must offer what was picked.
func (a activation) methodAllowed() bool {
	p := a.msg.Pairing
	if !a.msg.Has(wire.ActivityPairing) || p == nil {
		return true
	}
	if (p.Method == wire.MethodPSK) != (a.matched == noise.Pairing) {
		return false
	}
	return a.offers.Offers(p.Method, p.Format)
}
