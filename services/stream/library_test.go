package stream

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
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
