package pairtoken

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

const (
	vector0 = "SP:0AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQTCQKRMFYYDENBWHA5DYP6BYPC4PSOLZXH5DU6V97M5XXO74HR6LZ7J5PW674PT6X37T6757Y"
	vector1 = "SP:14DQ6FY7E4XTOP9HJ5LV6Z3PO57YPD4XT6T97N5Y"
)

func counting(from byte, b []byte) {
	for i := range b {
		b[i] = from + byte(i)
	}
}

func TestReferenceVectors(t *testing.T) {
	var key, psk [32]byte
	var code [24]byte
	counting(0, key[:])
	counting(0xe0, psk[:])
	counting(0xe0, code[:])
	if got := EncodePSK(key, psk); got != vector0 {
		t.Errorf("EncodePSK = %s, want %s", got, vector0)
	}
	if got := EncodeCode(code); got != vector1 {
		t.Errorf("EncodeCode = %s, want %s", got, vector1)
	}
	if got, err := DecodePSK(vector0); err != nil || got.ClientKey != key || got.PSK != psk {
		t.Errorf("DecodePSK: %#v, %v", got, err)
	}
	if got, err := DecodeCode(vector1); err != nil || got.Code != code {
		t.Errorf("DecodeCode: %#v, %v", got, err)
	}
}

func TestDecodeIsLenient(t *testing.T) {
	want, err := Decode(vector1)
	if err != nil {
		t.Fatal(err)
	}
	body := vector1[4:]
	for _, in := range []string{
		strings.ToLower(vector1),
		" \t\n" + vector1 + "\r\n ",
		vector1[3:],
		"sp:" + vector1[3:],
		vector1 + "=",
		"SP:1" + strings.ReplaceAll(body, "9", "2"),
		"\u00a0" + vector1,
	} {
		if got, err := Decode(in); err != nil || got != want {
			t.Errorf("Decode(%q) = %#v, %v", in, got, err)
		}
	}
}

func TestBytesBeyondThePayloadAreIgnored(t *testing.T) {
	var code [24]byte
	counting(7, code[:])
	got, err := Decode(encode(VersionCode, append(code[:], "future"...)))
	if err != nil || got.Code != code {
		t.Fatalf("got %#v, %v", got, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want error
	}{
		"nothing":                    {"  ", ErrEmpty},
		"only the prefix":            {"SP:", ErrEmpty},
		"unknown version":            {"SP:2" + vector1[4:], ErrVersion},
		"version is no letter":       {"SP:ſ", ErrVersion},
		"short version 0":            {"SP:0" + vector1[4:], ErrShort},
		"one character less":         {vector0[:len(vector0)-1], ErrMalformed},
		"one byte less":              {encode(VersionCode, make([]byte, 23)), ErrShort},
		"no body":                    {"SP:1", ErrShort},
		"character outside":          {strings.Replace(vector1, "Q", "8", 1), ErrMalformed},
		"space inside":               {vector1[:10] + " " + vector1[10:], ErrMalformed},
		"line break inside":          {vector1[:10] + "\n" + vector1[10:], ErrMalformed},
		"letter of another alphabet": {strings.Replace(vector1, "T", "Т", 1), ErrMalformed},
	} {
		got, err := Decode(c.in)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if got != (Token{}) {
			t.Errorf("%s: a token beside the error", name)
		}
		if err != nil && len(c.in) > 8 && strings.Contains(err.Error(), c.in[4:]) {
			t.Errorf("%s: the error repeats the token", name)
		}
	}
	if _, err := DecodePSK(vector1); !errors.Is(err, ErrVersion) {
		t.Errorf("DecodePSK of a code: %v", err)
	}
	if _, err := DecodeCode(vector0); !errors.Is(err, ErrVersion) {
		t.Errorf("DecodeCode of a PSK: %v", err)
	}
}

func TestTokenDoesNotPrintItsSecret(t *testing.T) {
	tok, err := Decode(vector1)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(f, tok); got != "pairing token version 1" {
			t.Errorf("%s prints %q", f, got)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		var key, psk [32]byte
		var code [24]byte
		for _, b := range [][]byte{key[:], psk[:], code[:]} {
			for i := range b {
				b[i] = byte(r.Uint32())
			}
		}
		s := EncodePSK(key, psk)
		if strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:") != "" || strings.Contains(s[4:], "2") {
			t.Fatalf("%s leaves the QR alphabet", s)
		}
		if got, err := Decode(s); err != nil || got.ClientKey != key || got.PSK != psk {
			t.Fatalf("%s: %v", s, err)
		}
		if got, err := Decode(EncodeCode(code)); err != nil || got.Code != code {
			t.Fatalf("code: %v", err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(vector0)
	f.Add(vector1)
	f.Add("sp:1====")
	f.Fuzz(func(t *testing.T, in string) {
		tok, err := Decode(in)
		if err != nil {
			return
		}
		again := EncodeCode(tok.Code)
		if tok.Version == VersionPSK {
			again = EncodePSK(tok.ClientKey, tok.PSK)
		}
		if back, err := Decode(again); err != nil || back != tok {
			t.Fatalf("%q decodes to something that does not come back: %v", in, err)
		}
	})
}
