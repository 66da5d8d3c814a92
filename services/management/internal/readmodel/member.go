package readmodel

import (
	"fmt"
	"slices"
	"strings"

	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// memberStatus is how a member of g does; c is nil when the client is not known.
func memberStatus(g *pb.Group, id string, c *model.Client) model.MemberStatus {
	s := model.MemberStatus{ClientID: id}
	if c != nil && c.Player != nil {
		s.Format, s.BufferedMS = c.Player.StreamFormat, c.Player.BufferedMS
		s.ChunksLate, s.LeadMS = c.Player.ChunksLate, c.Player.MinLeadMS
	}
	s.State, s.Detail = memberState(g, id, c)
	if v, ok := g.GetVolumeCaps()[id]; ok {
		s.VolumeCap = &v
	}
	return s
}

// memberState is the state of a member and the reason for it.
func memberState(g *pb.Group, id string, c *model.Client) (state, detail string) {
	silent, isSilent := g.GetSilent()[id]
	switch {
	case c == nil:
		return model.MemberAbsent, "it was never seen"
	case !c.Connected && c.LastError != "":
		return model.MemberAbsent, "it is not connected; its last session ended with: " + c.LastError
	case !c.Connected:
		return model.MemberAbsent, "it is not connected"
	case len(c.ActiveRoles) == 0:
		return model.MemberNotStreaming, "it may do nothing yet (trust: " + c.Trust + ")"
	case c.Available == nil:
		return model.MemberUnavailable, "it has not said that it is ready yet"
	case !*c.Available:
		return model.MemberUnavailable, "it is in use by something else, or its clock is not set yet"
	case isSilent:
		return model.MemberNotStreaming, silent
	case !playsAudio(c) || g.GetPlaybackState() != "playing":
		return model.MemberOK, g.GetRemarks()[id]
	case c.Player.StreamFormat == nil:
		return model.MemberNotStreaming, "its stream has not begun yet"
	case c.Player.ChunksLateNow > 0:
		late := fmt.Sprintf("%s came too late in the last seconds: its network or this server is too slow", chunks(c.Player.ChunksLateNow))
		if also := g.GetRemarks()[id]; also != "" {
			late += "; " + also
		}
		return model.MemberLate, late
	}
	return model.MemberOK, g.GetRemarks()[id]
}

// playsAudio reports whether the player role is active.
func playsAudio(c *model.Client) bool {
	return c.Player != nil && slices.ContainsFunc(c.ActiveRoles, func(r string) bool { return strings.HasPrefix(r, "player@") })
}

func chunks(n uint64) string {
	if n == 1 {
		return "1 chunk"
	}
	return fmt.Sprintf("%d chunks", n)
}
