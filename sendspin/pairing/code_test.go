package pairing

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/pairtoken"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

func TestPresentation(t *testing.T) {
	for _, c := range []struct {
		digits string
		text   string
		groups []string
	}{
		{"123456", "123-456", []string{"123", "456"}},
		{"00000012", "0000-0012", []string{"0000", "0012"}},
		{"9999", "9999", []string{"9999"}},
	} {
		code := newCode([]byte(c.digits), false)
		if code.Text() != c.text || !slices.Equal(code.Groups(), c.groups) {
			t.Errorf("%s: %q, %q", c.digits, code.Text(), code.Groups())
		}
	}
	var b [QRLen]byte
	for i := range b {
		b[i] = 0xe0 + byte(i)
	}
	qr := newCode(b[:], true)
	if got := qr.Text(); got != "SP:14DQ6FY7E4XTOP9HJ5LV6Z3PO57YPD4XT6T97N5Y" || qr.Groups() != nil {
		t.Errorf("QR code: %q, %q", got, qr.Groups())
	}
	if (Code{}).Text() != "" || !(Code{}).IsZero() {
		t.Error("the zero code has a text")
	}
}

func TestTypedDigits(t *testing.T) {
	want := newCode([]byte("012345"), false)
	for _, in := range []string{
		"012345", "012-345", " 012 345 ", "0 1 2 3 4 5", "012\t345\r\n", "012\u2013345", "012\u00a0345",
		"012\u200b345", "012.345", "01/23/45", "012\u2212345", "(012)-345"[1:4] + "345", "０１２－３４５", "\ufeff012345",
		"--012--345--", "012\u00ad345", "012_345", "012·345", "0'1'2,345",
	} {
		if got, err := ParseDigits(in, 6); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v", in, err)
		}
	}
	for in, want := range map[string]error{
		"":                                    ErrCodeLength,
		"12345":                               ErrCodeLength,
		"123-4567":                            ErrCodeLength,
		strings.Repeat("1", 1000):             ErrCodeLength,
		"- -":                                 ErrCodeLength,
		"12345a":                              ErrCodeDigits,
		"O12345":                              ErrCodeDigits,
		"12345\u0664":                         ErrCodeDigits, // a digit, but of another script
		"+12345":                              ErrCodeDigits,
		"1e5":                                 ErrCodeDigits,
		"\xff12345":                           ErrCodeDigits,
		pairtoken.EncodeCode([24]byte{1})[:9]: ErrCodeDigits,
	} {
		got, err := ParseDigits(in, 6)
		if !errors.Is(err, want) || !got.IsZero() {
			t.Errorf("%.20q: %v, want %v", in, err, want)
		}
	}
	_, err := ParseDigits("123", 8)
	if want := "the pairing code has another length: it has 8 digits, and 3 were entered"; err.Error() != want {
		t.Errorf("the operator reads %q, want %q", err, want)
	}
}

func TestScannedCode(t *testing.T) {
	want := [QRLen]byte{1, 2, 3}
	token := pairtoken.EncodeCode(want)
	for _, in := range []string{token, strings.ToLower(token), " " + token + "\n", token[3:]} {
		if got, err := ParseQR(in); err != nil || !got.Equal(newCode(want[:], true)) {
			t.Errorf("%q: %v", in, err)
		}
	}
	for _, in := range []string{"", "123456", token[:20], pairtoken.EncodePSK([32]byte{}, [32]byte{}), "https://example.org"} {
		if got, err := ParseQR(in); !errors.Is(err, ErrCodeToken) || !got.IsZero() {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestParseCodeByMethod(t *testing.T) {
	token := pairtoken.EncodeCode([QRLen]byte{})
	for _, c := range []struct {
		method, format, in string
		want               error
	}{
		{wire.MethodDynamicCode, wire.FormatDigits, "123-456", nil},
		{wire.MethodDynamicCode, wire.FormatDigits, "1234-5678", ErrCodeLength},
		{wire.MethodDynamicCode, wire.FormatQRCode, token, nil},
		{wire.MethodDynamicCode, wire.FormatQRCode, "123-456", ErrCodeToken},
		{wire.MethodStaticCode, "", "1234-5678", nil},
		{wire.MethodStaticCode, "", "123-456", ErrCodeLength},
	} {
		if _, err := ParseCode(c.method, c.format, c.in); !errors.Is(err, c.want) {
			t.Errorf("%s %s: %v, want %v", c.method, c.format, err, c.want)
		}
	}
	if _, err := ParseCode(wire.MethodPSK, "", "123456"); err == nil {
		t.Error("the PSK method takes a code")
	}
}

func TestPSKToken(t *testing.T) {
	key, psk := [32]byte{1}, [32]byte{2}
	token := pairtoken.EncodePSK(key, psk)
	got, err := ParsePSKToken(" "+strings.ToLower(token), noise.PublicKey(key))
	if want, _ := noise.NewPSK(psk[:]); err != nil || !got.Equal(want) {
		t.Errorf("%v", err)
	}
	if _, err := ParsePSKToken(token, noise.PublicKey{9}); !errors.Is(err, ErrTokenClient) {
		t.Errorf("a token of another device: %v", err)
	}
	if _, err := ParsePSKToken(pairtoken.EncodeCode([QRLen]byte{}), noise.PublicKey(key)); !errors.Is(err, pairtoken.ErrVersion) {
		t.Errorf("a code: %v", err)
	}
}

func TestCodeIsASecret(t *testing.T) {
	code := newCode([]byte("918273"), false)
	type holder struct{ code Code }
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "code", code, "in", holder{code})
	for _, f := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		log.WriteString(fmt.Sprintf(f, code) + fmt.Sprintf(f, holder{code}) + fmt.Sprintf(f, &holder{code}))
	}
	if s := log.String(); strings.Contains(s, "918273") || strings.Contains(s, fmt.Sprintf("%x", "918273")) {
		t.Errorf("the code is in %s", s)
	}
	if _, err := json.Marshal(code); !errors.Is(err, noise.ErrSecret) {
		t.Errorf("JSON: %v", err)
	}
	same := code
	code.Wipe()
	if string(same.prs()) != "\x00\x00\x00\x00\x00\x00" {
		t.Error("a copy survives Wipe")
	}
	(Code{}).Wipe()
	if (Code{}).Equal(Code{}) {
		t.Error("no code equals no code")
	}
}

func TestDigitsPanicsBeyondItsRange(t *testing.T) {
	for _, n := range []int{0, 13} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%d digits", n)
				}
			}()
			Current().Digits([32]byte{}, [32]byte{}, [32]byte{}, n)
		}()
	}
}
