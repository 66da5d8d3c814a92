package model

import "time"

// Announcing is what POST announce returns.
type Announcing struct {
	AnnouncementID string   `json:"announcement_id"`
	Groups         []string `json:"groups" nullable:"false" doc:"Each of them plays it by itself, at its own next moment."`
}

// Announcement is a clip over the music of one group, or alone where nothing plays.
type Announcement struct {
	AnnouncementID string                `json:"announcement_id"`
	State          string                `json:"state" enum:"queued,playing,done,failed,cancelled" doc:"Queued while it waits or its clip is read."`
	URI            string                `json:"uri,omitempty"`
	Text           string                `json:"text,omitempty"`
	Priority       int32                 `json:"priority"`
	DurationMS     int64                 `json:"duration_ms,omitempty" doc:"Of the clip; absent until it was read."`
	PositionMS     int64                 `json:"position_ms,omitempty" doc:"Of the clip, at the group's last word."`
	Error          string                `json:"error,omitempty" doc:"Why it failed or was cancelled."`
	StartedAt      *time.Time            `json:"started_at,omitempty"`
	EndedAt        *time.Time            `json:"ended_at,omitempty"`
	Players        []AnnouncementSpeaker `json:"players" nullable:"false" doc:"What each speaker received; complete some seconds after the end."`
}

// AnnouncementSpeaker is what one speaker received.
type AnnouncementSpeaker struct {
	ClientID string `json:"client_id"`
	State    string `json:"state" enum:"pending,played,partly,missed"`
	SentMS   int64  `json:"sent_ms" doc:"Of the clip."`
	Reason   string `json:"reason,omitempty" doc:"Why not all of it; that a speaker that received it is muted."`
}
