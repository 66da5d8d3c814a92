package app

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// lay writes files below dir.
func lay(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// laid reads the files below dir.
func laid(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		out[name] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// old is a server that has run; fresh is what a restore has made.
var (
	old = map[string]string{"trust.db": "old", "trust.db-wal": "old wal", "trust.db.use": "", "lock": "", "deployment-key": "old key", "admin-token": "token",
		"bus/jetstream/a": "old bus", "library/index": "index", "tls-self.crt": "certificate"}
	fresh   = map[string]string{"trust.db": "new", "lock": "", "deployment-key": "new key", "bus/jetstream/b": "new bus"}
	becomes = map[string]string{"trust.db": "new", "trust.db.use": "", "lock": "", "deployment-key": "new key", "admin-token": "token",
		"bus/jetstream/b": "new bus", "library/index": "index", "tls-self.crt": "certificate"}
	kept = map[string]string{"trust.db": "old", "trust.db-wal": "old wal", "deployment-key": "old key", "bus/jetstream/a": "old bus"}
)

func stagedHouse(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	lay(t, dir, old)
	lay(t, filepath.Join(dir, stagedDir), fresh)
	if err := markReady(dir, staged{ServerName: "Casa Verde"}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// applied checks that the new server is there, and the old one aside.
func applied(t *testing.T, dir, aside string) {
	t.Helper()
	if got := laid(t, aside); !maps.Equal(got, kept) {
		t.Errorf("aside lies %v", got)
	}
	if err := os.RemoveAll(aside); err != nil {
		t.Fatal(err)
	}
	if got := laid(t, dir); !maps.Equal(got, becomes) {
		t.Errorf("the data directory holds %v", got)
	}
}

func TestAStagedRestoreIsMovedIntoPlace(t *testing.T) {
	dir := stagedHouse(t)
	done, aside, err := applyStaged(dir, time.Now())
	if err != nil || done == nil || done.ServerName != "Casa Verde" || !strings.HasPrefix(filepath.Base(aside), asidePrefix) {
		t.Fatalf("%+v %s %v", done, aside, err)
	}
	applied(t, dir, aside)
	if done, _, err := applyStaged(dir, time.Now()); done != nil || err != nil {
		t.Errorf("a second time: %v %v", done, err)
	}
}

// TestARestoreThatWasCutOffIsNotApplied: without its mark it is not whole.
func TestARestoreThatWasCutOffIsNotApplied(t *testing.T) {
	dir := t.TempDir()
	lay(t, dir, old)
	lay(t, filepath.Join(dir, stagedDir), fresh)
	if done, _, err := applyStaged(dir, time.Now()); done != nil || err != nil {
		t.Errorf("%v %v", done, err)
	}
	if got := laid(t, dir); !maps.Equal(got, old) {
		t.Errorf("the data directory holds %v", got)
	}
}

// TestNothingIsLostWhereverTheMovingEnds: with an error everything is as it was, after a
// crash the next start goes on.
func TestNothingIsLostWhereverTheMovingEnds(t *testing.T) {
	const steps = 7 // four names go, three come
	for k := range steps {
		dir := stagedHouse(t)
		n := 0
		failing := &mover{dir: dir, rename: func(from, to string) error {
			if n++; n == k+1 {
				return errors.New("the disk says no")
			}
			return os.Rename(from, to)
		}}
		if done, _, err := failing.apply(time.Now()); done != nil || err == nil || !strings.Contains(err.Error(), "what it was before") {
			t.Errorf("an error at step %d: %v %v", k, done, err)
		}
		if got := laid(t, dir); !maps.Equal(got, old) {
			t.Errorf("after an error at step %d the data directory holds %v", k, got)
		}

		dir = stagedHouse(t)
		n = 0
		dying := &mover{dir: dir, rename: func(from, to string) error {
			if n++; n == k+1 {
				panic("power failure")
			}
			return os.Rename(from, to)
		}}
		func() {
			defer func() { _ = recover() }()
			_, _, _ = dying.apply(time.Now())
			t.Errorf("there are only %d steps", k)
		}()
		done, aside, err := applyStaged(dir, time.Now().Add(time.Hour))
		if err != nil || done == nil {
			t.Fatalf("after a crash at step %d: %v %v", k, done, err)
		}
		applied(t, dir, aside)
	}
	n := 0
	all := &mover{dir: stagedHouse(t), rename: func(from, to string) error { n++; return os.Rename(from, to) }}
	if _, _, err := all.apply(time.Now()); err != nil || n != steps {
		t.Errorf("%d steps, %v", n, err)
	}
}

// TestAFirstStartMayBeARestore: there is nothing to move aside.
func TestAFirstStartMayBeARestore(t *testing.T) {
	dir := t.TempDir()
	lay(t, filepath.Join(dir, stagedDir), fresh)
	if err := markReady(dir, staged{}); err != nil {
		t.Fatal(err)
	}
	if done, _, err := applyStaged(dir, time.Now()); done == nil || err != nil {
		t.Fatalf("%v %v", done, err)
	}
	if got := laid(t, dir); got["trust.db"] != "new" || got["deployment-key"] != "new key" {
		t.Errorf("the data directory holds %v", got)
	}
}
