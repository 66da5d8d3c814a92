package pairing

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/tutti-audio/tutti/sendspin/noise"
)

// hexBytes is hexadecimal in JSON.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(b []byte) (err error) {
	*h, err = hex.DecodeString(string(b))
	return err
}

// codeVectors are values of implementations of mid 2026, the time of [PIN].
type codeVectors struct {
	PIN []struct {
		H      hexBytes `json:"h"`
		NonceA hexBytes `json:"nonce_A"`
		NonceB hexBytes `json:"nonce_B"`
		Length int      `json:"length"`
		PIN    string   `json:"pin"`
	} `json:"derive_pin"`
	Commit struct {
		NonceB hexBytes `json:"nonce_B"`
		Commit hexBytes `json:"commit"`
	} `json:"commit_B"`
	SID struct {
		H       hexBytes `json:"h"`
		Counter uint32   `json:"counter"`
		SID     hexBytes `json:"sid"`
	} `json:"sid"`
	Wrap struct {
		SID     hexBytes `json:"sid"`
		ISK     hexBytes `json:"isk"`
		PSK     hexBytes `json:"psk"`
		Wrapped hexBytes `json:"wrapped"`
	} `json:"wrap_psk"`
}

func loadVectors(t *testing.T) (v codeVectors) {
	t.Helper()
	raw, err := os.ReadFile("testdata/pairing-code-2026-08.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.PIN) == 0 || len(v.Wrap.Wrapped) == 0 {
		t.Fatal("vectors are missing")
	}
	return v
}

func TestDerivationVectors(t *testing.T) {
	for _, v := range loadVectors(t).PIN {
		h, a, b := [32]byte(v.H), [32]byte(v.NonceA), [32]byte(v.NonceB)
		if got := string(PIN().Digits(h, a, b, v.Length).prs()); got != v.PIN {
			t.Errorf("%d digits: %s, want %s", v.Length, got, v.PIN)
		}
		if got := string(Current().Digits(h, a, b, v.Length).prs()); got == v.PIN {
			t.Error("the label makes no difference")
		}
	}
}

// The digits and the QR code of the current label, computed with another
// implementation of SHA-256 and of big numbers from the specification's text.
func TestCurrentDerivation(t *testing.T) {
	v := loadVectors(t).PIN[0]
	h, a, b := [32]byte(v.H), [32]byte(v.NonceA), [32]byte(v.NonceB)
	if got := Current().Digits(h, a, b, DigitsLen).Text(); got != wantDigits {
		t.Errorf("digits %s, want %s", got, wantDigits)
	}
	if got := hex.EncodeToString(Current().QR(h, a, b).prs()); got != wantQR {
		t.Errorf("QR code %s, want %s", got, wantQR)
	}
	if !Current().Digits(h, a, b, 6).Equal(WithoutRounds().Digits(h, a, b, 6)) {
		t.Error("the code depends on whether there are rounds")
	}
}

func TestCommitVector(t *testing.T) {
	v := loadVectors(t).Commit
	if got := Commit([32]byte(v.NonceB)); got != [32]byte(v.Commit) {
		t.Errorf("%x, want %x", got, []byte(v.Commit))
	}
}

func TestSID(t *testing.T) {
	v := loadVectors(t).SID
	for _, s := range []Scheme{PIN(), WithoutRounds()} {
		if got := s.SID([32]byte(v.H), v.Counter, 7); string(got) != string(v.SID) {
			t.Errorf("without round: %x, want %x", got, []byte(v.SID))
		}
	}
	want := string(v.SID) + "\x00\x00\x01\x02"
	if got := Current().SID([32]byte(v.H), v.Counter, 0x0102); string(got) != want {
		t.Errorf("with round: %x, want %x", got, want)
	}
}

// The first answer is from the vector file, the others were computed with another
// implementation of the AEADs.
func TestWrapVectors(t *testing.T) {
	v := loadVectors(t).Wrap
	for _, c := range []struct {
		suite noise.Suite
		label string
		want  string
	}{
		{noise.ChaChaPoly, LabelPSK, hex.EncodeToString(v.Wrapped)},
		{noise.ChaChaPoly, LabelNonce, "a929f1afe3a3ada10e5e4aae1db90bbe12b3a22a4104d44c364c9c45aa51c1cb2a65f0e98bddde2a2c6d497ee3c02a3f"},
		{noise.AESGCM, LabelPSK, "c433ceffb5edd0db5e32a331b8830a0673ea5a31046a7f3259097cbe53f80243b6f7c8c0f920db64a3071a8a126f6000"},
		{noise.AESGCM, LabelNonce, "fb8f4e1366642f0803294a4be4c57ffaedbbed51f567853cd4a4efc0cde88482e2662550635919f140159d190479375a"},
	} {
		got, err := Wrap(c.suite, c.label, v.SID, v.ISK, [32]byte(v.PSK))
		if err != nil || hex.EncodeToString(got) != c.want {
			t.Errorf("%s, %s: %x, %v, want %s", c.suite, c.label, got, err, c.want)
		}
	}
}

func TestWrapAndUnwrap(t *testing.T) {
	v := loadVectors(t).Wrap
	value := [32]byte(v.PSK)
	for _, suite := range []noise.Suite{noise.ChaChaPoly, noise.AESGCM} {
		sealed, err := Wrap(suite, LabelNonce, v.SID, v.ISK, value)
		if err != nil || len(sealed) != WrappedLen {
			t.Fatal(len(sealed), err)
		}
		if got, err := Unwrap(suite, LabelNonce, v.SID, v.ISK, sealed); err != nil || got != value {
			t.Errorf("%s: %v", suite, err)
		}
		other := noise.ChaChaPoly
		if suite == other {
			other = noise.AESGCM
		}
		for name, open := range map[string]func() ([32]byte, error){
			"label": func() ([32]byte, error) { return Unwrap(suite, LabelPSK, v.SID, v.ISK, sealed) },
			"suite": func() ([32]byte, error) { return Unwrap(other, LabelNonce, v.SID, v.ISK, sealed) },
			"sid":   func() ([32]byte, error) { return Unwrap(suite, LabelNonce, v.SID[1:], v.ISK, sealed) },
			"ISK":   func() ([32]byte, error) { return Unwrap(suite, LabelNonce, v.SID, v.ISK[1:], sealed) },
			"short": func() ([32]byte, error) { return Unwrap(suite, LabelNonce, v.SID, v.ISK, sealed[1:]) },
			"long":  func() ([32]byte, error) { return Unwrap(suite, LabelNonce, v.SID, v.ISK, append(sealed, 0)) },
			"empty": func() ([32]byte, error) { return Unwrap(suite, LabelNonce, v.SID, v.ISK, nil) },
		} {
			if got, err := open(); !errors.Is(err, ErrUnwrap) || got != [32]byte{} {
				t.Errorf("%s, other %s: %x, %v", suite, name, got, err)
			}
		}
		for i := range 8 * len(sealed) {
			sealed[i/8] ^= 1 << (i % 8)
			if _, err := Unwrap(suite, LabelNonce, v.SID, v.ISK, sealed); !errors.Is(err, ErrUnwrap) {
				t.Fatalf("%s: bit %d may change", suite, i)
			}
			sealed[i/8] ^= 1 << (i % 8)
		}
	}
	if _, err := Wrap("none", LabelPSK, nil, nil, value); err == nil {
		t.Error("an unknown suite wraps")
	}
}

const (
	wantDigits = "287-352"
	wantQR     = "49cbe4de88ba4cf10c8e7df3c56bf26976678c07bd49d2f3"
)
