// Package deal says which gateway dials a device: every gateway of a deployment
// computes the same answer from the same list of gateways, so that nobody has to be
// asked. The answer is stable: when a gateway goes, only what was dealt to it moves,
// and one that comes takes its share and moves nothing else (rendezvous hashing).
package deal

import (
	"hash/fnv"
	"math"
)

// Member is a gateway that may dial.
type Member struct {
	// ID is the gateway's instance id.
	ID string
	// Weight is its share in relation to the others', such as the number of sessions
	// that it takes; 0 or less: it is dealt nothing.
	Weight float64
}

// Owner returns the id of the member that key is dealt to; "" when there is none.
func Owner(key string, members []Member) string {
	best, owner := 0.0, ""
	for _, m := range members {
		if m.Weight <= 0 {
			continue
		}
		if s := score(key, m); owner == "" || s > best || s == best && m.ID < owner {
			best, owner = s, m.ID
		}
	}
	return owner
}

// score is m's for key: of members whose scores are drawn like this, each has the
// highest one with a probability in proportion to its weight.
func score(key string, m Member) float64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key)) // never fails
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(m.ID))
	// 53 bits, never 0 or 1.
	u := (float64(mix(h.Sum64())>>11) + 0.5) / (1 << 53)
	return m.Weight / -math.Log(u)
}

// mix spreads the bits of an FNV sum, whose upper ones hardly depend on the last
// bytes hashed (the finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
