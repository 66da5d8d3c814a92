package library

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tutti-audio/tutti/audio/encode"
	"github.com/tutti-audio/tutti/audio/source"
	"github.com/tutti-audio/tutti/audio/synth"
	"github.com/tutti-audio/tutti/platform/fault"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/library/index"
	"github.com/tutti-audio/tutti/services/stream/internal/timeline"
)

// List lists one folder below the music folder, as it is on the disk now. Tags come from
// the index; of files that it does not know yet they are read, for a moment.
func (l *Library) List(ctx context.Context, path string) (*tuttiv1.LibraryResponse, error) {
	out := &tuttiv1.LibraryResponse{Path: path}
	if path == "" && l.Demo {
		out.Entries = pieces()
	}
	if l.MusicDir == "" {
		if path == "" && l.Demo {
			return out, nil
		}
		return nil, fault.New(fault.Conflict, "no music folder is set: start Tutti with --music DIR")
	}
	if err := l.Check(); err != nil {
		return nil, err
	}
	entries, err := source.Folder(l.MusicDir, path)
	if err != nil {
		return nil, asFault(err)
	}
	r := l.reader(ctx)
	defer r.close()
	for _, e := range entries {
		if utf8.ValidString(e.Path) { // no address of the API could name another
			out.Entries = append(out.Entries, entry(e, r.track(e)))
		}
	}
	return out, nil
}

// pieces are the demo's.
func pieces() (out []*tuttiv1.LibraryEntry) {
	for _, t := range synth.Tracks() {
		out = append(out, &tuttiv1.LibraryEntry{Name: t.Title, Path: "synth:" + t.Name, Title: t.Title, Artist: t.Artist,
			Album: t.Album, DurationMs: timeline.Scale(t.Frames, 1000, synth.SampleRate), SampleRate: synth.SampleRate,
			BitDepth: synth.BitDepth, Channels: synth.Channels})
	}
	return out
}

// readTime bounds how long the tags of files are read that the index does not know; those
// that are not reached are shown without.
const readTime = 2 * time.Second

// reader gives the tags of files: from the index, else from the files while time is left.
type reader struct {
	l      *Library
	ctx    context.Context
	cancel context.CancelFunc
	left   int
}

func (l *Library) reader(ctx context.Context) *reader {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	return &reader{l: l, ctx: ctx, cancel: cancel, left: source.MaxProbe}
}

func (r *reader) close() { r.cancel() }

// track is what is known of a file. A folder and a playlist have no tags.
func (r *reader) track(e source.Entry) index.Track {
	if e.Dir || e.Playlist() {
		return index.Track{Path: e.Path}
	}
	if r.l.Index != nil {
		if t, ok := r.l.Index.Lookup(e.Path, e.Size, e.Mod); ok {
			return t
		}
	}
	t := index.Track{Path: e.Path}
	if r.left--; r.left < 0 || r.ctx.Err() != nil {
		return t
	}
	i, err := source.Describe(r.ctx, e.Path, r.l.options())
	switch {
	case r.ctx.Err() != nil:
	case err != nil:
		t.Err = err.Error()
	default:
		t.Describe(i)
	}
	return t
}

func entry(e source.Entry, t index.Track) *tuttiv1.LibraryEntry {
	out := found(t)
	out.Name, out.Folder, out.Playlist = e.Name, e.Dir, e.Playlist()
	return out
}

// found is a track as the API shows it.
func found(t index.Track) *tuttiv1.LibraryEntry {
	it := item(t)
	return &tuttiv1.LibraryEntry{Name: base(t.Path), Path: t.Path, Title: it.Title, Artist: it.Artist, Album: it.Album, AlbumArtist: it.AlbumArtist,
		DurationMs: t.DurationMS, SampleRate: t.SampleRate, BitDepth: int32(t.BitDepth), Channels: int32(t.Channels),
		Codec: t.Codec, Track: int32(t.Track), Disc: int32(t.Disc), Year: int32(t.Year), Cover: t.Cover, Playlist: t.Playlist,
		Error: strings.ToValidUTF8(t.Err, "?")}
}

func base(p string) string { return p[strings.LastIndexByte(p, '/')+1:] }

// Search finds tracks, playlists and folders by words of their titles, artists, albums
// and paths.
func (l *Library) Search(query string, limit int) (*tuttiv1.LibraryResponse, error) {
	switch {
	case l.Index == nil:
		return nil, fault.New(fault.Conflict, "no music folder is set: start Tutti with --music DIR")
	case limit < 1 || limit > 500:
		return nil, fault.New(fault.OutOfRange, "limit %d is not in 1-500", limit).WithField("query.limit", "not in 1-500")
	case index.Fold(query) == "":
		return nil, fault.New(fault.OutOfRange, "there is nothing to search for: give a word of a title, an artist, an album or a path").WithField("query.q", "holds no word")
	}
	results, all := l.Index.Search(query, limit)
	out := &tuttiv1.LibraryResponse{Found: int32(min(all, 1<<31-1))}
	for _, f := range results {
		if f.Track == nil {
			out.Entries = append(out.Entries, &tuttiv1.LibraryEntry{Name: base(f.Folder), Path: f.Folder, Folder: true})
			continue
		}
		out.Entries = append(out.Entries, found(*f.Track))
	}
	return out, nil
}

// Status tells how far the index is, and what can be played here.
func (l *Library) Status(rescan bool) *tuttiv1.LibraryStatus {
	out := &tuttiv1.LibraryStatus{State: "off", Decoders: source.Decoders(l.options()), Encoders: encode.Codecs()}
	if l.Index == nil {
		return out
	}
	if rescan {
		l.Index.Rescan()
	}
	s := l.Index.Status()
	out.State, out.FilesFound, out.FilesRead, out.Unreadable = s.State, s.Found, s.Read, s.Unreadable
	out.Tracks, out.Playlists, out.Error = int64(s.Tracks), int64(s.Playlists), s.Err
	if !s.ScannedAt.IsZero() {
		out.ScannedAt = timestamppb.New(s.ScannedAt)
	}
	return out
}
