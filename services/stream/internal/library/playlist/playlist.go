// Package playlist reads lists of media: M3U and M3U8, PLS, XSPF. It takes bytes and
// gives entries, and opens nothing. Lists come from strangers' servers: everything is
// bounded.
package playlist

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// Bounds of a list. What is beyond MaxEntries is left out.
const (
	MaxBytes   = 4 << 20
	MaxEntries = 10_000
	maxText    = 1024 // bytes of a title or an artist
	maxAddress = 4096 // bytes; longer ones are left out
)

// Entry is one medium of a list, as it is written there.
type Entry struct {
	Location      string // a path or an address, perhaps relative to the list
	URI           bool   // Location is an address even where it is relative (XSPF): it is escaped
	Title, Artist string
	DurationMS    int64 // 0 unknown
}

// Errors of Parse.
var (
	// ErrNone is the cause when content is no list.
	ErrNone = errors.New("not a playlist")
	// ErrHLS is the cause when an M3U is the index of one stream in pieces (RFC 8216), which
	// is played, not listed.
	ErrHLS = errors.New("an HLS stream")
)

// Parse reads a list of any of the formats, told apart by content.
func Parse(b []byte) ([]Entry, error) {
	if len(b) > MaxBytes {
		return nil, fmt.Errorf("a playlist of more than %d bytes", MaxBytes)
	}
	text := decode(b)
	start := strings.TrimLeft(text[:min(len(text), 512)], " \t\r\n")
	switch {
	case hasPrefixFold(start, "[playlist]"):
		return parsePLS(text), nil
	case strings.HasPrefix(start, "<?xml") || hasPrefixFold(start, "<playlist"):
		return parseXSPF(b)
	case hasPrefixFold(start, "<") || strings.ContainsRune(text, 0):
		return nil, ErrNone // a web page, or something binary
	}
	return parseM3U(text)
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// decode makes text of bytes: by its byte order mark, as UTF-8 if it is, else as
// Windows-1252, which is what old programs wrote.
func decode(b []byte) string {
	if bytes.HasPrefix(b, []byte{0xFF, 0xFE}) || bytes.HasPrefix(b, []byte{0xFE, 0xFF}) {
		if out, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder().Bytes(b); err == nil {
			return string(out)
		}
	}
	b = bytes.TrimPrefix(b, []byte("\xEF\xBB\xBF"))
	if utf8.Valid(b) {
		return string(b)
	}
	out, err := charmap.Windows1252.NewDecoder().Bytes(b)
	if err != nil {
		return strings.ToValidUTF8(string(b), "?")
	}
	return string(out)
}

// lines calls f for each line without its ends and outer blanks, until it returns false.
func lines(text string, f func(line string) bool) {
	for text != "" {
		var line string
		i := strings.IndexAny(text, "\r\n")
		if i < 0 {
			line, text = text, ""
		} else {
			line, text = text[:i], text[i+1:]
		}
		if line = strings.TrimSpace(line); line != "" && !f(line) {
			return
		}
	}
}

// parseM3U reads lines that are locations, and #EXTINF lines that describe the next one.
// #EXT-X- tags are those of HLS.
func parseM3U(text string) (out []Entry, err error) {
	next := Entry{}
	lines(text, func(line string) bool {
		switch {
		case strings.HasPrefix(line, "#EXT-X-STREAM-INF"), strings.HasPrefix(line, "#EXT-X-TARGETDURATION"), strings.HasPrefix(line, "#EXT-X-MEDIA-SEQUENCE"):
			err = ErrHLS
			return false
		case hasPrefixFold(line, "#EXTINF:"):
			next = extinf(line[len("#EXTINF:"):])
		case strings.HasPrefix(line, "#"):
		default:
			next.Location = line
			out = add(out, next)
			next = Entry{}
		}
		return len(out) < MaxEntries
	})
	return out, err
}

// extinf reads `123 key="value",Artist - Title`; a length of -1 means unknown.
func extinf(s string) (e Entry) {
	head, title := s, ""
	if i := commaOutside(s); i >= 0 {
		head, title = s[:i], s[i+1:]
	}
	if n, err := strconv.ParseFloat(strings.TrimSpace(firstField(head)), 64); err == nil && n > 0 && n < 1e7 {
		e.DurationMS = int64(n * 1000)
	}
	e.Artist, e.Title = split(title)
	return e
}

// commaOutside is the first comma that is not in quotes.
func commaOutside(s string) int {
	quoted := false
	for i := range len(s) {
		switch s[i] {
		case '"':
			quoted = !quoted
		case ',':
			if !quoted {
				return i
			}
		}
	}
	return -1
}

func firstField(s string) string {
	if f := strings.Fields(s); len(f) > 0 {
		return f[0]
	}
	return ""
}

// split takes "Artist - Title" apart.
func split(s string) (artist, title string) {
	s = strings.TrimSpace(s)
	if a, t, ok := strings.Cut(s, " - "); ok && strings.TrimSpace(a) != "" && strings.TrimSpace(t) != "" {
		return clip(strings.TrimSpace(a)), clip(strings.TrimSpace(t))
	}
	return "", clip(s)
}

func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText], "")
}

// add appends an entry that has a usable location.
func add(out []Entry, e Entry) []Entry {
	if e.Location == "" || len(e.Location) > maxAddress || len(out) >= MaxEntries {
		return out
	}
	return append(out, e)
}

// parsePLS reads FileN, TitleN and LengthN. The numbers may come in any order; entries
// come in the order of their File lines.
func parsePLS(text string) (out []Entry) {
	at := map[string]int{} // number → index in out, plus 1
	type late struct{ kind, number, value string }
	var described []late
	lines(text, func(line string) bool {
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			return true
		}
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		for _, kind := range []string{"File", "Title", "Length"} {
			number, ok := key, hasPrefixFold(key, kind)
			if !ok {
				continue
			}
			number = key[len(kind):]
			if kind != "File" {
				if len(described) < 2*MaxEntries {
					described = append(described, late{kind, number, value})
				}
				continue
			}
			if n := len(out); at[number] == 0 {
				if out = add(out, Entry{Location: value}); len(out) > n {
					at[number] = len(out)
				}
			}
		}
		return true
	})
	for _, d := range described {
		i := at[d.number] - 1
		if i < 0 {
			continue
		}
		if d.kind == "Title" {
			out[i].Artist, out[i].Title = split(d.value)
		} else if n, err := strconv.Atoi(d.value); err == nil && n > 0 && n < 1e7 {
			out[i].DurationMS = int64(n) * 1000
		}
	}
	return out
}

// parseXSPF reads the tracks of an XSPF list. encoding/xml knows no entities but its own,
// so that nothing can expand.
func parseXSPF(b []byte) (out []Entry, err error) {
	dec := xml.NewDecoder(bytes.NewReader(b))
	dec.Strict = true
	dec.CharsetReader = func(charset string, in io.Reader) (io.Reader, error) {
		switch strings.ToLower(charset) {
		case "iso-8859-1", "latin1", "windows-1252":
			return charmap.Windows1252.NewDecoder().Reader(in), nil
		}
		return nil, fmt.Errorf("text in %q", charset)
	}
	root := false
	for len(out) < MaxEntries {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) && root {
			return out, nil
		}
		if err != nil {
			if root && len(out) > 0 {
				return out, nil // cut off
			}
			return nil, ErrNone
		}
		el, ok := tok.(xml.StartElement)
		switch {
		case !ok:
		case !root:
			if root = el.Name.Local == "playlist"; !root {
				return nil, ErrNone
			}
		case el.Name.Local == "track":
			if out, err = xspfTrack(dec, &el, out); err != nil {
				return out, nil
			}
		}
	}
	return out, nil
}

func xspfTrack(dec *xml.Decoder, el *xml.StartElement, out []Entry) ([]Entry, error) {
	var t struct {
		Location []string `xml:"location"`
		Title    string   `xml:"title"`
		Creator  string   `xml:"creator"`
		Duration int64    `xml:"duration"` // ms
	}
	err := dec.DecodeElement(&t, el)
	var se *xml.SyntaxError
	if errors.As(err, &se) {
		return out, err
	}
	if len(t.Location) == 0 { // or a number that is none: the track alone is left out
		return out, nil
	}
	return add(out, Entry{Location: strings.TrimSpace(t.Location[0]), URI: true, Title: clip(strings.TrimSpace(t.Title)),
		Artist: clip(strings.TrimSpace(t.Creator)), DurationMS: max(min(t.Duration, 1e10), 0)}), nil
}
