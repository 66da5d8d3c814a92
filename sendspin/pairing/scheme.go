package pairing

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// Labels of the hash inputs: UTF-8 bytes, no separator, no NUL.
const (
	labelCommit = "sendspin-pair-commit-v1"
	labelCode   = "sendspin-pairing-code-derive-v1"
	labelPIN    = "sendspin-pin-derive-v1"
	labelSID    = "sendspin-pair-pake-v1"
)

// Labels of the wrapped fields (section Wrapping).
const (
	// LabelPSK is for wrapped_psk.
	LabelPSK = "sendspin-pair-psk-wrap-v1"
	// LabelNonce is for wrapped_nonce_B.
	LabelNonce = "sendspin-pair-nonce-wrap-v1"
)

// Associated data of CPace's roles (section PAKE).
const (
	associatedA = "server"
	associatedB = "client"
)

// Lengths of pairing codes.
const (
	// DigitsLen is that of the dynamic code in digits.
	DigitsLen = 6
	// StaticLen is that of the static code in digits.
	StaticLen = 8
	// QRLen is that of the dynamic code as a QR code, in bytes.
	QRLen = 24

	maxPINDigits = 12 // of any revision; 10^12 leaves a uint64 room to shift by a byte
)

// A Scheme holds what revisions of the protocol do differently in deriving pairing
// codes and CPace inputs. The flows of this package run [Current]; the others are
// there for a server that speaks to devices of mid 2026.
type Scheme struct {
	// CodeLabel goes into the derivation of the dynamic code.
	CodeLabel string
	// SIDRound says whether the CPace sid ends in the number of the round.
	SIDRound bool
}

// Current is the scheme of the specification.
func Current() Scheme { return Scheme{CodeLabel: labelCode, SIDRound: true} }

// WithoutRounds is the scheme of late August 2026: an attempt has one round, and the
// sid does not number it. A client/hello that names the pairing-code methods in an
// array comes from that time.
func WithoutRounds() Scheme { return Scheme{CodeLabel: labelCode} }

// PIN is the scheme of June to August 2026, when the code was called PIN, had 4 to 12
// digits and its own label.
func PIN() Scheme { return Scheme{CodeLabel: labelPIN} }

// Commit is commit_B, with which the client commits to its nonce before it has seen
// the server's (section Dynamic Pairing Code Flow).
func Commit(nonceB [32]byte) [32]byte {
	return sha256.Sum256(append([]byte(labelCommit), nonceB[:]...))
}

// digest is what both emission formats are cut from.
func (s Scheme) digest(h, nonceA, nonceB [32]byte) [32]byte {
	b := make([]byte, 0, 128)
	b = append(b, s.CodeLabel...)
	b = append(b, h[:]...)
	b = append(b, nonceA[:]...)
	b = append(b, nonceB[:]...)
	defer clear(b)
	return sha256.Sum256(b)
}

// Digits derives a code of n decimal digits from the Noise handshake hash and the two
// nonces: the digest as a big-endian number, modulo 10^n. n is [DigitsLen] now and
// was 4 to 12 with [PIN]; it panics beyond 1 to 12.
func (s Scheme) Digits(h, nonceA, nonceB [32]byte, n int) Code {
	if n < 1 || n > maxPINDigits {
		panic(fmt.Sprintf("pairing: a code of %d digits", n))
	}
	modulus := uint64(1)
	for range n {
		modulus *= 10
	}
	d := s.digest(h, nonceA, nonceB)
	defer clear(d[:])
	var v uint64
	for _, b := range d {
		v = (v<<8 | uint64(b)) % modulus
	}
	digits := make([]byte, n)
	for i := n - 1; i >= 0; i-- {
		digits[i] = '0' + byte(v%10)
		v /= 10
	}
	return newCode(digits, false)
}

// QR derives the code of the QR-code format: the first 24 bytes of the digest.
func (s Scheme) QR(h, nonceA, nonceB [32]byte) Code {
	d := s.digest(h, nonceA, nonceB)
	defer clear(d[:])
	return newCode(d[:QRLen], true)
}

// SID is the CPace session id of a round (section PAKE). index is the pairing index,
// round counts from 1 and is 1 in the static flow.
//
//	"sendspin-pair-pake-v1" || h (32) || index (4, big endian) || round (4, big endian)
func (s Scheme) SID(h [32]byte, index, round uint32) []byte {
	b := make([]byte, 0, len(labelSID)+len(h)+8)
	b = append(b, labelSID...)
	b = append(b, h[:]...)
	b = binary.BigEndian.AppendUint32(b, index)
	if s.SIDRound {
		b = binary.BigEndian.AppendUint32(b, round)
	}
	return b
}
