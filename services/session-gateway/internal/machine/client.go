package machine

import (
	"errors"
	"fmt"
	"slices"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/pairing"
	"github.com/tutti-audio/tutti/sendspin/wire"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/pump"
)

// Message handles a decoded JSON message of the client. err is the decoder's; a
// message beside it is sound apart from role objects. handshake is how many
// re-handshakes the connection had when the message came: those before the last one
// may come after it was begun.
func (m *Machine) Message(msg wire.Message, err error, handshake uint64) []Effect {
	// Objects of inactive roles never close a session (specification, server/activate).
	if err = wire.ActiveFault(err, m.has); err != nil {
		if onlyCommand(msg, err) {
			return nil
		}
		return protocolError(err.Error())
	}
	if pairing.IsPairing(msg) {
		return m.pairingMessage(msg, handshake)
	}
	switch msg := msg.(type) {
	case *wire.ClientState:
		return m.clientState(msg)
	case *wire.ClientCommand:
		return m.clientCommand(msg)
	case *wire.ClientLeave:
		return []Effect{Forward{&tuttiv1.ClientCommand{
			ClientId: m.cfg.ClientID, SessionId: m.cfg.SessionID,
			Command: &tuttiv1.ClientCommand_Leave{Leave: &tuttiv1.Empty{}},
		}}}
	case *wire.ClientGoodbye:
		return []Effect{Close{Reason: ReasonGoodbye, Detail: msg.Reason, Goodbye: msg.Reason}}
	case *wire.ClientStreamStart:
		return m.streamOpened(msg)
	case *wire.ClientStreamEnd:
		return m.streamClosed()
	case *wire.Unknown:
		if msg.WrongDirection {
			return protocolError(fmt.Sprintf("%q is a server's message", msg.Name))
		}
		return m.ignore(KindMessage, msg.Name)
	}
	// A second hello or init is out of sequence.
	return protocolError(fmt.Sprintf("%s is out of sequence", msg.Type()))
}

// onlyCommand reports whether a message is at fault only in the argument of a
// controller command. Such a command is not carried out and does no other harm:
// arguments out of range, however far, and commands that are not offered are to be
// ignored (specification, Controller messages).
func onlyCommand(msg wire.Message, err error) bool {
	_, isCommand := msg.(*wire.ClientCommand)
	var fault *wire.FieldError
	return isCommand && errors.As(err, &fault) && fault.Role != ""
}

// Binary handles a binary message that is neither JSON nor source audio, which the
// reader handles.
func (m *Machine) Binary(id byte) []Effect {
	if id == wire.IDAudio {
		return protocolError("audio chunk from a client")
	}
	return m.ignoreBinary(id)
}

func protocolError(detail string) []Effect {
	return []Effect{Close{Reason: ReasonProtocolError, Detail: detail}}
}

func (m *Machine) clientState(s *wire.ClientState) []Effect {
	wasAvailable := m.available != nil && *m.available
	m.available = &s.Available
	if s.Player != nil && m.has(wire.RolePlayer) {
		m.player = s.Player
	}
	out := append(m.ignore(KindValue, s.Ignored...), Changed{})
	if m.player != nil {
		out = append(out, Report{Timing: timing(m.player), Available: s.Available})
	}
	out = append(out, m.artworkState(s.Artwork, wasAvailable)...)
	out = append(out, m.visualState(s.Visualizer, wasAvailable)...)
	out = append(out, m.sourceState(s)...)
	return append(out, m.settle()...)
}

// maxTimingMS is a day: what a player asks for beyond that is no timing, and must not
// overflow.
const maxTimingMS = 24 * 60 * 60 * 1000

func timing(p *wire.PlayerState) pump.Timing {
	us := func(ms int) int64 { return int64(min(ms, maxTimingMS)) * 1000 }
	return pump.Timing{OutputDelay: us(p.OutputDelayMS), RequiredLead: us(p.RequiredLeadMS), MinBuffer: us(p.MinBufferMS)}
}

// clientCommand hands a controller's command to its group. Commands that are not offered
// now, and those whose parameter is missing or out of range, are ignored (specification,
// controller command object).
func (m *Machine) clientCommand(c *wire.ClientCommand) []Effect {
	k := c.Controller
	if k == nil || !m.has(wire.RoleController) {
		return nil
	}
	if !slices.Contains(wire.ControllerCommands(), k.Command) {
		return m.ignore(KindValue, "controller.command: "+k.Command)
	}
	if m.controller == nil || !slices.Contains(m.controller.SupportedCommands, k.Command) || !m.sound(k) {
		return nil
	}
	out := &tuttiv1.ControllerCommand{Command: k.Command}
	switch k.Command {
	case wire.ControlVolume:
		v := int32(*k.Volume)
		out.Volume = &v
	case wire.ControlMute:
		out.Mute = k.Mute
	case wire.ControlSeek:
		out.PositionMs = k.PositionMS
	case wire.ControlSeekRelative:
		out.OffsetMs = k.OffsetMS
	}
	return []Effect{Forward{&tuttiv1.ClientCommand{
		ClientId: m.cfg.ClientID, SessionId: m.cfg.SessionID,
		Command: &tuttiv1.ClientCommand_Controller{Controller: out},
	}}}
}

// sound reports whether a command has the parameter that it needs, in its range.
func (m *Machine) sound(k *wire.ControllerCommand) bool {
	switch k.Command {
	case wire.ControlVolume:
		return k.Volume != nil && *k.Volume >= 0 && *k.Volume <= 100
	case wire.ControlMute:
		return k.Mute != nil
	case wire.ControlSeek:
		limit := m.controller.SeekMaxMS
		return k.PositionMS != nil && limit != nil && *k.PositionMS >= 0 && *k.PositionMS <= *limit
	case wire.ControlSeekRelative:
		return k.OffsetMS != nil
	}
	return true
}
