package source

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Bounds on what is read of containers' heads.
const (
	maxMoov     = 32 << 20 // a moov with a large cover
	maxTopAtoms = 4096
	maxTagText  = 4096
)

var errNoHead = errors.New("no head that we can read")

// headInfo reads what MP4 and Ogg containers say, without ffmpeg: codec, rate, channels,
// duration and tags. It is enough for a listing. The rate of HE-AAC can be half the true
// one. ok is false where it could not be read.
func headInfo(m media, k kind) (info Info, ok bool) {
	var err error
	switch k.codec {
	case "mp4":
		info, err = mp4Head(m)
	case "ogg":
		info, err = oggHead(m)
	default:
		return info, false
	}
	info.Seekable, info.BitDepth = true, max(info.BitDepth, 16)
	return info, err == nil && checkInfo(info) == nil
}

// mp4Head reads the moov atom (ISO/IEC 14496-12), wherever it lies.
func mp4Head(m media) (Info, error) {
	at := int64(0)
	for range maxTopAtoms {
		if _, err := m.Seek(at, io.SeekStart); err != nil {
			return Info{}, err
		}
		var h [16]byte
		if _, err := io.ReadFull(m, h[:8]); err != nil {
			return Info{}, errNoHead
		}
		size, head := int64(binary.BigEndian.Uint32(h[:])), int64(8)
		if size == 1 {
			if _, err := io.ReadFull(m, h[8:]); err != nil {
				return Info{}, errNoHead
			}
			size, head = int64(binary.BigEndian.Uint64(h[8:])), 16
		}
		if size < head { // 0: until the end of the file; nothing follows
			return Info{}, errNoHead
		}
		if string(h[4:8]) == "moov" {
			if size > maxMoov {
				return Info{}, errNoHead
			}
			b, err := io.ReadAll(io.LimitReader(m, size-head))
			if err != nil {
				return Info{}, err
			}
			return parseMoov(b)
		}
		at += size
		if at < 0 {
			return Info{}, errNoHead
		}
	}
	return Info{}, errNoHead
}

// parseMoov reads the content of a moov atom.
func parseMoov(b []byte) (Info, error) {
	p := moovParser{info: Info{Codec: "mp4"}}
	p.walk(b, nil)
	if p.info.SampleRate == 0 {
		return p.info, errNoHead
	}
	if p.smpb > 0 && p.info.Codec == "aac" {
		p.info.Frames = p.smpb
	}
	if p.scale > 0 && p.length/p.scale < 1<<31 {
		p.info.Tags.DurationMS = int64(float64(p.length) / float64(p.scale) * 1000)
	}
	return p.info, nil
}

type moovParser struct {
	info          Info
	smpb          int64  // frames that iTunSMPB tells, 0 for none
	scale, length uint64 // of the movie: units per second, and units
	track         struct {
		scale, length uint64 // of the media of the track that is being read
		delay, edit   uint64 // of its edit list: media units skipped, movie units played
	}
}

// itunesFrames is the length that an iTunSMPB item tells: delay, padding and frames as
// hexadecimal words after a zero.
func itunesFrames(b []byte) int64 {
	_, v, _ := bytes.Cut(b, []byte("iTunSMPB"))
	_, v, _ = bytes.Cut(v, []byte("data"))
	if len(v) < 8 {
		return 0
	}
	words := bytes.Fields(v[8:])
	if len(words) < 4 {
		return 0
	}
	n, err := strconv.ParseInt(string(words[3]), 16, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// trim derives the length without the encoder's delay and padding from the edit list of
// the audio track. A list that names no delay says nothing of padding.
func (p *moovParser) trim() {
	t := p.track
	if p.info.Frames != 0 || t.scale == 0 || t.delay == 0 || t.length <= t.delay || p.scale == 0 {
		return
	}
	rate := float64(p.info.SampleRate)
	frames := float64(t.length-t.delay) / float64(t.scale) * rate
	if edit := float64(t.edit) / float64(p.scale) * rate; edit > 0 && edit < frames-rate/1000 {
		frames = edit // finer than the movie's clock only when it is really shorter
	}
	p.info.Frames = int64(math.Round(frames))
}

// walk goes through the atoms of b. path is where b lies; it bounds the depth.
func (p *moovParser) walk(b []byte, path []string) {
	for len(b) >= 8 && len(path) < 8 {
		size, name := binary.BigEndian.Uint32(b), string(b[4:8])
		if size < 8 || int64(size) > int64(len(b)) {
			return
		}
		p.atom(name, b[8:size], path)
		b = b[size:]
	}
}

func (p *moovParser) atom(name string, b []byte, path []string) {
	parent := ""
	if len(path) > 0 {
		parent = path[len(path)-1]
	}
	inside := append(slices.Clone(path), name)
	switch name {
	case "trak":
		had := p.info.SampleRate != 0
		p.track.delay, p.track.edit = 0, 0
		p.walk(b, inside)
		if !had && p.info.SampleRate != 0 && p.info.Codec == "aac" {
			p.trim()
		}
	case "mdia", "minf", "stbl", "udta", "ilst", "edts":
		p.walk(b, inside)
	case "elst":
		p.elst(b)
	case "mdhd":
		p.track.scale, p.track.length = clock(b)
	case "meta":
		if len(b) > 4 {
			p.walk(b[4:], inside)
		}
	case "stsd":
		if len(b) > 8 {
			p.walk(b[8:], inside)
		}
	case "mvhd":
		p.scale, p.length = clock(b)
	default:
		switch parent {
		case "stsd":
			p.sample(name, b)
		case "ilst":
			p.tag(name, b)
		}
	}
}

// clock reads the units per second and the length of an mvhd or mdhd atom.
func clock(b []byte) (scale, length uint64) {
	switch {
	case len(b) >= 20 && b[0] == 0:
		return uint64(binary.BigEndian.Uint32(b[12:])), uint64(binary.BigEndian.Uint32(b[16:]))
	case len(b) >= 32 && b[0] == 1:
		return uint64(binary.BigEndian.Uint32(b[20:])), binary.BigEndian.Uint64(b[24:])
	}
	return 0, 0
}

// elst reads an edit list of one entry, which is how encoders' delays are told.
func (p *moovParser) elst(b []byte) {
	if len(b) >= 20 && b[0] == 0 && binary.BigEndian.Uint32(b[4:]) == 1 && int32(binary.BigEndian.Uint32(b[12:])) > 0 {
		p.track.edit, p.track.delay = uint64(binary.BigEndian.Uint32(b[8:])), uint64(binary.BigEndian.Uint32(b[12:]))
	}
}

// sample reads an audio sample entry: the first one counts.
func (p *moovParser) sample(name string, b []byte) {
	codec := map[string]string{"mp4a": "aac", "alac": "alac", "Opus": "opus", "fLaC": "flac", "ac-3": "ac3", "ec-3": "eac3", ".mp3": "mp3"}[name]
	if codec == "" || len(b) < 28 || p.info.SampleRate != 0 {
		return
	}
	p.info.Codec = codec
	p.info.Channels = int(binary.BigEndian.Uint16(b[16:]))
	p.info.SampleRate = int(binary.BigEndian.Uint16(b[24:]))
	if codec == "alac" && len(b) >= 28+12+24 { // its magic cookie knows better
		cookie := b[28+12:]
		p.info.BitDepth, p.info.Channels = depthFor(int(cookie[5])), int(cookie[9])
		p.info.SampleRate = int(binary.BigEndian.Uint32(cookie[20:]))
	}
}

// tag reads one item of an ilst: an atom with a data atom inside.
func (p *moovParser) tag(name string, b []byte) {
	if name == "----" {
		p.smpb = max(p.smpb, itunesFrames(b[:min(len(b), 512)]))
		return
	}
	if len(b) < 16 || string(b[4:8]) != "data" {
		return
	}
	size := binary.BigEndian.Uint32(b)
	if size < 16 || int64(size) > int64(len(b)) {
		return
	}
	v := b[16:size]
	t := &p.info.Tags
	texts := map[string]*string{"\xA9nam": &t.Title, "\xA9ART": &t.Artist, "aART": &t.AlbumArtist, "\xA9alb": &t.Album}
	switch dst := texts[name]; {
	case dst != nil && len(v) <= maxTagText:
		*dst = strings.ToValidUTF8(string(v), "?")
	case name == "\xA9day":
		t.Year = leadingNumber(string(v[:min(len(v), 10)]))
	case name == "trkn" && len(v) >= 4:
		t.Track = int(binary.BigEndian.Uint16(v[2:]))
	case name == "disk" && len(v) >= 4:
		t.Disc = int(binary.BigEndian.Uint16(v[2:]))
	case name == "covr":
		p.info.HasCover = true
	}
}
