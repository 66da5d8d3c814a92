package source

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// mp3Head is the header of an MPEG audio frame of layer III.
type mp3Head struct {
	version2 bool // MPEG-2: half the rates, half the samples
	crc      bool
	mono     bool
	rate     int // Hz
	bitrate  int // bit/s
	size     int // bytes, header included
}

// samples is how many samples of each channel the frame holds.
func (h mp3Head) samples() int {
	if h.version2 {
		return 576
	}
	return 1152
}

// sideInfo is where the main data begins, after the header and the CRC.
func (h mp3Head) sideInfo() int {
	n := 4 + 32
	switch {
	case h.version2 && h.mono:
		n = 4 + 9
	case h.version2 || h.mono:
		n = 4 + 17
	}
	return n
}

var errMP3Kind = errors.New("an MPEG audio stream of a kind that is not supported (MPEG-2.5, layer I or II, or free format)")

// parseMP3Head reads a frame header. It fails with errMP3Kind for MPEG audio that we
// do not play, and with ErrUnsupported for anything else.
func parseMP3Head(b []byte) (mp3Head, error) {
	if len(b) < 4 || b[0] != 0xFF || b[1]&0xE0 != 0xE0 {
		return mp3Head{}, ErrUnsupported
	}
	version, layer := b[1]>>3&3, b[1]>>1&3
	rateIndex, bitIndex := b[2]>>2&3, b[2]>>4
	if version == 1 || layer == 0 || rateIndex == 3 || bitIndex == 15 || b[3]&3 == 2 {
		return mp3Head{}, ErrUnsupported
	}
	if version == 0 || layer != 1 || bitIndex == 0 {
		return mp3Head{}, errMP3Kind
	}
	h := mp3Head{version2: version == 2, crc: b[1]&1 == 0, mono: b[3]>>6 == 3}
	h.rate = [3]int{44100, 48000, 32000}[rateIndex]
	kbits := [15]int{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}[bitIndex]
	scale := 144
	if h.version2 {
		h.rate /= 2
		kbits = [15]int{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}[bitIndex]
		scale = 72
	}
	h.bitrate = kbits * 1000
	h.size = scale*h.bitrate/h.rate + int(b[2]>>1&1)
	return h, nil
}

// sameStream reports whether two frames can follow each other in a stream.
func (h mp3Head) sameStream(o mp3Head) bool { return h.rate == o.rate && h.version2 == o.version2 }

const (
	maxMP3Frame = 2048      // more than any frame of a fixed bit rate
	mp3Search   = 256 << 10 // how far the first frame, or the next after damage, is searched
)

// mp3Feed cuts a stream into frames. It counts bytes and skips what is no frame.
type mp3Feed struct {
	br     *bufio.Reader
	offset int64 // of the next byte
	first  mp3Head
}

// next returns the next whole frame, valid until the following call, and its offset.
func (f *mp3Feed) next(buf []byte) (frame []byte, h mp3Head, at int64, err error) {
	skipped := 0
	for {
		b, err := f.br.Peek(4)
		if len(b) < 4 {
			return nil, h, 0, eof(err)
		}
		if h, err = parseMP3Head(b); err == nil && (f.first.rate == 0 || h.sameStream(f.first)) && (skipped == 0 || f.confirmed(h)) {
			break
		}
		if skipped++; skipped > mp3Search {
			return nil, h, 0, fmt.Errorf("no MP3 frame in %d KiB at byte %d", mp3Search>>10, f.offset)
		}
		_, _ = f.br.Discard(1)
		f.offset++
	}
	at = f.offset
	n, err := io.ReadFull(f.br, buf[:h.size])
	f.offset += int64(n)
	if err != nil { // the last frame is cut off
		return nil, h, 0, eof(err)
	}
	return buf[:h.size], h, at, nil
}

func eof(err error) error {
	if err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
		return io.EOF
	}
	return err
}

// confirmed reports whether another frame follows the one with header h: a header
// found among other bytes may be chance.
func (f *mp3Feed) confirmed(h mp3Head) bool {
	b, err := f.br.Peek(h.size + 4)
	if err != nil {
		return len(b) == h.size // it is the last
	}
	next, err := parseMP3Head(b[h.size:])
	return err == nil && next.sameStream(h)
}

// gapless is what an encoder noted in the first frame about the ones that follow.
type gapless struct {
	frames  int64 // 0 unknown
	delay   int   // samples that the encoder put in front
	padding int   // and behind
	trim    bool  // whether delay and padding are known
}

// decoderDelay is the delay of every MP3 decoder in samples, ours included.
const decoderDelay = 529

// parseInfoTag reads a Xing, Info or VBRI tag, which stands in place of audio in the
// first frame. ok is false when the frame is audio.
func parseInfoTag(frame []byte, h mp3Head) (g gapless, ok bool) {
	if len(frame) >= 36+18 && string(frame[36:40]) == "VBRI" {
		return gapless{frames: int64(binary.BigEndian.Uint32(frame[36+14:]))}, true
	}
	at := h.sideInfo()
	if h.crc {
		at += 2
	}
	if len(frame) < at+8 || string(frame[at:at+4]) != "Xing" && string(frame[at:at+4]) != "Info" {
		return g, false
	}
	flags := binary.BigEndian.Uint32(frame[at+4:])
	at += 8
	for bit, size := range []int{4, 4, 100, 4} { // frames, bytes, table of contents, quality
		if flags>>bit&1 == 0 {
			continue
		}
		if len(frame) < at+size {
			return g, true
		}
		if bit == 0 {
			g.frames = int64(binary.BigEndian.Uint32(frame[at:]))
		}
		at += size
	}
	if len(frame) >= at+24 && (string(frame[at:at+4]) == "LAME" || string(frame[at:at+3]) == "Lav") {
		b := frame[at+21:]
		g.delay, g.padding, g.trim = int(b[0])<<4|int(b[1])>>4, int(b[1]&0xF)<<8|int(b[2]), true
	}
	return g, true
}
