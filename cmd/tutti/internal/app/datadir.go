package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// openDataDir makes dir (0700) and holds a lock on it, so that two servers
// never write the same database. The lock ends with the process, however it ends.
func openDataDir(dir string) (release func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory %s cannot be made (%w): choose another with --data-dir", dir, err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data directory %s is not writable (%w): mend its permissions or choose another with --data-dir", dir, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("data directory %s is in use by another tutti: stop that one, or choose another with --data-dir", dir)
		}
		return nil, fmt.Errorf("locking data directory %s: %w", dir, err)
	}
	return func() { _ = f.Close() }, nil
}

// spoolDir is where the stream service keeps what it plays from HTTP servers that cannot
// seek: in containers nothing but the data directory can be written to.
func spoolDir(dataDir string) string { return filepath.Join(dataDir, "spool") }
