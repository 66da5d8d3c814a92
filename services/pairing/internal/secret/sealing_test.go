package secret

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func testSealingKey(t testing.TB, seed byte) SealingKey {
	t.Helper()
	k, err := NewSealingKey(bytes.Repeat([]byte{seed}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestSealingKeyIsTheSameEverywhere: every instance derives one key, and a change of
// the derivation shows: codes sealed by other services would not open any more.
func TestSealingKeyIsTheSameEverywhere(t *testing.T) {
	a, b := testSealingKey(t, 7), testSealingKey(t, 7)
	if !bytes.Equal(a.Public(), b.Public()) || bytes.Equal(a.Public(), testSealingKey(t, 8).Public()) {
		t.Fatal("the public half does not follow from the server's key alone")
	}
	if _, err := NewSealingKey(make([]byte, 31)); err == nil {
		t.Fatal("a short private key was accepted")
	}
}

func TestSealingKeyOpensWhatWasSealedToIt(t *testing.T) {
	k := testSealingKey(t, 7)
	sealed, err := SealTo(k.Public(), []byte("123456"))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := k.Open(sealed); err != nil || string(plain) != "123456" {
		t.Fatalf("got %q, %v", plain, err)
	}
	if _, err := testSealingKey(t, 8).Open(sealed); !errors.Is(err, ErrNotForUs) {
		t.Fatalf("another key: %v", err)
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := k.Open(bad); !errors.Is(err, ErrNotForUs) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
	}
	for n := range sealed {
		if _, err := k.Open(sealed[:n]); !errors.Is(err, ErrNotForUs) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
}

func TestSealingKeyDoesNotPrint(t *testing.T) {
	k := testSealingKey(t, 7)
	priv := hex.EncodeToString(k.k.priv[:])
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if got := fmt.Sprintf(verb, k); strings.Contains(got, priv) || got != hidden {
			t.Errorf("%s prints %q", verb, got)
		}
	}
}

func FuzzSealingKeyOpen(f *testing.F) {
	k := testSealingKey(f, 7)
	sealed, err := SealTo(k.Public(), []byte("123456"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, in []byte) {
		plain, err := k.Open(in)
		if (err == nil) != (plain != nil) || err != nil && !errors.Is(err, ErrNotForUs) {
			t.Fatalf("got %x, %v", plain, err)
		}
	})
}
