//go:build unix

package bus

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// lockDir keeps a second process away from a store: NATS does not, and two servers
// would destroy it. The kernel frees the lock when the process dies.
func lockDir(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("bus: lock the store: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close() // nothing was written
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("bus: another process uses %s: stop it, or choose another folder with --data-dir", dir)
		}
		return nil, fmt.Errorf("bus: lock %s: %w", dir, err)
	}
	return func() { _ = f.Close() }, nil // closing frees the lock
}
