package stream

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// nowhere makes the system's folder for temporary files one that cannot be made a file in,
// as in a container whose root is read-only.
func nowhere(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tmp := filepath.Join(file, "tmp")
	t.Setenv("TMPDIR", tmp)
	return tmp
}

// plain serves a file as a server does that knows no ranges.
func (r *rig) plain(name string) (url string) {
	r.t.Helper()
	data, err := os.ReadFile(filepath.Join(r.music, name))
	if err != nil {
		r.t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(data) // whatever part was asked for
	}))
	r.t.Cleanup(srv.Close)
	return srv.URL + "/" + name
}

// TestMediaWithoutRangesLieInTheirFolder: nothing else need be writable. What a process
// left there that died is gone when the next one begins.
func TestMediaWithoutRangesLieInTheirFolder(t *testing.T) {
	r := newEmbeddedRig(t)
	want := r.file("music.wav", 2.5, 1)
	url := r.plain("music.wav")
	spool := filepath.Join(t.TempDir(), "data", "spool")
	if err := os.MkdirAll(spool, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(spool, "tutti-1.media"), []byte("left"), 0o600); err != nil {
		t.Fatal(err)
	}
	nowhere(t)
	r.service(r.bus, "one", func(c *Config) { c.SpoolDir = spool })
	if left, err := os.ReadDir(spool); err != nil || len(left) != 0 {
		t.Errorf("after the start there are %v, %v; want nothing", left, err)
	}
	a := r.device("a", "pcm:44100:16:2")
	g := r.make("House", a)
	r.command(play(g, url))
	if got := r.complete(g, a.playing(0), len(want)); !slices.Equal(got, want) {
		t.Error("the address does not sound like the file")
	}
	if left, err := os.ReadDir(spool); err != nil || len(left) != 0 {
		t.Errorf("what plays has a name: %v, %v", left, err)
	}
}

// TestAFolderThatCannotBeMadeHoldsUpNobody: the system's is used instead.
func TestAFolderThatCannotBeMadeHoldsUpNobody(t *testing.T) {
	r := newEmbeddedRig(t)
	r.file("music.wav", 1, 1)
	url := r.plain("music.wav")
	no := filepath.Join(nowhere(t), "spool")
	t.Setenv("TMPDIR", t.TempDir())
	r.service(r.bus, "one", func(c *Config) { c.SpoolDir = no })
	a := r.device("a", "pcm:44100:16:2")
	r.command(play(r.make("House", a), url))
	a.begun(0) // it is short
}
