package machine

import (
	"slices"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// bounds hold the player's volume to its limits. Of itself the server sends a volume in
// three cases only: the start-up volume, once at the start of a session, of a player that
// does not come back with the volume it left with; a volume outside the limits back inside,
// once per change of them or of what can be set; and one above the cap of quiet hours back
// to it, each time. A person who turns the knob of the device past a limit is not argued
// with, but past the cap is.
type bounds struct {
	limits *tuttiv1.VolumeLimits // nil: 0-100
	cap    *int32                // of quiet hours, in the group; nil: none. limits are inside it
	own    *tuttiv1.VolumeLimits // limits without the cap, which is the group's to tell
	due    bool                  // the volume was not held to these limits yet
	begun  bool                  // the session's first player state was seen
	loud   int                   // reports above the cap, one after the other
	kept   *int32                // what a player that comes back with it keeps; nil: unknown
	before *int                  // at the start-up, until the player reports another one
	// What it was told and has not answered: the connection may be lost between the two.
	ordered *int32
}

// patience is how many reports above the cap in a row are each answered. A device that
// does not obey is told again only at every patience-th report after that: two programs
// must not argue at the speed of the network.
const patience = 16

// narrow is the narrowest of what the operator set for the client and for its persona,
// and of the cap of quiet hours. Where they leave nothing, the lower maximum counts: too
// quiet harms nobody. It is nil when nothing is limited and nothing set at the start.
func narrow(t *tuttiv1.ClientTuning, e *tuttiv1.Endpoint, quiet *int32) *tuttiv1.VolumeLimits {
	var lows, highs []*int32
	var startup *int32
	if t != nil {
		lows, highs, startup = append(lows, t.VolumeMin), append(highs, t.VolumeMax), t.VolumeStartup
	}
	if e != nil {
		lows, highs = append(lows, e.VolumeMin), append(highs, e.VolumeMax)
	}
	highs = append(highs, quiet)
	low, high := int32(0), int32(100)
	for _, v := range lows {
		if v != nil {
			low = max(low, *v)
		}
	}
	for _, v := range highs {
		if v != nil {
			high = max(min(high, *v), 0)
		}
	}
	low = min(low, high)
	if low == 0 && high == 100 && startup == nil {
		return nil
	}
	out := &tuttiv1.VolumeLimits{Min: low, Max: high}
	if startup != nil {
		s := min(max(*startup, low), high)
		out.Startup = &s
	}
	return out
}

// clamp brings a volume inside the limits.
func (b *bounds) clamp(v int) int {
	if b.limits == nil {
		return min(max(v, 0), 100)
	}
	return min(max(v, int(b.limits.GetMin())), int(b.limits.GetMax()))
}

// correct is the volume that the player must be set to now; nil: none. Call it after each
// report of the player, and after a change of the limits.
func (b *bounds) correct(p *wire.PlayerState) *int {
	first := !b.begun
	b.begun = true
	if p.Volume == nil || !slices.Contains(p.SupportedCommands, wire.PlayerVolume) {
		b.due = true // for the case that it can be set later
		return nil
	}
	want := *p.Volume
	returns := b.is(b.kept, want) || b.is(b.ordered, want)
	if first {
		b.ordered = nil // taken over, or lost with the session before
	}
	if first && b.limits != nil && b.limits.Startup != nil && !returns {
		want = int(b.limits.GetStartup())
		b.kept, b.before = b.limits.Startup, p.Volume
	}
	b.keep(*p.Volume)
	if b.due || b.above(*p.Volume) {
		b.due = false
		want = b.clamp(want)
	}
	if want == *p.Volume {
		return nil
	}
	return &want
}

// keep remembers what the player reports, but for what it had before it obeyed: who is lost
// between the start-up volume and its answer has not taken that over, and gets it again.
func (b *bounds) keep(volume int) {
	if b.before != nil && *b.before == volume && int(*b.kept) != volume {
		return
	}
	if !b.is(b.kept, volume) {
		b.ordered = nil
	}
	v := int32(volume)
	b.kept, b.before = &v, nil
}

// is reports whether a volume is known, and this one.
func (bounds) is(known *int32, volume int) bool { return known != nil && int(*known) == volume }

// order notes what the player is told.
func (b *bounds) order(volume int) {
	v := int32(volume)
	b.ordered = &v
}

// above reports whether the player must be told that it is above the cap. Call it once for
// each report.
func (b *bounds) above(volume int) bool {
	if b.cap == nil || volume <= int(*b.cap) {
		b.loud = 0
		return false
	}
	b.loud++
	return b.loud <= patience || b.loud%patience == 0
}
