package roster

import (
	"crypto/ed25519"
	"errors"
	"math/rand/v2"
	"testing"
)

func TestPinRefusesReplayForkAndStrangers(t *testing.T) {
	first := sample(2)
	first.Seq = 5
	pin := first.Pin()
	with := func(change func(*Roster)) string {
		r := sample(2)
		r.Seq = 5
		change(&r)
		return sign(t, r, keyOf(1))
	}
	stranger := sample(2)
	stranger.Key, stranger.Seq = [32]byte(pub(keyOf(9))), 6
	for _, tt := range []struct {
		what string
		text string
		want error
	}{
		{"the same again", with(func(*Roster) {}), nil},
		{"a newer one", with(func(r *Roster) { r.Seq, r.Active = 6, 1 }), nil},
		{"a much newer one", with(func(r *Roster) { r.Seq = 600 }), nil},
		{"an older one", with(func(r *Roster) { r.Seq = 4 }), ErrOld},
		{"another active device, same number", with(func(r *Roster) { r.Active = 1 }), ErrFork},
		{"another time, same number", with(func(r *Roster) { r.Time = r.Time.Add(1e9) }), ErrFork},
		{"another persona of the same key", with(func(r *Roster) { r.ID[0]++; r.Seq = 6 }), ErrPersona},
		{"another kind", with(func(r *Roster) { r.Kind, r.Seq = Server, 6 }), ErrPersona},
		{"the persona's id with another key", sign(t, stranger, keyOf(9)), ErrKey},
		{"nonsense", "TR1.AAAA", ErrFormat},
	} {
		if _, err := pin.Accept(tt.text); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.what, err, tt.want)
		}
	}
}

// TestANewKeyNeedsTheOldOnesWord: each link in turn, and forgeries of it.
func TestANewKeyNeedsTheOldOnesWord(t *testing.T) {
	r := sample(1)
	pins := []Pin{r.Pin()}
	for i := byte(1); i <= MaxLinks; i++ {
		var err error
		if r, err = r.Rotated(keyOf(i), pub(keyOf(i+1))); err != nil {
			t.Fatal(err)
		}
		r.Seq++
		text := sign(t, r, keyOf(i+1))
		for j, p := range pins {
			if _, err := p.Accept(text); err != nil {
				t.Fatalf("rotation %d with the pin of key %d: %v", i, j+1, err)
			}
		}
		pins = append(pins, r.Pin())
	}
	// One more, and the first key's holders cannot follow any longer.
	r, _ = r.Rotated(keyOf(MaxLinks+1), pub(keyOf(MaxLinks+2)))
	r.Seq++
	text := sign(t, r, keyOf(MaxLinks+2))
	if _, err := pins[0].Accept(text); !errors.Is(err, ErrKey) {
		t.Errorf("a pin that missed too many changes: got %v, want ErrKey", err)
	}
	if _, err := pins[1].Accept(text); err != nil {
		t.Errorf("a pin that missed as many as fit: %v", err)
	}
	// The old key cannot come back.
	back := sample(1)
	back.Seq = 1000
	if _, err := r.Pin().Accept(sign(t, back, keyOf(1))); !errors.Is(err, ErrKey) {
		t.Errorf("the first key after its rotation: got %v, want ErrKey", err)
	}

	thief := keyOf(66)
	forged := sample(1)
	forged.Seq, forged.Key = 9, [32]byte(pub(thief))
	forged.Links = []Link{{Key: [32]byte(pub(keyOf(1)))}}
	for what, sig := range map[string][]byte{
		"signed by the thief":   ed25519.Sign(thief, linked(forged.ID, pub(keyOf(1)), pub(thief))),
		"signed for another id": ed25519.Sign(keyOf(1), linked(ID{}, pub(keyOf(1)), pub(thief))),
		"of another key":        ed25519.Sign(keyOf(1), linked(forged.ID, pub(keyOf(1)), pub(keyOf(2)))),
		"zeros":                 make([]byte, 64),
	} {
		forged.Links[0].Signature = [64]byte(sig)
		if _, err := pins[0].Accept(sign(t, forged, thief)); !errors.Is(err, ErrSignature) {
			t.Errorf("a link %s: got %v, want ErrSignature", what, err)
		}
	}
}

// TestAWalkNeverGoesBack: whatever order rosters of a persona arrive in, replays and
// forks included, what is accepted never goes back and never differs for one number.
func TestAWalkNeverGoesBack(t *testing.T) {
	for seed := range uint64(8) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		r, key := sample(4), 1
		var texts []string
		for range 12 {
			texts = append(texts, sign(t, r, keyOf(byte(key))))
			fork := r
			fork.Active = (r.Active + 1) % 4
			texts = append(texts, sign(t, fork, keyOf(byte(key))))
			if rnd.IntN(4) == 0 {
				r, _ = r.Rotated(keyOf(byte(key)), pub(keyOf(byte(key+1))))
				key++
			}
			r.Seq += 1 + rnd.Uint64N(3)
			r.Active = rnd.IntN(4)
		}
		first := parse(t, texts[0])
		pin := first.Pin()
		said := map[uint64]Pin{pin.Seq: pin}
		for range 200 {
			got, err := pin.Accept(texts[rnd.IntN(len(texts))])
			if err != nil {
				continue
			}
			next := got.Pin()
			if next.Seq < pin.Seq {
				t.Fatalf("seed %d: went back from %d to %d", seed, pin.Seq, next.Seq)
			}
			if was, ok := said[next.Seq]; ok && was != next {
				t.Fatalf("seed %d: two rosters of number %d were accepted", seed, next.Seq)
			}
			said[next.Seq], pin = next, next
		}
	}
}
