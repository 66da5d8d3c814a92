package mono

import (
	"crypto/rand"
	"encoding/hex"
)

// processID is a random id for where no boot id can be read.
func processID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails
	return "process-" + hex.EncodeToString(b[:])
}
