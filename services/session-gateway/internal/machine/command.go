package machine

import (
	"errors"
	"slices"

	"github.com/tutti-audio/tutti/platform/fault"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Command handles what stream, pairing or management ask. An error means that
// nothing was done; it is a *fault.Error. now is house clock µs.
func (m *Machine) Command(c *tuttiv1.SessionCommand, now int64) ([]Effect, error) {
	if err := m.addressed(c); err != nil {
		return nil, err
	}
	if err := m.fenced(c.GetGroupId(), c.GetFence()); err != nil {
		return nil, err
	}
	switch k := c.GetCommand().(type) {
	case *tuttiv1.SessionCommand_Group:
		return m.setGroup(k.Group), nil
	case *tuttiv1.SessionCommand_State:
		return m.setState(k.State, now), nil
	case *tuttiv1.SessionCommand_Player:
		return m.playerCommand(k.Player)
	case *tuttiv1.SessionCommand_StreamStart:
		return m.streamStart(c.GetGroupId(), k.StreamStart)
	case *tuttiv1.SessionCommand_StreamClear:
		return m.streamClear(c.GetGroupId(), k.StreamClear)
	case *tuttiv1.SessionCommand_StreamEnd:
		return m.streamEnd(c.GetGroupId(), k.StreamEnd)
	case *tuttiv1.SessionCommand_Artwork:
		return m.setArtwork(c.GetGroupId(), k.Artwork)
	case *tuttiv1.SessionCommand_VisualStart:
		return m.setVisual(c.GetGroupId(), k.VisualStart)
	case *tuttiv1.SessionCommand_VisualEnd:
		return m.dropVisual(c.GetGroupId(), k.VisualEnd), nil
	case *tuttiv1.SessionCommand_Source:
		return m.sourceCommand(k.Source, now)
	case *tuttiv1.SessionCommand_Disconnect:
		return []Effect{Close{
			Reason: ReasonOperator, Detail: k.Disconnect.GetReason(), NoRedial: !k.Disconnect.GetRedial(),
		}}, nil
	}
	return nil, fault.New(fault.Invalid, "session command for client %s has no command this gateway knows", m.cfg.ClientID)
}

// addressed refuses what is meant for another session of the client.
func (m *Machine) addressed(c *tuttiv1.SessionCommand) error {
	if id := c.GetSessionId(); id != "" && id != m.cfg.SessionID {
		return fault.New(fault.Conflict, "session %s of client %s is over; the client is on another session now", id, m.cfg.ClientID)
	}
	return nil
}

// ErrFenced is wrapped by the refusal of a command of a holder that another one has
// followed.
var ErrFenced = errors.New("fence is older than one that was seen")

// fenced drops what an earlier holder of the group still sends.
func (m *Machine) fenced(group string, fence uint64) error {
	if fence == 0 {
		return nil
	}
	if high := m.fences[group]; fence < high {
		return fault.Wrap(fault.Conflict, ErrFenced, "command of group %s carries fence %d, but %d was seen: another instance holds the group", group, fence, high)
	}
	m.fences[group] = fence
	return nil
}

func (m *Machine) setGroup(g *tuttiv1.GroupInfo) []Effect {
	m.groupID, m.groupWant = g.GetGroupId(), g
	out := m.setCap(g.VolumeCap)
	if !m.activated {
		return out
	}
	out = append(out, m.sendGroup()...)
	if m.artwork.active && m.setActivities() {
		out = append(out, m.activate(), Changed{})
	}
	return out
}

// sendGroup sends group/update once per change.
func (m *Machine) sendGroup() []Effect {
	g := &wire.GroupUpdate{
		PlaybackState: m.groupWant.GetPlaybackState(),
		GroupID:       m.groupWant.GetGroupId(),
		GroupName:     m.groupWant.GetName(),
	}
	if m.group != nil && *m.group == *g {
		return nil
	}
	m.group = g
	return []Effect{Send{g}}
}

func (m *Machine) playerCommand(p *tuttiv1.PlayerCommand) ([]Effect, error) {
	out := &wire.PlayerCommand{}
	switch k := p.GetCommand().(type) {
	case *tuttiv1.PlayerCommand_Volume:
		v := int(k.Volume)
		if v < 0 || v > 100 {
			return nil, fault.New(fault.OutOfRange, "volume %d is not in 0-100", v)
		}
		v = m.volume.clamp(v)
		out.Command, out.Volume = wire.PlayerVolume, &v
	case *tuttiv1.PlayerCommand_Mute:
		out.Command, out.Mute = wire.PlayerMute, &k.Mute
	case *tuttiv1.PlayerCommand_OutputDelayMs:
		d := int(k.OutputDelayMs)
		if d < 0 || d > wire.MaxOutputDelayMS {
			return nil, fault.New(fault.OutOfRange, "output delay %d ms is not in 0-%d", d, wire.MaxOutputDelayMS)
		}
		out.Command, out.OutputDelayMS = wire.PlayerSetOutputDelay, &d
	default:
		return nil, fault.New(fault.Invalid, "player command for client %s is empty", m.cfg.ClientID)
	}
	if !m.has(wire.RolePlayer) {
		return nil, m.conflict("its player role is not active")
	}
	if m.player == nil {
		return nil, m.conflict("it has not reported its player state yet")
	}
	if !slices.Contains(m.player.SupportedCommands, out.Command) {
		return nil, fault.New(fault.Conflict, "client %s does not take the command %q: its supported_commands lack it", m.cfg.ClientID, out.Command)
	}
	if out.Volume != nil {
		m.volume.order(*out.Volume)
	}
	return []Effect{Send{&wire.ServerCommand{Player: out}}}, nil
}

func (m *Machine) conflict(why string) error {
	return fault.New(fault.Conflict, "client %s: %s", m.cfg.ClientID, why)
}

// streamStart opens a stream or moves the active one. The rules of stream/start
// are checked here: role, availability, fresh state, a listed format.
func (m *Machine) streamStart(group string, s *tuttiv1.StreamStart) ([]Effect, error) {
	f := wire.AudioFormat{
		Codec: s.GetFormat().GetCodec(), Channels: int(s.GetFormat().GetChannels()),
		SampleRate: int(s.GetFormat().GetSampleRate()), BitDepth: int(s.GetFormat().GetBitDepth()),
	}
	switch {
	case !m.has(wire.RolePlayer):
		return nil, m.conflict("its player role is not active")
	case m.groupID != "" && m.groupID != group:
		return nil, m.conflict("it is in group " + m.groupID + " now")
	case m.available == nil || !*m.available:
		return nil, m.conflict("it is not available for playback")
	case m.player == nil:
		return nil, m.conflict("it has not reported its player state yet")
	case !slices.ContainsFunc(m.cfg.Hello.Player.Formats, f.Same):
		return nil, m.conflict("it does not list the format of rendition " + s.GetRenditionId())
	}
	if now := m.stream; now != nil && !m.ending &&
		now.GroupID == group && now.Rendition == s.GetRenditionId() && now.Epoch == s.GetEpoch() {
		return nil, nil // said again, for example by the next holder of the group
	}
	var out []Effect
	if m.stream != nil && m.stream.GroupID != group {
		// Another group's timeline: nothing of the old one may go on.
		out = append(out, m.endNow())
	}
	m.gen++
	m.past, m.ending, m.draining = nil, false, false
	m.stream = &StartStream{
		Gen: m.gen, GroupID: group, Rendition: s.GetRenditionId(),
		Player: wire.PlayerStream{Format: f, CodecHeader: s.GetCodecHeader()},
		Epoch:  s.GetEpoch(), NotBefore: s.GetNotBeforeUs(), Live: s.GetLive(),
	}
	if m.setActivities() {
		out = append(out, m.activate())
	}
	return append(out, *m.stream, Changed{}), nil
}

func (m *Machine) streamClear(group string, c *tuttiv1.StreamClear) ([]Effect, error) {
	if m.stream == nil || m.stream.GroupID != group {
		return nil, m.conflict("it has no active stream of group " + group)
	}
	if c.GetEpoch() < m.stream.Epoch {
		return nil, m.conflict("its stream is at a later epoch")
	}
	m.gen++
	next := *m.stream
	next.Gen, next.Epoch, next.NotBefore = m.gen, c.GetEpoch(), c.GetNotBeforeUs()
	m.stream, m.ending = &next, false
	return []Effect{ClearStream{next}, Changed{}}, nil
}

func (m *Machine) streamEnd(group string, e *tuttiv1.StreamEnd) ([]Effect, error) {
	if m.stream == nil || m.stream.GroupID != group {
		return nil, m.conflict("it has no active stream of group " + group)
	}
	if e.GetAtUs() > 0 {
		m.gen++
		m.ending = true
		return []Effect{EndStream{Gen: m.gen, At: e.GetAtUs()}}, nil
	}
	end := m.endNow()
	if e.GetDrained() {
		m.draining = true
		return []Effect{EndStream{Gen: m.gen, Drain: true}, Changed{}}, nil
	}
	return append([]Effect{end}, m.stopped()...), nil
}
