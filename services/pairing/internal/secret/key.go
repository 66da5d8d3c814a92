// Package secret keeps secrets at rest: it seals them under the deployment key,
// which is never in the database, and seals what must cross the bus to the one
// process that asked.
//
// A sealed value is
//
//	version (1 byte, 1) | key id (8 bytes) | nonce (24 bytes) | XChaCha20-Poly1305
//
// with the table, column and row as associated data, so that a value that was
// copied to another place does not open there. The key id tells a wrong
// deployment key from a damaged value.
package secret

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"

	"golang.org/x/crypto/chacha20poly1305"
)

// The errors that a caller branches on.
var (
	// ErrWrongKey: sealed under another deployment key.
	ErrWrongKey = errors.New("sealed under another deployment key")
	// ErrDamaged: sealed under this key, but changed or moved since.
	ErrDamaged = errors.New("the sealed value is damaged")
)

const (
	version  = 1
	keySize  = chacha20poly1305.KeySize
	idSize   = 8
	overhead = 1 + idSize + chacha20poly1305.NonceSizeX + chacha20poly1305.Overhead
	hidden   = "[secret]"
)

// Key is the deployment key. It does not print, log, marshal or compare.
type Key struct {
	_ [0]func()
	b *[keySize]byte
}

// Format hides the key from every verb of package fmt.
func (Key) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(hidden)) }

// LogValue hides the key from logs.
func (Key) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText hides the key from encoders.
func (Key) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// IsZero reports whether k holds no key.
func (k Key) IsZero() bool { return k.b == nil }

// NewKey draws a deployment key.
func NewKey() (Key, error) {
	k := Key{b: new([keySize]byte)}
	if _, err := rand.Read(k.b[:]); err != nil {
		return Key{}, fmt.Errorf("draw a deployment key: %w", err)
	}
	return k, nil
}

// ParseKey reads 32 raw bytes, 64 hexadecimal digits, or base64 (either alphabet,
// with or without padding); white space around the text forms is ignored. The
// error does not repeat the input.
func ParseKey(in []byte) (Key, error) {
	raw := in
	if len(in) != keySize {
		var err error
		if raw, err = decodeText(string(bytes.TrimSpace(in))); err != nil {
			return Key{}, err
		}
	}
	if bytes.Equal(raw, make([]byte, keySize)) {
		return Key{}, errors.New("a deployment key of zeros is no key")
	}
	k := Key{b: new([keySize]byte)}
	copy(k.b[:], raw)
	return k, nil
}

func decodeText(s string) ([]byte, error) {
	if b, err := hex.DecodeString(s); err == nil && len(b) == keySize {
		return b, nil
	}
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if b, err := enc.DecodeString(s); err == nil && len(b) == keySize {
			return b, nil
		}
	}
	return nil, errors.New("a deployment key is 32 bytes: raw, as 64 hexadecimal digits, or in base64")
}

// ID names the key without telling it: 16 hexadecimal digits.
func (k Key) ID() string { return hex.EncodeToString(k.id()) }

func (k Key) id() []byte {
	m := hmac.New(sha256.New, k.b[:])
	m.Write([]byte("tutti-deployment-key-id-v1"))
	return m.Sum(nil)[:idSize]
}

// Place is where a sealed value stands.
type Place struct{ Table, Column, Row string }

func (p Place) associated() []byte {
	out := []byte("tutti-sealed-v1")
	for _, s := range []string{p.Table, p.Column, p.Row} {
		out = binary.BigEndian.AppendUint32(out, uint32(len(s)))
		out = append(out, s...)
	}
	return out
}

// Seal encrypts plain for its place.
func (k Key) Seal(plain []byte, at Place) ([]byte, error) {
	aead, err := chacha20poly1305.NewX(k.b[:])
	if err != nil {
		return nil, fmt.Errorf("seal %s.%s: %w", at.Table, at.Column, err)
	}
	out := make([]byte, 0, overhead+len(plain))
	out = append(out, version)
	out = append(out, k.id()...)
	nonce := out[len(out) : len(out)+chacha20poly1305.NonceSizeX]
	if _, err := rand.Read(nonce); err != nil {
		return nil, fmt.Errorf("seal %s.%s: %w", at.Table, at.Column, err)
	}
	out = out[:len(out)+len(nonce)]
	return aead.Seal(out, nonce, plain, at.associated()), nil
}

// Open decrypts what Seal made for the same place. ErrWrongKey and ErrDamaged
// say why not.
func (k Key) Open(sealed []byte, at Place) ([]byte, error) {
	if len(sealed) < overhead || sealed[0] != version {
		return nil, fmt.Errorf("open %s.%s: %w", at.Table, at.Column, ErrDamaged)
	}
	if !hmac.Equal(sealed[1:1+idSize], k.id()) {
		return nil, fmt.Errorf("open %s.%s: %w (its id is %x, the given key's id is %s)",
			at.Table, at.Column, ErrWrongKey, sealed[1:1+idSize], k.ID())
	}
	aead, err := chacha20poly1305.NewX(k.b[:])
	if err != nil {
		return nil, fmt.Errorf("open %s.%s: %w", at.Table, at.Column, err)
	}
	body := sealed[1+idSize:]
	plain, err := aead.Open(nil, body[:chacha20poly1305.NonceSizeX], body[chacha20poly1305.NonceSizeX:], at.associated())
	if err != nil {
		return nil, fmt.Errorf("open %s.%s: %w", at.Table, at.Column, ErrDamaged)
	}
	return plain, nil
}
