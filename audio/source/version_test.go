package source

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestVersionFollowsTheContent(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a b.flac")
	if err := os.WriteFile(name, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	one, ok := Version("a b.flac", dir)
	same, ok2 := Version("file:a%20b.flac", dir)
	if !ok || !ok2 || one != same {
		t.Errorf("%q (%v), %q (%v)", one, ok, same, ok2)
	}
	if err := os.Chtimes(name, time.Time{}, time.Unix(1e9, 0)); err != nil {
		t.Fatal(err)
	}
	if two, _ := Version("a b.flac", dir); two == one {
		t.Error("a changed file has the same version")
	}
	for _, uri := range []string{"none.flac", "http://h/a.flac", "tone:440", "../x", "", "file://host/a"} {
		if v, ok := Version(uri, dir); ok {
			t.Errorf("%q: %q", uri, v)
		}
	}
	if _, ok := Version("a b.flac", ""); ok {
		t.Error("without a music folder")
	}
}
