package source

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// maxHLSSegments bounds the segments of one playlist: a day of ten-second ones.
const maxHLSSegments = 10_000

// hlsList is a parsed playlist: a media playlist, or the choice of a master playlist.
type hlsList struct {
	variant  string // not empty: the media playlist to use
	first    int64  // number of segments[0]
	target   time.Duration
	ended    bool
	segments []hlsSegment
}

// hlsPart is a resource, or a range of one when length is not 0.
type hlsPart struct {
	uri            string
	offset, length int64
}

type hlsSegment struct {
	hlsPart
	number        int64
	duration      time.Duration
	discontinuity bool
	init          hlsPart
	key           hlsKey
}

type hlsKey struct {
	uri string
	iv  [16]byte
}

func (l hlsList) length() (d time.Duration) {
	for _, s := range l.segments {
		d += s.duration
	}
	return d
}

var errHLSKey = errors.New("an HLS stream with copy protection, which cannot be played")

// parseHLS reads a playlist (RFC 8216 section 4).
func parseHLS(text string) (l hlsList, err error) {
	p := hlsParser{list: &l}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if err := p.line(line); err != nil {
			return l, err
		}
		if len(l.segments) >= maxHLSSegments {
			break
		}
	}
	if p.variants > 0 {
		if l.variant == "" {
			return l, errors.New("an HLS stream without a variant that can be used")
		}
		return l, nil
	}
	if l.target == 0 {
		return l, errors.New("not an HLS playlist")
	}
	for i := range l.segments {
		l.segments[i].number = l.first + int64(i)
	}
	return l, nil
}

type hlsParser struct {
	list     *hlsList
	next     hlsSegment
	init     hlsPart
	key      hlsKey
	end      int64 // where the last byte range ended
	endOf    string
	variants int
	stream   map[string]string // of the #EXT-X-STREAM-INF before
	best     float64
	audio    map[string]string // rendition groups: the address of their first or default entry
}

func (p *hlsParser) line(line string) error {
	tag, value, _ := strings.Cut(line, ":")
	switch {
	case line == "":
	case !strings.HasPrefix(line, "#"):
		p.location(line)
	case tag == "#EXT-X-STREAM-INF":
		p.variants++
		p.stream = attributes(value)
	case tag == "#EXT-X-MEDIA":
		p.media(attributes(value))
	case tag == "#EXT-X-TARGETDURATION":
		p.list.target = seconds(value)
	case tag == "#EXT-X-MEDIA-SEQUENCE":
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/2 {
			return errors.New("an HLS playlist with a malformed number")
		}
		p.list.first = n
	case tag == "#EXTINF":
		s, _, _ := strings.Cut(value, ",")
		p.next.duration = seconds(s)
	case tag == "#EXT-X-BYTERANGE":
		p.next.length, p.next.offset = byteRange(value)
	case tag == "#EXT-X-DISCONTINUITY":
		p.next.discontinuity = true
	case tag == "#EXT-X-ENDLIST":
		p.list.ended = true
	case tag == "#EXT-X-MAP":
		a := attributes(value)
		p.init = hlsPart{uri: a["URI"]}
		if r := a["BYTERANGE"]; r != "" {
			p.init.length, p.init.offset = byteRange(r)
			p.init.offset = max(p.init.offset, 0) // without one it is the beginning
		}
	case tag == "#EXT-X-KEY":
		return p.keyTag(attributes(value))
	}
	return nil
}

func (p *hlsParser) keyTag(a map[string]string) error {
	switch a["METHOD"] {
	case "NONE":
		p.key = hlsKey{}
	case "AES-128":
		if f := a["KEYFORMAT"]; f != "" && f != "identity" {
			return errHLSKey
		}
		p.key = hlsKey{uri: a["URI"], iv: parseIV(a["IV"])}
	default:
		return errHLSKey
	}
	return nil
}

// location is a line that names a segment, or a variant.
func (p *hlsParser) location(uri string) {
	if p.stream != nil {
		p.choose(uri, p.stream)
		p.stream = nil
		return
	}
	if p.list.target == 0 { // not a media playlist, or a broken one
		return
	}
	s := p.next
	s.uri, s.init, s.key = uri, p.init, p.key
	if s.length > 0 {
		if s.offset < 0 && p.endOf == uri {
			s.offset = p.end
		}
		s.offset = max(s.offset, 0)
		p.end, p.endOf = s.offset+s.length, uri
	} else {
		s.offset = 0
	}
	p.list.segments = append(p.list.segments, s)
	p.next = hlsSegment{}
}

func (p *hlsParser) media(a map[string]string) {
	if a["TYPE"] != "AUDIO" || a["URI"] == "" {
		return
	}
	if p.audio == nil {
		p.audio = map[string]string{}
	}
	if p.audio[a["GROUP-ID"]] == "" || a["DEFAULT"] == "YES" {
		p.audio[a["GROUP-ID"]] = a["URI"]
	}
}

// choose keeps the best variant: sound without pictures, and of that the highest rate up
// to what lossy codecs have any use for.
func (p *hlsParser) choose(uri string, a map[string]string) {
	rate, _ := strconv.ParseFloat(a["BANDWIDTH"], 64)
	if !(rate > 0 && rate < 1e9) {
		rate = 1
	}
	video := a["RESOLUTION"] != "" || strings.Contains(a["CODECS"], "avc") || strings.Contains(a["CODECS"], "hvc") || strings.Contains(a["CODECS"], "hev")
	score := rate
	switch {
	case p.audio[a["AUDIO"]] != "":
		uri, score = p.audio[a["AUDIO"]], 2e9+min(rate, 1e8)
	case !video && rate <= 400_000:
		score = 2e9 + rate
	case !video:
		score = 1.9e9 - rate
	default: // pictures that nobody sees: the fewer the better
		score = 1e9 - rate
	}
	if p.list.variant == "" || score > p.best {
		p.list.variant, p.best = uri, score
	}
}

// attributes reads NAME=value,NAME="value".
func attributes(s string) map[string]string {
	out := map[string]string{}
	for s != "" && len(out) < 64 {
		name, rest, ok := strings.Cut(s, "=")
		if !ok {
			break
		}
		value := ""
		if strings.HasPrefix(rest, `"`) {
			value, rest, _ = strings.Cut(rest[1:], `"`)
			_, s, _ = strings.Cut(rest, ",")
		} else {
			value, s, _ = strings.Cut(rest, ",")
		}
		out[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return out
}

// byteRange reads "length@offset"; offset is -1 when it is left out.
func byteRange(s string) (length, offset int64) {
	n, at, ok := strings.Cut(s, "@")
	length, _ = strconv.ParseInt(n, 10, 64)
	if offset = -1; ok {
		offset, _ = strconv.ParseInt(at, 10, 64)
	}
	if length < 0 || length > maxHLSSegment || offset > math.MaxInt64/2 {
		return 0, 0
	}
	return length, offset
}

func seconds(s string) time.Duration {
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || !(f > 0 && f < 1e6) {
		return 0
	}
	return time.Duration(f * float64(time.Second))
}
