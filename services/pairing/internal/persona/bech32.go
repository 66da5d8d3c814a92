package persona

import "strings"

const bech32Alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"

// bech32 encodes data under a lower-case prefix (BIP 173). age keeps its own encoder to
// itself, and its identities can only be made from text.
func bech32(prefix string, data []byte) string {
	values := quintets(data)
	var b strings.Builder
	b.WriteString(prefix + "1")
	for _, v := range append(values, bech32Checksum(prefix, values)...) {
		b.WriteByte(bech32Alphabet[v])
	}
	return b.String()
}

// quintets regroups bytes into 5 bits each, the last ones padded with zeros.
func quintets(data []byte) []byte {
	var out []byte
	var acc uint32
	bits := 0
	for _, c := range data {
		acc = acc<<8 | uint32(c)
		for bits += 8; bits >= 5; {
			bits -= 5
			out = append(out, byte(acc>>bits&31))
		}
	}
	if bits > 0 {
		out = append(out, byte(acc<<(5-bits)&31))
	}
	return out
}

func bech32Checksum(prefix string, values []byte) []byte {
	in := make([]byte, 0, 2*len(prefix)+1+len(values)+6)
	for _, c := range []byte(prefix) {
		in = append(in, c>>5)
	}
	in = append(in, 0)
	for _, c := range []byte(prefix) {
		in = append(in, c&31)
	}
	mod := polymod(append(append(in, values...), make([]byte, 6)...)) ^ 1
	out := make([]byte, 6)
	for i := range out {
		out[i] = byte(mod >> (5 * (5 - i)) & 31)
	}
	return out
}

func polymod(values []byte) uint32 {
	chk := uint32(1)
	for _, v := range values {
		top := chk >> 25
		chk = chk&0x1ffffff<<5 ^ uint32(v)
		for i, g := range [...]uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3} {
			if top>>i&1 == 1 {
				chk ^= g
			}
		}
	}
	return chk
}
