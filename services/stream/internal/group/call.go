package group

import (
	"context"
	"time"

	"github.com/tutti-audio/tutti/platform/obs"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// A member may be with another Sendspin server. Whoever makes the group play wants it
// here: then the gateways are told to dial it for playback, which is what a device changes
// over for. Nothing else calls a member, so that two servers do not pull at one device: not
// the group that plays on by itself, not the next title, not the device's own appearance.

const (
	// callTimeout is for all members together.
	callTimeout = 5 * time.Second
	// callEveryUS keeps somebody who plays again and again from more than one round of
	// calls in that time.
	callEveryUS = 1_000_000
)

// calls reports whether a command wants the members that are away. A daypart that begins
// does, too; its order is repeated often, so that is seen to where it is carried out.
func calls(c *tuttiv1.GroupCommand) bool {
	switch c.GetCommand().(type) {
	case *tuttiv1.GroupCommand_Play, *tuttiv1.GroupCommand_PlayAside, *tuttiv1.GroupCommand_Jump, *tuttiv1.GroupCommand_Announce:
		return true
	}
	return false
}

// call has the members dialled that are away and were dialled before, beside the actor.
func (g *Group) call() {
	now := g.House.NowMicros()
	if g.Call == nil || g.calledUS != 0 && now-g.calledUS < callEveryUS {
		return
	}
	var away []string
	for id, m := range g.members {
		if m.p != nil && !m.p.GetConnected() && m.p.GetUrl() != "" {
			away = append(away, id)
		}
	}
	if len(away) == 0 {
		return
	}
	g.calledUS = now
	life, call, log := traced(g.ctx, g.trace), g.Call, g.log
	g.wg.Go(func() {
		ctx, cancel := context.WithTimeout(life, callTimeout)
		defer cancel()
		for _, id := range away {
			if err := call(ctx, id); err != nil {
				log.Debug("a member that is away is not called", obs.KeyClient, id, obs.KeyErr, err)
			}
		}
	})
}
