package pipeline

import (
	"context"

	"github.com/tutti-audio/tutti/audio/source"
	"github.com/tutti-audio/tutti/services/stream/internal/playback"
	"github.com/tutti-audio/tutti/services/stream/internal/rendition"
	"github.com/tutti-audio/tutti/services/stream/internal/timeline"
)

// take handles one message of the feed. Before an epoch begins, some audio is
// collected, so that a source that is slow to get going does not stall at once.
func (p *Pipeline) take(ctx context.Context, m any) {
	if p.epoch == nil {
		switch m := m.(type) {
		case feedBegin:
			if m.capture != nil {
				break // its audio is not to wait
			}
			p.early = append(p.early, m)
			return
		case feedTitle:
			p.early = append(p.early, m)
			return
		case feedBlock:
			p.early = append(p.early, m)
			if p.earlyMS += blockMS; p.earlyMS < int64(p.cfg.BufferMS) {
				return
			}
		}
		early := p.early
		p.early = nil
		for _, e := range early {
			p.work(ctx, e)
		}
		if _, ok := m.(feedBlock); ok {
			return
		}
	}
	p.work(ctx, m)
}

// work handles one message of the feed.
func (p *Pipeline) work(ctx context.Context, m any) {
	switch m := m.(type) {
	case feedBegin:
		p.opened++
		p.begin(ctx, m)
	case feedBlock:
		p.fadeIn(m.data, m.frames)
		p.store.Append(rendition.Block{Seg: p.epoch.Last(), Frame: p.head, Frames: m.frames, Data: m.data})
		p.head += m.frames
	case feedCaptured:
		p.takeCaptured(m)
	case feedTitle:
		p.cfg.Events(ctx, Titled{ItemID: m.id, Title: m.title, Artist: m.artist, AtUS: p.epoch.SourceTime(p.epoch.Last(), p.head) - m.backUS})
	case feedFailed:
		if !m.partial {
			p.opened++
		}
		p.cfg.Events(ctx, Failed{Item: m.item, Err: m.err, Partial: m.partial})
	case feedEmpty:
		p.read++
		p.cfg.Events(ctx, NeedNext{})
	}
}

// begin places an item on the timeline. The first one of an epoch fixes T0.
func (p *Pipeline) begin(ctx context.Context, m feedBegin) {
	if p.epoch == nil {
		now := p.cfg.House.NowMicros()
		lead, t0 := p.cfg.LeadUS, now+p.cfg.LeadUS
		if m.info.Live {
			lead, t0 = p.cfg.LiveLeadUS, p.liveT0(m.capture, now)
		}
		p.epoch, p.started = timeline.New(p.cfg.EpochID, t0), now
		p.store = rendition.NewStore(p.epoch)
		p.want(p.cfg.Renditions)
		p.cfg.Events(ctx, Started{T0: p.epoch.T0, LeadUS: lead, Live: m.info.Live})
	}
	p.isLive, p.fade = m.info.Live, 0
	p.beginCapture(m.capture)
	if r := p.cfg.Resume; r != nil && m.start.Exact {
		if s := p.epoch.Segment(r.Seg); s != nil && s.Format == m.format {
			p.report(ctx, m, r.Seg, r.Frame)
			return
		}
		p.cfg.Log.Warn("medium changed its format since playback began", "item", m.start.Item.Label())
	}
	seg, at, _ := p.epoch.Begin(m.start.Item.ID, m.format, m.at, p.head)
	p.head = at
	p.report(ctx, m, seg, at)
}

func (p *Pipeline) report(ctx context.Context, m feedBegin, seg int, at int64) {
	p.cfg.Events(ctx, Begun{
		Item: tagged(m.start.Item, m.info), Info: m.info, StartUS: p.epoch.SourceTime(seg, at),
		MediaMS: timeline.Scale(m.media, 1000, int64(m.info.SampleRate)),
		First:   p.epoch.First(), Segments: p.epoch.Segments(),
	})
}

func format(i source.Info) timeline.Format {
	return timeline.Format{SampleRate: i.SampleRate, Channels: i.Channels, BitDepth: i.BitDepth}
}

// tagged fills what the queue does not know of an item from its medium.
func tagged(it playback.Item, i source.Info) playback.Item {
	set := func(dst *string, v string) {
		if *dst == "" {
			*dst = v
		}
	}
	set(&it.Title, i.Tags.Title)
	set(&it.Artist, i.Tags.Artist)
	set(&it.Album, i.Tags.Album)
	set(&it.AlbumArtist, i.Tags.AlbumArtist)
	if it.Year == 0 {
		it.Year = i.Tags.Year
	}
	if it.Track == 0 {
		it.Track = i.Tags.Track
	}
	if it.DurationMS == 0 {
		it.DurationMS = i.Tags.DurationMS
		if i.Frames > 0 {
			it.DurationMS = timeline.Scale(i.Frames, 1000, int64(i.SampleRate))
		}
	}
	it.Tidy()
	return it
}
