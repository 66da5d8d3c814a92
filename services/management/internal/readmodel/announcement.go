package readmodel

import (
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// BuildAnnouncement renders a; nil stays nil.
func BuildAnnouncement(a *pb.Announcement) *model.Announcement {
	if a == nil {
		return nil
	}
	out := &model.Announcement{
		AnnouncementID: a.GetAnnouncementId(), State: a.GetState(), URI: a.GetUri(), Text: a.GetText(), Priority: a.GetPriority(),
		DurationMS: a.GetDurationMs(), PositionMS: a.GetPositionMs(), Error: a.GetError(),
		StartedAt: at(a.GetStartedAt()), EndedAt: at(a.GetEndedAt()),
		Players: make([]model.AnnouncementSpeaker, 0, len(a.GetPlayers())),
	}
	if out.Text != "" {
		out.URI = ""
	}
	for _, p := range a.GetPlayers() {
		out.Players = append(out.Players, model.AnnouncementSpeaker{ClientID: p.GetClientId(), State: p.GetState(), SentMS: p.GetSentMs(), Reason: p.GetReason()})
	}
	return out
}
