package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tutti-audio/tutti/audio/convert"
	"github.com/tutti-audio/tutti/audio/ffmpeg"
	"github.com/tutti-audio/tutti/audio/pcm"
)

// A radio station: servers send some seconds at once and then in real time.
const (
	radioBlock  = 50 * time.Millisecond
	radioBuffer = 2 * time.Second
	radioFirst  = time.Second
	radioMargin = 400 * time.Millisecond
	radioGiveUp = 5 * time.Minute
)

// isStation reports whether an answer is that of a station: of Icecast, SHOUTcast and
// their kin. A stream without an end and without these signs is taken for a file.
func isStation(h http.Header) bool {
	for name := range h {
		if strings.HasPrefix(strings.ToLower(name), "icy-") || strings.HasPrefix(strings.ToLower(name), "ice-") {
			return true
		}
	}
	server := strings.ToLower(h.Get("Server"))
	return h.Get("Content-Length") == "" && (strings.Contains(server, "icecast") || strings.Contains(server, "shoutcast"))
}

// station is one connection to a radio station, decoded.
type station struct {
	body  io.ReadCloser
	dec   decoder
	conv  *convert.Converter // nil: the format is the source's
	from  []int32
	rest  []int32 // converted and not yet read
	ch    int
	info  Info // of dec
	kbits int  // of the stream, 0 unknown

	frames int64 // decoded
	texts  chan announced
	next   *announced
	last   string
}

// announced is a title and the byte of the stream before which it stood.
type announced struct {
	at   int64
	text string
}

// decoder is a Source, or ffmpeg.
type decoder interface {
	Read(dst []int32) (int, error)
	Close() error
}

type ffDecoder struct{ *ffmpeg.Decoder }

func (d ffDecoder) Close() error {
	d.Decoder.Close()
	return nil
}

// newStation decodes body, whose headers are h. want is the format to deliver, nil for
// the station's own. It owns body.
func newStation(ctx context.Context, h http.Header, body io.ReadCloser, demuxer string, want *Info, o Options) (*station, error) {
	s := &station{body: body, texts: make(chan announced, 16)}
	interval, _ := strconv.Atoi(h.Get("Icy-Metaint"))
	s.kbits, _ = strconv.Atoi(firstNumber(h.Get("Icy-Br")))
	audio := newICY(body, max(interval, 0), func(at int64, text string) {
		select {
		case s.texts <- announced{at, text}:
		default: // more titles than anybody reads: the newest can wait for its repetition
		}
	})
	if err := s.open(ctx, &flow{r: audio, c: body}, demuxer, want, o); err != nil {
		_ = body.Close()
		return nil, err
	}
	return s, s.adapt(want)
}

func firstNumber(s string) string {
	s, _, _ = strings.Cut(s, ",")
	return strings.TrimSpace(s)
}

// open finds out what the stream is, unless demuxer says it, and starts its decoder.
func (s *station) open(ctx context.Context, f *flow, demuxer string, want *Info, o Options) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("a parser failed on it: %v", p)
		}
	}()
	k := kind{demuxer: demuxer}
	if demuxer == "" {
		head, _, err := sniff(f)
		if err != nil {
			return err
		}
		k = detect(head)
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
	if k.codec == "mp3" {
		src, err := openMP3(f, 0, true)
		if err == nil {
			f.forget()
			s.dec, s.info = src, src.Info()
			if m, ok := src.(*mp3Source); ok && s.kbits == 0 {
				s.kbits = m.head.bitrate / 1000
			}
			return nil
		}
		if !errors.Is(err, errMP3Kind) {
			return err
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
	f.forget()
	return s.openFFmpeg(ctx, f, k, want, o)
}

func (s *station) openFFmpeg(ctx context.Context, f *flow, k kind, want *Info, o Options) error {
	tool, err := o.tool()
	if err != nil {
		return fmt.Errorf("it is %s, which needs ffmpeg: %w", k.label, err)
	}
	out := ffmpeg.Output{}
	if want != nil {
		out = ffmpeg.Output{SampleRate: want.SampleRate, Channels: want.Channels}
	}
	d, err := ffmpeg.Start(ctx, tool, ffmpeg.Input{Format: k.demuxer, Stream: f}, out, ffmpeg.Limits{})
	if err != nil {
		return err
	}
	got := d.Format()
	s.dec, s.info = ffDecoder{d}, Info{SampleRate: got.SampleRate, Channels: got.Channels, BitDepth: got.BitDepth, Codec: k.codec}
	return checkInfo(s.info)
}

// adapt converts to the format of the source, where a station has changed its own.
func (s *station) adapt(want *Info) error {
	s.ch = s.info.Channels
	if want == nil || want.SampleRate == s.info.SampleRate && want.Channels == s.info.Channels && want.BitDepth == s.info.BitDepth {
		return nil
	}
	format := func(i Info) pcm.Format {
		return pcm.Format{Codec: pcm.CodecPCM, SampleRate: i.SampleRate, Channels: i.Channels, BitDepth: i.BitDepth}
	}
	c, err := convert.New(format(s.info), format(*want))
	if err != nil {
		_ = s.Close()
		return err
	}
	s.conv, s.ch, s.from = c, want.Channels, make([]int32, 1024*s.info.Channels)
	return nil
}

func (s *station) Read(dst []int32) (n int, err error) {
	defer func() { // pure Go decoders meet what strangers send
		if p := recover(); p != nil {
			n, err = 0, fmt.Errorf("malformed: %v", p)
		}
	}()
	if s.conv == nil {
		n, err = s.dec.Read(dst)
		s.frames += int64(n)
		return n, err
	}
	for len(s.rest) == 0 {
		k, err := s.dec.Read(s.from)
		s.frames += int64(k)
		s.rest = s.conv.Process(s.rest[:0], s.from[:k*s.info.Channels])
		if err != nil {
			return 0, err
		}
	}
	k := copy(dst[:len(dst)/s.ch*s.ch], s.rest)
	s.rest = s.rest[k:]
	return k / s.ch, nil
}

// Title gives a title when what stood behind it in the stream has been decoded.
func (s *station) Title() (title, artist string, ok bool) {
	if s.next == nil {
		select {
		case a := <-s.texts:
			s.next = &a
		default:
			return "", "", false
		}
	}
	if s.kbits > 0 && s.frames*int64(s.kbits)*125 < s.next.at*int64(s.info.SampleRate) {
		return "", "", false
	}
	text := s.next.text
	s.next = nil
	if text == s.last {
		return "", "", false
	}
	s.last = text
	title, artist = splitTitle(text)
	return title, artist, true
}

// Interrupt ends a Read that waits. Safe for concurrent use.
func (s *station) Interrupt() { _ = s.body.Close() }

func (s *station) Close() error {
	_ = s.body.Close() // wakes who reads it
	if s.dec != nil {
		return s.dec.Close()
	}
	return nil
}

// openRadio plays a station whose first answer is there.
func openRadio(ctx context.Context, uri string, w *web, first *answer, o Options) (Source, error) {
	ctx, cancel := context.WithCancel(ctx)
	fail := func(err error) (Source, error) {
		cancel()
		w.close()
		return nil, fmt.Errorf("%s: %w", redact(uri), err)
	}
	s, err := newStation(ctx, first.Header, first.Body, "", nil, o)
	if err != nil {
		return fail(err)
	}
	info := s.info
	info.Seekable, info.Live, info.Frames = false, true, 0
	info.Tags = Tags{Title: guessText(strings.TrimSpace(first.Header.Get("Icy-Name")))}
	if info.Tags.Title == "" {
		info.Tags.Title = httpName(uri)
	}
	cfg := o.radio(redact(uri), info)
	cfg.connect = func(ctx context.Context) (conn, error) {
		a, err := w.get(ctx, uri, icyHeader)
		if err != nil {
			return nil, err
		}
		return orNil(newStation(ctx, a.Header, a.Body, "", &info, o))
	}
	return &webSource{newLive(ctx, cfg, s), func() { cancel(); w.close() }}, nil
}

func (o Options) radio(name string, info Info) liveConfig {
	return liveConfig{name: name, info: info, block: radioBlock, buffer: radioBuffer, first: radioFirst, margin: radioMargin,
		giveUp: radioGiveUp, house: o.House, log: o.Log}
}

// orNil keeps a nil *station from becoming a conn that is not nil.
func orNil(s *station, err error) (conn, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

var icyHeader = map[string]string{"Icy-MetaData": "1"}

// webSource is a live source that releases its client in the end.
type webSource struct {
	*liveSource
	release func()
}

func (s *webSource) Close() error {
	err := s.liveSource.Close()
	s.release()
	return err
}

// maxFlow is how much of a stream is kept while it is found out what it is.
const maxFlow = 512 << 10

// flow is a stream as media: what was read stays there for a seek back, until it is
// known what it is.
type flow struct {
	r    io.Reader
	c    io.Closer
	kept []byte // from the beginning
	pos  int    // in kept
	done bool   // nothing is kept any more
}

func (f *flow) Read(p []byte) (int, error) {
	if f.pos < len(f.kept) {
		n := copy(p, f.kept[f.pos:])
		f.pos += n
		return n, nil
	}
	n, err := f.r.Read(p)
	if f.done {
		f.kept, f.pos = nil, 0
		return n, err
	}
	if len(f.kept)+n > maxFlow {
		return 0, fmt.Errorf("%w: no audio in its first %d bytes", ErrUnsupported, maxFlow)
	}
	f.kept = append(f.kept, p[:n]...)
	f.pos = len(f.kept)
	return n, err
}

// forget stops keeping: there will be no seek any more.
func (f *flow) forget() { f.done = true }

func (f *flow) Seek(offset int64, whence int) (int64, error) {
	pos, err := seekTo(offset, whence, int64(f.pos), -1)
	if err != nil || f.done || pos > int64(len(f.kept)) {
		return 0, errors.New("a stream cannot be sought in")
	}
	f.pos = int(pos)
	return pos, nil
}

func (f *flow) Size() int64  { return -1 }
func (f *flow) Local() bool  { return false }
func (f *flow) Close() error { return f.c.Close() }
