package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"strings"
	"unicode"

	"github.com/tutti-audio/tutti/audio/ffmpeg"
	"github.com/tutti-audio/tutti/audio/pcm"
)

// media is the bytes of a file or an HTTP address.
type media interface {
	io.ReadSeeker
	io.Closer
	// Size is the length in bytes, -1 when it is not known.
	Size() int64
	// Local reports whether reading all of it costs little.
	Local() bool
}

// Open opens uri: a path below Options.MusicDir (relative, or as file:), an http or
// https address of a file, a radio station or an HLS stream, PCM of another program
// (pipe:, tcp:, tcp-listen:), a sound for setting up (tone:, noise:, sweep:, channels:), or
// synth:<name> (see package synth). ctx bounds opening and, for all but local files,
// everything until Close. Errors name the medium, the cause and
// what to do; a missing file satisfies errors.Is(err, fs.ErrNotExist).
func Open(ctx context.Context, uri string, o Options) (Source, error) {
	if uri == "" {
		return nil, errors.New("empty address: give a path below the music folder, an http address, or tone:440")
	}
	scheme, rest, ok := strings.Cut(uri, ":")
	if !ok {
		scheme, rest = "", uri
	}
	switch strings.ToLower(scheme) {
	case "tone":
		return openTone(rest)
	case "synth":
		return openSynth(rest)
	case "http", "https":
		return openWeb(ctx, uri, o)
	case "file":
		p, err := filePath(rest, o.MusicDir)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", uri, err)
		}
		return openLocal(ctx, p, o, false)
	case "noise":
		return openNoise(strings.ToLower(rest))
	case "sweep":
		return openSweep(rest)
	case "channels":
		return openChannels(rest)
	case "pipe":
		return openPipe(ctx, rest, o)
	case "tcp":
		return openTCP(ctx, uri, o)
	case "tcp-listen":
		return openTCPListen(ctx, rest, o)
	case "clip":
		return nil, fmt.Errorf("%s: a clip is for announcements alone: announce it, or put the file into the music folder", uri)
	case "source", "ftp", "rtsp", "spotify":
		return nil, fmt.Errorf("%s: addresses of the form %s: cannot be opened here: give a path, an http address, or tone:440", uri, scheme)
	}
	return openLocal(ctx, uri, o, false)
}

func openLocal(ctx context.Context, p string, o Options, quick bool) (Source, error) {
	m, err := openFile(p, o.MusicDir)
	if err != nil {
		return nil, err
	}
	return openMedia(ctx, m, path.Base(p), o, quick)
}

// httpName is what a person recognises of an address: its last path element.
func httpName(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || path.Base(u.Path) == "/" || path.Base(u.Path) == "." {
		return "the stream at " + redact(uri)
	}
	return path.Base(u.Path)
}

// redact takes passwords out of an address.
func redact(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return "the address"
	}
	return u.Redacted()
}

// openMedia recognises the content and opens it; name is for errors and titles. quick
// leaves out what takes long and is needed only for playing. It owns m.
func openMedia(ctx context.Context, m media, name string, o Options, quick bool) (src Source, err error) {
	defer func() {
		if p := recover(); p != nil {
			src, err = nil, fmt.Errorf("%s: a parser failed on it: %v: convert it or remove it", name, p)
		}
		if err != nil {
			_ = m.Close() // the reason it failed is the better error
		}
	}()
	head, start, err := sniff(m)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	kind := detect(head)
	switch kind.codec {
	case "flac":
		src, err = openFLAC(m, start)
	case "wav":
		if src, err = openWAV(m); err != nil { // a codec inside that only ffmpeg knows
			src, err = tryFFmpeg(ctx, m, kind, o, quick, err)
		}
	case "mp3":
		if src, err = openMP3(m, start, quick); errors.Is(err, errMP3Kind) {
			src, err = tryFFmpeg(ctx, m, kind, o, quick, err)
		}
	default:
		src, err = openFFmpeg(ctx, m, kind, o, quick)
	}
	if err == nil {
		err = checkInfo(src.Info())
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %s%w%s", name, expectation(name, err), err, advice(m, err))
	}
	return &named{Source: src, name: name}, nil
}

// expectation says what the file name promised when the content is something else.
func expectation(name string, err error) string {
	if !errors.Is(err, ErrUnsupported) {
		return ""
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".mp3":
		return "not an MP3 stream: "
	case ".flac":
		return "not a FLAC stream: "
	case ".wav", ".wave":
		return "not a WAV stream: "
	case "":
		return ""
	}
	return "not a " + strings.ToUpper(strings.TrimPrefix(path.Ext(name), ".")) + " stream: "
}

// advice is the next step, where the error does not say it.
func advice(m media, err error) string {
	if errors.Is(err, ffmpeg.ErrMissing) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return ""
	}
	if _, ok := m.(held); ok { // there is no file that one could remove
		return ": send it as WAV, FLAC, MP3, Ogg, WebM or MP4"
	}
	return ": convert it or remove it"
}

func checkInfo(i Info) error {
	f := pcm.Format{Codec: pcm.CodecPCM, SampleRate: i.SampleRate, Channels: i.Channels, BitDepth: i.BitDepth}
	return f.Validate()
}

// sniffed is how much of the content tells what it is.
const sniffed = 64

// sniff returns the first bytes of content after any ID3v2 tags (zero-filled when
// there are fewer), and where they begin.
func sniff(m media) (head [sniffed]byte, start int64, err error) {
	for range 5 {
		if _, err := m.Seek(start, io.SeekStart); err != nil {
			return head, 0, err
		}
		head = [sniffed]byte{}
		if n, err := io.ReadFull(m, head[:]); err != nil && n == 0 {
			if errors.Is(err, io.EOF) {
				return head, 0, errors.New("the file is empty")
			}
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				return head, 0, err
			}
		}
		if !bytes.HasPrefix(head[:], []byte("ID3")) {
			break
		}
		start += id3Size(head[:10])
	}
	return head, start, nil
}

// id3Size is the length of an ID3v2 tag with the given 10-byte header.
func id3Size(h []byte) int64 {
	size := int64(h[6]&0x7F)<<21 | int64(h[7]&0x7F)<<14 | int64(h[8]&0x7F)<<7 | int64(h[9]&0x7F)
	if h[5]&0x10 != 0 { // footer
		size += 10
	}
	return size + 10
}

// named adds the medium's name to errors, and stands between callers and panics of the
// parser libraries.
type named struct {
	Source
	name string
}

func (n *named) Read(dst []int32) (frames int, err error) {
	defer n.guard(&err)
	return n.Source.Read(dst)
}

func (n *named) SeekFrame(frame int64) (err error) {
	defer n.guard(&err)
	return n.Source.SeekFrame(max(frame, 0))
}

func (n *named) guard(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("malformed: %v", p)
	}
	if *err != nil && !errors.Is(*err, io.EOF) {
		*err = fmt.Errorf("%s: %w", n.name, *err)
	}
}

// printable makes a few bytes of unknown content fit for an error message.
func printable(b []byte) string {
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '.'
		}
		return r
	}, string(b))
}
