package password

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/tutti-audio/tutti/platform/fault"
)

// cheap is a cost that tests can afford.
var cheap = Params{MemoryKiB: 64, Passes: 1, Lanes: 1}

func TestHashAndVerify(t *testing.T) {
	h := New(cheap)
	p, err := Prepare("Maria", "Grüße aus Köln", "body.password")
	if err != nil {
		t.Fatal(err)
	}
	phc, err := h.Hash(t.Context(), p)
	if err != nil || !strings.HasPrefix(phc, "$argon2id$v=19$m=64,t=1,p=1$") || !Valid(phc) {
		t.Fatalf("Hash = %q, %v", phc, err)
	}
	for pass, want := range map[string]bool{
		"Grüße aus Köln":             true,
		"Gru\u0308ße aus Ko\u0308ln": true, // the same letters, as another keyboard sends them
		"grüße aus köln":             false,
		"":                           false,
		"Grüße aus Köln ":            false,
		strings.Repeat("x", 5000):    false,
		"Gr\x00üße":                  false,
	} {
		right, stale, err := h.Verify(t.Context(), phc, pass)
		if err != nil || right != want || stale {
			t.Errorf("Verify(%q) = %t, %t, %v", pass, right, stale, err)
		}
	}
	for _, broken := range []string{"", "x", strings.Replace(phc, "m=64", "m=99999999", 1)} {
		if right, _, err := h.Verify(t.Context(), broken, "Grüße aus Köln"); right || err != nil {
			t.Errorf("Verify of %q = %t, %v", broken, right, err)
		}
	}
	if right, stale, _ := New(Params{MemoryKiB: 128, Passes: 1, Lanes: 1}).Verify(t.Context(), phc, "Grüße aus Köln"); !right || !stale {
		t.Errorf("a hash of a lower cost: right %t, stale %t", right, stale)
	}
}

func TestRules(t *testing.T) {
	for pass, part := range map[string]string{
		"123456789":                "fewer than 10",
		"ééééééééé":                "fewer than 10", // characters, not bytes
		strings.Repeat("x", 1025):  "longer than 1024",
		"maria von trapp":          "is the name",
		"tab\tin the middle":       "cannot be typed",
		"not utf8 \xff at the end": "not UTF-8",
	} {
		_, err := Prepare("Maria von Trapp", pass, "body.password")
		f := fault.From(err)
		if err == nil || f.Code != fault.OutOfRange || len(f.Fields) != 1 || f.Fields[0].Location != "body.password" || !strings.Contains(f.Fields[0].Message, part) {
			t.Errorf("%q: %v", pass, err)
		}
		if err != nil && strings.Contains(err.Error(), pass) {
			t.Errorf("the error repeats the password: %v", err)
		}
	}
	for _, good := range []string{"aaaaaaaaaa", "ten chars ", "日本語のパスワードです", strings.Repeat("x", 1024)} {
		if _, err := Prepare("Maria", good, "x"); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}

// TestFloodIsBounded: more at once than the queue holds are turned away, not worked on.
func TestFloodIsBounded(t *testing.T) {
	h := New(cheap)
	for range workers { // as if as many hashes were being worked on
		h.slots <- struct{}{}
		h.queue <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	codes := make(chan fault.Code, 3*waiting)
	for range 3 * waiting {
		wg.Go(func() {
			_, _, err := h.Verify(ctx, "", "a password")
			codes <- fault.CodeOf(err)
		})
	}
	for range 2 * waiting { // the others wait for their turn
		if c := <-codes; c != fault.RateLimited {
			t.Errorf("turned away with %q", c)
		}
	}
	cancel()
	wg.Wait()
	for range waiting {
		if c := <-codes; c != fault.Unavailable {
			t.Errorf("ended with %q", c)
		}
	}
}

func FuzzPHC(f *testing.F) {
	h := hash{Params: Cost, salt: make([]byte, saltBytes), key: make([]byte, hashBytes)}
	for _, s := range []string{h.String(), "", "$argon2id$v=19$m=1,t=1,p=1$$", "$argon2id$v=19$m=065536,t=3,p=4$c2FsdA$aGFzaA", "$2a$10$x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parse(s)
		if err != nil {
			return
		}
		if got.String() != s || got.MemoryKiB > maxMemoryKiB || got.Passes > maxPasses || got.Lanes > maxLanes || len(got.salt) != saltBytes || len(got.key) != hashBytes {
			t.Fatalf("parse(%q) = %+v", s, got.Params)
		}
	})
}
