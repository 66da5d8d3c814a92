package noise

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

// idEncoding is unpadded base64url that refuses non-zero trailing bits, so that
// every key has exactly one id.
var idEncoding = base64.RawURLEncoding.Strict()

// idLength is the length of a client_id, server_id or psk_id in characters.
const idLength = 43

// PublicKey is a Curve25519 public key: the identity of a client or a server.
type PublicKey [32]byte

// ID is the client_id or server_id: 43 characters of base64url (specification: "Identities").
func (p PublicKey) ID() string { return idEncoding.EncodeToString(p[:]) }

// String is ID, so that keys log as people know them.
func (p PublicKey) String() string { return p.ID() }

// Fingerprint is Fingerprint(p).
func (p PublicKey) Fingerprint() string { return Fingerprint(p) }

// ParsePublicKey reads a client_id or server_id.
func ParsePublicKey(id string) (PublicKey, error) {
	var p PublicKey
	if len(id) != idLength {
		return p, fmt.Errorf("noise: an id has %d characters, want %d", len(id), idLength)
	}
	if n, err := idEncoding.Decode(p[:], []byte(id)); err != nil || n != len(p) {
		return PublicKey{}, fmt.Errorf("noise: an id is not base64url of 32 bytes")
	}
	return p, nil
}

// fingerprintLabel keeps the fingerprint apart from every other hash of a key.
const fingerprintLabel = "tutti-key-fingerprint-v1"

// fingerprintAlphabet is Crockford's base 32: no I, L, O or U, so that a
// fingerprint survives being read out and written down.
const fingerprintAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// Fingerprint is the short form of a key that people compare by eye or by voice,
// such as "7Q3K-0ZMD-V9TA-15XE": the first 80 bits of SHA-256(label || key) in
// four groups of four base 32 characters. Eighty bits make it infeasible to find
// a second key for a given fingerprint; it is a name to compare, never a key to look up by.
func Fingerprint(pub PublicKey) string {
	h := sha256.New()
	h.Write([]byte(fingerprintLabel))
	h.Write(pub[:])
	sum := h.Sum(nil)

	out := make([]byte, 0, 19)
	for i := range 16 {
		if i > 0 && i%4 == 0 {
			out = append(out, '-')
		}
		bit := i * 5
		v := uint16(sum[bit/8])<<8 | uint16(sum[bit/8+1])
		out = append(out, fingerprintAlphabet[v>>(11-bit%8)&31])
	}
	return string(out)
}
