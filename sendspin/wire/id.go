package wire

import (
	"encoding/base64"
	"errors"
)

var b64url = base64.RawURLEncoding.Strict()

// ID returns the identifier of a static public key, as used for client_id and
// server_id: unpadded base64url, 43 characters (section Identities).
func ID(pub [32]byte) string { return b64url.EncodeToString(pub[:]) }

// ParseID is the inverse of [ID]. It accepts exactly the strings that ID returns,
// so equal keys have equal identifiers; the error does not repeat the input.
func ParseID(s string) ([32]byte, error) {
	var pub [32]byte
	b, err := decode64url(s, len(pub))
	if err != nil {
		return pub, errors.New("wire: identifier is not 43 characters of base64url for 32 bytes")
	}
	copy(pub[:], b)
	return pub, nil
}

// decode64url reads unpadded base64url of exactly n bytes. n < 0 takes any length.
// Line breaks, which encoding/base64 would skip, are refused.
func decode64url(s string, n int) ([]byte, error) {
	if n >= 0 && len(s) != b64url.EncodedLen(n) {
		return nil, errors.New("wrong length")
	}
	for i := range len(s) {
		if s[i] == '\n' || s[i] == '\r' {
			return nil, errors.New("line break")
		}
	}
	return b64url.DecodeString(s)
}
