package group

import (
	"path"
	"slices"

	"google.golang.org/protobuf/types/known/timestamppb"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/playback"
	"github.com/tutti-audio/tutti/services/stream/internal/presence"
	"github.com/tutti-audio/tutti/services/stream/internal/volume"
)

// saveEveryUS is how old a saved position may be while playing.
const saveEveryUS = 1_000_000

// info is group/update.
func (g *Group) info() *tuttiv1.GroupInfo {
	state := stateStopped
	if g.s.Mode == playback.Playing || g.run != nil && g.run.alone {
		state = statePlaying
	}
	return &tuttiv1.GroupInfo{GroupId: g.id, Name: g.rec.GetName(), PlaybackState: state, VolumeCap: g.rec.VolumeCap}
}

// metaKey is what metadata depends on: a new state is sent when it changes.
type metaKey struct {
	mode     playback.Mode
	item     playback.Item
	startUS  int64 // while playing: the moment of position
	position int64 // ms
}

// keyOf is the key of a mark, from its moment on.
func keyOf(m mark) metaKey {
	return metaKey{mode: playback.Playing, item: m.item, startUS: m.startUS, position: m.mediaMS}
}

func (g *Group) metaKey() metaKey {
	it, _ := g.s.Current()
	if g.s.Mode != playback.Playing {
		return metaKey{mode: g.s.Mode, item: it, position: g.s.PositionMS}
	}
	if m, ok := g.sounds(); ok {
		return keyOf(m)
	}
	return g.shared.metaKey // nothing of the new epoch is audible yet: as before
}

// metadata is the metadata object of server/state for k. It is of the present, or of
// the future when k is.
func metadata(k metaKey, now int64) *tuttiv1.MetadataState {
	m := &tuttiv1.MetadataState{TimestampUs: now}
	if k.item.ID == "" {
		return m
	}
	text := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	number := func(n int) *int32 {
		if n <= 0 {
			return nil
		}
		v := int32(n)
		return &v
	}
	m.Title, m.Artist, m.AlbumArtist, m.Album = text(titleOf(k.item)), text(k.item.Artist), text(k.item.AlbumArtist), text(k.item.Album)
	m.Year, m.Track = number(k.item.Year), number(k.item.Track)
	m.Progress = &tuttiv1.Progress{TrackProgressMs: k.position, TrackDurationMs: k.item.DurationMS}
	if k.mode == playback.Playing && k.startUS != 0 {
		m.TimestampUs, m.Progress.PlaybackSpeed = k.startUS, 1000
	}
	return m
}

// titleOf is the title, or the last part of the address of a medium without tags.
func titleOf(it playback.Item) string {
	if it.Title != "" {
		return it.Title
	}
	label := it.Label()
	if name := path.Base(label); name != "." && name != "/" {
		return name
	}
	return label
}

// controller is the controller object of server/state.
func (g *Group) controller(now int64) *tuttiv1.ControllerState {
	c := &tuttiv1.ControllerState{SupportedCommands: g.s.Commands(), Repeat: g.s.Repeat, Shuffle: g.s.Shuffle}
	_, levels := g.levels(now)
	v, ok := volume.Group(levels)
	c.Volume = int32(v)
	if ok {
		c.SupportedCommands = append(c.SupportedCommands, "volume")
	}
	if c.Muted, ok = volume.Muted(g.mutes()); ok {
		c.SupportedCommands = append(c.SupportedCommands, "mute")
	}
	c.SupportedCommands = append(c.SupportedCommands, "switch")
	if it, _ := g.s.Current(); slices.Contains(c.SupportedCommands, "seek") {
		c.SeekMaxMs = &it.DurationMS
	}
	return c
}

// levels lists the players that let their volume be set, and where they are.
func (g *Group) levels(now int64) (players []*member, levels []volume.Level) {
	for _, m := range g.members {
		if p := presence.Player(m.p); p == nil || !presence.Takes(p, "volume") {
			continue
		}
		l := volume.Level{Volume: m.level(now), Max: 100}
		if limits := m.p.GetLimits(); limits != nil {
			l.Min, l.Max = int(limits.GetMin()), int(limits.GetMax())
		}
		if limit := g.capOf(m.id); limit != nil { // the session may not have told yet that it knows
			l.Max = min(l.Max, int(*limit))
			l.Min = min(l.Min, l.Max)
		}
		players, levels = append(players, m), append(levels, l)
	}
	return players, levels
}

// mutes lists the mute states of the players that let themselves be muted.
func (g *Group) mutes() (mutes []bool) {
	for _, m := range g.members {
		if p := presence.Player(m.p); p != nil && presence.Takes(p, "mute") {
			mutes = append(mutes, p.GetMuted())
		}
	}
	return mutes
}

// level is the member's volume: as asked for shortly before, else as reported.
func (m *member) level(now int64) int {
	if m.hopeUS > now {
		return m.hope
	}
	return int(min(max(m.p.GetPlayer().GetVolume(), 0), 100))
}

// record is the group as it is kept and shown. What it shares with the actor's state is
// never changed in place.
func (g *Group) record(now int64) *tuttiv1.Group {
	r := &tuttiv1.Group{GroupId: g.id, Name: g.rec.GetName(), Solo: g.rec.GetSolo(), Members: g.rec.GetMembers(),
		PreviousGroupId: g.rec.GetPreviousGroupId(), PreviousClientId: g.rec.GetPreviousClientId(), Epoch: g.epoch, Fence: g.fence, InstanceId: g.InstanceID,
		UpdatedAt: timestamppb.New(g.Clock.Now())}
	toRecord(r, g.s)
	r.AppliedCommands = g.rec.GetAppliedCommands()
	r.DirectorFence, r.SchedulerFence = g.rec.GetDirectorFence(), g.rec.GetSchedulerFence()
	r.VolumeCap, r.Schedule = g.rec.VolumeCap, g.rec.GetSchedule()
	r.Assigned, r.AssignedKnown, r.VolumeCaps = g.rec.GetAssigned(), g.rec.GetAssignedKnown(), g.rec.GetVolumeCaps()
	r.History = g.history.at(now)
	g.recordAnnouncements(r, now)
	r.CrossfadeMs, r.Normalization = g.rec.GetCrossfadeMs(), g.rec.GetNormalization()
	if g.resuming {
		r.PlaybackState, r.Paused = statePlaying, false
	}
	specs, clients := g.specs()
	r.Remarks = g.remarks()
	if g.run != nil {
		r.Timeline = g.run.checkpoint
		for _, spec := range specs {
			view := spec.Proto()
			view.Clients = clients[view.GetRenditionId()]
			r.Renditions = append(r.Renditions, view)
		}
	}
	_, levels := g.levels(now)
	v, _ := volume.Group(levels)
	for id, m := range g.members {
		if why := m.silence(); why != "" {
			if r.Silent == nil {
				r.Silent = map[string]string{}
			}
			r.Silent[id] = why
		}
	}
	low, high := volume.Range(levels)
	r.Volume, r.VolumeMin, r.VolumeMax = int32(v), int32(low), int32(high)
	r.Muted, _ = volume.Muted(g.mutes())
	if g.stream != nil {
		r.SendAheadMs = g.stream.leadUS / 1000
		r.LeadClient = g.ahead.client
	}
	it, ok := g.s.Current()
	if !ok {
		return r
	}
	r.Live = it.Live && g.s.Mode == playback.Playing
	m, sounds := g.sounds()
	if sounds {
		it = m.item
	}
	at := g.positionMS(now)
	r.NowPlaying = &tuttiv1.NowPlaying{ItemId: it.ID, Title: titleOf(it), Artist: it.Artist, Album: it.Album, DurationMs: it.DurationMS,
		PositionMs: at, AtUs: now, At: r.UpdatedAt}
	if g.art.now.seed != "" {
		r.NowPlaying.ArtworkId, r.NowPlaying.ArtistImageId = g.art.now.art.Album, g.art.now.art.Artist
		r.NowPlaying.ArtworkInstanceId, r.NowPlaying.Colors = g.InstanceID, g.art.now.colors()
	}
	if g.s.Mode == playback.Playing {
		r.PositionMs = at
		if sounds {
			r.NowPlaying.Speed = 1000
		}
	}
	return r
}

// keep has the record written when something in it changed, and while playing once a
// second for the position.
func (g *Group) keep(now int64) {
	due := g.run != nil && now >= g.keptUS+saveEveryUS
	if !g.touched && !due {
		return
	}
	g.touched, g.keptUS = false, now
	g.keeper.keep(g.record(now), g.answers)
	g.answers = nil
}
