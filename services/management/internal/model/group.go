package model

import "time"

// Group is the clients that play together.
type Group struct {
	GroupID       string        `json:"group_id" example:"g-3f2a"`
	Name          string        `json:"name" example:"Ground floor"`
	Solo          bool          `json:"solo" doc:"Made for one client; comes and goes by itself."`
	Members       []string      `json:"members" nullable:"false" doc:"Client ids, absent devices too."`
	Away          []string      `json:"away,omitempty" nullable:"false" doc:"Client ids that are at home here and play elsewhere, because they have left by themselves or a controller has switched them."`
	PlaybackState string        `json:"playback_state" enum:"playing,stopped"`
	Paused        bool          `json:"paused" doc:"Stopped with a place to resume from."`
	Volume        int32         `json:"volume" doc:"0 to 100: the average of the members that let their volume be set."`
	VolumeRange   VolumeRange   `json:"volume_range" doc:"What volume can be: its value when every member is at its least, and at its most."`
	Muted         bool          `json:"muted"`
	Repeat        string        `json:"repeat" enum:"off,one,all"`
	Shuffle       bool          `json:"shuffle"`
	NowPlaying    *NowPlaying   `json:"now_playing,omitempty" doc:"Absent when nothing is loaded."`
	QueueLength   int           `json:"queue_length"`
	Source        string        `json:"source,omitempty" doc:"The uri that plays."`
	Formats       []GroupFormat `json:"formats" nullable:"false" doc:"Formats the group's audio is encoded in now."`
	CrossfadeMS   int64         `json:"crossfade_ms" doc:"0: gapless."`
	Normalization string        `json:"normalization" enum:"off,track,album"`
	Live          bool          `json:"live" doc:"What plays is a live source."`
	Announcement  *Announcement `json:"announcement,omitempty" doc:"What is announced now, or was last."`
	LastError     string        `json:"last_error,omitempty" doc:"Why playback stopped by itself."`

	LeadClient   string         `json:"lead_client,omitempty" doc:"The member whose lead is the longest: all wait for it at a start. Absent while nothing is streamed."`
	SendAheadMS  int64          `json:"send_ahead_ms,omitempty" doc:"From the start of playback to its first sample; lead_client's lead and the server's own."`
	MemberStatus []MemberStatus `json:"member_status" nullable:"false" doc:"How each member does, in the order of members."`

	VolumeCap *int32         `json:"volume_cap,omitempty" doc:"Quiet hours: no player of the group is louder, whoever sets it. Absent: no cap."`
	Schedule  *GroupSchedule `json:"schedule,omitempty" doc:"How the group does by its schedule; absent without one that is enabled."`

	UpdatedAt *time.Time `json:"updated_at,omitempty"`
}

// VolumeRange is the least and the greatest volume of a group.
type VolumeRange struct {
	Min int32 `json:"min"`
	Max int32 `json:"max"`
}

// Member states of MemberStatus.State.
const (
	MemberOK           = "ok"
	MemberLate         = "late"
	MemberAbsent       = "absent"
	MemberUnavailable  = "unavailable"
	MemberNotStreaming = "not_streaming"
)

// MemberStatus is how one member of a group does.
type MemberStatus struct {
	ClientID   string       `json:"client_id"`
	State      string       `json:"state" enum:"ok,late,absent,unavailable,not_streaming" doc:"late: chunks came too late within the last seconds. unavailable: in use by something else. not_streaming: it should get audio and does not."`
	Format     *AudioFormat `json:"format,omitempty" doc:"What it is being sent; absent when it is sent no audio."`
	BufferedMS int64        `json:"buffered_ms" doc:"Audio that was sent and has not played yet."`
	ChunksLate uint64       `json:"chunks_late" doc:"Chunks skipped because their time had come, in this session."`
	LeadMS     int64        `json:"lead_ms" doc:"Smallest lead of the last 10 s."`
	Detail     string       `json:"detail,omitempty" doc:"Why it is not ok, in words."`
	VolumeCap  *int32       `json:"volume_cap,omitempty" doc:"Quiet hours of its home, which is another zone. Absent: none."`
}

// NowPlaying is the title that is audible.
type NowPlaying struct {
	Title      string `json:"title,omitempty"`
	Artist     string `json:"artist,omitempty"`
	Album      string `json:"album,omitempty"`
	DurationMS int64  `json:"duration_ms" doc:"0 when not known."`
	PositionMS int64  `json:"position_ms" doc:"At the moment of the answer."`
	// Artwork is an address of this API.
	Artwork string  `json:"artwork,omitempty" doc:"Where its cover is, relative to the server; it changes with the cover. Absent without one." example:"/api/v1/groups/g-3f2a/artwork?v=5d41402a"`
	Colors  *Colors `json:"colors,omitempty" doc:"Of its cover, or made up for the title."`
}

// Colors are the palette of a title, as color displays show it.
type Colors struct {
	BackgroundDark  string `json:"background_dark" pattern:"^#[0-9a-f]{6}$" doc:"For dark mode: at least 4.5:1 with white and on_dark." example:"#1d2a3a"`
	BackgroundLight string `json:"background_light" pattern:"^#[0-9a-f]{6}$" doc:"For light mode: at least 4.5:1 with black and on_light."`
	Primary         string `json:"primary" pattern:"^#[0-9a-f]{6}$" doc:"The dominant color."`
	Accent          string `json:"accent" pattern:"^#[0-9a-f]{6}$"`
	OnDark          string `json:"on_dark" pattern:"^#[0-9a-f]{6}$" doc:"Text on background_dark."`
	OnLight         string `json:"on_light" pattern:"^#[0-9a-f]{6}$" doc:"Text on background_light."`
}

// GroupFormat is one rendition of a group's audio.
type GroupFormat struct {
	AudioFormat
	RenditionID string     `json:"rendition_id" doc:"Clients with the same one are sent the same audio." example:"flac-44100-2-16"`
	ChannelMode string     `json:"channel_mode" enum:"stereo,mono,left,right" doc:"Which of the source's channels are heard."`
	Equalizer   *Equalizer `json:"equalizer,omitempty" doc:"Absent when it is off."`
	ChunkMS     int32      `json:"chunk_ms,omitempty" doc:"Present where chunks are short because the clients' buffers are small."`
	Clients     []string   `json:"clients" nullable:"false" doc:"Who is sent this format."`
}

// Groups is what GET /api/v1/groups returns.
type Groups struct {
	Groups []Group `json:"groups" nullable:"false"`
}

// Clients is what GET /api/v1/clients returns.
type Clients struct {
	Clients []*Client `json:"clients" nullable:"false"`
}

// QueueItem is one title of a queue.
type QueueItem struct {
	ID         string `json:"id"`
	URI        string `json:"uri"`
	Title      string `json:"title,omitempty"`
	Artist     string `json:"artist,omitempty"`
	Album      string `json:"album,omitempty"`
	DurationMS int64  `json:"duration_ms,omitempty" doc:"Absent when not known."`
	Live       bool   `json:"live,omitempty" doc:"Has no end and cannot be sought in."`
}

// History is what a group played.
type History struct {
	GroupID string        `json:"group_id"`
	Items   []HistoryItem `json:"items" nullable:"false" doc:"Newest first."`
}

// HistoryItem is a title that was audible.
type HistoryItem struct {
	QueueItem
	PlayedAt *time.Time `json:"played_at,omitempty" doc:"When it began to sound."`
	PlayedMS int64      `json:"played_ms" doc:"How long it sounded."`
}

// Queue is what a group plays next.
type Queue struct {
	GroupID string      `json:"group_id"`
	Items   []QueueItem `json:"items" nullable:"false"`
	Index   int32       `json:"index" doc:"Of the item that plays or would resume; -1 when none."`
}
