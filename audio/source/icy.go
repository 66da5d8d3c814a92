package source

import (
	"io"
	"strings"
	"unicode/utf8"
)

// icyReader takes the titles out of a SHOUTcast or Icecast stream: behind every interval
// bytes of audio stands a length in 16 bytes, and so much text.
type icyReader struct {
	r        io.Reader
	interval int
	left     int   // audio until the next text
	audio    int64 // bytes given so far
	say      func(at int64, text string)
	text     [255 * 16]byte
}

// newICY reads audio of r; interval 0 means that it holds no titles. say gets each text
// with the number of audio bytes before it.
func newICY(r io.Reader, interval int, say func(at int64, text string)) *icyReader {
	return &icyReader{r: r, interval: interval, left: interval, say: say}
}

func (i *icyReader) Read(p []byte) (int, error) {
	if i.interval > 0 {
		if i.left == 0 {
			if err := i.readText(); err != nil {
				return 0, err
			}
			i.left = i.interval
		}
		p = p[:min(len(p), i.left)]
	}
	n, err := i.r.Read(p)
	i.left -= n
	i.audio += int64(n)
	return n, err
}

func (i *icyReader) readText() error {
	if _, err := io.ReadFull(i.r, i.text[:1]); err != nil {
		return err
	}
	n := int(i.text[0]) * 16
	if n == 0 {
		return nil
	}
	if _, err := io.ReadFull(i.r, i.text[:n]); err != nil {
		return err
	}
	if text, ok := streamTitle(i.text[:n]); ok {
		i.say(i.audio, text)
	}
	return nil
}

// streamTitle finds StreamTitle='…'; in a text. A title may hold quotes, and old servers
// write Windows-1252.
func streamTitle(b []byte) (string, bool) {
	_, s, ok := strings.Cut(strings.TrimRight(string(b), "\x00"), "StreamTitle='")
	if !ok {
		return "", false
	}
	if i := strings.Index(s, "';Stream"); i >= 0 { // another field follows
		s = s[:i]
	} else if i := strings.LastIndex(s, "';"); i >= 0 {
		s = s[:i]
	} else {
		s = strings.TrimSuffix(strings.TrimRight(s, "; "), "'")
	}
	return strings.TrimSpace(guessText(s)), true
}

// guessText makes UTF-8 of what is UTF-8 or else Windows-1252.
func guessText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c < 0x80 || c >= 0xA0:
			b.WriteRune(rune(c))
		default:
			b.WriteRune(windows1252[c-0x80])
		}
	}
	return b.String()
}

// windows1252 is what 0x80..0x9F mean there; the rest is as in ISO 8859-1.
var windows1252 = [32]rune{'€', '�', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '�', 'Ž', '�',
	'�', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '�', 'ž', 'Ÿ'}

// splitTitle takes "Artist - Title" apart.
func splitTitle(s string) (title, artist string) {
	if a, t, ok := strings.Cut(s, " - "); ok && strings.TrimSpace(a) != "" && strings.TrimSpace(t) != "" {
		return strings.TrimSpace(t), strings.TrimSpace(a)
	}
	return s, ""
}
