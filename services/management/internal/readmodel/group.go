package readmodel

import (
	"fmt"
	"net/url"
	"slices"
	"time"

	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// Now is the same moment on both clocks. HouseUS is 0 when the house clock is
// not known.
type Now struct {
	HouseUS int64
	Wall    time.Time
}

// BuildGroup renders g as it is at now: the position of what plays moves with
// the house clock between two reports of the group's owner. client finds its members.
func BuildGroup(g *pb.Group, now Now, client func(id string) *model.Client) model.Group {
	out := model.Group{
		GroupID: g.GetGroupId(), Name: g.GetName(), Solo: g.GetSolo(),
		Members:       list(g.GetMembers()),
		Away:          away(g),
		PlaybackState: firstOf(g.GetPlaybackState(), "stopped"),
		Paused:        g.GetPaused(),
		Volume:        g.GetVolume(), Muted: g.GetMuted(),
		Repeat: firstOf(g.GetRepeat(), "off"), Shuffle: g.GetShuffle(),
		NowPlaying:  buildNowPlaying(g.GetGroupId(), g.GetNowPlaying(), now),
		QueueLength: len(g.GetQueue()),
		Source:      g.GetSource(),
		Formats:     make([]model.GroupFormat, 0, len(g.GetRenditions())),
		CrossfadeMS: g.GetCrossfadeMs(), Normalization: firstOf(g.GetNormalization(), "off"), Live: g.GetLive(),
		Announcement: BuildAnnouncement(g.GetAnnouncement()),
		LastError:    g.GetLastError(),
		UpdatedAt:    at(g.GetUpdatedAt()),

		VolumeRange: model.VolumeRange{Min: g.GetVolumeMin(), Max: g.GetVolumeMax()},
		LeadClient:  g.GetLeadClient(), SendAheadMS: g.GetSendAheadMs(),
		VolumeCap: g.VolumeCap, Schedule: buildGroupSchedule(g.GetSchedule()),
		MemberStatus: make([]model.MemberStatus, 0, len(g.GetMembers())),
	}
	for _, id := range g.GetMembers() {
		out.MemberStatus = append(out.MemberStatus, memberStatus(g, id, client(id)))
	}
	for _, r := range g.GetRenditions() {
		f := model.GroupFormat{
			RenditionID: r.GetRenditionId(), ChannelMode: firstOf(r.GetChannels(), "stereo"), Equalizer: buildEqualizer(r.GetEqualizer()),
			ChunkMS: r.GetChunkMs(), Clients: list(r.GetClients()),
		}
		if r.GetFormat() != nil {
			f.AudioFormat = *buildFormat(r.GetFormat())
		}
		out.Formats = append(out.Formats, f)
	}
	return out
}

// away lists who is at home in g and not there.
func away(g *pb.Group) (out []string) {
	for _, id := range g.GetAssigned() {
		if !slices.Contains(g.GetMembers(), id) {
			out = append(out, id)
		}
	}
	return out
}

// AtHome says whether an operator's word that a client be in g would change nothing.
func AtHome(g *pb.Group, clientID string) bool {
	return slices.Contains(g.GetMembers(), clientID) && (g.GetSolo() || !g.GetAssignedKnown() || slices.Contains(g.GetAssigned(), clientID))
}

func buildNowPlaying(groupID string, n *pb.NowPlaying, now Now) *model.NowPlaying {
	if n == nil {
		return nil
	}
	artwork := ""
	if id := n.GetArtworkId(); id != "" {
		artwork = "/api/v1/groups/" + url.PathEscape(groupID) + "/artwork?v=" + id[:min(len(id), 12)]
	}
	return &model.NowPlaying{
		Artwork: artwork, Colors: buildColors(n.GetColors()),
		Title: n.GetTitle(), Artist: n.GetArtist(), Album: n.GetAlbum(),
		DurationMS: n.GetDurationMs(), PositionMS: positionAt(n, now),
	}
}

// buildColors renders colors; nil without any.
func buildColors(c *pb.ColorState) *model.Colors {
	if c == nil || c.Primary == nil {
		return nil
	}
	hex := func(v uint32) string { return fmt.Sprintf("#%06x", v&0xFFFFFF) }
	return &model.Colors{
		BackgroundDark: hex(c.GetBackgroundDark()), BackgroundLight: hex(c.GetBackgroundLight()), Primary: hex(c.GetPrimary()),
		Accent: hex(c.GetAccent()), OnDark: hex(c.GetOnDark()), OnLight: hex(c.GetOnLight()),
	}
}

// positionAt extrapolates from the owner's last report. Before the reported
// moment (the start lead) the position stands still; it never passes the end.
func positionAt(n *pb.NowPlaying, now Now) int64 {
	elapsedMS := int64(0)
	switch {
	case n.GetSpeed() == 0:
	case now.HouseUS != 0 && n.GetAtUs() != 0:
		elapsedMS = (now.HouseUS - n.GetAtUs()) / 1000
	case n.GetAt() != nil:
		elapsedMS = now.Wall.Sub(n.GetAt().AsTime()).Milliseconds()
	}
	pos := n.GetPositionMs() + max(elapsedMS, 0)*int64(n.GetSpeed())/1000
	if d := n.GetDurationMs(); d > 0 {
		pos = min(pos, d)
	}
	return max(pos, 0)
}

// BuildQueue renders the queue of g.
func BuildQueue(g *pb.Group) model.Queue {
	out := model.Queue{
		GroupID: g.GetGroupId(),
		Items:   make([]model.QueueItem, 0, len(g.GetQueue())),
		Index:   g.GetQueueIndex(),
	}
	for _, it := range g.GetQueue() {
		out.Items = append(out.Items, buildItem(it))
	}
	if len(out.Items) == 0 {
		out.Index = -1
	}
	return out
}

func buildItem(it *pb.QueueItem) model.QueueItem {
	return model.QueueItem{
		ID: it.GetId(), URI: it.GetUri(), Title: it.GetTitle(), Artist: it.GetArtist(), Album: it.GetAlbum(),
		DurationMS: it.GetDurationMs(), Live: it.GetLive(),
	}
}

// BuildHistory renders what g played.
func BuildHistory(g *pb.Group) model.History {
	out := model.History{GroupID: g.GetGroupId(), Items: make([]model.HistoryItem, 0, len(g.GetHistory()))}
	for _, h := range g.GetHistory() {
		out.Items = append(out.Items, model.HistoryItem{QueueItem: buildItem(h.GetItem()), PlayedAt: at(h.GetPlayedAt()), PlayedMS: h.GetPlayedMs()})
	}
	return out
}
