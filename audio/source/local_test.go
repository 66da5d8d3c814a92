package source_test

import (
	"testing"

	"github.com/tutti-audio/tutti/audio/source"
)

func TestLocalPath(t *testing.T) {
	for uri, want := range map[string]string{
		"a/b.flac": "a/b.flac", "a/../b.flac": "b.flac", "file:a/b%20c.mp3": "a/b c.mp3", "file:///music/x/y.mp3": "x/y.mp3",
		"FILE:a.mp3": "a.mp3", "a": "a", ".": ".",
		"": "", "http://h/a.mp3": "", "tone:440": "", "../a.mp3": "", "/etc/passwd": "", "file:///etc/passwd": "", "file:%2e%2e/a": "",
	} {
		if got, ok := source.LocalPath(uri, "/music"); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v, want %q", uri, got, ok, want)
		}
	}
	if _, ok := source.LocalPath("a", ""); ok {
		t.Error("a path without a music folder")
	}
}
