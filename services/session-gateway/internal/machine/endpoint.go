package machine

import (
	"slices"

	"google.golang.org/protobuf/proto"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// endpoint is what the client inherits from its persona, and whether its output delay is
// still to be set on the device: once per change, so that a device that will not have
// it, or a person who sets it there, is not argued with.
type endpoint struct {
	is       *tuttiv1.Endpoint
	delayDue bool
}

func (m *Machine) setEndpoint(e *tuttiv1.Endpoint) []Effect {
	if proto.Equal(e, m.endpoint.is) {
		return nil
	}
	same := m.endpoint.is != nil && e != nil && m.endpoint.is.OutputDelayMs != nil && e.OutputDelayMs != nil &&
		*m.endpoint.is.OutputDelayMs == *e.OutputDelayMs
	m.endpoint = endpoint{is: e, delayDue: e != nil && e.OutputDelayMs != nil && (!same || m.endpoint.delayDue)}
	return m.bound()
}

// Tune takes what the operator set for the client; nil: nothing.
func (m *Machine) Tune(t *tuttiv1.ClientTuning) []Effect {
	if proto.Equal(t, m.tuning) {
		return nil
	}
	m.tuning = t
	return m.bound()
}

// bound works out the limits anew after one of their sources has changed.
func (m *Machine) bound() []Effect {
	now := narrow(m.tuning, m.endpoint.is, m.volume.cap)
	var out []Effect
	if !proto.Equal(now, m.volume.limits) {
		m.volume.limits, m.volume.due = now, true
	}
	if own := narrow(m.tuning, m.endpoint.is, nil); !proto.Equal(own, m.volume.own) {
		m.volume.own = own
		if m.activated {
			out = append(out, Changed{})
		}
	}
	return append(out, m.settle()...)
}

// settle sets what is due, as soon as the client has told that it can be set.
func (m *Machine) settle() []Effect {
	p := m.player
	if p == nil || !m.has(wire.RolePlayer) {
		return nil
	}
	var out []Effect
	if e := &m.endpoint; e.delayDue && slices.Contains(p.SupportedCommands, wire.PlayerSetOutputDelay) {
		e.delayDue = false
		if d := min(max(int(e.is.GetOutputDelayMs()), 0), wire.MaxOutputDelayMS); d != p.OutputDelayMS {
			out = append(out, Send{&wire.ServerCommand{Player: &wire.PlayerCommand{
				Command: wire.PlayerSetOutputDelay, OutputDelayMS: &d,
			}}})
		}
	}
	if v := m.volume.correct(p); v != nil {
		out = append(out, Send{&wire.ServerCommand{Player: &wire.PlayerCommand{Command: wire.PlayerVolume, Volume: v}}})
	}
	return out
}

// setCap takes the cap of quiet hours from the group's word; nil: none. When it goes, the
// volume stays where it is.
func (m *Machine) setCap(v *int32) []Effect {
	if v == nil && m.volume.cap == nil || v != nil && m.volume.cap != nil && *v == *m.volume.cap {
		return nil
	}
	m.volume.cap, m.volume.loud = v, 0
	return m.bound()
}
