package index

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/tutti-audio/tutti/audio/source"
)

// describeTime is how long reading one file's tags may take.
const describeTime = 30 * time.Second

// scan looks at the whole folder, or at the given folders and what is new below them, and
// publishes what it finds. Files that have not changed are not read.
func (x *Index) scan(ctx context.Context, dirs []string) {
	x.found.Store(0)
	x.read.Store(0)
	x.unreadable.Store(0)
	full := dirs == nil
	old := x.snap.Load().byPath
	next := map[string]*Track{}
	if full {
		x.watch.reset()
		x.status.Store(&Status{State: "scanning", ScannedAt: x.status.Load().ScannedAt})
		dirs = []string{""}
	} else {
		next = without(old, dirs)
	}
	s := &scanner{x: x, old: old, full: full, jobs: make(chan source.Entry, 64), results: make(chan *Track, 64)}
	began := x.cfg.Clock.Now()
	wait := s.start(ctx, dirs)
	x.collect(s.results, next, full && len(old) == 0)
	if err := wait(); err != nil || ctx.Err() != nil {
		if ctx.Err() == nil {
			x.finish(nil, err, full)
			x.schedule(true)
		}
		return
	}
	changed := !maps.Equal(old, next)
	x.unsaved = x.unsaved || changed
	x.finish(next, nil, full)
	if full {
		x.schedule(false)
		if x.unsaved {
			x.save()
		}
		x.cfg.Log.Info("music folder scanned", "files", len(next), "unreadable", x.unreadable.Load(), "took", x.cfg.Clock.Since(began).Round(time.Millisecond))
	} else if changed {
		x.cfg.Log.Info("music folder changed", "files", len(next), "folders", len(dirs))
	}
}

// without is what stays of old when the files directly in dirs, and all below a folder
// that is gone, are looked at anew.
func without(old map[string]*Track, dirs []string) map[string]*Track {
	next := maps.Clone(old)
	for p := range next {
		for _, d := range dirs {
			if under(p, d) {
				delete(next, p)
				break
			}
		}
	}
	return next
}

func under(p, dir string) bool {
	return dir == "" || strings.HasPrefix(p, dir) && len(p) > len(dir) && p[len(dir)] == '/'
}

// collect takes what a scan gives. On the first scan what is there already can be found
// meanwhile, and the log tells how far it is.
func (x *Index) collect(results <-chan *Track, next map[string]*Track, first bool) {
	shown, told := x.cfg.Clock.Now(), x.cfg.Clock.Now()
	for t := range results {
		next[t.Path] = t
		x.read.Add(1)
		if !first {
			continue
		}
		now := x.cfg.Clock.Now()
		if now.Sub(shown) >= showEvery {
			shown = now
			x.publish(maps.Clone(next))
		}
		if now.Sub(told) >= reportEvery {
			told = now
			x.cfg.Log.Info("music folder is being scanned", "found", x.found.Load(), "read", x.read.Load(), "unreadable", x.unreadable.Load())
		}
	}
}

// scanner is one scan: a walker that knows what has changed, and workers that read it.
type scanner struct {
	x       *Index
	old     map[string]*Track
	full    bool
	jobs    chan source.Entry
	results chan *Track

	mu    sync.Mutex
	texts map[string]string // shared strings
}

// start runs the walk and the workers; results is closed when they are done. The function
// that it returns gives the walk's error then.
func (s *scanner) start(ctx context.Context, dirs []string) func() error {
	s.texts = map[string]string{}
	var wg sync.WaitGroup
	var err error
	wg.Go(func() {
		defer close(s.jobs)
		err = s.walkAll(ctx, dirs)
	})
	for range s.x.cfg.Workers {
		wg.Go(func() { s.work(ctx) })
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		wg.Wait()
		close(s.results)
	}()
	return func() error { <-done; return err }
}

func (s *scanner) walkAll(ctx context.Context, dirs []string) error {
	if _, err := os.Stat(s.x.cfg.MusicDir); err != nil {
		return fmt.Errorf("the music folder %s cannot be read: %w", s.x.cfg.MusicDir, err)
	}
	for _, d := range dirs {
		if err := s.walk(ctx, d, nil); err != nil {
			return err
		}
	}
	return nil
}

// walk goes through dir and what lies below. above are the folders on the way to it: a
// link that leads back to one of them would go round for ever.
func (s *scanner) walk(ctx context.Context, dir string, above []fs.FileInfo) error {
	full := filepath.Join(s.x.cfg.MusicDir, filepath.FromSlash(dir))
	here, err := os.Stat(full)
	if err != nil {
		return nil // it has gone since
	}
	for _, a := range above {
		if os.SameFile(a, here) {
			return nil
		}
	}
	s.x.watch.add(full)
	entries, err := source.Folder(s.x.cfg.MusicDir, dir)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			s.x.unreadable.Add(1)
			s.x.cfg.Log.Debug("folder cannot be read", "path", dir, "err", err)
		}
		return nil
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		switch {
		case !utf8.ValidString(e.Path):
			s.x.unreadable.Add(1) // no address could name it
		case e.Dir && len(above) < source.MaxDepth:
			err = s.walk(ctx, e.Path, append(above[:len(above):len(above)], here))
		case !e.Dir:
			err = s.file(ctx, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// file passes a file on: to the workers when it is new or has changed.
func (s *scanner) file(ctx context.Context, e source.Entry) error {
	s.x.found.Add(1)
	if t := s.old[e.Path]; t != nil && t.Size == e.Size && t.Mod == e.Mod {
		if t.Err != "" {
			s.x.unreadable.Add(1)
		}
		return send(ctx, s.results, t)
	}
	return send(ctx, s.jobs, e)
}

func send[T any](ctx context.Context, c chan<- T, v T) error {
	select {
	case c <- v:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// work reads files until there are no more.
func (s *scanner) work(ctx context.Context) {
	for e := range s.jobs {
		t := &Track{Path: e.Path, Size: e.Size, Mod: e.Mod, Playlist: e.Playlist()}
		if !t.Playlist && !s.describe(ctx, t) {
			continue
		}
		t.index()
		if send(ctx, s.results, t) != nil {
			continue // drain the jobs: the walker ends with ctx, too
		}
	}
}

// describe reads the tags of one file. It is false when the file has gone, or the time.
func (s *scanner) describe(ctx context.Context, t *Track) bool {
	limited, cancel := context.WithTimeout(ctx, describeTime)
	defer cancel()
	i, err := s.x.cfg.Describe(limited, t.Path)
	switch {
	case ctx.Err() != nil || errors.Is(err, fs.ErrNotExist):
		return false
	case err != nil:
		t.Err = strings.ToValidUTF8(err.Error(), "?")
		s.x.unreadable.Add(1)
		s.x.cfg.Log.Debug("file cannot be played", "path", t.Path, "err", err)
	default:
		t.describe(i, s.intern)
	}
	return true
}

func (s *scanner) intern(text string) string {
	text = strings.ToValidUTF8(text, "?")
	s.mu.Lock()
	defer s.mu.Unlock()
	if have, ok := s.texts[text]; ok {
		return have
	}
	s.texts[text] = text
	return text
}

// parent is the folder of a path; "" is the music folder itself.
func parent(p string) string {
	if d := path.Dir(p); d != "." && d != "/" {
		return d
	}
	return ""
}
