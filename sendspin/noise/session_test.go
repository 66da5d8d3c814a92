package noise

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
)

func sessions(t testing.TB, suite Suite) (server, client *Session) {
	t.Helper()
	p := newPair(t, suite)
	s, c := p.run(t, Credential{p.psk, LongTerm}, holding(p.psk, LongTerm))
	return s.Session, c.Session
}

func TestSessionTamperEveryByte(t *testing.T) {
	for _, suite := range suites {
		plain := []byte("\x00{\"type\":\"client/time\"}")
		for i := range len(plain) + Overhead {
			a, b := sessions(t, suite)
			sealed, err := a.Seal(nil, plain)
			if err != nil {
				t.Fatal(err)
			}
			good := bytes.Clone(sealed)
			sealed[i] ^= 1
			if _, err := b.Open(nil, sealed); !errors.Is(err, ErrAuth) {
				t.Fatalf("%s byte %d: got %v, want ErrAuth", suite, i, err)
			}
			if _, err := b.Open(nil, good); !errors.Is(err, ErrDead) {
				t.Fatalf("%s: opened after a failure: %v", suite, err)
			}
			if _, err := b.Seal(nil, plain); !errors.Is(err, ErrDead) {
				t.Fatalf("%s: sealed after a failure: %v", suite, err)
			}
		}
	}
}

func TestSessionReplayReorderTruncate(t *testing.T) {
	for _, suite := range suites {
		for name, deliver := range map[string]func(m [][]byte) [][]byte{
			"replay":          func(m [][]byte) [][]byte { return [][]byte{m[0], m[0]} },
			"reorder":         func(m [][]byte) [][]byte { return [][]byte{m[1], m[0]} },
			"gap":             func(m [][]byte) [][]byte { return [][]byte{m[0], m[2]} },
			"truncated":       func(m [][]byte) [][]byte { return [][]byte{m[0][:len(m[0])-1]} },
			"one byte longer": func(m [][]byte) [][]byte { return [][]byte{append(m[0], 0)} },
			"only a tag":      func(m [][]byte) [][]byte { return [][]byte{m[0][:Overhead]} },
			"less than a tag": func(m [][]byte) [][]byte { return [][]byte{m[0][:Overhead-1]} },
			"empty":           func([][]byte) [][]byte { return [][]byte{nil} },
			"too long":        func([][]byte) [][]byte { return [][]byte{make([]byte, MaxMessage+1)} },
		} {
			t.Run(fmt.Sprint(suite, "/", name), func(t *testing.T) {
				a, b := sessions(t, suite)
				var sent [][]byte
				for i := range 3 {
					m, err := a.Seal(nil, []byte{byte(i), 1, 2, 3})
					if err != nil {
						t.Fatal(err)
					}
					sent = append(sent, m)
				}
				var err error
				for _, m := range deliver(sent) {
					_, err = b.Open(nil, m)
				}
				if err == nil {
					t.Fatal("passed")
				}
				if _, err := b.Seal(nil, nil); !errors.Is(err, ErrDead) {
					t.Fatalf("session lives on: %v", err)
				}
			})
		}
	}
}

// A message to one's own side must not open: the directions have different keys.
func TestSessionReflection(t *testing.T) {
	a, _ := sessions(t, AESGCM)
	m, _ := a.Seal(nil, []byte("x"))
	if _, err := a.Open(nil, m); !errors.Is(err, ErrAuth) {
		t.Fatalf("got %v", err)
	}
}

func TestSessionLimits(t *testing.T) {
	a, b := sessions(t, ChaChaPoly)
	if _, err := a.Seal(nil, make([]byte, MaxPlaintext+1)); !errors.Is(err, ErrLength) {
		t.Fatalf("oversize: got %v", err)
	}
	m, err := a.Seal(nil, make([]byte, MaxPlaintext)) // the refusal used no nonce
	if err != nil || len(m) != MaxMessage {
		t.Fatalf("largest: %d bytes, %v", len(m), err)
	}
	if plain, err := b.Open(m[:0], m); err != nil || len(plain) != MaxPlaintext {
		t.Fatalf("open in place: %d bytes, %v", len(plain), err)
	}
	a.send.n = math.MaxUint64 - 1
	if _, err := a.Seal(nil, nil); err != nil {
		t.Fatalf("last nonce: %v", err)
	}
	if _, err := a.Seal(nil, nil); !errors.Is(err, ErrExhausted) {
		t.Fatalf("reserved nonce: got %v", err)
	}
}

func TestSessionDoesNotAllocate(t *testing.T) {
	for _, suite := range suites {
		a, b := sessions(t, suite)
		plain, buf := make([]byte, 19200), make([]byte, 0, MaxMessage)
		if n := testing.AllocsPerRun(200, func() {
			sealed, err := a.Seal(buf[:0], plain)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.Open(sealed[:0], sealed); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations per message, want 0", suite, n)
		}
	}
}

func TestSecretsStaySecret(t *testing.T) {
	raw := bytes.Repeat([]byte{0xA7}, 32)
	psk, err := NewPSK(raw)
	if err != nil {
		t.Fatal(err)
	}
	key, err := NewPrivateKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	type holder struct {
		psk  PSK
		Cred Credential
		key  *PrivateKey
		Key  PrivateKey
		val  PrivateKey
	}
	h := holder{psk, Credential{psk, LongTerm}, key, *key, *key} //nolint:govet // copying shows what a careless caller gets
	var out strings.Builder
	log := slog.New(slog.NewJSONHandler(&out, nil))
	for _, v := range []any{psk, &psk, key, *key, h, &h, h.Cred} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%X", "%s", "%q", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		log.Info("x", "v", v)
		if b, err := json.Marshal(v); err == nil {
			out.Write(b)
		}
	}
	for _, leak := range []string{"a7a7", "A7A7", "167 167", "167, 167", "0xa7, 0xa7", "p6en"} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("output contains %q", leak)
		}
	}
	for _, m := range []interface {
		MarshalJSON() ([]byte, error)
		MarshalText() ([]byte, error)
		MarshalBinary() ([]byte, error)
	}{psk, key} {
		for _, f := range []func() ([]byte, error){m.MarshalJSON, m.MarshalText, m.MarshalBinary} {
			if b, err := f(); !errors.Is(err, ErrSecret) || b != nil {
				t.Errorf("%T marshals: %x, %v", m, b, err)
			}
		}
	}
}

func TestPSK(t *testing.T) {
	if _, err := NewPSK(make([]byte, 31)); err == nil {
		t.Error("31 bytes passed")
	}
	a, _ := GeneratePSK(nil)
	b, err := NewPSK(a.Bytes())
	if err != nil || !a.Equal(b) || a.ID() != b.ID() || len(a.ID()) != 43 {
		t.Errorf("copy differs: %v, %s, %s", err, a.ID(), b.ID())
	}
	var zero PSK
	if zero.Equal(zero) || a.Equal(zero) || !zero.IsZero() || zero.ID() != "" || zero.Bytes() != nil {
		t.Error("zero PSK behaves like a key")
	}
	c := a
	a.Wipe()
	zero.Wipe()
	if !bytes.Equal(c.Bytes(), make([]byte, 32)) || a.Equal(b) {
		t.Error("wipe did not reach the copy")
	}
}

func TestPrivateKey(t *testing.T) {
	if _, err := NewPrivateKey(make([]byte, 33)); err == nil {
		t.Error("33 bytes passed")
	}
	k, err := GenerateKey(bytes.NewReader(bytes.Repeat([]byte{1}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	again, err := NewPrivateKey(k.Bytes())
	if err != nil || !k.Equal(again) || k.Public() != again.Public() {
		t.Errorf("round trip: %v", err)
	}
	if _, err := GenerateKey(bytes.NewReader(nil)); err == nil {
		t.Error("exhausted random source passed")
	}
}

func TestPublicKey(t *testing.T) {
	k, _ := GenerateKey(nil)
	id := k.Public().ID()
	if got, err := ParsePublicKey(id); err != nil || got != k.Public() {
		t.Errorf("round trip: %v", err)
	}
	for _, bad := range []string{"", id[:42], id + "A", id[:42] + "=", id[:42] + "!", strings.Repeat("_", 43)} {
		if _, err := ParsePublicKey(bad); err == nil {
			t.Errorf("%q passed", bad)
		}
	}
}

func TestFingerprint(t *testing.T) {
	// Fixed, because operators write fingerprints down.
	if got, want := Fingerprint(PublicKey{}), "9XJ7-ZDMA-EWNE-G1RG"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	k, _ := GenerateKey(nil)
	f := k.Public().Fingerprint()
	if len(f) != 19 || strings.Count(f, "-") != 3 || strings.ContainsAny(f, "ILOU") || f == Fingerprint(PublicKey{}) {
		t.Errorf("got %s", f)
	}
}
