package playback

import (
	"math"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTidyMakesTagsFitToBeTold(t *testing.T) {
	it := Item{
		URI: "a.mp3", Title: "Caf\xe9\x00", Artist: "\n\t ", Album: strings.Repeat("Ж", maxText), AlbumArtist: "plain",
		Year: 20210503, Track: math.MaxInt64, DurationMS: -1,
	}
	it.Tidy()
	if it.Title != "Caf\uFFFD" || it.Artist != "" || it.AlbumArtist != "plain" || it.URI != "a.mp3" {
		t.Errorf("texts became %q, %q, %q, %q", it.Title, it.Artist, it.AlbumArtist, it.URI)
	}
	if len(it.Album) > maxText || !utf8.ValidString(it.Album) || strings.Trim(it.Album, "Ж") != "" {
		t.Errorf("a long text became %d bytes, ending in %q", len(it.Album), it.Album[len(it.Album)-4:])
	}
	if it.Year != 0 || it.Track != 0 || it.DurationMS != 0 {
		t.Errorf("numbers became year %d, track %d, duration %d", it.Year, it.Track, it.DurationMS)
	}
	good := Item{Title: "Für Elise", Year: 1810, Track: 59, DurationMS: 175_000}
	same := good
	if same.Tidy(); same != good {
		t.Errorf("%+v became %+v", good, same)
	}
}
