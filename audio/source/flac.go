package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/tutti-audio/tutti/audio/internal/flacdec"
)

const (
	flacBuffer = 64 << 10
	// maxFLACFrame is more than any frame of the depths and channels that we accept;
	// a search for a frame header looks this far.
	maxFLACFrame = 2 << 20
)

// flacSource plays a FLAC stream.
type flacSource struct {
	m     media
	win   []byte // what was read of m and is not consumed
	room  []byte // the whole buffer that win lies in
	ended bool   // m has no more
	dec   *flacdec.Decoder
	fixed flacdec.Stream // what every frame has in common
	info  Info
	head  flacHead
	shift uint // from the stream's bit depth to ours

	pending []int32 // decoded and not yet read, interleaved
	buf     []int32
	pos     int64 // frame that the next Read starts with
}

// flacHead is what the metadata says.
type flacHead struct {
	minBlock, maxBlock    int
	rate, channels, depth int
	total                 int64 // frames, 0 unknown
	data                  int64 // offset of the first frame
	tags                  Tags
	cover                 bool
}

func openFLAC(m media, start int64) (Source, error) {
	s := &flacSource{m: m, room: make([]byte, flacBuffer)}
	if err := s.readHead(start); err != nil {
		return nil, err
	}
	h := s.head
	depth := 16
	if h.depth > 16 {
		depth = 24
	}
	s.shift = uint(depth - h.depth)
	s.fixed = flacdec.Stream{Rate: h.rate, Channels: h.channels, Depth: h.depth}
	var err error
	if s.dec, err = flacdec.New(s.fixed); err != nil {
		return nil, err
	}
	s.info = Info{SampleRate: h.rate, Channels: h.channels, BitDepth: depth, Frames: h.total, Seekable: true, Codec: "flac", Tags: h.tags, HasCover: h.cover}
	if h.total > 0 {
		s.info.Tags.DurationMS = h.total * 1000 / int64(h.rate)
	}
	return s, s.restart(h.data)
}

// restart makes the decoder read on at offset.
func (s *flacSource) restart(offset int64) error {
	if _, err := s.m.Seek(offset, io.SeekStart); err != nil {
		return fmt.Errorf("seek: %w", err)
	}
	s.win, s.ended, s.pending = s.room[:0], false, nil
	return nil
}

// more reads on behind win. It reports false at the end of the medium.
func (s *flacSource) more() (bool, error) {
	if s.ended {
		return false, nil
	}
	if len(s.win) > len(s.room)/2 {
		s.room = make([]byte, 2*len(s.room))
	}
	n := copy(s.room, s.win)
	if n > maxFLACFrame {
		return false, errors.New("a FLAC frame does not end")
	}
	k, err := io.ReadAtLeast(s.m, s.room[n:], 1)
	s.win = s.room[:n+k]
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		s.ended, err = true, nil
	}
	return !s.ended, err
}

// take consumes n bytes of metadata and returns them, valid until the next call.
func (s *flacSource) take(n int) ([]byte, error) {
	for len(s.win) < n {
		if ok, err := s.more(); err != nil {
			return nil, err
		} else if !ok {
			return nil, io.ErrUnexpectedEOF
		}
	}
	b := s.win[:n]
	s.win = s.win[n:]
	return b, nil
}

// readHead walks the metadata blocks (RFC 9639 section 8).
func (s *flacSource) readHead(start int64) error {
	if err := s.restart(start + 4); err != nil {
		return err
	}
	at := start + 4
	for i := 0; ; i++ {
		h, err := s.take(4)
		if err != nil {
			return fmt.Errorf("its FLAC metadata is cut off: %w", err)
		}
		last := h[0]&0x80 != 0
		length := int(h[1])<<16 | int(h[2])<<8 | int(h[3])
		kind := h[0] & 0x7F
		if (i == 0) != (kind == 0) || i > 1000 {
			return errors.New("its FLAC metadata is out of order")
		}
		at += 4 + int64(length)
		switch {
		case kind == 0:
			err = s.readStreamInfo(length)
		case kind == 4 && length <= 1<<20:
			err = s.readComments(length)
		case kind == 6:
			s.head.cover = true
			err = s.restart(at)
		default:
			err = s.restart(at)
		}
		if err != nil {
			return fmt.Errorf("its FLAC metadata block %d: %w", kind, err)
		}
		if last {
			s.head.data = at
			return nil
		}
	}
}

func (s *flacSource) readStreamInfo(length int) error {
	if length < 34 {
		return fmt.Errorf("%d bytes, want 34", length)
	}
	b, err := s.take(length)
	if err != nil {
		return err
	}
	h := &s.head
	h.minBlock, h.maxBlock = int(b[0])<<8|int(b[1]), int(b[2])<<8|int(b[3])
	h.rate = int(b[10])<<12 | int(b[11])<<4 | int(b[12])>>4
	h.channels = int(b[12]>>1&7) + 1
	h.depth = int(b[12]&1)<<4 + int(b[13]>>4) + 1
	h.total = int64(b[13]&0xF)<<32 | int64(b[14])<<24 | int64(b[15])<<16 | int64(b[16])<<8 | int64(b[17])
	if h.depth > 24 || h.depth < 8 {
		return fmt.Errorf("%d bits per sample are not supported", h.depth)
	}
	if h.maxBlock < 16 {
		return fmt.Errorf("block size %d", h.maxBlock)
	}
	return nil
}

// readComments reads a VORBIS_COMMENT block. What is malformed in it is left out.
func (s *flacSource) readComments(length int) error {
	b, err := s.take(length)
	if err != nil {
		return err
	}
	next := func() (string, bool) {
		if len(b) < 4 {
			return "", false
		}
		n := int64(b[0]) | int64(b[1])<<8 | int64(b[2])<<16 | int64(b[3])<<24
		if b = b[4:]; n > int64(len(b)) {
			return "", false
		}
		v := string(b[:n])
		b = b[n:]
		return v, true
	}
	if _, ok := next(); !ok || len(b) < 4 { // vendor, then a count that we do not need
		return nil
	}
	b = b[4:]
	for v, ok := next(); ok; v, ok = next() {
		key, value, _ := strings.Cut(v, "=")
		s.head.tags.set(strings.ToUpper(key), value)
	}
	return nil
}

// set takes over one Vorbis comment; the first of a name counts.
func (t *Tags) set(key, value string) {
	value = strings.TrimSpace(value)
	text := func(dst *string) {
		if *dst == "" {
			*dst = value
		}
	}
	switch key {
	case "TITLE":
		text(&t.Title)
	case "ARTIST":
		text(&t.Artist)
	case "ALBUMARTIST", "ALBUM ARTIST":
		text(&t.AlbumArtist)
	case "ALBUM":
		text(&t.Album)
	case "DATE", "YEAR":
		if t.Year == 0 && len(value) >= 4 {
			t.Year, _ = strconv.Atoi(value[:4])
		}
	case "TRACKNUMBER":
		n, _, _ := strings.Cut(value, "/")
		t.Track, _ = strconv.Atoi(n)
	case "DISCNUMBER":
		n, _, _ := strings.Cut(value, "/")
		t.Disc, _ = strconv.Atoi(n)
	default:
		t.Gain.set(key, value)
	}
}

func (s *flacSource) Info() Info   { return s.info }
func (s *flacSource) Close() error { return s.m.Close() }

func (s *flacSource) Read(dst []int32) (int, error) {
	for len(s.pending) == 0 {
		if s.head.total > 0 && s.pos >= s.head.total {
			return 0, io.EOF
		}
		if _, err := s.decode(); err != nil {
			return 0, err
		}
	}
	n := min(len(dst)/s.head.channels*s.head.channels, len(s.pending))
	copy(dst, s.pending[:n])
	s.pending = s.pending[n:]
	frames := n / s.head.channels
	s.pos += int64(frames)
	return frames, nil
}

// decode makes the next FLAC frame pending and returns the number of its first sample,
// as the stream counts.
func (s *flacSource) decode() (first int64, err error) {
	for {
		if len(s.win) == 0 && s.ended || bytes.HasPrefix(s.win, []byte("TAG")) { // the end, or ID3v1
			return 0, io.EOF
		}
		h, err := flacdec.ParseHeader(s.win)
		n := 0
		if err == nil {
			s.buf, n, err = s.dec.Frame(s.buf[:0], s.win, h)
		}
		if errors.Is(err, io.ErrUnexpectedEOF) && !s.ended {
			if _, err := s.more(); err != nil {
				return 0, err
			}
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("broken FLAC frame at %.1f s: %w", float64(s.pos)/float64(s.head.rate), err)
		}
		s.win = s.win[n:]
		if s.shift > 0 {
			for i := range s.buf {
				s.buf[i] <<= s.shift
			}
		}
		s.pending = s.buf
		return s.number(h), nil
	}
}

// number is the first sample of a frame.
func (s *flacSource) number(h flacdec.Header) int64 {
	if h.Variable {
		return int64(h.Number)
	}
	return int64(h.Number) * int64(s.head.maxBlock)
}
