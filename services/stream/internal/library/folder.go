package library

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tutti-audio/tutti/audio/source"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/services/stream/internal/library/index"
	"github.com/tutti-audio/tutti/services/stream/internal/playback"
)

// folder resolves a folder below the music folder, with all below it; ok is false when
// uri is none.
func (l *Library) folder(ctx context.Context, uri string) (items []playback.Item, ok bool, err error) {
	if l.MusicDir == "" || uri == "" || strings.Contains(uri, ":") {
		return nil, false, nil
	}
	dir := strings.Trim(uri, "/")
	if _, err := source.Folder(l.MusicDir, dir); err != nil {
		return nil, false, nil // a file, or nothing: probe says what is wrong
	}
	r := l.reader(ctx)
	defer r.close()
	if items = r.folder(nil, dir, 0); len(items) == 0 {
		return nil, true, fault.New(fault.OutOfRange, "the folder %s holds nothing that can be played", uri)
	}
	return items, true, nil
}

// folder appends the tracks of dir in the order of their discs and numbers, then those of
// its folders.
func (r *reader) folder(items []playback.Item, dir string, depth int) []playback.Item {
	entries, err := source.Folder(r.l.MusicDir, dir)
	if err != nil || depth > source.MaxDepth {
		return items
	}
	var tracks []index.Track
	for _, e := range entries {
		if e.Dir || e.Playlist() || !utf8.ValidString(e.Path) {
			continue
		}
		if t := r.track(e); t.Err == "" {
			tracks = append(tracks, t)
		}
	}
	inOrder(tracks)
	for _, t := range tracks {
		it := item(t)
		it.ID = NewID()
		items = append(items, it)
	}
	for _, e := range entries {
		if e.Dir && utf8.ValidString(e.Path) && len(items) < maxFolder {
			items = r.folder(items, e.Path, depth+1)
		}
	}
	return items[:min(len(items), maxFolder)]
}

// inOrder sorts an album by disc and number. A folder in which a number is missing is no
// album: its files stay in the order of their names.
func inOrder(tracks []index.Track) {
	if slices.ContainsFunc(tracks, func(t index.Track) bool { return t.Track == 0 }) {
		return
	}
	slices.SortStableFunc(tracks, func(a, b index.Track) int {
		return cmp.Or(cmp.Compare(max(a.Disc, 1), max(b.Disc, 1)), cmp.Compare(a.Track, b.Track))
	})
}

// item is a track as a queue entry that has no id yet.
func item(t index.Track) playback.Item {
	it := playback.Item{URI: t.Path, Title: t.Title, Artist: t.Artist, Album: t.Album, AlbumArtist: t.AlbumArtist,
		Year: int(t.Year), Track: int(t.Track), DurationMS: t.DurationMS}
	it.Tidy()
	return it
}
