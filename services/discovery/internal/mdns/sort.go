package mdns

import (
	"net/netip"
	"slices"
)

// sortPrefixes makes two looks at one interface comparable.
func sortPrefixes(p []netip.Prefix) {
	slices.SortFunc(p, func(a, b netip.Prefix) int {
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c
		}
		return a.Bits() - b.Bits()
	})
}
