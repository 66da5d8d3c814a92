package cpace

import (
	"crypto/sha512"
	"encoding/binary"

	"filippo.io/edwards25519/field"
)

// Domain separation of the cipher suite (draft, section "CPace group objects
// G_X25519").
const (
	dsi    = "CPace255"
	dsiISK = "CPace255_ISK"
	dsiMAC = "CPaceMac"
)

// appendLV appends each string with its length before it, as LEB128.
func appendLV[S string | []byte](dst []byte, s ...S) []byte {
	for _, v := range s {
		dst = binary.AppendUvarint(dst, uint64(len(v)))
		dst = append(dst, v...)
	}
	return dst
}

// generatorString joins what the two parties share. The zeros fill the hash's first
// block behind the password, so that the time to hash it does not tell its length.
func generatorString(prs, ci, sid []byte) []byte {
	lv := appendLV(make([]byte, 0, 3*sha512.BlockSize), []byte(dsi), prs)
	zeros := max(0, sha512.BlockSize-1-len(lv))
	lv = binary.AppendUvarint(lv, uint64(zeros))
	lv = append(lv, make([]byte, zeros)...)
	return appendLV(lv, ci, sid)
}

// generator maps what the two parties share to the u-coordinate of a point.
func generator(prs, ci, sid []byte) [32]byte {
	s := generatorString(prs, ci, sid)
	h := sha512.Sum512(s)
	defer clear(h[:])
	defer clear(s)
	return elligator2([32]byte(h[:32]))
}

// elligator2 is map_to_curve_elligator2 of RFC 9380 for Curve25519, u-coordinate
// only. It takes the same time for every input. Bit 255 of r is ignored.
func elligator2(r [32]byte) [32]byte {
	var one, a, u, v, w, x field.Element
	defer wipe(&u, &v, &w, &x)
	one.One()
	a.Mult32(&one, 486662)
	_, _ = u.SetBytes(r[:]) // fails on another length only
	// v = -A / (1 + 2u²). The denominator is never zero: -1/2 is not a square.
	v.Square(&u)
	v.Add(&v, &v)
	v.Add(&v, &one)
	v.Invert(&v)
	v.Multiply(&v, &a)
	v.Negate(&v)
	// w = v³ + Av² + v; v is on the curve when that is a square.
	w.Add(&v, &a)
	w.Multiply(&w, &v)
	w.Add(&w, &one)
	w.Multiply(&w, &v)
	_, square := u.SqrtRatio(&w, &one)
	// Otherwise the other candidate, -v - A, is.
	x.Add(&v, &a)
	x.Negate(&x)
	x.Select(&v, &x, square)
	return [32]byte(x.Bytes())
}

// wipe overwrites field elements.
func wipe(es ...*field.Element) {
	for _, e := range es {
		e.Zero()
	}
}
