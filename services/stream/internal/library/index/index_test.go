package index_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"go.uber.org/goleak"

	"github.com/tutti-audio/tutti/audio/source"
	"github.com/tutti-audio/tutti/services/stream/internal/library/index"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// folder is a music folder whose files say what their content says: title|artist|album|track.
type folder struct {
	t    testing.TB
	dir  string
	read atomic.Int64 // files that were opened
}

func newFolder(t testing.TB) *folder { return &folder{t: t, dir: t.TempDir()} }

func (f *folder) write(path, content string) {
	f.t.Helper()
	p := filepath.Join(f.dir, path)
	if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(content), 0o600)); err != nil {
		f.t.Fatal(err)
	}
}

func (f *folder) describe(_ context.Context, path string) (source.Info, error) {
	f.read.Add(1)
	b, err := os.ReadFile(filepath.Join(f.dir, path))
	if err != nil {
		return source.Info{}, err
	}
	part := append(strings.Split(string(b), "|"), "", "", "", "")
	if part[0] == "broken" {
		return source.Info{}, fmt.Errorf("%s: malformed: convert it or remove it", path)
	}
	i := source.Info{SampleRate: 44100, Channels: 2, BitDepth: 16, Codec: "flac", Tags: source.Tags{Title: part[0], Artist: part[1], Album: part[2], DurationMS: 1000}}
	_, _ = fmt.Sscan(part[3], &i.Tags.Track)
	return i, nil
}

// start runs an index and waits until it has scanned.
func (f *folder) start(change ...func(*index.Config)) (x *index.Index, stop func()) {
	f.t.Helper()
	cfg := index.Config{MusicDir: f.dir, Clock: clockwork.NewRealClock(), Log: slog.New(slog.DiscardHandler), Describe: f.describe}
	for _, c := range change {
		c(&cfg)
	}
	x = index.New(cfg)
	ctx, cancel := context.WithCancel(f.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); x.Run(ctx) }()
	stop = func() { cancel(); <-done }
	f.t.Cleanup(stop)
	f.until(x, "a scan", func() bool { return x.Status().State != "scanning" })
	return x, stop
}

func (f *folder) until(x *index.Index, what string, ok func() bool) {
	f.t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			f.t.Fatalf("no %s within a minute: %+v", what, x.Status())
		}
	}
}

func paths(found []index.Found) (out []string) {
	for _, r := range found {
		if r.Track == nil {
			out = append(out, r.Folder+"/")
		} else {
			out = append(out, r.Track.Path)
		}
	}
	return out
}

func (f *folder) finds(x *index.Index, query string, want ...string) {
	f.t.Helper()
	found, all := x.Search(query, 100)
	if got := paths(found); !slices.Equal(got, want) || all != len(want) {
		f.t.Errorf("search %q: got %q (%d), want %q", query, got, all, want)
	}
}

func TestSearchFoldsRanksAndLimits(t *testing.T) {
	f := newFolder(t)
	f.write("Björk/Homogenic/01.flac", "Jóga|Björk|Homogenic|2")
	f.write("Björk/Homogenic/00.flac", "Hunter|Björk|Homogenic|1")
	f.write("Sigur Rós/Ágætis byrjun/a.flac", "Svefn-g-englar|Sigur Rós|Ágætis byrjun|2")
	f.write("Motörhead/x.mp3", "Ace of Spades|Motörhead|Ace of Spades|1")
	f.write("Smörgås/Straße.mp3", "Straße der Sehnsucht|Ølund||")
	f.write("misc/hunter.mp3", "Other|The Hunters|B-sides|")
	f.write("misc/Don't Stop.mp3", "|||")
	f.write("lists/hunter gatherers.m3u", "x.mp3")
	x, _ := f.start()
	f.finds(x, "bjork hunter", "Björk/Homogenic/00.flac")
	f.finds(x, "BJÖRK", "Björk/", "Björk/Homogenic/00.flac", "Björk/Homogenic/01.flac")
	f.finds(x, "joga", "Björk/Homogenic/01.flac")
	f.finds(x, "agaetis", "Sigur Rós/Ágætis byrjun/", "Sigur Rós/Ágætis byrjun/a.flac")
	f.finds(x, "strasse olund", "Smörgås/Straße.mp3")
	f.finds(x, "spa mot", "Motörhead/x.mp3") // prefixes, in any order
	f.finds(x, "pades")                      // not the middle of a word
	f.finds(x, "dont stop", "misc/Don't Stop.mp3")
	f.finds(x, "svefn englar", "Sigur Rós/Ágætis byrjun/a.flac")
	// The title counts more than the artist, a whole word more than a beginning.
	f.finds(x, "hunter", "lists/hunter gatherers.m3u", "Björk/Homogenic/00.flac", "misc/hunter.mp3")
	f.finds(x, "")
	f.finds(x, "   ! ")
	if found, all := x.Search("m", 1); len(found) != 1 || all < 3 {
		t.Errorf("limit: %d of %d", len(found), all)
	}
}

func TestChangesAreFollowed(t *testing.T) {
	f := newFolder(t)
	f.write("a/one.flac", "One")
	f.write("a/two.flac", "Two")
	x, _ := f.start()
	if n := f.read.Load(); n != 2 {
		t.Fatalf("%d files read", n)
	}
	f.write("a/three.flac", "Three")
	f.until(x, "new file", func() bool { _, n := x.Search("three", 1); return n == 1 })
	f.write("b/c/four.flac", "Four") // in folders that are new themselves
	f.until(x, "file in a new folder", func() bool { _, n := x.Search("four", 1); return n == 1 })
	f.write("a/one.flac", "Uno e due")
	f.until(x, "changed file", func() bool { _, n := x.Search("uno", 1); return n == 1 })
	if err := os.Rename(filepath.Join(f.dir, "b"), filepath.Join(f.dir, "z")); err != nil {
		t.Fatal(err)
	}
	f.until(x, "moved folder", func() bool {
		found, _ := x.Search("four", 9)
		return slices.Equal(paths(found), []string{"z/c/four.flac"})
	})
	if err := os.RemoveAll(filepath.Join(f.dir, "a")); err != nil {
		t.Fatal(err)
	}
	f.until(x, "removed folder", func() bool { _, n := x.Search("two", 1); return n == 0 })
}

// Where nothing tells of changes, a look from time to time finds them, and so does a
// person's wish.
func TestWithoutWatchesChangesAreFoundByLooking(t *testing.T) {
	f := newFolder(t)
	f.write("one.flac", "One")
	clock := clockwork.NewFakeClock()
	x, _ := f.start(func(c *index.Config) { c.NoWatch, c.Clock = true, clock })
	f.write("two.flac", "Two")
	if err := clock.BlockUntilContext(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if _, n := x.Search("two", 1); n != 0 {
		t.Error("found without looking")
	}
	clock.Advance(10 * time.Minute)
	f.until(x, "file by looking", func() bool { _, n := x.Search("two", 1); return n == 1 })
	f.write("three.flac", "Three")
	x.Rescan()
	f.until(x, "file by asking", func() bool { _, n := x.Search("three", 1); return n == 1 })
	if n := f.read.Load(); n != 3 {
		t.Errorf("%d files read; unchanged ones must not be", n)
	}
}

func TestTheIndexIsKeptBetweenStarts(t *testing.T) {
	f, cache := newFolder(t), t.TempDir()
	kept := func(c *index.Config) { c.CacheDir = cache }
	for i := range 20 {
		f.write(fmt.Sprintf("%d.flac", i), fmt.Sprintf("Title %d", i))
	}
	_, stop := f.start(kept)
	stop()
	f.write("new.flac", "New")
	if err := os.Remove(filepath.Join(f.dir, "3.flac")); err != nil {
		t.Fatal(err)
	}
	x, stop := f.start(kept)
	if n := f.read.Load(); n != 21 {
		t.Errorf("%d files read in two runs, want 21", n)
	}
	f.finds(x, "new", "new.flac")
	if _, n := x.Search("title", 100); n != 19 {
		t.Errorf("%d titles", n)
	}
	stop()
	// A damaged file is no trouble.
	for _, damage := range []func(b []byte) []byte{
		func(b []byte) []byte { return b[:len(b)/2] },
		func(b []byte) []byte { return []byte("nonsense") },
		func(b []byte) []byte { return nil },
	} {
		name := filepath.Join(cache, "library-index")
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, damage(b), 0o600); err != nil {
			t.Fatal(err)
		}
		x, stop := f.start(kept)
		if s := x.Status(); s.Tracks != 20 || s.State != "ready" {
			t.Errorf("after damage: %+v", s)
		}
		stop()
	}
}

func TestStrangeFoldersAreSurvivedAndCounted(t *testing.T) {
	f := newFolder(t)
	f.write("good.flac", "Good")
	f.write("bad.flac", "broken")
	f.write(".hidden/x.flac", "Hidden")
	f.write(".hidden.flac", "Hidden")
	f.write("notes.txt", "text")
	f.write("\xff\xfe.flac", "Unnameable")
	f.write("deep/down/x.flac", "Down")
	if err := errors.Join(os.Symlink("..", filepath.Join(f.dir, "deep", "up")), os.Symlink("/etc", filepath.Join(f.dir, "out")),
		os.Symlink("nowhere", filepath.Join(f.dir, "dangling.flac"))); err != nil {
		t.Fatal(err)
	}
	f.write("locked/y.flac", "Locked")
	if err := os.Chmod(filepath.Join(f.dir, "locked"), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(f.dir, "locked"), 0o700) })
	want := int64(2)
	if os.Getuid() != 0 { // root reads everything
		want++
	}
	vanish := func(ctx context.Context, p string) (source.Info, error) {
		if p == "good.flac" {
			f.write("gone.flac", "x")
		}
		if p == "gone.flac" {
			return source.Info{}, fs.ErrNotExist
		}
		return f.describe(ctx, p)
	}
	x, _ := f.start(func(c *index.Config) { c.Describe = vanish })
	f.finds(x, "hidden")
	f.finds(x, "down", "deep/down/", "deep/down/x.flac")
	found, _ := x.Search("bad", 1)
	if len(found) != 1 || !strings.Contains(found[0].Track.Err, "convert it") {
		t.Errorf("an unreadable file is shown with its reason: %+v", found)
	}
	if s := x.Status(); s.Unreadable != want || s.State != "ready" {
		t.Errorf("status %+v, want %d unreadable", s, want)
	}
}

func TestMissingFolderIsToldAndTriedAgain(t *testing.T) {
	f := newFolder(t)
	f.write("a.flac", "A")
	away := f.dir + "-away"
	if err := os.Rename(f.dir, away); err != nil {
		t.Fatal(err)
	}
	clock := clockwork.NewFakeClock()
	x, _ := f.start(func(c *index.Config) { c.Clock, c.NoWatch = clock, true })
	if s := x.Status(); s.State != "failed" || !strings.Contains(s.Err, f.dir) {
		t.Errorf("status %+v", s)
	}
	if err := os.Rename(away, f.dir); err != nil {
		t.Fatal(err)
	}
	if err := clock.BlockUntilContext(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	clock.Advance(time.Minute)
	f.until(x, "second try", func() bool { return x.Status().State == "ready" })
	f.finds(x, "a", "a.flac")
}

// Progress can be seen while the first scan runs, and nothing waits for it.
func TestProgressOfTheFirstScan(t *testing.T) {
	f := newFolder(t)
	for i := range 10 {
		f.write(fmt.Sprintf("%d.flac", i), "T")
	}
	gate := make(chan struct{})
	cfg := index.Config{MusicDir: f.dir, Clock: clockwork.NewRealClock(), Log: slog.New(slog.DiscardHandler), Workers: 1,
		Describe: func(ctx context.Context, p string) (source.Info, error) {
			select {
			case <-gate:
			case <-ctx.Done():
			}
			return f.describe(ctx, p)
		}}
	x := index.New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan struct{})
	go func() { defer close(done); x.Run(ctx) }()
	f.until(x, "progress", func() bool { s := x.Status(); return s.State == "scanning" && s.Found == 10 && s.Read == 0 })
	x.Search("t", 1)
	close(gate)
	f.until(x, "end", func() bool { s := x.Status(); return s.State == "ready" && s.Read == 10 && s.Tracks == 10 })
	cancel()
	<-done
}

// An end in the middle of a scan is an end at once.
func TestStopsInTheMiddleOfAScan(t *testing.T) {
	f := newFolder(t)
	for i := range 500 {
		f.write(fmt.Sprintf("%d.flac", i), "T")
	}
	ctx, cancel := context.WithCancel(t.Context())
	x := index.New(index.Config{MusicDir: f.dir, Clock: clockwork.NewRealClock(), Log: slog.New(slog.DiscardHandler),
		Describe: func(ctx context.Context, p string) (source.Info, error) { cancel(); return f.describe(ctx, p) }})
	done := make(chan struct{})
	go func() { defer close(done); x.Run(ctx) }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("it does not stop")
	}
}

func TestFold(t *testing.T) {
	for in, want := range map[string]string{
		"Björk": "bjork", "STRASSE": "strasse", "Straße": "strasse", "AC/DC": "ac dc", "Don’t": "dont", "Łódź": "lodz",
		"Ｆｕｌｌ": "full", "Ångström": "angstrom", "東京": "東京", "Ελλάδα": "ελλαδα", "е́": "е", "": "",
	} {
		if got := strings.Join(strings.Fields(index.Fold(in)), " "); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzFold(f *testing.F) {
	for _, s := range []string{"Björk", "a\x00b", "\xff", "ß'’"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := index.Fold(s)
		if twice := index.Fold(once); strings.Join(strings.Fields(twice), " ") != strings.Join(strings.Fields(once), " ") {
			t.Errorf("%q folds to %q and then to %q", s, once, twice)
		}
	})
}

// thirtyThousand is a large collection, made once.
func thirtyThousand(b *testing.B) *folder {
	f := newFolder(b)
	for i := range 30_000 {
		artist, album := i/300, i/12
		f.write(fmt.Sprintf("Artist %d/Album %d/%02d - Some Song %d.flac", artist, album, i%12+1, i),
			fmt.Sprintf("Some Song %d|Artist %d with a Name|Album %d of Many|%d", i, artist, album, i%12+1))
	}
	return f
}

func BenchmarkThirtyThousandFiles(b *testing.B) {
	f := thirtyThousand(b)
	b.Run("first scan", func(b *testing.B) {
		for range b.N {
			_, stop := f.start()
			stop()
		}
	})
	before := heap()
	x, stop := f.start()
	defer stop()
	b.Run("memory", func(b *testing.B) {
		b.ReportMetric(float64(heap()-before)/30_000, "B/track")
		runtime.KeepAlive(x)
		for range b.N {
		}
	})
	b.Run("rescan", func(b *testing.B) {
		for range b.N {
			at := x.Status().ScannedAt
			x.Rescan()
			f.until(x, "rescan", func() bool { s := x.Status(); return s.State == "ready" && s.ScannedAt.After(at) })
		}
	})
	for _, q := range []string{"song", "name 29", "song 12345", "nothing of this"} {
		b.Run("search "+q, func(b *testing.B) {
			for range b.N {
				x.Search(q, 50)
			}
		})
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
