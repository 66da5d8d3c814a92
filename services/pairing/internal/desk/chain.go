package desk

import (
	"crypto/sha256"
	"encoding/binary"
)

// ChainHash is the event's place in the ledger's hash chain:
//
//	SHA-256("tutti-audit-v1" | prev | id | at in µs | actor | kind | client id | detail)
//
// Integers are 8 bytes big-endian, texts and prev are preceded by their length in
// 8 bytes. Removing, changing or reordering an entry breaks every later hash.
func (e Event) ChainHash() []byte {
	h := sha256.New()
	num := func(n uint64) { _ = binary.Write(h, binary.BigEndian, n) }
	text := func(b []byte) {
		num(uint64(len(b)))
		_, _ = h.Write(b)
	}
	_, _ = h.Write([]byte("tutti-audit-v1"))
	text(e.Prev)
	num(e.ID)
	num(uint64(e.At.UnixMicro()))
	text([]byte(e.Actor))
	text([]byte(e.Kind))
	text([]byte(e.ClientID))
	text([]byte(e.Detail))
	return h.Sum(nil)
}
