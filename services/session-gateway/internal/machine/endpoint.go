package machine

import (
	"slices"

	"google.golang.org/protobuf/proto"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// endpoint is what the client inherits from its persona, and what of it is still to be
// set on the device: once per change, so that a device that will not have it, or a
// person who turns its knob, is not argued with.
type endpoint struct {
	is                  *tuttiv1.Endpoint
	volumeDue, delayDue bool
}

// clamp brings a volume inside the limits.
func (e endpoint) clamp(v int) int {
	if e.is == nil {
		return v
	}
	if e.is.VolumeMin != nil {
		v = max(v, int(*e.is.VolumeMin))
	}
	if e.is.VolumeMax != nil {
		v = min(v, int(*e.is.VolumeMax))
	}
	return min(max(v, 0), 100)
}

func (m *Machine) setEndpoint(e *tuttiv1.Endpoint) []Effect {
	if proto.Equal(e, m.endpoint.is) {
		return nil
	}
	m.endpoint = endpoint{is: e, volumeDue: e != nil, delayDue: e != nil && e.OutputDelayMs != nil}
	return m.settle()
}

// settle sets what is due, as soon as the client has told that it can be set.
func (m *Machine) settle() []Effect {
	e, p := &m.endpoint, m.player
	if p == nil || !m.has(wire.RolePlayer) {
		return nil
	}
	var out []Effect
	if e.delayDue && slices.Contains(p.SupportedCommands, wire.PlayerSetOutputDelay) {
		e.delayDue = false
		if d := min(max(int(e.is.GetOutputDelayMs()), 0), wire.MaxOutputDelayMS); d != p.OutputDelayMS {
			out = append(out, Send{&wire.ServerCommand{Player: &wire.PlayerCommand{
				Command: wire.PlayerSetOutputDelay, OutputDelayMS: &d,
			}}})
		}
	}
	if e.volumeDue && p.Volume != nil && slices.Contains(p.SupportedCommands, wire.PlayerVolume) {
		e.volumeDue = false
		if v := e.clamp(*p.Volume); v != *p.Volume {
			out = append(out, Send{&wire.ServerCommand{Player: &wire.PlayerCommand{Command: wire.PlayerVolume, Volume: &v}}})
		}
	}
	return out
}
