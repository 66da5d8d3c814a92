package noise

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// PrivateKey is a Curve25519 private key, parsed once and kept parsed. It cannot
// be compared with ==, and it neither prints nor marshals. The key sits behind a
// function: fmt ignores methods of unexported fields and follows pointers for
// some verbs, but of a function it can only show the address.
type PrivateKey struct {
	key func() *ecdh.PrivateKey
	pub PublicKey
}

// GenerateKey draws a new key from rand, which must be cryptographically secure
// (nil: crypto/rand).
func GenerateKey(random io.Reader) (*PrivateKey, error) {
	var b [32]byte
	defer clear(b[:])
	if err := draw(random, b[:]); err != nil {
		return nil, fmt.Errorf("noise: draw private key: %w", err)
	}
	return NewPrivateKey(b[:])
}

// NewPrivateKey takes 32 stored bytes. The caller may wipe b afterwards.
func NewPrivateKey(b []byte) (*PrivateKey, error) {
	key, err := ecdh.X25519().NewPrivateKey(b)
	if err != nil {
		return nil, errors.New("noise: a private key has 32 bytes")
	}
	k := &PrivateKey{key: func() *ecdh.PrivateKey { return key }}
	copy(k.pub[:], key.PublicKey().Bytes())
	return k, nil
}

// Public is the key's identity.
func (k *PrivateKey) Public() PublicKey { return k.pub }

// Bytes is a copy of the secret, for sealing and storing. Wipe it when done.
func (k *PrivateKey) Bytes() []byte { return k.key().Bytes() }

// Equal compares in constant time.
func (k *PrivateKey) Equal(o *PrivateKey) bool { return k.key().Equal(o.key()) }

// Format implements fmt.Formatter: it prints the public id only.
func (k PrivateKey) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, k.redacted()) }

// LogValue implements slog.LogValuer: it logs the public id only.
func (k PrivateKey) LogValue() slog.Value { return slog.StringValue(k.redacted()) }

// MarshalJSON always fails with ErrSecret.
func (k PrivateKey) MarshalJSON() ([]byte, error) { return nil, ErrSecret }

// MarshalText always fails with ErrSecret.
func (k PrivateKey) MarshalText() ([]byte, error) { return nil, ErrSecret }

// MarshalBinary always fails with ErrSecret.
func (k PrivateKey) MarshalBinary() ([]byte, error) { return nil, ErrSecret }

func (k PrivateKey) redacted() string { return "(private key of " + k.pub.ID() + ")" }

// PSK is a 32-byte pre-shared secret. Copies share one array, so that Wipe reaches
// all of them. It cannot be compared with ==, and neither prints nor marshals.
// The zero PSK holds no key. (Behind a function for the reason given at PrivateKey.)
type PSK struct {
	b func() *[32]byte
}

func pskOf(b *[32]byte) PSK { return PSK{b: func() *[32]byte { return b }} }

// NewPSK copies 32 stored bytes. The caller may wipe b afterwards.
func NewPSK(b []byte) (PSK, error) {
	if len(b) != 32 {
		return PSK{}, fmt.Errorf("noise: a pre-shared key has 32 bytes, got %d", len(b))
	}
	c := [32]byte(b)
	return pskOf(&c), nil
}

// GeneratePSK draws a new PSK from rand, which must be cryptographically secure
// (nil: crypto/rand).
func GeneratePSK(random io.Reader) (PSK, error) {
	var b [32]byte
	if err := draw(random, b[:]); err != nil {
		return PSK{}, fmt.Errorf("noise: draw pre-shared key: %w", err)
	}
	return pskOf(&b), nil
}

// Labels of the specification, section "Pre-Shared Key".
const (
	pskIDLabel    = "sendspin-psk-id-v1"
	sentinelLabel = "sendspin-sentinel-psk-v1"
	sentinelPSKID = "GFsV9tLaSQm9HcFWpKsgYQOr7wFTvNUtkmFwuVz3zoo"
)

// SentinelPSK is the published constant that stands in where no other PSK applies.
// It authenticates nobody.
func SentinelPSK() PSK {
	b := sha256.Sum256([]byte(sentinelLabel))
	return pskOf(&b)
}

// SentinelPSKID is the psk_id of SentinelPSK.
func SentinelPSKID() string { return sentinelPSKID }

// PSKID is p.ID().
func PSKID(p PSK) string { return p.ID() }

// ID is the psk_id, base64url(SHA-256("sendspin-psk-id-v1" || PSK)): safe to store
// and to index by. It is empty for the zero PSK.
func (p PSK) ID() string {
	if p.b == nil {
		return ""
	}
	h := sha256.New()
	h.Write([]byte(pskIDLabel))
	h.Write(p.b()[:])
	return idEncoding.EncodeToString(h.Sum(nil))
}

// Bytes is a copy of the secret, for sealing and storing; nil for the zero PSK.
// Wipe it when done.
func (p PSK) Bytes() []byte {
	if p.b == nil {
		return nil
	}
	return append(make([]byte, 0, 32), p.b()[:]...)
}

// Equal compares in constant time. A zero PSK equals nothing.
func (p PSK) Equal(o PSK) bool {
	return p.b != nil && o.b != nil && subtle.ConstantTimeCompare(p.b()[:], o.b()[:]) == 1
}

// IsZero reports whether p holds no key.
func (p PSK) IsZero() bool { return p.b == nil }

// IsSentinel reports whether p is the Sentinel PSK.
func (p PSK) IsSentinel() bool { return p.Equal(SentinelPSK()) }

// Wipe overwrites the secret in p and in all its copies; they are useless
// afterwards. It must not run while a handshake uses one of them.
func (p PSK) Wipe() {
	if p.b != nil {
		clear(p.b()[:])
	}
}

// Format implements fmt.Formatter and shows nothing of the secret.
func (p PSK) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redactedPSK) }

// LogValue implements slog.LogValuer and shows nothing of the secret.
func (p PSK) LogValue() slog.Value { return slog.StringValue(redactedPSK) }

// MarshalJSON always fails with ErrSecret.
func (p PSK) MarshalJSON() ([]byte, error) { return nil, ErrSecret }

// MarshalText always fails with ErrSecret.
func (p PSK) MarshalText() ([]byte, error) { return nil, ErrSecret }

// MarshalBinary always fails with ErrSecret.
func (p PSK) MarshalBinary() ([]byte, error) { return nil, ErrSecret }

const redactedPSK = "(pre-shared key)"

// draw fills b from random, or from crypto/rand when random is nil.
func draw(random io.Reader, b []byte) error {
	if random == nil {
		random = rand.Reader
	}
	_, err := io.ReadFull(random, b)
	return err
}
