package app

import (
	"path/filepath"
	"strings"
	"unicode"
)

// LockDataDir holds the lock of a data directory for a command that works on it while
// no server does. It makes the directory (0700) when it is not there.
func LockDataDir(dir string) (release func(), err error) { return openDataDir(dir) }

// DefaultDataDir is the data directory of a server that names none.
func DefaultDataDir() (string, error) {
	dir, err := dataHome()
	return filepath.Join(dir, "tutti"), err
}

// BusDir is where the embedded NATS server of a data directory keeps its files.
func BusDir(dataDir string) string { return filepath.Join(dataDir, "bus") }

// Printable takes out what could move the cursor or colour the screen.
func Printable(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || unicode.Is(unicode.Cf, c) {
			return '·'
		}
		return c
	}, s)
}
