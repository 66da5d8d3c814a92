package playlist_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tutti-audio/tutti/services/stream/internal/library/playlist"
)

type entry = playlist.Entry

func TestParse(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want []entry
	}{
		"plain m3u":        {"a.mp3\r\n\r\n# a comment\r\nb/c.flac\r\n", []entry{{Location: "a.mp3"}, {Location: "b/c.flac"}}},
		"old Mac ends":     {"a.mp3\rb.mp3", []entry{{Location: "a.mp3"}, {Location: "b.mp3"}}},
		"extended":         {"#EXTM3U\n#EXTINF:324,Dave Brubeck - Take Five\n../jazz/t5.flac\n#EXTINF:-1,Radio\nhttp://r/x\n", []entry{{Location: "../jazz/t5.flac", Artist: "Dave Brubeck", Title: "Take Five", DurationMS: 324000}, {Location: "http://r/x", Title: "Radio"}}},
		"attributes":       {"#EXTM3U\n#EXTINF:-1 tvg-name=\"A, B\" group=\"x\",Station - One\nhttp://r/x", []entry{{Location: "http://r/x", Artist: "Station", Title: "One"}}},
		"mark":             {"\xEF\xBB\xBF#EXTM3U\nÖl.mp3", []entry{{Location: "Öl.mp3"}}},
		"latin-1":          {"#EXTINF:1,\xD6l\n\xD6l.mp3", []entry{{Location: "Öl.mp3", Title: "Öl", DurationMS: 1000}}},
		"utf-16":           {"\xFF\xFEa\x00\n\x00b\x00", []entry{{Location: "a"}, {Location: "b"}}},
		"pls":              {"[playlist]\nNumberOfEntries=2\nTitle2=Two\nFile1=http://r/1\nTitle1=A - One\nLength1=60\nFile2=b.mp3\nLength2=-1\nVersion=2", []entry{{Location: "http://r/1", Artist: "A", Title: "One", DurationMS: 60000}, {Location: "b.mp3", Title: "Two"}}},
		"pls, other case":  {"[Playlist]\r\nfile1=x\r\n", []entry{{Location: "x"}}},
		"xspf":             {`<?xml version="1.0" encoding="UTF-8"?><playlist version="1" xmlns="http://xspf.org/ns/0/"><title>L</title><trackList><track><location>a%20b.mp3</location><title>T</title><creator>C</creator><duration>1500</duration></track><track><title>none</title></track><track><location>http://r/x</location><extension application="x"><y/></extension></track></trackList></playlist>`, []entry{{Location: "a%20b.mp3", URI: true, Title: "T", Artist: "C", DurationMS: 1500}, {Location: "http://r/x", URI: true}}},
		"xspf in latin-1":  {"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><playlist><trackList><track><location>x</location><title>\xD6l</title></track></trackList></playlist>", []entry{{Location: "x", URI: true, Title: "Öl"}}},
		"xspf cut off":     {`<playlist><trackList><track><location>x</location></track><track><loc`, []entry{{Location: "x", URI: true}}},
		"xspf bad number":  {`<playlist><trackList><track><location>x</location><duration>long</duration></track><track><location>y</location></track></trackList></playlist>`, []entry{{Location: "x", URI: true}, {Location: "y", URI: true}}},
		"nothing":          {"", nil},
		"comments only":    {"#EXTM3U\n# nothing\n", nil},
		"overlong address": {"http://" + strings.Repeat("x", 5000) + "\na", []entry{{Location: "a"}}},
	} {
		got, err := playlist.Parse([]byte(c.in))
		if err != nil || len(got)+len(c.want) > 0 && !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, %v\nwant %+v", name, got, err, c.want)
		}
	}
}

func TestWhatIsNoPlaylistIsRefused(t *testing.T) {
	for in, want := range map[string]error{
		"<!DOCTYPE html><html></html>": playlist.ErrNone, "<html>": playlist.ErrNone, "\x00\x01\x02": playlist.ErrNone,
		"<?xml version=\"1.0\"?><rss/>":                            playlist.ErrNone,
		"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\nseg1.ts\n":  playlist.ErrHLS,
		"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow/index.m3u8\n": playlist.ErrHLS,
		"<!DOCTYPE x [<!ENTITY a \"b\">]><playlist>&a;</playlist>": playlist.ErrNone,
	} {
		if _, err := playlist.Parse([]byte(in)); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", in, err, want)
		}
	}
	if _, err := playlist.Parse(make([]byte, playlist.MaxBytes+1)); err == nil {
		t.Error("a list of any size is read")
	}
}

func TestEntriesAreBounded(t *testing.T) {
	var m3u, pls, xspf strings.Builder
	pls.WriteString("[playlist]\n")
	xspf.WriteString("<playlist><trackList>")
	for i := range playlist.MaxEntries + 100 {
		fmt.Fprintf(&m3u, "%d\n", i)
		fmt.Fprintf(&pls, "File%d=%d\nTitle%d=x\n", i, i, i)
		fmt.Fprintf(&xspf, "<track><location>%d</location></track>", i)
	}
	for _, in := range []string{m3u.String(), pls.String(), xspf.String() + "</trackList></playlist>"} {
		got, err := playlist.Parse([]byte(in))
		if err != nil || len(got) != playlist.MaxEntries {
			t.Errorf("%.20s: %d entries, %v", in, len(got), err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"#EXTM3U\n#EXTINF:1 a=\"b,c\",A - B\nx", "[playlist]\nFile1=x\nTitle1=y\nLength1=2", "<?xml version=\"1.0\"?><playlist><trackList><track><location>x</location></track></trackList></playlist>", "\xFF\xFEa\x00", "\xEF\xBB\xBFx"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := playlist.Parse(b)
		if err != nil && len(got) > 0 {
			t.Error("entries beside an error")
		}
		if len(got) > playlist.MaxEntries {
			t.Error("too many entries")
		}
		for _, e := range got {
			if e.Location == "" || !utf8.ValidString(e.Location+e.Title+e.Artist) || e.DurationMS < 0 || len(e.Title) > 1024 {
				t.Errorf("%+v", e)
			}
		}
	})
}
