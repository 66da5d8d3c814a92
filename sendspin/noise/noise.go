// Package noise is Sendspin's use of the Noise Protocol Framework: the pattern
// KKpsk2 with the server as initiator, its pre-shared keys, and the transport
// sessions that come out of a handshake.
//
// The state machine is flynn/noise; the Diffie-Hellman function is crypto/ecdh
// with parsed keys kept between operations, and transport messages are sealed
// by our own AEAD state so that the hot path does not allocate. Nothing here
// knows of WebSockets or JSON messages: see package channel.
//
// Specification: section "Encryption".
package noise

import (
	"io"
)

// A Suite is the <DH>_<cipher>_<hash> part of a Noise protocol name
// (specification: "Cipher Suites").
type Suite string

// The two suites of the specification. Servers support both.
const (
	ChaChaPoly Suite = "25519_ChaChaPoly_SHA256"
	AESGCM     Suite = "25519_AESGCM_SHA256"
)

// Valid reports whether s is one of the suites of the specification.
func (s Suite) Valid() bool { return s == ChaChaPoly || s == AESGCM }

// A Category says what a pre-shared key is used as (specification:
// "Pre-Shared Key").
type Category string

// The three categories as they stand on the wire.
const (
	LongTerm Category = "lt"
	Pairing  Category = "pr"
	Sentinel Category = "sn"
)

// Valid reports whether c is one of the three categories.
func (c Category) Valid() bool { return c == LongTerm || c == Pairing || c == Sentinel }

// PublicKey is a Curve25519 public key, the identity of a client or server.
type PublicKey [32]byte

// ID is the client_id or server_id: 43 characters of base64url.
func (p PublicKey) ID() string { panic("stub") }

// Fingerprint is a short form that people can compare by eye or voice.
func (p PublicKey) Fingerprint() string { panic("stub") }

// ParsePublicKey reads a client_id or server_id.
func ParsePublicKey(id string) (PublicKey, error) { panic("stub") }

// Fingerprint is the short form of a key: see PublicKey.Fingerprint.
func Fingerprint(pub PublicKey) string { return pub.Fingerprint() }

// PrivateKey is a Curve25519 private key. It does not print, log, marshal or compare.
type PrivateKey struct{ _ [0]func() }

// GenerateKey draws a new key from rand (nil: crypto/rand).
func GenerateKey(rand io.Reader) (*PrivateKey, error) { panic("stub") }

// NewPrivateKey takes 32 stored bytes.
func NewPrivateKey(b []byte) (*PrivateKey, error) { panic("stub") }

// Public is the key's identity.
func (k *PrivateKey) Public() PublicKey { panic("stub") }

// Bytes is a copy of the secret, for sealing and storing only.
func (k *PrivateKey) Bytes() []byte { panic("stub") }

// PSK is a 32-byte pre-shared secret. It does not print, log or marshal.
type PSK struct {
	_ [0]func()
	b *[32]byte
}

// NewPSK copies 32 stored bytes.
func NewPSK(b []byte) (PSK, error) { panic("stub") }

// GeneratePSK draws a new PSK from rand (nil: crypto/rand).
func GeneratePSK(rand io.Reader) (PSK, error) { panic("stub") }

// ID is the psk_id. PSKID(p) is the same.
func (p PSK) ID() string { panic("stub") }

// PSKID is the psk_id of p: 43 characters of base64url.
func PSKID(p PSK) string { return p.ID() }

// Bytes is a copy of the secret, for sealing and storing only.
func (p PSK) Bytes() []byte { panic("stub") }

// Equal compares in constant time.
func (p PSK) Equal(o PSK) bool { panic("stub") }

// IsZero reports whether p holds no key.
func (p PSK) IsZero() bool { return p.b == nil }

// SentinelPSK is the published constant that stands in where no other PSK applies.
func SentinelPSK() PSK { panic("stub") }

// SentinelPSKID is the psk_id of SentinelPSK.
func SentinelPSKID() string { panic("stub") }

// A Credential is a PSK and the category that it is used as.
type Credential struct {
	PSK      PSK
	Category Category
}
