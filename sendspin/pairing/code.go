package pairing

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode"

	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/pairtoken"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Reasons why an operator's input is no pairing code. Their texts, and those of the
// errors that wrap them, are made for the operator and never repeat the input.
var (
	// ErrCodeLength is for a code that is too short or too long.
	ErrCodeLength = errors.New("the pairing code has another length")
	// ErrCodeDigits is for anything else than digits and separators.
	ErrCodeDigits = errors.New("the pairing code is made of digits only")
	// ErrCodeToken is for something else than the QR code on the device's display.
	ErrCodeToken = errors.New("this is not the QR code that the device shows")
	// ErrTokenClient is for a pairing token of another device.
	ErrTokenClient = errors.New("the pairing token belongs to another device")
)

// A Code is a pairing code: decimal digits, or the 24 bytes of a QR code. It is the
// password that CPace runs on. Copies share one array, so that Wipe reaches all of
// them. It cannot be compared with ==, and prints and marshals only through Text. The
// zero Code is none.
type Code struct {
	// Behind a function because fmt ignores the methods of unexported fields, and
	// of a function it can only show the address.
	secret func() *codeSecret
}

type codeSecret struct {
	b  []byte
	qr bool
}

// newCode copies b.
func newCode(b []byte, qr bool) Code {
	s := &codeSecret{b: append([]byte(nil), b...), qr: qr}
	return Code{secret: func() *codeSecret { return s }}
}

// prs is the code as CPace takes it; nil for the zero Code.
func (c Code) prs() []byte {
	if c.secret == nil {
		return nil
	}
	return c.secret().b
}

// IsZero reports whether c is no code.
func (c Code) IsZero() bool { return c.secret == nil }

// IsQR reports whether the code is one of the QR-code format.
func (c Code) IsQR() bool { return c.secret != nil && c.secret().qr }

// Text is the code for the operator's eyes: "123-456", "1234-5678", or the token that
// a QR code carries verbatim (sections Pairing Code Presentation and QR-code
// emission). Never log it.
func (c Code) Text() string {
	if c.IsQR() {
		return pairtoken.EncodeCode([QRLen]byte(c.prs()))
	}
	return strings.Join(c.Groups(), "-")
}

// Groups are the digits in presentation groups, for showing or for speaking: 3-3 for
// six, 4-4 for eight, one group for other lengths. It is nil for a QR code.
func (c Code) Groups() []string {
	b := c.prs()
	switch {
	case c.IsZero() || c.IsQR():
		return nil
	case len(b) == DigitsLen || len(b) == StaticLen:
		return []string{string(b[:len(b)/2]), string(b[len(b)/2:])}
	}
	return []string{string(b)}
}

// Equal compares in constant time. A zero Code equals nothing.
func (c Code) Equal(o Code) bool {
	return !c.IsZero() && !o.IsZero() && c.IsQR() == o.IsQR() && subtle.ConstantTimeCompare(c.prs(), o.prs()) == 1
}

// Wipe overwrites the code in c and in all its copies. They must not be used
// afterwards.
func (c Code) Wipe() { clear(c.prs()) }

const redactedCode = "(pairing code)"

// Format implements fmt.Formatter and shows nothing of the secret.
func (c Code) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redactedCode) }

// LogValue implements slog.LogValuer and shows nothing of the secret.
func (c Code) LogValue() slog.Value { return slog.StringValue(redactedCode) }

// MarshalJSON always fails.
func (c Code) MarshalJSON() ([]byte, error) { return nil, noise.ErrSecret }

// MarshalText always fails.
func (c Code) MarshalText() ([]byte, error) { return nil, noise.ErrSecret }

// ParseCode reads what an operator typed or scanned for a method and, with the
// dynamic code, its emission format. The errors wrap ErrCodeLength, ErrCodeDigits or
// ErrCodeToken.
func ParseCode(method, format, input string) (Code, error) {
	switch {
	case method == wire.MethodStaticCode:
		return ParseDigits(input, StaticLen)
	case method == wire.MethodDynamicCode && format == wire.FormatQRCode:
		return ParseQR(input)
	case method == wire.MethodDynamicCode:
		return ParseDigits(input, DigitsLen)
	}
	return Code{}, fmt.Errorf("pairing: %q takes no code", method)
}

// ParseDigits reads a code of n digits as an operator types it. Spaces, hyphens and
// other separators may stand anywhere and do not count; full-width digits do.
func ParseDigits(input string, n int) (Code, error) {
	digits := make([]byte, 0, n)
	defer func() { clear(digits) }()
	count := 0
	for _, r := range input {
		if '０' <= r && r <= '９' {
			r = r - '０' + '0'
		}
		switch {
		case '0' <= r && r <= '9':
			if count++; count <= n {
				digits = append(digits, byte(r))
			}
		case !isSeparator(r):
			return Code{}, ErrCodeDigits
		}
	}
	if count != n {
		return Code{}, fmt.Errorf("%w: it has %d digits, and %d were entered", ErrCodeLength, n, count)
	}
	return newCode(digits, false), nil
}

// isSeparator accepts white space, every kind of dash, invisible marks such as the
// soft hyphen, and what people put between groups of digits.
func isSeparator(r rune) bool {
	return unicode.IsSpace(r) || unicode.In(r, unicode.Pd, unicode.Zs, unicode.Cf) || strings.ContainsRune("._/,'·•−", r)
}

// ParseQR reads the token of a scanned QR code, leniently (section Pairing Token).
func ParseQR(input string) (Code, error) {
	t, err := pairtoken.DecodeCode(input)
	if errors.Is(err, pairtoken.ErrVersion) {
		return Code{}, fmt.Errorf("%w: it is a pairing token of another kind", ErrCodeToken)
	}
	if err != nil {
		return Code{}, fmt.Errorf("%w: %w", ErrCodeToken, err)
	}
	defer clear(t.Code[:])
	return newCode(t.Code[:], true), nil
}

// ParsePSKToken reads the pairing token of the Pairing PSK flow and checks that it
// belongs to the client on the connection, as a server must before it pairs. The
// errors wrap those of package pairtoken, or ErrTokenClient.
func ParsePSKToken(input string, client noise.PublicKey) (noise.PSK, error) {
	t, err := pairtoken.DecodePSK(input)
	if err != nil {
		return noise.PSK{}, err
	}
	defer clear(t.PSK[:])
	if t.ClientKey != [32]byte(client) {
		return noise.PSK{}, ErrTokenClient
	}
	return noise.NewPSK(t.PSK[:])
}
