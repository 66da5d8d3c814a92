package roster

import (
	"bytes"
	"compress/flate"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
)

// keyOf is the key of a seed of 32 equal bytes.
func keyOf(b byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{b}, ed25519.SeedSize))
}

func pub(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

// sample is a roster of key 1 with n devices, the first of them active.
func sample(n int) Roster {
	k := keyOf(1)
	r := Roster{Kind: Endpoint, ID: NewID(pub(k)), Key: [32]byte(pub(k)), Seq: 1, Name: "Lobby left",
		Time: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	for i := range n {
		r.Devices = append(r.Devices, Device(bytes.Repeat([]byte{byte(i + 100)}, 32)))
	}
	return r
}

func sign(t testing.TB, r Roster, k ed25519.PrivateKey) string {
	t.Helper()
	text, err := Sign(r, k)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func parse(t testing.TB, text string) Roster {
	t.Helper()
	r, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// known is one answer of testdata/rosters.json. Text may deflate otherwise in another
// version of Go; the body may not differ.
type known struct {
	What    string   `json:"what"`
	Seed    string   `json:"seed"`
	Kind    string   `json:"kind"`
	ID      string   `json:"id"`
	Seq     uint64   `json:"seq"`
	Unix    int64    `json:"unix"`
	Name    string   `json:"name"`
	Devices []string `json:"devices"`
	Active  int      `json:"active"`
	Links   int      `json:"links"`
	Body    string   `json:"body"`
	Text    string   `json:"text"`
}

func TestKnownAnswers(t *testing.T) {
	raw, err := os.ReadFile("testdata/rosters.json")
	if err != nil {
		t.Fatal(err)
	}
	var answers []known
	if err := json.Unmarshal(raw, &answers); err != nil {
		t.Fatal(err)
	}
	if len(answers) < 4 {
		t.Fatalf("only %d answers", len(answers))
	}
	for _, a := range answers {
		r := parse(t, a.Text)
		if r.Kind.String() != a.Kind || r.ID.String() != a.ID || r.Seq != a.Seq || r.Time.Unix() != a.Unix || r.Name != a.Name ||
			r.Active != a.Active || len(r.Links) != a.Links || len(r.Devices) != len(a.Devices) {
			t.Errorf("%s: reads as %+v", a.What, r)
			continue
		}
		for i, d := range r.Devices {
			if d.String() != a.Devices[i] {
				t.Errorf("%s: device %d is %s, want %s", a.What, i, d, a.Devices[i])
			}
		}
		seed, err := hex.DecodeString(a.Seed)
		if err != nil {
			t.Fatal(err)
		}
		body, err := unpack(sign(t, r, ed25519.NewKeyFromSeed(seed)))
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(body); got != a.Body {
			t.Errorf("%s: the body is\n%s, want\n%s", a.What, got, a.Body)
		}
	}
}

// TestTheLongestRosterFits: ten random devices, the longest name of random
// characters of each length in UTF-8, all links, the greatest numbers.
func TestTheLongestRosterFits(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	longest := 0
	for round := range 200 {
		k := make([]ed25519.PrivateKey, MaxLinks+2)
		for i := range k {
			k[i] = ed25519.NewKeyFromSeed(random(rnd))
		}
		r := sample(0)
		r.Key = [32]byte(pub(k[0]))
		r.Seq, r.Time, r.Kind = maxSeq, time.Unix(maxTime, 0), Server
		ranges := [][2]rune{{0x21, 0x7e}, {0xa1, 0x17f}, {0x4e00, 0x9fff}, {0x1f300, 0x1f5ff}}
		span := ranges[round%len(ranges)]
		name := []byte{}
		for {
			c := string(span[0] + rnd.Int32N(span[1]-span[0]))
			if len(name)+len(c) > MaxName {
				break
			}
			name = append(name, c...)
		}
		for len(name) < MaxName {
			name = append(name, byte('a'+rnd.IntN(26)))
		}
		r.Name = string(bytes.ReplaceAll(name, []byte("\u00ad"), []byte("ü")))
		for range MaxDevices {
			r.Devices = append(r.Devices, Device(random(rnd)))
		}
		r.Active = MaxDevices - 1
		for i := range MaxLinks + 1 { // one more than fits
			var err error
			if r, err = r.Rotated(k[i], pub(k[i+1])); err != nil {
				t.Fatal(err)
			}
		}
		text := sign(t, r, k[MaxLinks+1])
		longest = max(longest, len(text))
		got := parse(t, text)
		if got.Name != r.Name || len(got.Devices) != MaxDevices || len(got.Links) != MaxLinks {
			t.Fatalf("came back as %+v", got)
		}
	}
	if longest > MaxText || longest < MaxText-40 {
		t.Fatalf("the longest roster has %d bytes; the limits promise %d and should use them", longest, MaxText)
	}
	t.Logf("the longest roster has %d bytes", longest)
}

func random(rnd *rand.Rand) []byte {
	b := make([]byte, 32)
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return b
}

func TestEveryChangedByteIsNoticed(t *testing.T) {
	r, err := sample(3).Rotated(keyOf(1), pub(keyOf(2)))
	if err != nil {
		t.Fatal(err)
	}
	body, err := unpack(sign(t, r, keyOf(2)))
	if err != nil {
		t.Fatal(err)
	}
	for i := range body {
		for _, flip := range []byte{1, 0x80, 0xff} {
			bad := bytes.Clone(body)
			bad[i] ^= flip
			text, err := pack(bad)
			if err != nil {
				continue // it grew too long: nothing that anybody could send
			}
			if _, err := Parse(text); !errors.Is(err, ErrFormat) && !errors.Is(err, ErrSignature) {
				t.Fatalf("byte %d changed by %#x: got %v", i, flip, err)
			}
		}
	}
}

func TestWhatIsNoRosterIsRefused(t *testing.T) {
	good := sign(t, sample(2), keyOf(1))
	body, err := unpack(good)
	if err != nil {
		t.Fatal(err)
	}
	var bomb bytes.Buffer
	w, _ := flate.NewWriter(&bomb, flate.BestCompression)
	_, _ = w.Write(make([]byte, 500_000))
	_ = w.Close()
	repack := func(b []byte) string {
		s, err := pack(b)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for what, text := range map[string]string{
		"nothing":                 "",
		"another version":         "TR2." + good[4:],
		"cut off":                 good[:len(good)-8],
		"padding":                 good + "=",
		"a line break":            good[:40] + "\n" + good[40:],
		"something after it":      good + "AAAA",
		"too long":                good + strings.Repeat("A", MaxText),
		"a bomb":                  prefix + base64.RawURLEncoding.EncodeToString(bomb.Bytes()),
		"a body that goes on":     repack(append(bytes.Clone(body), 0)),
		"a body that is cut":      repack(body[:len(body)-1]),
		"an empty body":           repack(nil),
		"a long form of a number": repack(append(append(bytes.Clone(body[:45]), 0x81, 0x00), body[46:]...)),
	} {
		if _, err := Parse(text); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: got %v, want ErrFormat", what, err)
		}
	}
	if body[45] != 1 {
		t.Fatalf("byte 45 is no longer the sequence number: %#x", body[45])
	}
}

func TestSignRefusesWhatHasNoForm(t *testing.T) {
	for what, change := range map[string]func(*Roster){
		"no kind":            func(r *Roster) { r.Kind = 0 },
		"no number":          func(r *Roster) { r.Seq = 0 },
		"a number too large": func(r *Roster) { r.Seq = maxSeq + 1 },
		"a time before 1970": func(r *Roster) { r.Time = time.Unix(-1, 0) },
		"eleven devices":     func(r *Roster) { *r = sample(11) },
		"a device twice":     func(r *Roster) { r.Devices[1] = r.Devices[0] },
		"no such active":     func(r *Roster) { r.Active = 2 },
		"active of none":     func(r *Roster) { r.Devices, r.Active = nil, 1 },
		"no name":            func(r *Roster) { r.Name = "" },
		"a long name":        func(r *Roster) { r.Name = strings.Repeat("x", MaxName+1) },
		"a name with a bell": func(r *Roster) { r.Name = "a\a" },
		"a broken name":      func(r *Roster) { r.Name = "\xff" },
		"three links":        func(r *Roster) { r.Links = make([]Link, 3) },
	} {
		r := sample(2)
		change(&r)
		if text, err := Sign(r, keyOf(1)); err == nil {
			t.Errorf("%s: signed as %s", what, text)
		}
	}
	if _, err := Sign(sample(1), keyOf(2)); err == nil {
		t.Error("signed with another persona's key")
	}
}
