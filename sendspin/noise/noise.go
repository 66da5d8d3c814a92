// Package noise is Sendspin's use of the Noise Protocol Framework: the pattern
// KKpsk2 with the server as initiator, its pre-shared keys, and the transport
// sessions that come out of a handshake.
//
// The state machine is flynn/noise. Its Diffie-Hellman function is replaced by
// crypto/ecdh with parsed keys kept between operations (half the time), and
// transport messages are sealed by our own AEAD state, which does not allocate
// and enforces the size limits that the library leaves to its user. Nothing here
// knows of WebSockets or JSON messages: see package channel.
//
// Specification: section "Encryption".
package noise

import (
	"errors"
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
// "Pre-Shared Key"). Both ends must agree on it: the server declares it in
// message 1 and the client looks only among its PSKs of that category.
type Category string

// The three categories as they stand on the wire.
const (
	LongTerm Category = "lt"
	Pairing  Category = "pr"
	Sentinel Category = "sn"
)

// Valid reports whether c is one of the three categories.
func (c Category) Valid() bool { return c == LongTerm || c == Pairing || c == Sentinel }

// A Credential is a PSK and the category that it is used as.
type Credential struct {
	PSK      PSK
	Category Category
}

// Sizes of the Noise specification, in bytes.
const (
	// MaxMessage is the largest Noise message, handshake or transport.
	MaxMessage = 65535
	// Overhead is the AEAD tag that sealing adds.
	Overhead = 16
	// MaxPlaintext is the most that one transport message carries.
	MaxPlaintext = MaxMessage - Overhead
)

// Errors of this package. None of them carries key material. Every one of them
// ends a handshake or a connection: none is worth a retry on the same bytes.
var (
	// ErrAuth: a message did not authenticate (wrong key, wrong PSK, tampered, replayed or out of order).
	ErrAuth = errors.New("noise: message does not authenticate")
	// ErrDH: a Diffie-Hellman operation was refused (low-order or malformed peer key).
	ErrDH = errors.New("noise: peer sent an unusable public key")
	// ErrLength: a message is longer than 65,535 bytes or shorter than its fixed parts.
	ErrLength = errors.New("noise: message has an impossible length")
	// ErrPayload: an authenticated handshake message carries a payload of the wrong shape.
	ErrPayload = errors.New("noise: malformed handshake payload")
	// ErrNoPSK: the peer referenced a PSK that is not held, and the Sentinel may not stand in for it.
	ErrNoPSK = errors.New("noise: referenced pre-shared key is not held")
	// ErrDead: the session failed to open a message before, or was closed.
	ErrDead = errors.New("noise: session is dead")
	// ErrExhausted: 2^64-1 messages were sent under one key.
	ErrExhausted = errors.New("noise: session used up its nonces")
	// ErrSecret: somebody tried to marshal a secret.
	ErrSecret = errors.New("noise: a secret is not marshalled; use Bytes and seal the result")
)
