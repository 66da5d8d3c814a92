package secret

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/nacl/box"
)

func newKey(t *testing.T) Key {
	t.Helper()
	k, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var place = Place{"identity", "sealed_key", "row"}

func TestSealedValuesOpenOnlyAtTheirPlace(t *testing.T) {
	k := newKey(t)
	plain := []byte("a secret of 32 bytes, more or less")
	sealed, err := k.Seal(plain, place)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := k.Open(sealed, place); err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("open: %q %v", got, err)
	}
	if bytes.Contains(sealed, plain[:8]) {
		t.Fatal("the secret stands in the sealed value")
	}
	for _, other := range []Place{{"identity", "sealed_key", "row2"}, {"identity", "sealed_keyr", "ow"}, {"pairing_records", "sealed_key", "row"}, {"identity", "other", "row"}} {
		if _, err := k.Open(sealed, other); !errors.Is(err, ErrDamaged) {
			t.Errorf("opened at %v: %v", other, err)
		}
	}
	if _, err := newKey(t).Open(sealed, place); !errors.Is(err, ErrWrongKey) {
		t.Errorf("another key: %v", err)
	}
	again, _ := k.Seal(plain, place)
	if bytes.Equal(again, sealed) {
		t.Error("two sealings are equal: the nonce is not fresh")
	}
}

func TestEveryByteOfASealedValueMatters(t *testing.T) {
	k := newKey(t)
	sealed, err := k.Seal([]byte("secret"), place)
	if err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := k.Open(bad, place); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrWrongKey) {
			t.Errorf("byte %d: %v", i, err)
		}
		if _, err := k.Open(sealed[:i], place); err == nil {
			t.Errorf("opened after %d bytes", i)
		}
	}
}

func FuzzOpen(f *testing.F) {
	k, err := NewKey()
	if err != nil {
		f.Fatal(err)
	}
	sealed, _ := k.Seal([]byte("x"), place)
	f.Add(sealed)
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := k.Open(b, place); err == nil && !bytes.Equal(b, sealed) {
			t.Fatalf("forged: %x", got)
		}
	})
}

func TestKeysDoNotPrint(t *testing.T) {
	k := newKey(t)
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "key", k, "ptr", &k)
	_, _ = fmt.Fprintf(&out, "%v %+v %#v %s %x %q %d %v", k, k, k, k, k, k, k, &k)
	j, _ := json.Marshal(struct{ K Key }{k})
	out.Write(j)
	for _, form := range []string{hex.EncodeToString(k.b[:4]), strings.ToUpper(hex.EncodeToString(k.b[:4])),
		base64.StdEncoding.EncodeToString(k.b[:])[:6], fmt.Sprint(k.b[:3])[1:8], string(k.b[:4])} {
		if strings.Contains(out.String(), form) {
			t.Fatalf("the key shows as %q in %q", form, out.String())
		}
	}
}

func TestParseKey(t *testing.T) {
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		t.Fatal(err)
	}
	good := map[string][]byte{
		"raw": raw, "hex": []byte(hex.EncodeToString(raw)), "HEX": []byte(strings.ToUpper(hex.EncodeToString(raw)) + "\n"),
		"base64": []byte(" " + base64.StdEncoding.EncodeToString(raw) + "\r\n"), "base64url": []byte(base64.RawURLEncoding.EncodeToString(raw)),
	}
	for name, in := range good {
		k, err := ParseKey(in)
		if err != nil || !bytes.Equal(k.b[:], raw) {
			t.Errorf("%s: %v", name, err)
		}
	}
	bad := map[string][]byte{
		"empty": {}, "short": raw[:31], "zeros": make([]byte, 32), "words": []byte("correct horse battery staple"),
		"long hex": []byte(hex.EncodeToString(raw) + "00"),
	}
	for name, in := range bad {
		_, err := ParseKey(in)
		if err == nil {
			t.Errorf("%s: accepted", name)
		} else if len(in) > 8 && strings.Contains(err.Error(), string(in[:8])) {
			t.Errorf("%s: the error repeats the input", name)
		}
	}
}

func TestKeyFileIsMadeOnceAndPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	src := Source{DataDir: dir}
	if _, err := src.Load(false); err == nil || !strings.Contains(err.Error(), "--deployment-key-file") {
		t.Fatalf("missing key of a store with secrets: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, DefaultKeyFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal("a key was made although that was not allowed")
	}
	var wg sync.WaitGroup
	ids := make([]string, 8)
	for i := range ids {
		wg.Go(func() {
			k, err := src.Load(true)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = k.ID()
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("several keys were made: %v", ids)
		}
	}
	info, err := os.Stat(filepath.Join(dir, DefaultKeyFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("key file: %v %v", info, err)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "*new*"))
	if len(left) != 0 {
		t.Fatalf("left behind: %v", left)
	}
	if k, err := src.Load(false); err != nil || k.ID() != ids[0] {
		t.Fatalf("second start: %v", err)
	}
}

func TestKeySourcesAreExclusiveAndMustExist(t *testing.T) {
	k := newKey(t)
	text := base64.StdEncoding.EncodeToString(k.b[:])
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, src := range map[string]Source{"text": {Text: text}, "file": {File: file}} {
		if got, err := src.Load(false); err != nil || got.ID() != k.ID() {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, src := range map[string]Source{
		"both": {Text: text, File: file}, "absent file": {File: file + "x"}, "nothing": {}, "bad text": {Text: "secretsecret"},
		"directory": {File: t.TempDir()},
	} {
		if _, err := src.Load(true); err == nil || strings.Contains(err.Error(), "secretsecret") || strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSealTo(t *testing.T) {
	pub, priv, err := box.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := SealTo(pub[:], []byte("psk"))
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := box.OpenAnonymous(nil, sealed, pub, priv); !ok || string(got) != "psk" {
		t.Fatalf("open: %q %v", got, ok)
	}
	low := make([]byte, 32)
	low[0] = 1
	for name, key := range map[string][]byte{"none": nil, "short": pub[:31], "zeros": make([]byte, 32), "low order": low} {
		if _, err := SealTo(key, []byte("psk")); err == nil {
			t.Errorf("%s: sealed", name)
		}
	}
}
