package cpace

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	mrand "math/rand/v2"
	"strings"
	"testing"
)

func input(prs string) Input {
	return Input{PRS: []byte(prs), SID: []byte("sid"), ADa: []byte("server"), ADb: []byte("client")}
}

// run plays both sides, which may start from different inputs.
func run(t testing.TB, a, b Input) (ka, kb *Keys) {
	t.Helper()
	ea, errA := Start(Initiator, a, nil)
	eb, errB := Start(Responder, b, nil)
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	ya, yb := ea.Share(), eb.Share()
	ka, errA = ea.Finish(yb)
	kb, errB = eb.Finish(ya)
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	return ka, kb
}

func TestAgreement(t *testing.T) {
	for _, prs := range []string{"", "123456", strings.Repeat("long", 100)} {
		ka, kb := run(t, input(prs), input(prs))
		if !bytes.Equal(ka.ISK(), kb.ISK()) || !ka.Verify(kb.Tag()) || !kb.Verify(ka.Tag()) {
			t.Errorf("PRS of %d bytes: no agreement", len(prs))
		}
		if ka.Verify(ka.Tag()) || kb.Verify(kb.Tag()) {
			t.Error("a reflected tag verifies")
		}
	}
}

func TestEveryInputCounts(t *testing.T) {
	for name, change := range map[string]func(*Input){
		"PRS":             func(in *Input) { in.PRS = []byte("123457") },
		"CI":              func(in *Input) { in.CI = []byte("x") },
		"SID":             func(in *Input) { in.SID = []byte("sie") },
		"ADa":             func(in *Input) { in.ADa = []byte("serves") },
		"ADb":             func(in *Input) { in.ADb = []byte("clienu") },
		"PRS moved to CI": func(in *Input) { in.PRS, in.CI = []byte("12345"), []byte("6") },
	} {
		other := input("123456")
		change(&other)
		ka, kb := run(t, input("123456"), other)
		if bytes.Equal(ka.ISK(), kb.ISK()) || ka.Verify(kb.Tag()) || kb.Verify(ka.Tag()) {
			t.Errorf("%s makes no difference", name)
		}
	}
}

func TestTamperedSharesAndTags(t *testing.T) {
	in := input("123456")
	for bit := range 8 * ShareLen {
		if bit == 8*ShareLen-1 {
			continue // X25519 ignores it; the transcript does not, see below
		}
		ea, _ := Start(Initiator, in, nil)
		eb, _ := Start(Responder, in, nil)
		ya := ea.Share()
		ka, err := ea.Finish(eb.Share())
		if err != nil {
			t.Fatal(err)
		}
		ya[bit/8] ^= 1 << (bit % 8)
		kb, err := eb.Finish(ya)
		if err == nil && (kb.Verify(ka.Tag()) || ka.Verify(kb.Tag())) {
			t.Fatalf("bit %d of Ya may change", bit)
		}
	}
	ka, kb := run(t, in, in)
	for i := range TagLen {
		tag := ka.Tag()
		tag[i] ^= 1
		if kb.Verify(tag) {
			t.Fatalf("byte %d of Ta may change", i)
		}
	}
	for _, tag := range [][]byte{nil, {}, ka.Tag()[:63], append(ka.Tag(), 0)} {
		if kb.Verify(tag) {
			t.Errorf("a tag of %d bytes verifies", len(tag))
		}
	}
}

// The same point in another encoding gives the same K, and still another key.
func TestTheTranscriptHoldsSharesAsTheyWere(t *testing.T) {
	in := input("123456")
	ea, _ := Start(Initiator, in, nil)
	eb, _ := Start(Responder, in, nil)
	ya := ea.Share()
	ya[31] |= 0x80
	ka, errA := ea.Finish(eb.Share())
	kb, errB := eb.Finish(ya)
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	if kb.Verify(ka.Tag()) {
		t.Error("a share with bit 255 set passes for the one without")
	}
}

func TestUnusableShares(t *testing.T) {
	for _, p := range load(t, "draft.json").X25519.Points {
		for _, role := range []Role{Initiator, Responder} {
			e, err := Start(role, input("123456"), nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = e.Finish(p.U)
			if low := bytes.Equal(p.Q, make([]byte, 32)); low != errors.Is(err, ErrShare) || low != (err != nil) {
				t.Errorf("share %x: %v", []byte(p.U), err)
			}
		}
	}
	for _, n := range []int{0, 31, 33, 64} {
		e, _ := Start(Initiator, input("123456"), nil)
		if _, err := e.Finish(make([]byte, n)); !errors.Is(err, ErrShare) {
			t.Errorf("share of %d bytes: %v", n, err)
		}
	}
}

func TestScalarsAreForOneUse(t *testing.T) {
	for _, peer := range [][]byte{make([]byte, 32), {9}, bytes.Repeat([]byte{9}, 32)} {
		e, err := Start(Initiator, input("123456"), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = e.Finish(peer)
		if e.scalar != [32]byte{} {
			t.Error("the scalar is still there")
		}
		if _, err := e.Finish(bytes.Repeat([]byte{9}, 32)); !errors.Is(err, ErrUsed) {
			t.Errorf("second Finish: %v", err)
		}
	}
	a, _ := Start(Initiator, input("123456"), nil)
	b, _ := Start(Initiator, input("123456"), nil)
	if bytes.Equal(a.Share(), b.Share()) {
		t.Error("two exchanges have one share")
	}
}

func TestWipedKeys(t *testing.T) {
	ka, kb := run(t, input("1"), input("1"))
	ka.Wipe()
	if *ka != (Keys{}) || ka.Verify(kb.Tag()) || ka.Verify(make([]byte, TagLen)) {
		t.Error("wiped keys are of use")
	}
	(*Keys)(nil).Wipe()
}

func TestSecretsDoNotPrint(t *testing.T) {
	e, _ := Start(Initiator, input("123456"), nil)
	ka, _ := run(t, input("1"), input("1"))
	for _, f := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if got := fmt.Sprintf(f, e) + fmt.Sprintf(f, ka); got != "(cpace exchange)(cpace keys)" {
			t.Errorf("%s prints %s", f, got)
		}
	}
}

func TestStartNeedsRandomness(t *testing.T) {
	if _, err := Start(Initiator, input("1"), bytes.NewReader(make([]byte, 31))); err == nil {
		t.Error("31 bytes of randomness are enough")
	}
}

// refElligator2 is the draft's reference code, in arithmetic of any size.
func refElligator2(r [32]byte) [32]byte {
	q := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	r[31] &= 0x7f
	num := new(big.Int).SetBytes(reversed(r))
	a := big.NewInt(486662)
	mul := func(x, y *big.Int) *big.Int { return new(big.Int).Mod(new(big.Int).Mul(x, y), q) }
	add := func(x, y *big.Int) *big.Int { return new(big.Int).Mod(new(big.Int).Add(x, y), q) }
	neg := func(x *big.Int) *big.Int { return new(big.Int).Mod(new(big.Int).Neg(x), q) }
	d := add(big.NewInt(1), mul(big.NewInt(2), mul(num, num)))
	v := mul(neg(a), new(big.Int).ModInverse(d, q))
	w := add(add(mul(v, mul(v, v)), mul(a, mul(v, v))), v)
	half := new(big.Int).Rsh(new(big.Int).Sub(q, big.NewInt(1)), 1)
	if new(big.Int).Exp(w, half, q).Cmp(big.NewInt(1)) != 0 {
		v = neg(add(v, a))
	}
	var out [32]byte
	v.FillBytes(out[:])
	return [32]byte(reversed(out))
}

func reversed(b [32]byte) []byte {
	out := make([]byte, 32)
	for i := range b {
		out[31-i] = b[i]
	}
	return out
}

func TestElligator2AgainstReference(t *testing.T) {
	rnd := mrand.New(mrand.NewPCG(1, 2))
	inputs := [][32]byte{{}, {31: 0x80}}
	for i := range 40 { // around the modulus and 2^256
		in := [32]byte(bytes.Repeat([]byte{0xff}, 32))
		in[0] = byte(0xff - i)
		inputs = append(inputs, in)
		in[31] = 0x7f
		inputs = append(inputs, in)
	}
	for range 300 {
		var in [32]byte
		for i := range in {
			in[i] = byte(rnd.Uint32())
		}
		inputs = append(inputs, in)
	}
	for _, in := range inputs {
		if got, want := elligator2(in), refElligator2(in); got != want {
			t.Fatalf("elligator2(%x) = %x, want %x", in, got, want)
		}
	}
}

func FuzzFinish(f *testing.F) {
	for _, p := range load(f, "draft.json").X25519.Points {
		f.Add([]byte(p.U), []byte("123456"))
	}
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, peer, prs []byte) {
		e, err := Start(Responder, Input{PRS: prs, SID: []byte("s"), ADa: []byte("a"), ADb: []byte("b")}, nil)
		if err != nil {
			t.Fatal(err)
		}
		k, err := e.Finish(peer)
		if (k == nil) != (err != nil) {
			t.Fatal("neither keys nor an error")
		}
		if err != nil && !errors.Is(err, ErrShare) {
			t.Fatal(err)
		}
		if k != nil && (k.Verify(k.Tag()) || k.Verify(make([]byte, TagLen))) {
			t.Fatal("a tag that nobody sent verifies")
		}
	})
}

func FuzzElligator2(f *testing.F) {
	f.Add(make([]byte, 32))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r [32]byte
		copy(r[:], b)
		if got, want := elligator2(r), refElligator2(r); got != want {
			t.Fatalf("elligator2(%x) = %x, want %x", r, got, want)
		}
	})
}

func BenchmarkExchange(b *testing.B) {
	for b.Loop() {
		run(b, input("123456"), input("123456"))
	}
}
