// Package library finds what can be played: it lists the music folder and turns
// addresses into queue items.
package library

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/tutti-audio/tutti/audio/source"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/services/stream/internal/library/index"
	"github.com/tutti-audio/tutti/services/stream/internal/playback"
	"github.com/tutti-audio/tutti/services/stream/internal/timeline"
)

// Limits of what one request may ask.
const (
	// maxFolder bounds the titles of a folder that is played as a whole.
	maxFolder = 1000
	// probeTime is how long an address may take to say what it is. A slower one is
	// taken without its tags.
	probeTime = 3 * time.Second
)

// Library opens and lists media. Safe for concurrent use.
type Library struct {
	MusicDir   string
	HTTPClient *http.Client
	TempDir    string       // for media of servers without ranges; empty: the system's
	Demo       bool         // list the synthesised pieces, too
	Index      *index.Index // nil: the music folder is read for each question
	UserAgent  string       // for http addresses
	House      func() int64 // the house clock, µs; nil: the system's
	Log        *slog.Logger
	// Trusting takes http addresses as they are, without asking their servers: for
	// callers that may not wait, of addresses that Expand has seen.
	Trusting bool
}

func isRemote(uri string) bool {
	scheme, _, _ := strings.Cut(uri, ":")
	return strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https")
}

// Open opens one medium.
func (l *Library) Open(ctx context.Context, uri string) (source.Source, error) {
	return source.Open(ctx, uri, l.options())
}

// OpenBytes opens a medium that is in memory; name stands for it in errors.
func (l *Library) OpenBytes(ctx context.Context, data []byte, name string) (source.Source, error) {
	return source.OpenBytes(ctx, data, name, l.options())
}

// Version names the content of a file of the music folder; ok is false for other media.
func (l *Library) Version(uri string) (version string, ok bool) {
	return source.Version(uri, l.MusicDir)
}

func (l *Library) options() source.Options {
	return source.Options{MusicDir: l.MusicDir, HTTPClient: l.HTTPClient, TempDir: l.TempDir, UserAgent: l.UserAgent, House: l.House, Log: l.Log}
}

// Check reports why the music folder cannot be used; nil when there is none to use.
func (l *Library) Check() error {
	if l.MusicDir == "" {
		return nil
	}
	st, err := os.Stat(l.MusicDir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.Wrap(fault.NotFound, err, "the music folder %s does not exist: create it, or set --music to a folder that exists", l.MusicDir)
	case err != nil:
		return fault.Wrap(fault.Unavailable, err, "the music folder %s cannot be read: check its permissions", l.MusicDir)
	case !st.IsDir():
		return fault.New(fault.NotFound, "the music folder %s is not a folder: set --music to one", l.MusicDir)
	}
	return nil
}

// described adds to an item what its medium says about itself.
func described(it playback.Item, i source.Info) playback.Item {
	it.Title, it.Artist, it.Album, it.AlbumArtist = i.Tags.Title, i.Tags.Artist, i.Tags.Album, i.Tags.AlbumArtist
	it.Year, it.Track, it.DurationMS, it.Live = i.Tags.Year, i.Tags.Track, duration(i), i.Live
	it.Tidy()
	return it
}

func duration(i source.Info) int64 {
	if i.Frames > 0 && i.SampleRate > 0 {
		return timeline.Scale(i.Frames, 1000, int64(i.SampleRate))
	}
	return i.Tags.DurationMS
}

// Play resolves what a play command names: one medium, which must be playable, or a
// folder.
func (l *Library) Play(ctx context.Context, uri string) ([]playback.Item, error) {
	if items, ok, err := l.folder(ctx, uri); ok {
		return items, err
	}
	it, err := l.probe(ctx, uri)
	if err != nil {
		return nil, err
	}
	return []playback.Item{it}, nil
}

// Enqueue resolves what is added to a queue. A medium that exists but cannot be decoded
// is taken: it will be skipped when its turn comes, with the reason.
func (l *Library) Enqueue(ctx context.Context, uris []string) ([]playback.Item, error) {
	if len(uris) == 0 {
		return nil, fault.New(fault.OutOfRange, "there is nothing to add: the list of uris is empty").WithField("body.uris", "is empty")
	}
	var out []playback.Item
	for _, uri := range uris {
		items, ok, err := l.folder(ctx, uri)
		if !ok {
			var it playback.Item
			it, err = l.probe(ctx, uri)
			if isLocal(uri) && fault.CodeOf(err) == fault.OutOfRange {
				err = nil
			}
			items = []playback.Item{it}
		}
		if err != nil {
			return nil, err
		}
		out = append(out, items...)
	}
	return out, nil
}

// probe opens a medium to see that it can be played and what it is called.
func (l *Library) probe(ctx context.Context, uri string) (playback.Item, error) {
	it := playback.Item{ID: NewID(), URI: uri}
	if err := l.local(uri); err != nil {
		return it, err
	}
	if l.Trusting && isRemote(uri) {
		return it, nil
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	src, err := l.Open(ctx, uri)
	if errors.Is(err, context.DeadlineExceeded) {
		l.Log.Info("medium is slow to open; its tags come later", "item", it.Label(), obs.KeyErr, err)
		return it, nil
	}
	if err != nil {
		return it, asFault(err)
	}
	defer src.Close() //nolint:errcheck // read only: nothing can be lost
	return described(it, src.Info()), nil
}

// local says what is wrong with the music folder before a file in it is looked for.
func (l *Library) local(uri string) error {
	if !isLocal(uri) {
		return nil
	}
	if l.MusicDir == "" {
		return fault.New(fault.Conflict, "%s cannot be played: no music folder is set; start Tutti with --music DIR", uri)
	}
	return l.Check()
}

// isLocal reports whether uri names something below the music folder.
func isLocal(uri string) bool {
	scheme, _, ok := strings.Cut(uri, ":")
	return uri != "" && (!ok || strings.EqualFold(scheme, "file"))
}

// asFault gives an error of package source a code. Its text already names the medium,
// the cause and the next step.
func asFault(err error) error {
	code := fault.OutOfRange
	switch {
	case errors.Is(err, fs.ErrNotExist):
		code = fault.NotFound
	case errors.Is(err, source.ErrOutside):
		code = fault.Forbidden
	case errors.Is(err, context.Canceled):
		code = fault.Unavailable
	}
	return &fault.Error{Code: code, Msg: err.Error()}
}

// NewID names a queue entry; the same medium may be in a queue more than once.
func NewID() string {
	var b [10]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(fmt.Sprintf("no randomness: %v", err)) // cannot be on any system we run on
	}
	return "q" + strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}
