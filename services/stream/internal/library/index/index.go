// Package index keeps what is known of the music folder in memory: every playable file
// with its tags, found again by words. It scans in the background, follows changes, and
// keeps its knowledge in a file between starts. Whoever asks gets an immutable snapshot;
// nothing here ever waits for the disk on behalf of a listener.
//
//	walker ──unchanged──────────────► Run: next state ──► snapshot (atomic)
//	   └──new or changed──► workers ──┘        ▲
//	fsnotify ──► dirty folders (bounded) ──────┘
package index

import (
	"context"
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/audio/source"
	"github.com/tutti-audio/tutti/platform/obs"
)

// Config of an Index. MusicDir, Clock and Log are required.
type Config struct {
	MusicDir string
	CacheDir string // where the index is kept between starts; empty: nowhere
	Clock    clockwork.Clock
	Log      *slog.Logger
	Workers  int  // files that are read at the same time; 0: as many as processors, at most 4
	NoWatch  bool // look again from time to time only
	// Describe reads a file's tags; nil: source.Describe.
	Describe func(ctx context.Context, path string) (source.Info, error)
}

// How often the folder is looked through without a reason: often where changes are not
// told (network file systems, no watches left), seldom where they are.
const (
	rescanBlind   = 10 * time.Minute
	rescanWatched = 6 * time.Hour
	retryFailed   = time.Minute
	quiet         = time.Second      // after a change, until the folder is looked at
	restless      = 10 * time.Second // the longest wait for quiet
	saveAfter     = time.Minute      // changes are kept so long after the first
	reportEvery   = 5 * time.Second  // of a scan, in the log
	showEvery     = 3 * time.Second  // of a scan, to who searches
)

// Index is the music folder in memory. All methods but Run may be called from any
// goroutine, and never block.
type Index struct {
	cfg    Config
	snap   atomic.Pointer[snapshot]
	again  chan struct{} // one slot: scan everything
	status atomic.Pointer[Status]

	found, read, unreadable atomic.Int64 // of the scan that runs

	// owned by Run
	watch    *watcher
	unsaved  bool
	nextScan time.Time
}

// Status is how far the index is.
type Status struct {
	State      string // "scanning", "ready", "failed"
	Found      int64  // files that the scan has seen
	Read       int64  // of those, the ones whose tags are known
	Tracks     int
	Playlists  int
	Unreadable int64 // files and folders that cannot be read, or whose names cannot be told
	ScannedAt  time.Time
	Err        string
}

// New returns an index that knows nothing until Run.
func New(cfg Config) *Index {
	if cfg.Workers == 0 {
		cfg.Workers = min(runtime.GOMAXPROCS(0), 4)
	}
	if cfg.Describe == nil {
		cfg.Describe = func(ctx context.Context, p string) (source.Info, error) {
			return source.Describe(ctx, p, source.Options{MusicDir: cfg.MusicDir})
		}
	}
	x := &Index{cfg: cfg, again: make(chan struct{}, 1)}
	x.snap.Store(newSnapshot(nil))
	x.status.Store(&Status{State: "scanning"})
	return x
}

// Rescan makes the index look at every folder again.
func (x *Index) Rescan() {
	select {
	case x.again <- struct{}{}:
	default: // asked for already
	}
}

// Status tells how far the index is.
func (x *Index) Status() Status {
	s := *x.status.Load()
	if s.State == "scanning" {
		s.Found, s.Read, s.Unreadable = x.found.Load(), x.read.Load(), x.unreadable.Load()
	}
	snap := x.snap.Load()
	s.Tracks, s.Playlists = snap.tracks, snap.playlists
	return s
}

// Lookup gives what is known of a file, if it has not changed since.
func (x *Index) Lookup(path string, size, mod int64) (Track, bool) {
	t := x.snap.Load().byPath[path]
	if t == nil || t.Size != size || t.Mod != mod {
		return Track{}, false
	}
	return *t, true
}

// Find gives what is known of a file, whether it has changed since or not.
func (x *Index) Find(path string) (Track, bool) {
	t := x.snap.Load().byPath[path]
	if t == nil {
		return Track{}, false
	}
	return *t, true
}

// Run keeps the index until ctx ends.
func (x *Index) Run(ctx context.Context) {
	x.load()
	x.watch = newWatcher(x.cfg)
	defer x.watch.close()
	x.scan(ctx, nil)
	for ctx.Err() == nil {
		x.wait(ctx)
	}
	if x.unsaved {
		x.save()
	}
}

// wait sleeps until there is something to do, and does it.
func (x *Index) wait(ctx context.Context) {
	periodic := x.cfg.Clock.NewTimer(max(x.nextScan.Sub(x.cfg.Clock.Now()), time.Millisecond))
	defer periodic.Stop()
	var save <-chan time.Time
	if x.unsaved {
		t := x.cfg.Clock.NewTimer(saveAfter)
		defer t.Stop()
		save = t.Chan()
	}
	select {
	case <-ctx.Done():
	case <-periodic.Chan():
		x.scan(ctx, nil)
	case <-x.again:
		x.scan(ctx, nil)
	case <-save:
		x.save()
	case <-x.watch.changed:
		x.settle(ctx)
	}
}

// schedule sets when everything is looked at again, whatever is told.
func (x *Index) schedule(failed bool) {
	every := rescanWatched
	if x.watch.blind() {
		every = rescanBlind
	}
	if failed {
		every = retryFailed
	}
	x.nextScan = x.cfg.Clock.Now().Add(every)
}

// settle waits until a folder in motion is quiet, and looks at what changed.
func (x *Index) settle(ctx context.Context) {
	limit := x.cfg.Clock.NewTimer(restless)
	defer limit.Stop()
	for {
		calm := x.cfg.Clock.NewTimer(quiet)
		select {
		case <-x.watch.changed:
			calm.Stop()
			continue
		case <-calm.Chan():
		case <-limit.Chan():
		case <-ctx.Done():
		}
		calm.Stop()
		break
	}
	if ctx.Err() != nil {
		return
	}
	dirs, all := x.watch.take()
	if all {
		x.scan(ctx, nil)
	} else if len(dirs) > 0 {
		x.scan(ctx, dirs)
	}
}

// finish publishes what a scan found.
func (x *Index) finish(next map[string]*Track, err error, full bool) {
	s := Status{State: "ready", ScannedAt: x.cfg.Clock.Now(), Found: x.found.Load(), Read: x.read.Load(), Unreadable: x.unreadable.Load()}
	if err != nil {
		s.State, s.Err = "failed", err.Error()
		x.cfg.Log.Warn("music folder cannot be scanned; it is tried again", obs.KeyErr, err)
	} else {
		x.publish(next)
	}
	if !full && err == nil { // the numbers of the whole folder stay meaningful
		old := x.status.Load()
		n := int64(len(next))
		s.Found, s.Read, s.Unreadable = n, n, max(old.Unreadable, x.unreadable.Load())
	}
	x.status.Store(&s)
}

func (x *Index) publish(next map[string]*Track) { x.snap.Store(newSnapshot(next)) }
