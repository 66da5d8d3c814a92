package group

import (
	"slices"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/playback"
	"github.com/tutti-audio/tutti/services/stream/internal/timeline"
)

// Playback states of group/update.
const (
	statePlaying = "playing"
	stateStopped = "stopped"
)

// fromRecord is the playback state that a record holds.
func fromRecord(g *tuttiv1.Group) playback.State {
	s := playback.New()
	for _, it := range g.GetQueue() {
		s.Queue = append(s.Queue, itemOf(it))
	}
	if h := g.GetHistory(); len(h) > 0 {
		s.Last = itemOf(h[0].GetItem())
	}
	if len(s.Queue) > 0 {
		s.Index = min(max(int(g.GetQueueIndex()), 0), len(s.Queue)-1)
	}
	if r := g.GetRepeat(); r == playback.RepeatOne || r == playback.RepeatAll {
		s.Repeat = r
	}
	if s.Shuffle = g.GetShuffle(); s.Shuffle {
		s.Unshuffled = slices.Clone(g.GetUnshuffled())
		if s.Unshuffled == nil && len(s.Queue) > 0 {
			s.Unshuffled = []string{}
		}
	}
	s.PositionMS = g.GetPositionMs()
	s.LastError = g.GetLastError()
	if a := g.GetAside(); a != nil {
		s.Aside = playback.Aside{ID: a.GetItemId(), HeldID: a.GetHeldItemId(), HeldMS: a.GetHeldMs(), Paused: a.GetHeldPaused()}
	}
	if g.GetPaused() && len(s.Queue) > 0 {
		s.Mode = playback.Paused
	}
	return s
}

// toRecord writes the playback state into g.
func toRecord(g *tuttiv1.Group, s playback.State) {
	g.Queue = make([]*tuttiv1.QueueItem, len(s.Queue))
	for i, it := range s.Queue {
		g.Queue[i] = queueItem(it)
	}
	g.QueueIndex = int32(s.Index)
	g.Repeat, g.Shuffle, g.Unshuffled = s.Repeat, s.Shuffle, s.Unshuffled
	g.PlaybackState, g.Paused = stateStopped, s.Mode == playback.Paused
	if s.Mode == playback.Playing {
		g.PlaybackState = statePlaying
	}
	g.PositionMs, g.LastError = s.PositionMS, s.LastError
	if a := s.Aside; a.ID != "" {
		g.Aside = &tuttiv1.Aside{ItemId: a.ID, HeldItemId: a.HeldID, HeldMs: a.HeldMS, HeldPaused: a.Paused}
	}
	g.Source = ""
	if it, ok := s.Current(); ok && s.Mode != playback.Stopped {
		g.Source = it.URI
	}
}

func queueItem(it playback.Item) *tuttiv1.QueueItem {
	return &tuttiv1.QueueItem{Id: it.ID, Uri: it.URI, Title: it.Title, Artist: it.Artist, Album: it.Album, DurationMs: it.DurationMS,
		AlbumArtist: it.AlbumArtist, Year: int32(it.Year), Track: int32(it.Track), Live: it.Live}
}

func itemOf(it *tuttiv1.QueueItem) playback.Item {
	return playback.Item{ID: it.GetId(), URI: it.GetUri(), Title: it.GetTitle(), Artist: it.GetArtist(), Album: it.GetAlbum(),
		DurationMS: it.GetDurationMs(), AlbumArtist: it.GetAlbumArtist(), Year: int(it.GetYear()), Track: int(it.GetTrack()), Live: it.GetLive()}
}

// toTimeline is the checkpoint of an epoch.
func toTimeline(epoch uint64, t0 int64, first int, segs []timeline.Segment) *tuttiv1.Timeline {
	t := &tuttiv1.Timeline{Epoch: epoch, T0Us: t0, FirstSegment: int64(first)}
	for _, s := range segs {
		p := &tuttiv1.TimelineSegment{StartNum: s.Start.Num, StartDen: s.Start.Den, SampleRate: int32(s.Format.SampleRate),
			Channels: int32(s.Format.Channels), BitDepth: int32(s.Format.BitDepth)}
		for _, m := range s.Marks {
			p.Marks = append(p.Marks, &tuttiv1.TimelineMark{SegmentFrame: m.Frame, ItemId: m.ItemID, MediaFrame: m.MediaFrame})
		}
		t.Segments = append(t.Segments, p)
	}
	return t
}

// fromTimeline is the epoch that a checkpoint describes; nil when it describes none.
func fromTimeline(t *tuttiv1.Timeline) *timeline.Epoch {
	var segs []timeline.Segment
	for _, p := range t.GetSegments() {
		s := timeline.Segment{Start: timeline.Offset{Num: p.GetStartNum(), Den: p.GetStartDen()},
			Format: timeline.Format{SampleRate: int(p.GetSampleRate()), Channels: int(p.GetChannels()), BitDepth: int(p.GetBitDepth())}}
		for _, m := range p.GetMarks() {
			s.Marks = append(s.Marks, timeline.Mark{Frame: m.GetSegmentFrame(), ItemID: m.GetItemId(), MediaFrame: m.GetMediaFrame()})
		}
		if s.Start.Den <= 0 || s.Start.Num < 0 || s.Format.SampleRate <= 0 || len(s.Marks) == 0 {
			return nil
		}
		segs = append(segs, s)
	}
	if len(segs) == 0 {
		return nil
	}
	return timeline.Restore(t.GetEpoch(), t.GetT0Us(), int(t.GetFirstSegment()), segs)
}
