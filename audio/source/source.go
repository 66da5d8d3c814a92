// Package source opens things that sound: audio files below the music folder, http(s)
// addresses of such files, test tones and the demo's own music. All of them read as PCM
// through one interface. FLAC, MP3 and WAV are decoded here; every other format by
// ffmpeg, where it is installed (package ffmpeg).
package source

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/tutti-audio/tutti/audio/ffmpeg"
)

// Tags are what a medium says about itself. Empty means unknown.
type Tags struct {
	Title, Artist, AlbumArtist, Album string
	Year, Track, Disc                 int
	DurationMS                        int64 // 0 when unknown
	Gain                              Gain
}

// Info describes an opened Source. It does not change while the source is open.
type Info struct {
	SampleRate int    // Hz
	Channels   int    // 1..8
	BitDepth   int    // bits of each sample that Read delivers: 16, 24 or 32
	Frames     int64  // length in frames, 0 when unknown or endless
	Seekable   bool   // whether SeekFrame works
	Live       bool   // cannot seek, has no end, and arrives in real time
	Codec      string // "flac", "mp3", "wav", "tone", "synth", or ffmpeg's name of a codec
	HasCover   bool   // a picture lies in the file
	Tags       Tags
}

// Source is a medium as PCM. Not safe for concurrent use; the opener closes it.
type Source interface {
	// Info describes the source.
	Info() Info
	// Read fills dst with interleaved samples, right-aligned at Info().BitDepth, and
	// returns the number of whole frames. len(dst) must hold at least one frame. At
	// the end it returns 0, io.EOF; a short count without an error is not the end.
	Read(dst []int32) (frames int, err error)
	// SeekFrame makes the next Read start exactly at frame (0-based). Beyond the end, the
	// next Read gives io.EOF.
	SeekFrame(frame int64) error
	// Close releases files and connections.
	Close() error
}

// Options say where media may come from. The zero value opens tones and synth music
// only, because no music folder is given, and plain HTTP with the default bounds.
type Options struct {
	MusicDir    string        // root of relative and file: URIs; empty refuses them
	HTTPClient  *http.Client  // nil: a client with sane dial and header timeouts
	HTTPTimeout time.Duration // without progress; 0: 15 s
	MaxDownload int64         // bytes of one HTTP medium; 0: 2 GiB
	TempDir     string        // for media of servers without Range; empty: os.TempDir
	Log         *slog.Logger  // nil: silent
	UserAgent   string        // for HTTP; empty: "Tutti"
	House       func() int64  // µs of the clock that plays, for what arrives in real time; nil: the system's
	// Tool finds ffmpeg; nil: in the search path.
	Tool func() (ffmpeg.Tool, error)
}

// ErrUnsupported is the cause when content is of no format that is known.
var ErrUnsupported = errors.New("not a stream of a known audio format")

// ErrOutside is the cause when a path leads out of the music folder.
var ErrOutside = errors.New("outside the music folder")
