//go:build !unix

package doctorcmd

import "errors"

// freeSpace is not told on this system.
func freeSpace(string) (uint64, error) { return 0, errors.New("not told on this system") }
