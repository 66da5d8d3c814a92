package playuri

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCheck(t *testing.T) {
	for uri, want := range map[string]string{
		"album/01 Intro.flac":                  "",
		"./tone:440":                           "",
		"1: Intro.flac":                        "",
		"Ärzte/Lied: Eins.mp3":                 "",
		"a/../b.flac":                          "",
		"http://nas.local/song.mp3":            "",
		"https://nas.local:8443/s.flac":        "",
		"HTTP://nas.local/song.mp3":            "",
		"http://[fe80::1%25eth0]/s.flac":       "",
		"file:///music/song.flac":              "",
		"file:song.flac":                       "",
		"file://localhost/music/s.flac":        "",
		"tone:440":                             "",
		"tone:440.5":                           "",
		"":                                     "empty",
		"/etc/passwd":                          "absolute",
		"../secret.flac":                       "leaves",
		"a/../../secret.flac":                  "leaves",
		`..\secret.flac`:                       "leaves",
		".":                                    "",
		"synth:nocturne":                       "",
		"synth:":                               "no piece",
		"Mozart: Requiem.flac":                 "",
		"http:///song.mp3":                     "no host",
		"http://h:99999/s.mp3":                 "port",
		"http://u:p@h/s.mp3":                   "password",
		"http://h/%zz":                         "not an address",
		"file://other/s.flac":                  "host",
		"file:":                                "no file",
		"tone:":                                "tone",
		"tone:NaN":                             "tone",
		"tone:5":                               "tone",
		"pipe:/run/music":                      "",
		"pipe:/run/music?format=s24le:48000:2": "",
		"pipe:/run/music?format=mp3":           "write encoding",
		"pipe:/run/music?rate=1":               "there is only format",
		"pipe:music":                           "absolute path",
		"tcp://nas.local:4953":                 "",
		"tcp://nas.local":                      "no address",
		"tcp:nas.local:1":                      "no address",
		"tcp://nas.local:0":                    "no address",
		"tcp-listen:127.0.0.1:4953?format=f32le:44100:2": "",
		"tcp-listen::4953": "",
		"tcp-listen:4953":  "no address",
		"noise:pink":       "",
		"noise:brown":      "noise:white",
		"sweep:20-20000":   "",
		"sweep:20":         "sweep:20-20000",
		"sweep:200-100":    "sweep:20-20000",
		"channels:":        "",
		"source:abc":       "names no device",
		"source:JrfByJgEuQSS45-9kuHCmR7eLzFn6qxtSCAEqtiKJ38": "",
		"ftp://h/x":                       "none of",
		"a\nb.flac":                       "control",
		"a\xff.flac":                      "UTF-8",
		strings.Repeat("a", MaxLength+1):  "longer",
		strings.Repeat("a/", MaxLength/2): "",
	} {
		err := Check(uri)
		switch {
		case want == "" && err != nil:
			t.Errorf("Check(%.40q) = %v, want nil", uri, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("Check(%.40q) = %v, want %q", uri, err, want)
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, s := range []string{"a/b.flac", "http://h/x", "file:///x", "tone:440", "pipe:x", "../x", "x:y", ":", "http://[::1]:1/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		err := Check(uri)
		if err != nil {
			if err.Error() == "" || strings.Contains(err.Error(), "\n") && !strings.Contains(uri, "\n") {
				t.Fatalf("Check(%q): bad sentence %q", uri, err)
			}
			return
		}
		if uri == "" || len(uri) > MaxLength || !utf8.ValidString(uri) {
			t.Fatalf("Check(%q) let it pass", uri)
		}
		if _, _, schemed := cutScheme(uri); !schemed && (strings.HasPrefix(uri, "/") || strings.HasPrefix(uri, "../")) {
			t.Fatalf("Check(%q) let a path leave the music folder", uri)
		}
	})
}
