package api

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// Commands that a player may let the server give (specification: client/state
// player object, supported_commands).
const (
	commandVolume = "volume"
	commandMute   = "mute"
	commandDelay  = "set_output_delay"
)

// playerCommand is one command to a player.
type playerCommand struct {
	name string // as supported_commands names it
	what string // for the operator
	pb   *pb.PlayerCommand
	says string // for the ledger
}

// playerCommands lists what a patch asks of the device itself.
func playerCommands(b patchClientBody) []playerCommand {
	var out []playerCommand
	if v := b.Volume; v != nil {
		out = append(out, playerCommand{commandVolume, "volume",
			&pb.PlayerCommand{Command: &pb.PlayerCommand_Volume{Volume: *v}}, fmt.Sprintf("volume %d", *v)})
	}
	if v := b.Muted; v != nil {
		out = append(out, playerCommand{commandMute, "mute state",
			&pb.PlayerCommand{Command: &pb.PlayerCommand_Mute{Mute: *v}}, fmt.Sprintf("muted %t", *v)})
	}
	if v := b.OutputDelayMS; v != nil {
		out = append(out, playerCommand{commandDelay, "output delay",
			&pb.PlayerCommand{Command: &pb.PlayerCommand_OutputDelayMs{OutputDelayMs: *v}}, fmt.Sprintf("output delay %d ms", *v)})
	}
	return out
}

// playerRefusal says which state of c forbids a command, or nil.
func playerRefusal(c *model.Client, command, what string) error {
	name := c.DisplayName()
	switch {
	case c.Player == nil:
		return fault.New(fault.Conflict, "%s is no player (its roles: %s), so it has no %s", name, words(c.SupportedRoles), what)
	case !c.Connected:
		return fault.New(fault.Conflict, "%s is not connected (last seen %s); its %s can be set when it is back",
			name, c.LastSeenAt.Format("2006-01-02 15:04:05Z07:00"), what)
	case !slices.ContainsFunc(c.ActiveRoles, func(r string) bool { return strings.HasPrefix(r, "player@") }):
		return fault.New(fault.Conflict, "%s has no active player role (trust: %s); approve it first", name, c.Trust)
	case !slices.Contains(c.Player.SupportedCommands, command):
		return fault.New(fault.Conflict, "%s does not let the server set its %s; its supported_commands: %s",
			name, what, words(c.Player.SupportedCommands))
	}
	return nil
}

func words(s []string) string {
	if len(s) == 0 {
		return "none"
	}
	return strings.Join(s, ", ")
}

func (a *API) commandPlayer(ctx context.Context, c *model.Client, pc playerCommand) error {
	req := &pb.SessionCommand{Command: &pb.SessionCommand_Player{Player: pc.pb}}
	if err := a.ask(ctx, "session-gateway", subject.Session(c.ClientID), req, &pb.SessionReply{}); err != nil {
		return err
	}
	if pc.name == commandDelay { // a setting, and not a turn of a knob
		a.act(ctx, "client.output_delay", c.ClientID, pc.says)
		return nil
	}
	a.logAct(ctx, "client."+pc.name, c.ClientID, pc.says)
	return nil
}
