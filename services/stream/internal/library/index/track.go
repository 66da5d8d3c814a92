package index

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/tutti-audio/tutti/audio/source"
)

// Track is what is known of one file: a title, or a playlist. It does not change once it
// is in a snapshot.
type Track struct {
	Path                              string // below the music folder, with slashes
	Size, Mod                         int64  // bytes; Unix ns of the last change
	Title, Artist, AlbumArtist, Album string
	Codec, Err                        string // Err: why it cannot be played
	DurationMS                        int64
	SampleRate                        int32
	Year, Track, Disc                 int16
	BitDepth, Channels                uint8
	Cover, Playlist                   bool

	words words
}

// Describe takes over what a file says about itself.
func (t *Track) Describe(i source.Info) { t.describe(i, func(s string) string { return s }) }

// describe takes over what a file says about itself. intern makes equal texts share one
// string: an album's artist is stored once.
func (t *Track) describe(i source.Info, intern func(string) string) {
	t.Title, t.Artist, t.Album = i.Tags.Title, intern(i.Tags.Artist), intern(i.Tags.Album)
	t.AlbumArtist, t.Codec = intern(i.Tags.AlbumArtist), intern(i.Codec)
	t.DurationMS, t.SampleRate = i.Tags.DurationMS, int32(i.SampleRate)
	t.Year, t.Track, t.Disc = small(i.Tags.Year), small(i.Tags.Track), small(i.Tags.Disc)
	t.BitDepth, t.Channels, t.Cover = uint8(i.BitDepth), uint8(i.Channels), i.HasCover
}

func small(n int) int16 { return int16(min(max(n, 0), 1<<15-1)) }

// snapshot is the state of the index at one moment. Immutable.
type snapshot struct {
	byPath            map[string]*Track
	ordered           []*Track // by path
	folders           []folder // by path
	tracks, playlists int
}

// folder can be found and played, too.
type folder struct {
	path  string
	words words
}

func newSnapshot(all map[string]*Track) *snapshot {
	s := &snapshot{byPath: all, ordered: slices.SortedFunc(maps.Values(all), func(a, b *Track) int { return cmp.Compare(a.Path, b.Path) })}
	seen := map[string]bool{}
	for _, t := range s.ordered {
		if t.Playlist {
			s.playlists++
		} else {
			s.tracks++
		}
		for dir := path.Dir(t.Path); dir != "." && !seen[dir]; dir = path.Dir(dir) {
			seen[dir] = true
			s.folders = append(s.folders, folder{path: dir, words: foldWords(path.Base(dir), "", "", path.Dir(dir))})
		}
	}
	slices.SortFunc(s.folders, func(a, b folder) int { return cmp.Compare(a.path, b.path) })
	return s
}

// index makes a track ready to be found.
func (t *Track) index() {
	title := t.Title
	if title == "" {
		title = strings.TrimSuffix(path.Base(t.Path), path.Ext(t.Path))
	}
	t.words = foldWords(title, t.Artist+" "+t.AlbumArtist, t.Album, t.Path)
}
