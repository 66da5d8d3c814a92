package group

import (
	"context"

	"google.golang.org/protobuf/proto"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/palette"
	"github.com/tutti-audio/tutti/services/stream/internal/playback"
	"github.com/tutti-audio/tutti/services/stream/internal/presence"
)

// Art is what a title looks like. Empty ids are pictures that there are not.
type Art struct {
	Album, Artist string           // ids of pictures that this instance has
	Palette       *palette.Palette // of the cover; nil without one
}

// gallery keeps what the titles that displays are told of look like. It belongs to the
// actor; what is not known yet is looked for beside it.
type gallery struct {
	known   map[string]Art // by uri
	looking map[string]bool
	now     face // what is shown
}

// face is what one title looks like from a moment on.
type face struct {
	art   Art
	seed  string // for colors without a cover; "" shows nothing at all
	since int64
}

// artFound is what became of a look.
type artFound struct {
	uri string
	art Art
}

func (artFound) message() {}

// found takes what a look brought.
func (g *Group) found(m artFound) {
	if g.art.looking[m.uri] {
		delete(g.art.looking, m.uri)
		g.art.known[m.uri] = m.art
		g.touched = true
	}
}

// artOf is what a title looks like; ok is false while that is being looked for.
func (g *Group) artOf(it playback.Item) (a Art, ok bool) {
	if it.ID == "" || g.Look == nil {
		return Art{}, true
	}
	if a, ok := g.art.known[it.URI]; ok {
		return a, true
	}
	if !g.art.looking[it.URI] {
		g.art.looking[it.URI] = true
		g.wg.Go(func() {
			found := artFound{it.URI, g.Look(g.ctx, it)}
			_ = g.self.Send(g.ctx, found) // fails only at the end
		})
	}
	return Art{}, false
}

// faceOf is what a title looks like from a moment on.
func (g *Group) faceOf(it playback.Item, since int64) (face, bool) {
	a, ok := g.artOf(it)
	f := face{art: a, since: since}
	if it.ID != "" {
		// One album has one set of colors, with a cover or without.
		f.seed = it.Album + it.AlbumArtist
		if f.seed == "" {
			f.seed = titleOf(it)
		}
	}
	return f, ok
}

// refreshArt recomputes what displays should show now and next, and reports whether it
// differs. metaKey has the title of now.
func (g *Group) refreshArt(now int64) bool {
	if g.art.known == nil {
		g.art.known, g.art.looking = map[string]Art{}, map[string]bool{}
	}
	k := g.shared.metaKey
	keep := map[string]bool{k.item.URI: true}
	if f, ok := g.faceOf(k.item, k.startUS); ok {
		if f.art != g.art.now.art || f.seed != g.art.now.seed {
			if f.since == 0 || f.since > now {
				f.since = now
			}
			g.art.now = f
		}
	}
	var next *face
	if m, ok := g.comes(); ok {
		keep[m.item.URI] = true
		// Looked for at once, announced when its time has come near enough.
		if f, ok := g.faceOf(m.item, m.startUS); ok && m.startUS > now && m.startUS <= now+scheduleUS {
			next = &f
		}
	} else if r := g.run; r != nil && len(r.marks) == 0 {
		keep[r.first.URI] = true
		g.artOf(r.first)
	}
	for uri := range g.art.known {
		if !keep[uri] {
			delete(g.art.known, uri)
		}
	}
	return g.shareArt(next)
}

// shareArt makes what members are told of what is shown.
func (g *Group) shareArt(next *face) (changed bool) {
	show, color, coming := &tuttiv1.ArtworkShow{}, &tuttiv1.ColorState{TimestampUs: g.art.now.since}, (*tuttiv1.ColorState)(nil)
	if g.s.Mode != playback.Stopped {
		show.Active = true
		now := g.art.now
		show.Album, show.Artist = g.pictures(now.art.Album, now.since), g.pictures(now.art.Artist, now.since)
		color = now.colors()
		if next != nil {
			if next.art.Album != now.art.Album {
				show.Album = append(show.Album, g.pictures(next.art.Album, next.since)...)
			}
			if next.art.Artist != now.art.Artist {
				show.Artist = append(show.Artist, g.pictures(next.art.Artist, next.since)...)
			}
			if c := next.colors(); !sameColors(c, color) {
				coming = c
			}
		}
	}
	s := &g.shared
	if !proto.Equal(show, s.artwork) {
		s.artwork, changed = show, true
	}
	if s.color == nil || !sameColors(color, s.color) {
		if s.color != nil && color.TimestampUs <= s.color.TimestampUs {
			color.TimestampUs = g.House.NowMicros() // it stopped: the title has not changed
		}
		s.color, changed = color, true
	}
	if !proto.Equal(coming, s.comingColor) {
		s.comingColor, changed = coming, true
	}
	return changed
}

func (g *Group) pictures(id string, at int64) []*tuttiv1.Picture {
	return []*tuttiv1.Picture{{ImageId: id, AtUs: at, InstanceId: g.InstanceID}}
}

// colors is the color object of server/state: those of the cover, or quiet ones for what
// has none, or nothing when nothing is loaded.
func (f face) colors() *tuttiv1.ColorState {
	c := &tuttiv1.ColorState{TimestampUs: f.since}
	p := f.art.Palette
	switch {
	case f.seed == "":
		return c
	case p == nil:
		seeded := palette.Seeded(f.seed)
		p = &seeded
	}
	c.BackgroundDark, c.BackgroundLight = packed(p.BackgroundDark), packed(p.BackgroundLight)
	c.Primary, c.Accent = packed(p.Primary), packed(p.Accent)
	c.OnDark, c.OnLight = packed(p.OnDark), packed(p.OnLight)
	return c
}

func packed(c palette.RGB) *uint32 {
	v := uint32(c[0])<<16 | uint32(c[1])<<8 | uint32(c[2])
	return &v
}

// sameColors compares all but the timestamp.
func sameColors(a, b *tuttiv1.ColorState) bool {
	x, y := proto.CloneOf(a), proto.CloneOf(b)
	x.TimestampUs, y.TimestampUs = 0, 0
	return proto.Equal(x, y)
}

// wantArt is what one member should know of what is shown.
func (g *Group) wantArt(m *member, w *want) {
	if presence.HasRole(m.p, "color") {
		w.color, w.comingColor = g.shared.color, g.shared.comingColor
	}
	if !presence.HasRole(m.p, "artwork") {
		return
	}
	if w.artwork = g.shared.artwork; m.p.Available == nil || !m.p.GetAvailable() {
		w.artwork = &tuttiv1.ArtworkShow{}
	}
}

// Look finds what a title looks like; it may take seconds.
type Look func(ctx context.Context, it playback.Item) Art
