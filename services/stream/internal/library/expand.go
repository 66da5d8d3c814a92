package library

import (
	"context"
	"errors"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/tutti-audio/tutti/audio/source"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/library/index"
	"github.com/tutti-audio/tutti/services/stream/internal/library/playlist"
	"github.com/tutti-audio/tutti/services/stream/internal/playback"
)

// Bounds of what one address may expand to.
const (
	maxItems  = 2000 // what a queue holds
	maxNested = 3    // levels of lists in a list
	maxLists  = 20   // that are read in all
	// expandTime is how long nested lists of other servers may take in all.
	expandTime = 4 * time.Second
)

// Foreign reports whether uri is to be looked at with Expand before a group takes it: an
// http address, or a playlist.
func Foreign(uri string) bool {
	return isRemote(uri) || isLocal(uri) && source.IsPlaylist(path.Base(uri))
}

// Expand finds out what uri is: one medium, or the media of a playlist, in their order.
func (l *Library) Expand(ctx context.Context, uri string) ([]*tuttiv1.QueueItem, error) {
	ctx, cancel := context.WithTimeout(ctx, expandTime)
	defer cancel()
	x := &expansion{l: l, ctx: ctx, seen: map[string]bool{}}
	err := x.address(uri, playlist.Entry{}, 0)
	if err == nil && len(x.items) == 0 {
		err = fault.New(fault.OutOfRange, "the playlist %s holds nothing that can be played%s", playback.Item{URI: uri}.Label(), x.reason())
	}
	return x.items, err
}

// expansion is the work on one address.
type expansion struct {
	l       *Library
	ctx     context.Context
	items   []*tuttiv1.QueueItem
	seen    map[string]bool // lists
	skipped int
	why     string // the first entry was left out
}

func (x *expansion) reason() string {
	if x.skipped == 0 {
		return ": it is empty"
	}
	return ": " + x.why
}

// skip leaves an entry out.
func (x *expansion) skip(why string) {
	if x.skipped++; x.why == "" {
		x.why = why
	}
}

func (x *expansion) full() bool { return len(x.items) >= maxItems }

// address adds what uri is. Only of the outermost one an error ends the expansion.
func (x *expansion) address(uri string, e playlist.Entry, depth int) error {
	switch {
	case isRemote(uri):
		return x.remote(uri, e, depth)
	default:
		return x.local(uri, depth)
	}
}

// remote asks the server of an address what it holds.
func (x *expansion) remote(uri string, e playlist.Entry, depth int) error {
	if x.seen[uri] || len(x.seen) >= maxLists {
		x.skip("its lists lead in a circle, or there are too many of them")
		return nil
	}
	ctx, cancel := context.WithTimeout(x.ctx, probeTime)
	defer cancel()
	src, err := x.l.Open(ctx, uri)
	var list *source.PlaylistError
	switch {
	case errors.As(err, &list):
		x.seen[uri] = true
		return x.entries(list.Body, depth, uri, func(e playlist.Entry) { x.below(list.Base, e, depth+1) })
	case errors.Is(err, context.DeadlineExceeded):
		x.l.Log.Info("medium is slow to open; its tags come later", "item", playback.Item{URI: uri}.Label(), obs.KeyErr, err)
		x.add(uri, e, index.Track{}, false)
		return nil
	case err != nil:
		return asFault(err)
	}
	defer src.Close() //nolint:errcheck // read only: nothing can be lost
	i := src.Info()
	t := index.Track{}
	t.Describe(i)
	t.DurationMS = duration(i)
	x.add(uri, e, t, i.Live)
	return nil
}

// below adds an entry of a list at base: only other addresses, and none that is closer to
// this machine than the list's.
func (x *expansion) below(base *url.URL, e playlist.Entry, depth int) {
	u, err := url.Parse(e.Location)
	if err != nil {
		u = &url.URL{Path: e.Location}
	}
	u = base.ResolveReference(u)
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		x.skip("a list of another server may only name http addresses without passwords")
		return
	}
	if !source.MayLead(base.Hostname(), u.Hostname()) {
		x.skip("a list of another server may not lead into this network")
		return
	}
	x.entry(u.String(), e, depth)
}

// entry adds an address of a list. Only what is called like a list is looked into: a list
// of a hundred stations is not a reason to call them all.
func (x *expansion) entry(uri string, e playlist.Entry, depth int) {
	u, err := url.Parse(uri)
	nested := err == nil && source.IsPlaylist(path.Base(u.Path)) && !strings.EqualFold(path.Ext(u.Path), ".m3u8")
	if !nested {
		x.add(uri, e, index.Track{}, false)
		return
	}
	if depth > maxNested {
		x.skip("its lists are nested too deeply")
		return
	}
	if err := x.address(uri, e, depth); err != nil {
		x.skip(err.Error())
	}
}

// local adds a list of the music folder.
func (x *expansion) local(uri string, depth int) error {
	if err := x.l.local(uri); err != nil {
		return err
	}
	p, err := source.Path(x.l.MusicDir, uri)
	if err != nil {
		return asFault(err)
	}
	if x.seen[p] || len(x.seen) >= maxLists {
		x.skip("its lists lead in a circle, or there are too many of them")
		return nil
	}
	x.seen[p] = true
	b, err := source.ReadFile(x.l.MusicDir, p, playlist.MaxBytes)
	if err != nil {
		return asFault(err)
	}
	return x.entries(b, depth, uri, func(e playlist.Entry) { x.file(path.Dir(p), e, depth+1) })
}

// file adds an entry of a list in dir, a folder below the music folder.
func (x *expansion) file(dir string, e playlist.Entry, depth int) {
	if isRemote(e.Location) {
		if u, err := url.Parse(e.Location); err != nil || u.User != nil || u.Host == "" {
			x.skip("an address in it cannot be used")
			return
		}
		x.entry(e.Location, e, depth)
		return
	}
	p, err := source.Beside(x.l.MusicDir, dir, e.Location, e.URI)
	switch {
	case err != nil:
		x.skip(err.Error())
	case source.IsPlaylist(path.Base(p)) && depth > maxNested:
		x.skip("its lists are nested too deeply")
	case source.IsPlaylist(path.Base(p)):
		if err := x.local(p, depth); err != nil {
			x.skip(err.Error())
		}
	default:
		t := index.Track{}
		if x.l.Index != nil {
			t, _ = x.l.Index.Find(p)
		}
		x.add(p, e, t, false)
	}
}

// entries reads a list and calls add for each of its entries.
func (x *expansion) entries(b []byte, _ int, uri string, add func(playlist.Entry)) error {
	all, err := playlist.Parse(b)
	if err != nil {
		return fault.Wrap(fault.OutOfRange, err, "%s cannot be read as a playlist", playback.Item{URI: uri}.Label())
	}
	for _, e := range all {
		if x.full() || x.ctx.Err() != nil {
			break
		}
		add(e)
	}
	return nil
}

// add adds a medium. What its own tags say goes before what the list says.
func (x *expansion) add(uri string, e playlist.Entry, t index.Track, live bool) {
	if x.full() {
		return
	}
	it := item(t)
	if it.Title == "" || live { // the list knows the station better than its stream
		it.Title, it.Artist = pick(e.Title, it.Title), pick(e.Artist, it.Artist)
	}
	if it.DurationMS == 0 && !live {
		it.DurationMS = e.DurationMS
	}
	it.Tidy()
	x.items = append(x.items, &tuttiv1.QueueItem{Id: NewID(), Uri: uri, Title: it.Title, Artist: it.Artist, Album: it.Album, AlbumArtist: it.AlbumArtist,
		Year: int32(it.Year), Track: int32(it.Track), DurationMs: it.DurationMS, Live: live})
}

func pick(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// Given takes over what Expand found. An item without an id has not been looked at: it is
// something of the music folder.
func (l *Library) Given(ctx context.Context, items []*tuttiv1.QueueItem) ([]playback.Item, error) {
	var out []playback.Item
	for _, it := range items {
		if it.GetId() == "" {
			more, err := l.Enqueue(ctx, []string{it.GetUri()})
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
			continue
		}
		i := playback.Item{ID: NewID(), URI: it.GetUri(), Title: it.GetTitle(), Artist: it.GetArtist(), Album: it.GetAlbum(), AlbumArtist: it.GetAlbumArtist(),
			Year: int(it.GetYear()), Track: int(it.GetTrack()), DurationMS: it.GetDurationMs(), Live: it.GetLive()}
		i.Tidy()
		out = append(out, i)
	}
	return out, nil
}
