package pairing

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/tutti-audio/tutti/sendspin/noise"
)

// WrappedLen is the length of a wrapped field in bytes: 32 and the AEAD's tag.
const WrappedLen = 32 + noise.Overhead

// Wrap seals a 32-byte value under the outcome of a CPace run (section Wrapping):
//
//	K_wrap = SHA-256(label || sid || ISK)
//	field  = AEAD(K_wrap, nonce = 12 zero bytes, ad = "", value)
//
// label is [LabelPSK] or [LabelNonce]. The nonce may be constant because the key is
// new in every round and for each field: a caller must not wrap two values with the
// same label, sid and ISK.
func Wrap(suite noise.Suite, label string, sid, isk []byte, value [32]byte) ([]byte, error) {
	aead, err := wrapAEAD(suite, label, sid, isk)
	if err != nil {
		return nil, err
	}
	return aead.Seal(make([]byte, 0, WrappedLen), make([]byte, aead.NonceSize()), value[:], nil), nil
}

// Unwrap opens what [Wrap] sealed. It fails with ErrUnwrap on anything else.
func Unwrap(suite noise.Suite, label string, sid, isk, wrapped []byte) (value [32]byte, err error) {
	aead, err := wrapAEAD(suite, label, sid, isk)
	if err != nil {
		return value, err
	}
	if len(wrapped) != WrappedLen {
		return value, ErrUnwrap
	}
	plain, err := aead.Open(nil, make([]byte, aead.NonceSize()), wrapped, nil)
	if err != nil {
		return value, ErrUnwrap
	}
	defer clear(plain)
	return [32]byte(plain), nil
}

func wrapAEAD(suite noise.Suite, label string, sid, isk []byte) (cipher.AEAD, error) {
	h := sha256.New()
	h.Write([]byte(label))
	h.Write(sid)
	h.Write(isk)
	key := h.Sum(nil)
	defer clear(key)
	switch suite {
	case noise.ChaChaPoly:
		return chacha20poly1305.New(key)
	case noise.AESGCM:
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		return cipher.NewGCM(block)
	}
	return nil, fmt.Errorf("pairing: %q is not a cipher suite", string(suite))
}
