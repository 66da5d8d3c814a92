package index

import (
	"errors"
	"path/filepath"
	"strings"
	"sync"

	"github.com/fsnotify/fsnotify"

	"github.com/tutti-audio/tutti/platform/obs"
)

// maxDirty is how many changed folders are told apart; beyond, all is looked at.
const maxDirty = 200

// watcher collects which folders have changed. Where changes are not told (network file
// systems, no watches left) it is blind, and the index looks again from time to time.
type watcher struct {
	cfg     Config
	fs      *fsnotify.Watcher // nil: none
	changed chan struct{}     // one slot
	wg      sync.WaitGroup

	// mu guards what the collecting goroutine and the index share.
	mu     sync.Mutex
	dirty  map[string]bool
	all    bool
	failed bool
}

func newWatcher(cfg Config) *watcher {
	w := &watcher{cfg: cfg, changed: make(chan struct{}, 1), dirty: map[string]bool{}}
	if cfg.NoWatch {
		return w
	}
	if remoteFS(cfg.MusicDir) {
		cfg.Log.Info("music folder is on a network file system: changes are found by looking again", "every", rescanBlind)
		return w
	}
	fs, err := fsnotify.NewWatcher()
	if err != nil {
		cfg.Log.Warn("music folder cannot be watched: changes are found by looking again", "every", rescanBlind, obs.KeyErr, err)
		return w
	}
	w.fs = fs
	w.wg.Go(w.collect)
	return w
}

// blind says that changes may not be told.
func (w *watcher) blind() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fs == nil || w.failed
}

// add watches one folder. The first failure is told, once: the usual one is that the
// system's watches are used up.
func (w *watcher) add(dir string) {
	if w.fs == nil || w.blind() {
		return
	}
	if err := w.fs.Add(dir); err != nil {
		w.mu.Lock()
		w.failed = true
		w.mu.Unlock()
		w.cfg.Log.Warn("not every folder can be watched: changes are found by looking again; raise the sysctl fs.inotify.max_user_watches",
			"every", rescanBlind, obs.KeyErr, err)
	}
}

// reset forgets what is known of changes, before everything is looked at.
func (w *watcher) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.dirty)
	w.all = false
}

// take gives the changed folders and forgets them.
func (w *watcher) take() (dirs []string, all bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for d := range w.dirty {
		dirs = append(dirs, d)
	}
	all = w.all
	clear(w.dirty)
	w.all = false
	return outermost(dirs), all
}

// outermost leaves out folders below others of the list: a walk finds them.
func outermost(dirs []string) (out []string) {
	for _, d := range dirs {
		inner := false
		for _, o := range dirs {
			inner = inner || d != o && under(d, o)
		}
		if !inner {
			out = append(out, d)
		}
	}
	return out
}

// collect takes events until the watcher is closed.
func (w *watcher) collect() {
	for {
		select {
		case e, ok := <-w.fs.Events:
			if !ok {
				return
			}
			w.note(e)
		case err, ok := <-w.fs.Errors:
			if !ok {
				return
			}
			if errors.Is(err, fsnotify.ErrEventOverflow) {
				w.mark("", true)
			}
		}
	}
}

// note marks the folder of what changed. Being read is no change, and hidden files are
// nobody's business.
func (w *watcher) note(e fsnotify.Event) {
	if e.Op == fsnotify.Chmod || strings.HasPrefix(filepath.Base(e.Name), ".") {
		return
	}
	rel, err := filepath.Rel(w.cfg.MusicDir, e.Name)
	if err != nil || !filepath.IsLocal(rel) {
		return
	}
	w.mark(parent(filepath.ToSlash(rel)), false)
}

func (w *watcher) mark(dir string, all bool) {
	w.mu.Lock()
	if w.all = w.all || all || len(w.dirty) >= maxDirty; !w.all {
		w.dirty[dir] = true
	}
	w.mu.Unlock()
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

func (w *watcher) close() {
	if w.fs != nil {
		_ = w.fs.Close() // nothing to lose
		w.wg.Wait()
	}
}
