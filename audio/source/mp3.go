package source

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/dhowden/tag"
	mp3 "github.com/hajimehoshi/go-mp3"

	"github.com/tutti-audio/tutti/audio/pcm"
)

const (
	// warmUp is how many frames are decoded before a seek's target: the bit reservoir
	// reaches 511 bytes back, and the filter banks remember one frame.
	warmUp = 14
	// indexStep is the distance, in frames, of the entries of the seek index.
	indexStep = 16
	maxID3    = 16 << 20
)

// mp3Source plays an MP3 stream. Frames are decoded by go-mp3; finding them, seeking,
// gapless trimming and surviving damage are done here, because the library reads the
// whole stream to seek and gives up at the first broken frame.
type mp3Source struct {
	m    media
	info Info
	head mp3Head
	gap  gapless

	feed     mp3Feed
	index    []int64   // offset of every indexStep-th frame, as far as known
	number   int64     // of the frame that the feed gives next
	frame    []byte    // scratch of the feed
	feedHead mp3Head   // of the frame that the feed gave last
	reserve  reservoir // of MPEG-2
	unread   []byte    // of the frame that the decoder is reading
	dec      *mp3.Decoder
	raw      []byte

	pending []int32
	buf     []int32
	pos     int64 // output frame of the next Read
	end     int64 // output frames in all, -1 unknown
}

func openMP3(m media, start int64, quick bool) (Source, error) {
	s := &mp3Source{m: m, frame: make([]byte, maxMP3Frame), end: -1}
	s.feed.br = bufio.NewReaderSize(m, 64<<10)
	s.info.Tags, s.info.HasCover = readID3(m, start)
	if err := s.first(start); err != nil {
		return nil, err
	}
	channels := 2
	if s.head.mono {
		channels = 1
	}
	s.info = Info{SampleRate: s.head.rate, Channels: channels, BitDepth: 16, Seekable: true, Codec: "mp3", Tags: s.info.Tags, HasCover: s.info.HasCover}
	if m.Local() && !quick {
		if err := s.count(); err != nil {
			return nil, err
		}
	}
	s.setLength()
	return s, s.SeekFrame(0)
}

// first finds the first frame and takes the encoder's notes from it.
func (s *mp3Source) first(start int64) error {
	if err := s.restart(start, 0); err != nil {
		return err
	}
	head, _ := s.feed.br.Peek(16)
	shown := printable(head)
	h, err := parseMP3Head(head)
	if errors.Is(err, errMP3Kind) {
		return err
	}
	if err != nil || !s.feed.confirmed(h) {
		// Not at once: then only a frame that another one follows counts.
		_, _ = s.feed.br.Discard(1)
		s.feed.offset++
	}
	frame, h, at, err := s.findFirst()
	if err != nil {
		return fmt.Errorf("%w: no MP3 frame found, it begins with %q", ErrUnsupported, shown)
	}
	s.head, s.feed.first = h, h
	if g, ok := parseInfoTag(frame, h); ok {
		s.gap = g
		at += int64(h.size)
	}
	s.index = []int64{at}
	return nil
}

func (s *mp3Source) findFirst() ([]byte, mp3Head, int64, error) {
	for range 64 { // frames that stand alone
		frame, h, at, err := s.feed.next(s.frame)
		if err != nil {
			return nil, h, 0, err
		}
		b, _ := s.feed.br.Peek(4)
		if len(b) < 4 {
			return frame, h, at, nil // a stream of one frame
		}
		if _, err := parseMP3Head(b); err == nil || string(b[:3]) == "TAG" {
			return frame, h, at, nil
		}
	}
	return nil, mp3Head{}, 0, ErrUnsupported
}

// count walks the whole stream, so that its length is exact and every seek is short.
func (s *mp3Source) count() error {
	if err := s.restart(s.index[0], 0); err != nil {
		return err
	}
	for {
		if _, err := s.nextFrame(); errors.Is(err, io.EOF) {
			s.gap.frames = s.number
			return nil
		} else if err != nil {
			return err
		}
	}
}

// setLength derives the length from the number of frames, and an estimate of the
// duration from the bit rate when there is none.
func (s *mp3Source) setLength() {
	if s.gap.frames > 0 {
		total := s.gap.frames * int64(s.head.samples())
		s.end = total
		if s.gap.trim {
			s.end = min(total-int64(s.gap.delay+s.gap.padding), total-s.skip())
		}
		if s.end <= 0 { // nonsense in the tag
			s.gap.trim = false
			s.end = total
		}
		s.info.Frames = s.end
		s.info.Tags.DurationMS = s.end * 1000 / int64(s.head.rate)
	} else if size := s.m.Size(); size > 0 {
		s.info.Tags.DurationMS = (size - s.index[0]) * 8000 / int64(s.head.bitrate)
	}
}

// skip is how many decoded samples precede the music.
func (s *mp3Source) skip() int64 {
	if !s.gap.trim {
		return 0
	}
	return int64(s.gap.delay + decoderDelay)
}

// restart makes the feed read on at a frame whose offset is known.
func (s *mp3Source) restart(offset, number int64) error {
	if _, err := s.m.Seek(offset, io.SeekStart); err != nil {
		return fmt.Errorf("seek: %w", err)
	}
	s.feed.br.Reset(s.m)
	s.feed.offset, s.number = offset, number
	s.dec, s.unread, s.pending = nil, nil, nil
	s.reserve.reset()
	return nil
}

// nextFrame takes a frame from the feed and keeps the index.
func (s *mp3Source) nextFrame() ([]byte, error) {
	frame, h, at, err := s.feed.next(s.frame)
	if err != nil {
		return nil, err
	}
	s.feedHead = h
	if s.number%indexStep == 0 && s.number/indexStep == int64(len(s.index)) {
		s.index = append(s.index, at)
	}
	s.number++
	return frame, nil
}

// feedReader is what the decoder reads: frame after frame, and nothing between them.
type feedReader struct{ s *mp3Source }

func (r feedReader) Read(p []byte) (int, error) {
	s := r.s
	if len(s.unread) == 0 {
		frame, err := s.nextFrame()
		if err != nil {
			return 0, err
		}
		if s.head.version2 {
			frame = s.reserve.rewrite(frame, s.feedHead)
		}
		s.unread = frame
	}
	n := copy(p, s.unread)
	s.unread = s.unread[n:]
	return n, nil
}

// decode makes the samples of the next frame pending. A frame that the decoder does
// not take becomes silence, so that the timeline holds.
func (s *mp3Source) decode() error {
	s.unread = nil
	before := s.number
	size := s.head.samples() * 4 // go-mp3 gives 16-bit stereo whatever the stream is
	s.raw = append(s.raw[:0], make([]byte, size)...)
	err := s.decodeFrame(s.raw)
	if s.number == before { // the feed had nothing more
		if err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
			err = io.EOF
		}
		return err
	}
	if err != nil {
		s.dec = nil
		clear(s.raw)
	}
	for extra := s.number - before; extra > 1; extra-- { // frames lost on the way
		s.raw = append(make([]byte, size), s.raw...)
	}
	s.buf = s.buf[:0]
	if s.buf, err = pcm.Unpack(s.buf, s.raw, 16); err != nil {
		return err
	}
	if s.head.mono {
		for i := range len(s.buf) / 2 {
			s.buf[i] = s.buf[2*i]
		}
		s.buf = s.buf[:len(s.buf)/2]
	}
	s.pending = s.buf
	return nil
}

func (s *mp3Source) decodeFrame(raw []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("malformed frame: %v", p)
		}
	}()
	if s.dec == nil {
		if s.dec, err = mp3.NewDecoder(feedReader{s}); err != nil {
			return err
		}
	}
	_, err = io.ReadFull(s.dec, raw)
	return err
}

func (s *mp3Source) Info() Info   { return s.info }
func (s *mp3Source) Close() error { return s.m.Close() }

func (s *mp3Source) Read(dst []int32) (int, error) {
	if s.end >= 0 && s.pos >= s.end {
		return 0, io.EOF
	}
	for len(s.pending) == 0 {
		if err := s.decode(); err != nil {
			return 0, err
		}
	}
	ch := s.info.Channels
	n := min(len(dst)/ch*ch, len(s.pending))
	if s.end >= 0 {
		n = min(n, int(min(s.end-s.pos, 1<<20))*ch)
	}
	copy(dst, s.pending[:n])
	s.pending = s.pending[n:]
	s.pos += int64(n / ch)
	return n / ch, nil
}

// SeekFrame decodes from a few frames before the target on, so that what follows is
// the same as if everything had been decoded.
func (s *mp3Source) SeekFrame(target int64) error {
	if s.end >= 0 && target >= s.end {
		s.pending, s.pos = nil, s.end
		return nil
	}
	spf := int64(s.head.samples())
	sample := target + s.skip()
	from := max(0, sample/spf-warmUp)
	if err := s.goTo(from); errors.Is(err, io.EOF) {
		s.pending, s.pos = nil, target
		return nil
	} else if err != nil {
		return err
	}
	at := from * spf
	for {
		if err := s.decode(); errors.Is(err, io.EOF) {
			s.pending, s.pos = nil, target
			return nil
		} else if err != nil {
			return err
		}
		got := int64(len(s.pending) / s.info.Channels)
		if sample < at+got {
			s.pending = s.pending[(sample-at)*int64(s.info.Channels):]
			s.pos = target
			return nil
		}
		at += got
	}
}

// goTo makes the feed give frame number next, by the index and then by walking.
func (s *mp3Source) goTo(number int64) error {
	entry := min(number/indexStep, int64(len(s.index)-1))
	if err := s.restart(s.index[entry], entry*indexStep); err != nil {
		return err
	}
	for s.number < number {
		if _, err := s.nextFrame(); err != nil {
			return err
		}
	}
	return nil
}

// readID3 reads the tags in front of the audio (ID3v2) or, of a local file, behind it
// (ID3v1). Broken tags are no reason not to play.
func readID3(m media, start int64) (t Tags, cover bool) {
	defer func() {
		if recover() != nil {
			t, cover = Tags{}, false
		}
	}()
	var meta tag.Metadata
	var err error
	switch {
	case start > 0:
		b := make([]byte, min(start, maxID3))
		if _, err = m.Seek(0, io.SeekStart); err != nil {
			return t, false
		}
		if _, err = io.ReadFull(m, b); err != nil {
			return t, false
		}
		meta, err = tag.ReadID3v2Tags(bytes.NewReader(b))
	case m.Local() && m.Size() > 128:
		b := make([]byte, 128)
		if _, err = m.Seek(-128, io.SeekEnd); err != nil {
			return t, false
		}
		if _, err = io.ReadFull(m, b); err != nil {
			return t, false
		}
		meta, err = tag.ReadID3v1Tags(bytes.NewReader(b))
	default:
		return t, false
	}
	if err != nil || meta == nil {
		return t, false
	}
	track, _ := meta.Track()
	disc, _ := meta.Disc()
	t.Gain.setID3(meta.Raw())
	return Tags{
		Title: meta.Title(), Artist: meta.Artist(), AlbumArtist: meta.AlbumArtist(), Album: meta.Album(),
		Year: meta.Year(), Track: track, Disc: disc, Gain: t.Gain,
	}, meta.Picture() != nil
}
