package index

import (
	"cmp"
	"path"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// words are the texts of a track, folded, each word behind a space: the title's up to
// mark 0, then the artist's up to mark 1, the album's up to mark 2, the path's.
type words struct {
	text  string
	marks [3]uint16
}

// maxField bounds what of one text can be found, in bytes.
const maxField = 400

func foldWords(title, artist, album, file string) (w words) {
	var b strings.Builder
	for i, s := range []string{title, artist, album, file} {
		for _, word := range strings.Fields(Fold(s)) {
			if b.Len()+len(word) > maxField*(i+1) {
				break
			}
			b.WriteByte(' ')
			b.WriteString(word)
		}
		if i < 3 {
			w.marks[i] = uint16(b.Len())
		}
	}
	w.text = b.String()
	return w
}

// letters that have no decomposition but are written without their mark.
var letters = strings.NewReplacer("ø", "o", "ł", "l", "đ", "d", "ð", "d", "þ", "th", "æ", "ae", "œ", "oe", "ı", "i", "ħ", "h")

// Fold makes texts that people hold for the same the same: case, diacritics and
// punctuation do not count. Words are separated by one space.
func Fold(s string) string {
	plain := true
	for i := range len(s) {
		plain = plain && s[i] < 0x80
	}
	if plain { // most names
		return strings.TrimSpace(strings.Map(asciiFold, s))
	}
	s = letters.Replace(cases.Fold().String(norm.NFKD.String(s)))
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Mn, r), r == '\'', r == '’':
			return -1
		case unicode.IsLetter(r), unicode.IsNumber(r), unicode.Is(unicode.M, r):
			return r
		}
		return ' '
	}, s))
}

func asciiFold(r rune) rune {
	switch {
	case r >= 'A' && r <= 'Z':
		return r + 'a' - 'A'
	case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
		return r
	case r == '\'':
		return -1
	}
	return ' '
}

// Points for where a word of a query is found, and for a whole word.
const (
	inTitle, inArtist, inAlbum, inPath = 40, 30, 20, 5
	wholeWord                          = 10
)

// score adds up the best place of every word; 0 when one is missing. A word matches
// the beginning of a word.
func (w words) score(query []string) int {
	total := 0
	for _, q := range query {
		best := 0
		for at, rest := 0, w.text; ; {
			i := strings.Index(rest, q)
			if i < 0 {
				break
			}
			best = max(best, w.points(at+i, at+i+len(q)))
			at += i + len(q)
			rest = w.text[at:]
		}
		if best == 0 {
			return 0
		}
		total += best
	}
	return total
}

func (w words) points(from, to int) int {
	p := inPath
	switch {
	case from < int(w.marks[0]):
		p = inTitle
	case from < int(w.marks[1]):
		p = inArtist
	case from < int(w.marks[2]):
		p = inAlbum
	}
	if to == len(w.text) || w.text[to] == ' ' {
		p += wholeWord
	}
	return p
}

// Found is one result: a track, or a folder when Track is nil.
type Found struct {
	Folder string
	Track  *Track
	score  int
}

// maxQuery bounds the words of a query that count.
const maxQuery = 16

// Search finds tracks, playlists and folders that hold every word of query, or a word
// that begins like it, the best first: at most limit, and how many there are in all.
func (x *Index) Search(query string, limit int) (found []Found, all int) {
	q := strings.Fields(Fold(query))
	if len(q) == 0 {
		return nil, 0
	}
	q = q[:min(len(q), maxQuery)]
	for i := range q {
		q[i] = " " + q[i]
	}
	snap := x.snap.Load()
	for _, f := range snap.folders {
		if n := f.words.score(q); n > 0 && f.named(q) {
			found = append(found, Found{Folder: f.path, score: n})
		}
	}
	for _, t := range snap.ordered {
		if n := t.words.score(q); n > 0 {
			found = append(found, Found{Track: t, score: n})
		}
	}
	slices.SortStableFunc(found, better)
	return found[:min(len(found), limit)], len(found)
}

// named says that a word of the query is in the folder's own name, not only on the way to
// it: else every folder below "Jazz" would be found by "jazz".
func (f folder) named(q []string) bool {
	return slices.ContainsFunc(q, func(word string) bool { return f.words.score([]string{word}) >= inTitle })
}

// better orders by score; among equals folders come first, then albums in their order.
func better(a, b Found) int {
	if n := cmp.Compare(b.score, a.score); n != 0 {
		return n
	}
	if (a.Track == nil) != (b.Track == nil) {
		if a.Track == nil {
			return -1
		}
		return 1
	}
	if a.Track == nil {
		return cmp.Compare(a.Folder, b.Folder)
	}
	x, y := a.Track, b.Track
	return cmp.Or(cmp.Compare(x.Artist, y.Artist), cmp.Compare(x.Album, y.Album), cmp.Compare(path.Dir(x.Path), path.Dir(y.Path)),
		cmp.Compare(x.Disc, y.Disc), cmp.Compare(x.Track, y.Track), cmp.Compare(x.Path, y.Path))
}
