package independent

import (
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha512"
	"math/big"
	"slices"
)

// CPACE-X25519-SHA512, read from draft-irtf-cfrg-cpace-21 with integers of any size.
// It is neither fast nor in constant time.

var (
	fieldP = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	curveA = big.NewInt(486662)
)

// lvCat puts values together, each behind its length in LEB128.
func lvCat(values ...[]byte) (out []byte) {
	for _, v := range values {
		n := len(v)
		for ; n >= 128; n >>= 7 {
			out = append(out, byte(n)|128)
		}
		out = append(append(out, byte(n)), v...)
	}
	return out
}

// generatorString pads so that the password fills the first block of the hash.
func generatorString(prs, ci, sid []byte) []byte {
	const block = 128
	dsi := []byte("CPace255")
	pad := max(0, block-1-len(lvCat(prs))-len(lvCat(dsi)))
	return lvCat(dsi, prs, make([]byte, pad), ci, sid)
}

func generator(prs, ci, sid []byte) []byte {
	sum := sha512.Sum512(generatorString(prs, ci, sid))
	return elligator2(sum[:32])
}

// little reads 32 little-endian bytes as a field element; bit 255 is ignored.
func little(b []byte) *big.Int {
	b = slices.Clone(b)
	b[31] &= 0x7F
	slices.Reverse(b)
	return new(big.Int).SetBytes(b)
}

func littleBytes(x *big.Int) []byte {
	b := x.FillBytes(make([]byte, 32))
	slices.Reverse(b)
	return b
}

// elligator2 is the map of the draft for curve25519 with the non-square 2:
// v = -A/(1+2r²), e = χ(v³+Av²+v), x = ev - (1-e)A/2.
func elligator2(r []byte) []byte {
	mod := func(x *big.Int) *big.Int { return x.Mod(x, fieldP) }
	x := little(r)
	x.Mul(x, x).Lsh(x, 1).Add(x, big.NewInt(1))
	v := new(big.Int).ModInverse(mod(x), fieldP)
	v = mod(v.Mul(v, curveA).Neg(v))
	e := new(big.Int).Add(v, curveA) // v³ + Av² + v = v(v(v+A)+1)
	e.Mul(e, v).Add(e, big.NewInt(1)).Mul(e, v)
	if big.Jacobi(mod(e), fieldP) != 1 {
		v.Add(v, curveA).Neg(v)
	}
	return littleBytes(mod(v))
}

// x25519 is the function of RFC 7748; a result of zero is an error.
func x25519(scalar, u []byte) ([]byte, error) {
	k, err := ecdh.X25519().NewPrivateKey(scalar)
	if err != nil {
		return nil, err
	}
	p, err := ecdh.X25519().NewPublicKey(u)
	if err != nil {
		return nil, err
	}
	return k.ECDH(p)
}

// cpaceRun is one party's run: a fresh scalar and its share.
type cpaceRun struct{ scalar, share, sid, ada, adb []byte }

// newRun begins a run; a nil scalar is drawn.
func newRun(scalar, prs, ci, sid, ada, adb []byte) (*cpaceRun, error) {
	if scalar == nil {
		scalar = make([]byte, 32)
		_, _ = rand.Read(scalar)
	}
	share, err := x25519(scalar, generator(prs, ci, sid))
	return &cpaceRun{scalar, share, sid, ada, adb}, err
}

// keys of a finished run: ISK and the confirmation tags of A and B.
type keys struct{ k, isk, ta, tb []byte }

// finish takes both shares as the transcript has them, ours among them.
func (r *cpaceRun) finish(peer, ya, yb []byte) (keys, error) {
	k, err := x25519(r.scalar, peer)
	if err != nil {
		return keys{}, err
	}
	a, b := lvCat(ya, r.ada), lvCat(yb, r.adb)
	isk := sha512.Sum512(slices.Concat(lvCat([]byte("CPace255_ISK"), r.sid, k), a, b))
	macKey := sha512.Sum512(slices.Concat([]byte("CPaceMac"), r.sid, isk[:]))
	tag := func(half []byte) []byte {
		m := hmac.New(sha512.New, macKey[:])
		m.Write(half)
		return m.Sum(nil)
	}
	return keys{k, isk[:], tag(a), tag(b)}, nil
}
