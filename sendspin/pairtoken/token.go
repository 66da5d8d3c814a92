// Package pairtoken reads and writes pairing tokens: the short ASCII strings that
// carry a pairing secret from a client to the server's operator, as text or as a QR
// code. (Specification: Pairing Token.)
//
//	token = "SP:" || version || base32(payload) without "=", with "9" for "2"
package pairtoken

import (
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// Versions of tokens.
const (
	// VersionPSK carries the client's key and its pairing PSK.
	VersionPSK = '0'
	// VersionCode carries a dynamic pairing code in its QR-code form.
	VersionCode = '1'
)

const (
	prefix  = "SP:"
	pskLen  = 32 + 32
	codeLen = 24
)

// Reasons why a token is refused. The errors of [Decode] wrap one of them and never
// repeat the token.
var (
	// ErrEmpty is for input without a version.
	ErrEmpty = errors.New("the token is empty")
	// ErrVersion is for a version that this package does not know, or that the
	// caller does not expect.
	ErrVersion = errors.New("the token has another version")
	// ErrMalformed is for a body that is not base32.
	ErrMalformed = errors.New("the token is damaged")
	// ErrShort is for a payload shorter than its version defines.
	ErrShort = errors.New("the token is too short")
)

// Token is a decoded token. It holds a secret and does not print it.
type Token struct {
	// Version is VersionPSK or VersionCode.
	Version byte
	// ClientKey is the client's static public key, with VersionPSK.
	ClientKey [32]byte
	// PSK is the pairing PSK, with VersionPSK.
	PSK [32]byte
	// Code is the pairing code, with VersionCode.
	Code [24]byte
}

// String keeps the secret out of logs.
func (t Token) String() string { return fmt.Sprintf("pairing token version %c", t.Version) }

// GoString keeps the secret out of logs.
func (t Token) GoString() string { return t.String() }

// EncodePSK returns the version 0 token of a client's public key and pairing PSK.
func EncodePSK(clientKey, psk [32]byte) string {
	return encode(VersionPSK, append(clientKey[:], psk[:]...))
}

// EncodeCode returns the version 1 token of a dynamic pairing code.
func EncodeCode(code [24]byte) string { return encode(VersionCode, code[:]) }

func encode(version byte, payload []byte) string {
	body := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(payload)
	return prefix + string(version) + strings.ReplaceAll(body, "2", "9")
}

// Decode reads a token of any known version as an operator gives it: white space
// around it, the case and a missing prefix do not matter, and payload bytes beyond
// those that the version defines are ignored.
func Decode(s string) (Token, error) {
	s = strings.Map(upperASCII, strings.TrimFunc(s, unicode.IsSpace))
	s = strings.TrimPrefix(s, prefix)
	if s == "" {
		return Token{}, fmt.Errorf("pairtoken: %w", ErrEmpty)
	}
	t := Token{Version: s[0]}
	need := pskLen
	switch t.Version {
	case VersionPSK:
	case VersionCode:
		need = codeLen
	default:
		return Token{}, fmt.Errorf("pairtoken: %w than 0 or 1", ErrVersion)
	}
	payload, err := decodeBody(s[1:])
	if err != nil {
		return Token{}, err
	}
	if len(payload) < need {
		return Token{}, fmt.Errorf("pairtoken: %w: %d bytes, want %d", ErrShort, len(payload), need)
	}
	if t.Version == VersionCode {
		copy(t.Code[:], payload)
		return t, nil
	}
	copy(t.ClientKey[:], payload)
	copy(t.PSK[:], payload[len(t.ClientKey):])
	return t, nil
}

// DecodePSK is [Decode] for an interface that expects a pairing PSK.
func DecodePSK(s string) (Token, error) { return decodeVersion(s, VersionPSK) }

// DecodeCode is [Decode] for an interface that expects a pairing code.
func DecodeCode(s string) (Token, error) { return decodeVersion(s, VersionCode) }

func decodeVersion(s string, version byte) (Token, error) {
	t, err := Decode(s)
	if err != nil {
		return Token{}, err
	}
	if t.Version != version {
		return Token{}, fmt.Errorf("pairtoken: %w (%c, want %c)", ErrVersion, t.Version, version)
	}
	return t, nil
}

// upperASCII leaves what is not ASCII alone, so that no letter of another script is
// taken for one of the token's.
func upperASCII(r rune) rune {
	if 'a' <= r && r <= 'z' {
		return r - 'a' + 'A'
	}
	return r
}

// decodeBody reverses the transliteration and decodes the base32. Padding that an
// operator's software added is dropped; line breaks and a length that no payload has
// are refused.
func decodeBody(body string) ([]byte, error) {
	body = strings.TrimRight(strings.ReplaceAll(body, "9", "2"), "=")
	if strings.ContainsAny(body, "\r\n") {
		return nil, fmt.Errorf("pairtoken: %w: line break inside", ErrMalformed)
	}
	enc := base32.StdEncoding.WithPadding(base32.NoPadding)
	payload, err := enc.DecodeString(body)
	if err != nil || enc.EncodedLen(len(payload)) != len(body) {
		return nil, fmt.Errorf("pairtoken: %w: its body is not base32", ErrMalformed)
	}
	return payload, nil
}
