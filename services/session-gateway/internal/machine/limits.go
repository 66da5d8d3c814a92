package machine

import (
	"slices"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// bounds hold the player's volume to its limits. Of itself the server sends a volume in
// two cases only: the start-up volume, once at the start of a session, and a volume
// outside the limits back inside, once per change of them or of what can be set. A person
// who turns the knob of the device past a limit is not argued with.
type bounds struct {
	limits *tuttiv1.VolumeLimits // nil: 0-100
	due    bool                  // the volume was not held to these limits yet
	begun  bool                  // the session's first player state was seen
}

// narrow is the narrower of what the operator set for the client and for its persona.
// Where the two leave nothing, the lower maximum counts: too quiet harms nobody. It is
// nil when nothing is limited and nothing set at the start.
func narrow(t *tuttiv1.ClientTuning, e *tuttiv1.Endpoint) *tuttiv1.VolumeLimits {
	var lows, highs []*int32
	var startup *int32
	if t != nil {
		lows, highs, startup = append(lows, t.VolumeMin), append(highs, t.VolumeMax), t.VolumeStartup
	}
	if e != nil {
		lows, highs = append(lows, e.VolumeMin), append(highs, e.VolumeMax)
	}
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
	if first && b.limits != nil && b.limits.Startup != nil {
		want = int(b.limits.GetStartup())
	}
	if b.due {
		b.due = false
		want = b.clamp(want)
	}
	if want == *p.Volume {
		return nil
	}
	return &want
}
