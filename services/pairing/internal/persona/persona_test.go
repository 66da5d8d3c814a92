package persona

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"pgregory.net/rapid"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/roster"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func keyOf(b byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{b}, ed25519.SeedSize))
}

func device(b byte) string { return roster.Device(bytes.Repeat([]byte{b}, 32)).String() }

func signed(t testing.TB, p Persona, k ed25519.PrivateKey) Persona {
	t.Helper()
	p.Sealed = []byte("sealed")
	p, err := p.Signed(k, t0)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func fresh(t testing.TB) Persona {
	t.Helper()
	p, err := New(roster.Endpoint, "Bar", keyOf(1).Public().(ed25519.PublicKey), t0)
	if err != nil {
		t.Fatal(err)
	}
	return signed(t, p, keyOf(1))
}

// TestAWalkKeepsOneActiveDevice: whatever operators do, a persona has exactly one active
// device or none at all, its rosters are accepted one after the other, and what another
// site makes of the last one is what is here.
func TestAWalkKeepsOneActiveDevice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := freshIn(t)
		key := byte(1)
		first, err := roster.Parse(p.Roster)
		if err != nil {
			t.Fatal(err)
		}
		pin := first.Pin()
		away, err := Import(nil, p.Roster, t0)
		if err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			id := device(byte(rapid.IntRange(1, 14).Draw(t, "device")))
			next, err := p, error(nil)
			rotate := false
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0, 1:
				next, err = p.Add(id, t0)
			case 2:
				next, err = p.Activate(id)
			case 3:
				next, err = p.Remove(id)
			case 4:
				next, err = p.Named(rapid.SampledFrom([]string{"Bar", "Küche", "x"}).Draw(t, "name"))
			case 5:
				rotate = true
			}
			if err != nil {
				if fault.CodeOf(err) != fault.Conflict {
					t.Fatalf("refused with %v", err)
				}
				continue
			}
			if rotate {
				next, err = next.Rotated(keyOf(key), keyOf(key+1), t0)
				key++
			} else {
				next, err = next.Signed(keyOf(key), t0)
			}
			if err != nil {
				t.Fatal(err)
			}
			p = next
			active := 0
			for _, d := range p.Devices {
				if d.Active {
					active++
				}
			}
			if want := min(1, len(p.Devices)); active != want {
				t.Fatalf("%d active of %d devices", active, len(p.Devices))
			}
			r, err := pin.Accept(p.Roster)
			if err != nil {
				t.Fatal(err)
			}
			pin = r.Pin()
			if away, err = Import(&away, p.Roster, t0); err != nil {
				t.Fatal(err)
			}
			if away.Name != p.Name || away.Seq != p.Seq || !slices.Equal(away.Devices, p.Devices) {
				t.Fatalf("away: %+v, here: %+v", away, p)
			}
		}
	})
}

func freshIn(t *rapid.T) Persona {
	p, err := New(roster.Endpoint, "Bar", keyOf(1).Public().(ed25519.PublicKey), t0)
	if err == nil {
		p.Sealed = []byte("sealed")
		p, err = p.Signed(keyOf(1), t0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestChangesAreSaid(t *testing.T) {
	p := fresh(t)
	p, _ = p.Add(device(1), t0)
	p, _ = p.Add(device(2), t0)
	p = signed(t, p, keyOf(1))
	old, err := Import(nil, p.Roster, t0)
	if err != nil {
		t.Fatal(err)
	}
	if got := old.Changes(nil); len(got) != 3 || !strings.Contains(got[1], "active") || !strings.Contains(got[2], "spare") {
		t.Errorf("new: %q", got)
	}
	p, _ = p.Activate(device(2))
	p, _ = p.Remove(device(1))
	p, _ = p.Add(device(3), t0)
	p, _ = p.Named("Foyer")
	p, err = p.Rotated(keyOf(1), keyOf(2), t0)
	if err != nil {
		t.Fatal(err)
	}
	next, err := Import(&old, p.Roster, t0)
	if err != nil {
		t.Fatal(err)
	}
	if got := next.Changes(&old); len(got) != 5 {
		t.Errorf("changed: %q", got)
	}
	if got := next.Changes(&next); len(got) != 0 {
		t.Errorf("the same: %q", got)
	}
}

func TestSealedRostersOpenForTheirRecipients(t *testing.T) {
	us, err := AgeIdentity(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	// A known answer: the recipient must not change between versions.
	if got, want := us.Recipient().String(), knownRecipient; got != want {
		t.Fatalf("the recipient is %s, want %s", got, want)
	}
	them, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	text := fresh(t).Roster
	sealed, err := SealTo(text, []string{them.Recipient().String(), us.Recipient().String()})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []age.Identity{us, them} {
		if got, err := Open("\n"+sealed+"\n", id); err != nil || got != text {
			t.Errorf("opened %q, %v", got, err)
		}
	}
	stranger, _ := age.GenerateX25519Identity()
	if _, err := Open(sealed, stranger); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("a stranger: %v", err)
	}
	if got, err := Open(" " + text + "\n"); err != nil || got != text {
		t.Errorf("a plain roster: %q, %v", got, err)
	}
	for _, bad := range [][]string{{"x"}, {"age1qqqq"}, {us.String()}, {us.Recipient().String() + "\n" + them.Recipient().String()}, make([]string, MaxRecipients+1)} {
		if _, err := SealTo(text, bad); fault.CodeOf(err) != fault.OutOfRange {
			t.Errorf("recipients %q: %v", bad, err)
		}
	}
}

const knownRecipient = "age156fxvvan8mecf7gw4lfwwnedzylamhmkkkkct7xnrg0aypgkce3s0j3pv9"

func TestBech32(t *testing.T) {
	// BIP 173, valid strings: data of all 32 quintets.
	raw, _ := hex.DecodeString("00443214c74254b635cf84653a56d7c675be77df")
	if got, want := bech32("abcdef", raw), "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// FuzzOpen takes what an operator pastes.
func FuzzOpen(f *testing.F) {
	us, err := AgeIdentity(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		f.Fatal(err)
	}
	p := fresh(f)
	sealed, err := SealTo(p.Roster, []string{us.Recipient().String()})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add(p.Roster)
	f.Fuzz(func(t *testing.T, text string) {
		plain, err := Open(text, us)
		if err != nil {
			return
		}
		if next, err := Import(nil, plain, t0); err == nil && (next.Name == "" || !next.Imported()) {
			t.Fatalf("imported %+v", next)
		}
	})
}
