package source

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
)

// maxOggHead bounds the head of an Ogg stream: its comments may hold covers.
const maxOggHead = 8 << 20

// oggHead reads the first two packets of a Vorbis or Opus stream, and its length from
// the last page (RFC 3533, RFC 7845, Vorbis I).
func oggHead(m media) (Info, error) {
	if _, err := m.Seek(0, io.SeekStart); err != nil {
		return Info{}, err
	}
	r := &oggPackets{r: bufio.NewReader(io.LimitReader(m, maxOggHead))}
	first, err := r.next()
	if err != nil {
		return Info{}, errNoHead
	}
	info, skip, err := oggIdent(first)
	if err != nil {
		return info, err
	}
	if comments, err := r.next(); err == nil {
		oggComments(&info, comments)
	}
	if m.Local() {
		if end := lastGranule(m, r.serial); end > skip && end < 1<<48 && info.SampleRate > 0 {
			info.Tags.DurationMS = (end - skip) * 1000 / int64(info.SampleRate)
		}
	}
	return info, nil
}

// oggIdent reads the identification packet; skip is what precedes the music, in frames.
func oggIdent(b []byte) (info Info, skip int64, err error) {
	switch {
	case bytes.HasPrefix(b, []byte("\x01vorbis")) && len(b) >= 16:
		return Info{Codec: "vorbis", Channels: int(b[11]), SampleRate: int(binary.LittleEndian.Uint32(b[12:]))}, 0, nil
	case bytes.HasPrefix(b, []byte("OpusHead")) && len(b) >= 19:
		return Info{Codec: "opus", Channels: int(b[9]), SampleRate: 48000}, int64(binary.LittleEndian.Uint16(b[10:])), nil
	}
	return Info{}, 0, errNoHead
}

// oggComments reads a comment packet: a vendor, then fields, each with a length.
func oggComments(info *Info, b []byte) {
	var ok bool
	if b, ok = bytes.CutPrefix(b, []byte("\x03vorbis")); !ok {
		if b, ok = bytes.CutPrefix(b, []byte("OpusTags")); !ok {
			return
		}
	}
	field := func() []byte {
		if len(b) < 4 {
			return nil
		}
		n := int64(binary.LittleEndian.Uint32(b))
		if b = b[4:]; n > int64(len(b)) {
			b = nil
			return nil
		}
		f := b[:n]
		b = b[n:]
		return f
	}
	field()
	if len(b) < 4 {
		return
	}
	b = b[4:]
	for range 1000 {
		f := field()
		if f == nil {
			break
		}
		name, value, _ := bytes.Cut(f, []byte("="))
		key := strings.ToUpper(string(name[:min(len(name), 64)]))
		if key == "METADATA_BLOCK_PICTURE" || key == "COVERART" {
			info.HasCover = true
		} else if len(value) <= maxTagText {
			info.Tags.set(key, strings.ToValidUTF8(string(value), "?"))
		}
	}
}

// oggPackets reads the packets of the first logical stream.
type oggPackets struct {
	r      *bufio.Reader
	serial uint32
	begun  bool
	lacing []byte // of the page, what is not consumed
}

var errOgg = errors.New("malformed Ogg page")

// page reads a page header. Pages of other streams are skipped.
func (p *oggPackets) page() error {
	for {
		var h [27]byte
		if _, err := io.ReadFull(p.r, h[:]); err != nil {
			return err
		}
		if string(h[:4]) != "OggS" {
			return errOgg
		}
		lacing := make([]byte, h[26])
		if _, err := io.ReadFull(p.r, lacing); err != nil {
			return err
		}
		serial := binary.LittleEndian.Uint32(h[14:])
		if !p.begun {
			p.serial, p.begun = serial, true
		}
		if serial == p.serial {
			p.lacing = lacing
			return nil
		}
		for _, n := range lacing {
			if _, err := p.r.Discard(int(n)); err != nil {
				return err
			}
		}
	}
}

func (p *oggPackets) next() ([]byte, error) {
	var out []byte
	for {
		if len(p.lacing) == 0 {
			if err := p.page(); err != nil {
				return nil, err
			}
			continue
		}
		n := int(p.lacing[0])
		p.lacing = p.lacing[1:]
		at := len(out)
		out = append(out, make([]byte, n)...)
		if _, err := io.ReadFull(p.r, out[at:]); err != nil {
			return nil, err
		}
		if n < 255 {
			return out, nil
		}
	}
}

// lastGranule is the position of the last page of a stream, 0 when it is not found within
// the last 128 KiB: a page has 64 KiB at most.
func lastGranule(m media, serial uint32) int64 {
	const window = 128 << 10
	from := max(m.Size()-window, 0)
	if _, err := m.Seek(from, io.SeekStart); err != nil {
		return 0
	}
	b, err := io.ReadAll(io.LimitReader(m, window))
	if err != nil {
		return 0
	}
	for {
		i := bytes.LastIndex(b, []byte("OggS"))
		if i < 0 {
			return 0
		}
		if h := b[i:]; len(h) >= 27 && binary.LittleEndian.Uint32(h[14:]) == serial {
			if g := int64(binary.LittleEndian.Uint64(h[6:])); g > 0 {
				return g
			}
		}
		b = b[:i]
	}
}
