package secret

import (
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"

	"golang.org/x/crypto/nacl/box"
)

// sealingLabel keeps the sealing key apart from every other use of the identity.
const sealingLabel = "tutti-bus-seal-v1"

// ErrNotForUs: a box was sealed to another key, or is damaged.
var ErrNotForUs = errors.New("the box does not open with the deployment's sealing key")

// SealingKey opens what other services seal to the deployment on its way over the
// bus: codes, tokens, pairing messages. All instances derive the same key from the
// server's private key (HKDF-SHA-256), so any of them may be the one that is asked.
// It does not print, log or marshal.
type SealingKey struct {
	_ [0]func()
	k *sealingPair
}

type sealingPair struct{ pub, priv [32]byte }

// NewSealingKey derives the key from the server's private key, 32 bytes. The caller
// may wipe them afterwards.
func NewSealingKey(serverPrivate []byte) (SealingKey, error) {
	if len(serverPrivate) != 32 {
		return SealingKey{}, errors.New("derive the sealing key: the server's private key has 32 bytes")
	}
	raw, err := hkdf.Key(sha256.New, serverPrivate, nil, sealingLabel, 32)
	if err != nil {
		return SealingKey{}, fmt.Errorf("derive the sealing key: %w", err)
	}
	defer clear(raw)
	priv, err := ecdh.X25519().NewPrivateKey(raw)
	if err != nil {
		return SealingKey{}, fmt.Errorf("derive the sealing key: %w", err)
	}
	pair := &sealingPair{pub: [32]byte(priv.PublicKey().Bytes())}
	copy(pair.priv[:], raw)
	return SealingKey{k: pair}, nil
}

// Public is the half that everyone may know (ServerSettings.sealing_key).
func (s SealingKey) Public() []byte { return append([]byte(nil), s.k.pub[:]...) }

// Open opens a NaCl anonymous box. The caller wipes what it returns. The error is
// ErrNotForUs.
func (s SealingKey) Open(sealed []byte) ([]byte, error) {
	plain, ok := box.OpenAnonymous(nil, sealed, &s.k.pub, &s.k.priv)
	if !ok {
		return nil, ErrNotForUs
	}
	return plain, nil
}

// Format hides the key from every verb of package fmt.
func (SealingKey) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(hidden)) }

// LogValue hides the key from logs.
func (SealingKey) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText hides the key from encoders.
func (SealingKey) MarshalText() ([]byte, error) { return []byte(hidden), nil }
