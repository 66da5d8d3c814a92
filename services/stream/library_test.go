package stream

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	"github.com/tutti-audio/tutti/proto/tape"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// scanned waits until the index has seen the folder since it was last asked to.
func (r *rig) scanned(tracks int64) *tuttiv1.LibraryStatus {
	r.t.Helper()
	ask[tuttiv1.LibraryStatus](r, subject.StreamLibraryStatus, &tuttiv1.LibraryStatusRequest{Rescan: true})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		s := ask[tuttiv1.LibraryStatus](r, subject.StreamLibraryStatus, &tuttiv1.LibraryStatusRequest{})
		if s.GetState() == "ready" && s.GetTracks() == tracks {
			return s
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("not scanned: %v", s)
		}
	}
}

func (r *rig) folder(names ...string) {
	r.t.Helper()
	for _, n := range names {
		if err := os.MkdirAll(filepath.Join(r.music, n), 0o700); err != nil {
			r.t.Fatal(err)
		}
	}
}

func TestLibraryIsSearchedAndItsStateTold(t *testing.T) {
	t.Parallel()
	r := embedded(t, func(c *Config) { c.CacheDir = t.TempDir() })
	r.folder("Miles/Kind of Blue")
	r.file("Miles/Kind of Blue/01 So What.flac", 1, 1)
	r.file("Miles/Kind of Blue/02 Blue in Green.flac", 1, 2)
	s := r.scanned(2)
	if s.GetDecoders()[0] != "flac" || s.GetEncoders()[0] != "pcm" || s.GetScannedAt() == nil {
		t.Errorf("status %v", s)
	}
	found := ask[tuttiv1.LibraryResponse](r, subject.StreamSearch, &tuttiv1.SearchRequest{Query: "BLUE gre", Limit: 10})
	if e := found.GetEntries(); len(e) != 1 || found.GetFound() != 1 || e[0].GetPath() != "Miles/Kind of Blue/02 Blue in Green.flac" || e[0].GetDurationMs() != 1000 {
		t.Errorf("found %v", found)
	}
	for q, limit := range map[string]int32{"": 10, "blue": 0, "!": 10} {
		if err := try(r, subject.StreamSearch, &tuttiv1.SearchRequest{Query: q, Limit: limit}, &tuttiv1.LibraryResponse{}); fault.CodeOf(err) != fault.OutOfRange {
			t.Errorf("search %q, %d: %v", q, limit, err)
		}
	}
}

// A folder plays with all below it, each album in its own order.
func TestFolderPlaysInOrderWithAllBelow(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	r.folder("Box/CD 2", "Box/CD 1", "Box/empty")
	for _, n := range []string{"Box/CD 2/b.wav", "Box/CD 1/2.wav", "Box/CD 1/10.wav", "Box/z.wav"} {
		r.file(n, 1, 1)
	}
	a := r.device("a", "pcm:44100:16:2")
	g := r.command(play(r.groupOf(a), "Box"))
	var got []string
	for _, it := range g.GetQueue() {
		got = append(got, it.GetUri())
	}
	if strings.Join(got, " ") != "Box/z.wav Box/CD 1/10.wav Box/CD 1/2.wav Box/CD 2/b.wav" {
		t.Errorf("queue %q", got)
	}
}

func (r *rig) text(name, content string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.music, name), []byte(content), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func uris(g *tuttiv1.Group) (out []string) {
	for _, it := range g.GetQueue() {
		out = append(out, it.GetUri())
	}
	return out
}

// TestPlaylistsOfTheMusicFolder plays lists of every form, in lists, with what leads outside.
func TestPlaylistsOfTheMusicFolder(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	r.folder("lists/deep", "jazz")
	r.file("jazz/a.wav", 1, 1)
	r.file("jazz/b c.wav", 1, 2)
	r.file("d.wav", 1, 3)
	r.text("lists/all.m3u8", "\xEF\xBB\xBF#EXTM3U\n#EXTINF:3,Artist - Title\n../jazz/a.wav\n..\\jazz\\b c.wav\nhttp://radio.example/stream\n../../outside.wav\n/etc/passwd\nfile:///etc/passwd\nC:\\music\\x.wav\npipe:/run/x\nmissing.wav\n"+
		filepath.Join(r.music, "d.wav")+"\nmore.pls\nall.m3u8\n")
	r.text("lists/more.pls", "[playlist]\nFile1=../jazz/a.wav\nFile2=deep/x.xspf\nTitle2=X\n")
	r.text("lists/deep/x.xspf", `<?xml version="1.0"?><playlist><trackList><track><location>../../jazz/b%20c.wav</location><title>T</title></track><track><location>y.m3u</location></track></trackList></playlist>`)
	r.text("lists/deep/y.m3u", "../../d.wav\nz.m3u\n")
	r.text("lists/deep/z.m3u", "../../jazz/a.wav\n") // one too deep
	r.text("lists/none.m3u", "../../outside.wav\n")
	r.text("lists/empty.m3u", "#EXTM3U\n")
	a := r.device("a", "pcm:44100:16:2")
	g := r.command(play(r.groupOf(a), "lists/all.m3u8"))
	want := "jazz/a.wav|jazz/b c.wav|http://radio.example/stream|d.wav|jazz/a.wav|jazz/b c.wav|d.wav"
	if got := strings.Join(uris(g), "|"); got != want {
		t.Errorf("queue\n %s\nwant\n %s", got, want)
	}
	a.begun(0) // they are short
	// A list between other things keeps its place.
	g = r.command(&tuttiv1.GroupCommand{GroupId: g.GetGroupId(), Command: &tuttiv1.GroupCommand_Enqueue{Enqueue: &tuttiv1.Enqueue{
		Uris: []string{"d.wav", "lists/more.pls", "jazz"}}}})
	if got := strings.Join(uris(g)[7:], "|"); got != "d.wav|jazz/a.wav|jazz/b c.wav|d.wav|jazz/a.wav|jazz/a.wav|jazz/b c.wav" {
		t.Errorf("added %s", got)
	}
	for uri, want := range map[string]string{"lists/none.m3u": "outside", "lists/empty.m3u": "it is empty", "lists/gone.m3u": "does not exist"} {
		err := r.refused(play(g.GetGroupId(), uri))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", uri, err, want)
		}
	}
}

func (r *rig) refused(c *tuttiv1.GroupCommand) error {
	return try(r, subject.StreamCommand, c, &tuttiv1.GroupReply{})
}

// TestPlaylistsOfOtherServers: a list is expanded before the group takes it; it may not
// name what is this machine's.
func TestPlaylistsOfOtherServers(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	r.file("a.wav", 1, 1)
	files := http.FileServer(http.Dir(r.music))
	mux := http.NewServeMux()
	mux.Handle("/music/", http.StripPrefix("/music", files))
	mux.HandleFunc("/radio/list.pls", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("[playlist]\nFile1=../music/a.wav\nTitle1=The station\nFile2=file:///etc/passwd\nFile3=a.wav\nFile4=pipe:/run/x\nFile5=nested.m3u\nFile6=http://u:p@h/x\n"))
	})
	mux.HandleFunc("/radio/nested.m3u", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("other.mp3\nlist.pls\n")) })
	srv := httptest.NewServer(mux)
	defer srv.Close()
	a := r.device("a", "pcm:44100:16:2")
	g := r.command(play(r.groupOf(a), srv.URL+"/radio/list.pls"))
	want := []string{srv.URL + "/music/a.wav", srv.URL + "/radio/a.wav", srv.URL + "/radio/other.mp3"}
	if got := uris(g); !slices.Equal(got, want) {
		t.Errorf("queue %q, want %q", got, want)
	}
	if g.GetQueue()[0].GetTitle() != "The station" {
		t.Errorf("first %v", g.GetQueue()[0])
	}
	a.begun(0) // it is short
	if err := r.refused(play(g.GetGroupId(), srv.URL+"/gone.m3u")); fault.CodeOf(err) != fault.OutOfRange || !strings.Contains(err.Error(), "404") {
		t.Errorf("a list that is not there: %v", err)
	}
}

// all is every chunk of every tape.
func (x *tapes) all() (out []tape.Chunk) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, chunks := range x.chunks {
		out = append(out, chunks...)
	}
	return out
}

// TestPipeAndSetUpSoundsPlay: another program's audio reaches the players; the item stays
// when the program pauses.
func TestPipeAndSetUpSoundsPlay(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	p := filepath.Join(t.TempDir(), "other.pcm")
	if err := syscall.Mkfifo(p, 0o600); err != nil {
		t.Fatal(err)
	}
	a := r.device("a", "pcm:44100:16:2")
	g := r.command(play(r.groupOf(a), "pipe:"+p))
	if it := g.GetQueue()[0]; !it.GetLive() || it.GetTitle() != "other.pcm" {
		t.Errorf("item %v", it)
	}
	a.playing(0)
	done := make(chan struct{})
	go func() { // half a second of a constant, and then nothing
		defer close(done)
		w, err := os.OpenFile(p, os.O_WRONLY, 0)
		if err != nil {
			return
		}
		_, _ = w.Write(bytes.Repeat([]byte{0x39, 0x30}, 44100))
		_ = w.Close()
	}()
	until(t, func() string {
		for _, c := range r.tapes.all() {
			if bytes.Contains(c.Data, bytes.Repeat([]byte{0x39, 0x30}, 64)) {
				return ""
			}
		}
		return "the program's audio is not on the tape"
	})
	<-done
	if g := r.command(&tuttiv1.GroupCommand{GroupId: g.GetGroupId(), Command: &tuttiv1.GroupCommand_Get{Get: &tuttiv1.Empty{}}}); g.GetPlaybackState() != "playing" {
		t.Errorf("after the writer has gone: %v", g.GetPlaybackState())
	}
	for _, uri := range []string{"noise:pink", "sweep:20-20000", "channels:"} {
		r.command(play(g.GetGroupId(), uri))
		a.playing(0)
	}
	if err := r.refused(play(g.GetGroupId(), "pipe:/proc/self/environ")); err == nil {
		t.Error("a file of the system was opened as a pipe")
	}
}
