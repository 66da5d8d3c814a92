package password

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// hash is one PHC string, taken apart.
type hash struct {
	Params
	salt, key []byte
}

// Bounds of what a stored hash may ask for: a record that was tampered with must not
// take the machine's memory.
const (
	maxMemoryKiB = 256 << 10
	maxPasses    = 16
	maxLanes     = 16
	maxPHC       = 256
)

// errPHC is deliberately without the string: it is a secret.
var errPHC = errors.New("is no argon2id hash in the PHC format, or one out of bounds")

// String is the PHC form: $argon2id$v=19$m=…,t=…,p=…$salt$hash.
func (h hash) String() string {
	b := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.MemoryKiB, h.Passes, h.Lanes,
		b.EncodeToString(h.salt), b.EncodeToString(h.key))
}

// parse reads what String wrote, and nothing else.
func parse(s string) (hash, error) {
	parts := strings.Split(s, "$")
	if len(s) > maxPHC || len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return hash{}, errPHC
	}
	var h hash
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.MemoryKiB, &h.Passes, &h.Lanes); err != nil || n != 3 {
		return hash{}, errPHC
	}
	if h.MemoryKiB < 8 || h.MemoryKiB > maxMemoryKiB || h.Passes < 1 || h.Passes > maxPasses || h.Lanes < 1 || h.Lanes > maxLanes {
		return hash{}, errPHC
	}
	var err error
	if h.salt, err = base64.RawStdEncoding.Strict().DecodeString(parts[4]); err != nil || len(h.salt) != saltBytes {
		return hash{}, errPHC
	}
	if h.key, err = base64.RawStdEncoding.Strict().DecodeString(parts[5]); err != nil || len(h.key) != hashBytes {
		return hash{}, errPHC
	}
	if h.String() != s { // 007, spaces, a rest after p
		return hash{}, errPHC
	}
	return h, nil
}

// Valid says whether phc can be checked at all.
func Valid(phc string) bool {
	_, err := parse(phc)
	return err == nil
}
