package stream

import (
	"context"
	"strings"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/fault"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/director"
	"github.com/tutti-audio/tutti/services/stream/internal/group"
)

// clientCommand carries out what a controller asks, or client/leave.
func (s *Service) clientCommand(ctx context.Context, ref *actor.Ref[directorMessage], c *tuttiv1.ClientCommand) error {
	id := c.GetClientId()
	do := func(f func(ctx context.Context, d *director.Director) error) error {
		_, err := order(ctx, ref, func(ctx context.Context, d *director.Director) (struct{}, error) { return struct{}{}, f(ctx, d) })
		return err
	}
	if c.GetLeave() != nil {
		return do(func(ctx context.Context, d *director.Director) error { return d.Leave(ctx, id) })
	}
	if c.GetController() == nil {
		return fault.New(fault.Invalid, "client command of %s holds nothing that this version knows", id)
	}
	if c.GetController().GetCommand() == "switch" {
		return do(func(ctx context.Context, d *director.Director) error { return d.Switch(ctx, id, c.GetCommandId()) })
	}
	cmd, err := groupCommand(c.GetController())
	if err != nil {
		return err
	}
	if cmd.GroupId, err = order(ctx, ref, func(_ context.Context, d *director.Director) (string, error) { return d.GroupOf(id) }); err != nil {
		return err
	}
	cmd.Actor, cmd.CommandId = group.ClientActor+id, c.GetCommandId()
	_, err = s.ask(ctx, cmd)
	return err
}

// groupCommand translates a controller's command; Invalid when a parameter that the
// command needs is missing.
func groupCommand(c *tuttiv1.ControllerCommand) (*tuttiv1.GroupCommand, error) {
	missing := func(field string) (*tuttiv1.GroupCommand, error) {
		return nil, fault.New(fault.Invalid, "controller command %q lacks %s", c.GetCommand(), field)
	}
	empty := &tuttiv1.Empty{}
	switch c.GetCommand() {
	case "play":
		return &tuttiv1.GroupCommand{Command: &tuttiv1.GroupCommand_Play{Play: &tuttiv1.Play{}}}, nil
	case "pause":
		return &tuttiv1.GroupCommand{Command: &tuttiv1.GroupCommand_Pause{Pause: empty}}, nil
	case "stop":
		return &tuttiv1.GroupCommand{Command: &tuttiv1.GroupCommand_Stop{Stop: empty}}, nil
	case "next":
		return &tuttiv1.GroupCommand{Command: &tuttiv1.GroupCommand_Next{Next: empty}}, nil
	case "previous":
		return &tuttiv1.GroupCommand{Command: &tuttiv1.GroupCommand_Previous{Previous: empty}}, nil
	case "repeat_off", "repeat_one", "repeat_all":
		return &tuttiv1.GroupCommand{Command: &tuttiv1.GroupCommand_Repeat{Repeat: strings.TrimPrefix(c.GetCommand(), "repeat_")}}, nil
	case "shuffle", "unshuffle":
		return &tuttiv1.GroupCommand{Command: &tuttiv1.GroupCommand_Shuffle{Shuffle: c.GetCommand() == "shuffle"}}, nil
	case "volume":
		if c.Volume == nil {
			return missing("volume")
		}
		return &tuttiv1.GroupCommand{Command: &tuttiv1.GroupCommand_Volume{Volume: c.GetVolume()}}, nil
	case "mute":
		if c.Mute == nil {
			return missing("mute")
		}
		return &tuttiv1.GroupCommand{Command: &tuttiv1.GroupCommand_Mute{Mute: c.GetMute()}}, nil
	case "seek":
		if c.PositionMs == nil {
			return missing("position_ms")
		}
		return &tuttiv1.GroupCommand{Command: &tuttiv1.GroupCommand_SeekMs{SeekMs: c.GetPositionMs()}}, nil
	case "seek_relative":
		if c.OffsetMs == nil {
			return missing("offset_ms")
		}
		return &tuttiv1.GroupCommand{Command: &tuttiv1.GroupCommand_SeekRelativeMs{SeekRelativeMs: c.GetOffsetMs()}}, nil
	}
	return nil, fault.New(fault.Invalid, "controller command %q is not known", c.GetCommand())
}
