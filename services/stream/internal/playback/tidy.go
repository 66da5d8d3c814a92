package playback

import (
	"math"
	"strings"
	"unicode"
)

// maxText bounds one text of an item, in bytes: more is no title but a mistake, and
// the whole queue must fit into one message of the bus.
const maxText = 1024

// Tidy makes what a medium says about itself fit to be stored and told: text in valid
// UTF-8, of bounded length and without control characters, a year of four digits, a
// track that counts from 1. What is not is unknown.
func (it *Item) Tidy() {
	for _, s := range []*string{&it.Title, &it.Artist, &it.Album, &it.AlbumArtist} {
		*s = tidy(*s)
	}
	if it.Year < 1 || it.Year > 9999 {
		it.Year = 0
	}
	if it.Track < 1 || it.Track > math.MaxInt32 {
		it.Track = 0
	}
	it.DurationMS = max(it.DurationMS, 0)
}

func tidy(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
		for r := len(s) - 1; r >= len(s)-4; r-- {
			if s[r]&0xC0 != 0x80 { // the last character may have been cut
				s = s[:r]
				break
			}
		}
	}
	s = strings.ToValidUTF8(s, string(unicode.ReplacementChar))
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s))
}
