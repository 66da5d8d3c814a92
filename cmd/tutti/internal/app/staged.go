package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tutti-audio/tutti/services/pairing/offline"
)

// A restore that the console asked for is made beside the server that runs: a whole data
// directory in stagedDir, its secrets under a deployment key of its own. Whatever can go
// wrong with the file has gone wrong by then. The next start only moves: what is there
// aside, what was made into place. readyFile says that all of it is there; journalFile says
// that the moving has begun, and is how a start goes on with it that was cut off.
const (
	stagedDir   = "restore-staged"
	readyFile   = "ready.json"
	journalFile = "swap.json"
	asidePrefix = "before-restore-"
)

// staged says what waits to be moved into place.
type staged struct {
	ServerName string    `json:"server_name"`
	MadeAt     time.Time `json:"made_at"`
	By         string    `json:"by"` // who asked for the restore
}

// swap is the journal of the moving: a start that finds one goes on with it.
type swap struct {
	Aside    string   `json:"aside"` // folder of what was there, in the data directory
	Incoming []string `json:"incoming"`
}

// stateOf lists what of a data directory is the server's state, the database last. What
// else is there stays: the admin token, the certificate, locks, the library's index.
func stateOf(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var rest, database []string
	for _, e := range entries {
		switch n := e.Name(); {
		case n == filepath.Base(BusDir(dir)), n == offline.KeyFile, n == offline.NextKeyFile:
			rest = append(rest, n)
		case strings.HasPrefix(n, offline.SQLiteFile) && n != offline.SQLiteFile+".use":
			database = append(database, n)
		}
	}
	// Of the database the file itself last: without it there is no server.
	slices.SortFunc(database, func(a, b string) int { return len(b) - len(a) })
	return append(rest, database...), nil
}

// markReady says that a staged restore is complete.
func markReady(dataDir string, s staged) error {
	return writeJSON(filepath.Join(dataDir, stagedDir, readyFile), s)
}

func writeJSON(name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	tmp := name + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, name); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(name))
}

func readJSON(name string, v any) error {
	b, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	return err
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// applyStaged moves a staged restore into place, when there is one; the caller holds the
// lock of the data directory. done is nil when there was none. After an error everything
// is as it was, and the staged restore is given up.
func applyStaged(dataDir string, now time.Time) (done *staged, aside string, err error) {
	return (&mover{dir: dataDir, rename: os.Rename}).apply(now)
}

func (m *mover) apply(now time.Time) (done *staged, aside string, err error) {
	dataDir := m.dir
	from := filepath.Join(dataDir, stagedDir)
	var s staged
	if err := readJSON(filepath.Join(from, readyFile), &s); err != nil {
		if rmErr := os.RemoveAll(from); rmErr != nil && !errors.Is(rmErr, fs.ErrNotExist) {
			return nil, "", fmt.Errorf("a restore that was not completed cannot be removed: %w", rmErr)
		}
		return nil, "", nil // none, or one that was cut off while it was made
	}
	if err := m.begin(now); err != nil {
		return nil, "", m.giveUp(err)
	}
	if err := m.move(); err != nil {
		return nil, "", m.giveUp(err)
	}
	// From here on the restored server is the server, whatever else happens.
	if err := os.Remove(filepath.Join(from, readyFile)); err != nil {
		return nil, "", m.giveUp(err)
	}
	_ = os.RemoveAll(from) // the next start removes what is left
	return &s, filepath.Join(dataDir, m.swap.Aside), nil
}

// mover is one moving.
type mover struct {
	dir    string
	rename func(from, to string) error // os.Rename
	swap   swap
}

func (m *mover) from(name string) string { return filepath.Join(m.dir, stagedDir, name) }
func (m *mover) here(name string) string { return filepath.Join(m.dir, name) }
func (m *mover) aside(name string) string {
	return filepath.Join(m.dir, m.swap.Aside, name)
}

// begin writes the journal, or reads the one of a start that was cut off.
func (m *mover) begin(now time.Time) error {
	if readJSON(m.from(journalFile), &m.swap) == nil && m.swap.Aside != "" {
		return nil
	}
	incoming, err := stateOf(filepath.Join(m.dir, stagedDir))
	if err != nil {
		return err
	}
	m.swap = swap{Aside: asidePrefix + now.UTC().Format("2006-01-02-150405"), Incoming: incoming}
	if err := os.Mkdir(m.here(m.swap.Aside), 0o700); err != nil {
		return err
	}
	return writeJSON(m.from(journalFile), m.swap)
}

// move does what is left to do. Of each name either the new one waits, then what is here
// is the old one; or the new one is here.
func (m *mover) move() error {
	old, err := stateOf(m.dir)
	if err != nil {
		return err
	}
	for _, n := range slices.Backward(old) { // the database first: from now on there is no server
		if slices.Contains(m.swap.Incoming, n) && !exists(m.from(n)) {
			continue // it is the new one
		}
		if err := m.rename(m.here(n), m.aside(n)); err != nil {
			return err
		}
	}
	for _, n := range m.swap.Incoming {
		if err := m.rename(m.from(n), m.here(n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return errors.Join(syncFolder(m.dir), syncFolder(m.here(m.swap.Aside)))
}

// giveUp puts everything back, and the staged restore where no start looks for it.
func (m *mover) giveUp(cause error) error {
	faults := []error{fmt.Errorf("the staged restore was not applied: %w; the server is what it was before", cause)}
	if m.swap.Aside != "" {
		for _, n := range m.swap.Incoming {
			if exists(m.here(n)) && !exists(m.from(n)) {
				faults = append(faults, m.rename(m.here(n), m.from(n)))
			}
		}
		entries, _ := os.ReadDir(m.here(m.swap.Aside)) // not there: nothing was moved
		for _, e := range entries {
			faults = append(faults, m.rename(m.aside(e.Name()), m.here(e.Name())))
		}
		_ = os.Remove(m.here(m.swap.Aside)) // empty, or it stays
	}
	faults = append(faults, os.RemoveAll(filepath.Join(m.dir, stagedDir)))
	return errors.Join(faults...)
}

func exists(name string) bool { _, err := os.Lstat(name); return err == nil }
