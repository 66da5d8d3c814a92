package vaultcmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tutti-audio/tutti/cmd/tutti/internal/app"
	"github.com/tutti-audio/tutti/services/pairing/offline"
)

// stage is a data directory that is being restored. Everything is built in the folder
// "restoring" in it and then moved into place, the database last; while that folder
// is there, no service starts, and another restore begins by clearing what this one
// left.
type stage struct {
	dir     string
	release func()
	placed  []string
	keyWas  bool // the data directory held a deployment key before
}

// harmless are what an empty data directory may hold: locks, and what is put there
// before a first start. A deployment key that is there is used.
func harmless(name string) bool {
	return slices.Contains([]string{"lock", "lost+found", "admin-token", offline.KeyFile}, name) || name == offline.SQLiteFile+".use"
}

// newStage locks dir and makes sure that there is nothing to overwrite.
func newStage(dir string) (*stage, error) {
	release, err := app.LockDataDir(dir)
	if err != nil {
		return nil, err
	}
	s := &stage{dir: dir, release: release}
	if err := s.prepare(); err != nil {
		release()
		return nil, err
	}
	return s, nil
}

func (s *stage) path() string { return filepath.Join(s.dir, offline.RestoringDir) }

// key is the deployment key that was there before; "" for none.
func (s *stage) key() string {
	if s.keyWas {
		return filepath.Join(s.dir, offline.KeyFile)
	}
	return ""
}

func (s *stage) prepare() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("the data directory cannot be read: %w", err)
	}
	_, err = os.Stat(s.path())
	cutOff := err == nil // an earlier restore: all that is there is its
	if _, err := os.Stat(filepath.Join(s.dir, offline.SQLiteFile)); cutOff && err == nil {
		return fmt.Errorf("the restore before this one came to its end: the data directory %s holds its server, which can be started", s.dir)
	}
	for _, e := range entries {
		switch {
		case e.Name() == offline.KeyFile:
			s.keyWas = true
		case harmless(e.Name()):
		case !cutOff:
			return fmt.Errorf("the data directory %s is not empty (there is %s), and a restore never overwrites a server: name another with --data-dir, "+
				"or move what is there away", s.dir, e.Name())
		case e.Name() != offline.RestoringDir && !s.ours(e.Name()):
			return fmt.Errorf("the data directory %s holds %s, which no restore put there: move it away", s.dir, e.Name())
		}
	}
	if cutOff {
		s.clear()
	}
	if err := os.Mkdir(s.path(), 0o700); err != nil {
		return fmt.Errorf("the data directory cannot be written: %w", err)
	}
	return syncDir(s.dir)
}

// ours are the names that a restore puts into place.
func (s *stage) ours(name string) bool {
	return name == filepath.Base(app.BusDir(s.dir)) || name == offline.KeyFile || strings.HasPrefix(name, offline.SQLiteFile)
}

// clear removes what a restore that was cut off left; the mark goes last. A deployment
// key stays: it was there before, or it will do for the next try.
func (s *stage) clear() {
	entries, _ := os.ReadDir(s.dir) // what cannot be read cannot be removed either
	for _, e := range entries {
		if s.ours(e.Name()) && e.Name() != offline.KeyFile {
			_ = os.RemoveAll(filepath.Join(s.dir, e.Name()))
		}
	}
	_ = os.RemoveAll(s.path())
}

// place moves what was built into place, the database last.
func (s *stage) place() error {
	names := []string{filepath.Base(app.BusDir(s.dir)), offline.KeyFile, offline.SQLiteFile}
	for _, n := range names {
		from, to := filepath.Join(s.path(), n), filepath.Join(s.dir, n)
		err := os.Rename(from, to)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("put %s in place: %w", n, err)
		}
		s.placed = append(s.placed, to)
	}
	return syncDir(s.dir)
}

// done takes the mark away: from now on a server may start.
func (s *stage) done() error {
	if err := os.RemoveAll(s.path()); err != nil {
		return fmt.Errorf("the restore is complete, but its mark %s cannot be removed: %w; remove it by hand", s.path(), err)
	}
	return syncDir(s.dir)
}

// undo removes everything that this restore made.
func (s *stage) undo() {
	for _, p := range slices.Backward(s.placed) {
		_ = os.RemoveAll(p)
	}
	_ = os.RemoveAll(s.path())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
