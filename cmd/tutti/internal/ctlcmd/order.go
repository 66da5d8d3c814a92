package ctlcmd

import (
	"cmp"
	"strings"
	"unicode/utf8"
)

// byName orders names as people count: without regard to case, and with the numbers in
// them as numbers, so that "Room 2" comes before "Room 10". The ids decide between
// names that are the same.
func byName(a, idA, b, idB string) int {
	return cmp.Or(natural(strings.ToLower(a), strings.ToLower(b)), strings.Compare(a, b), strings.Compare(idA, idB))
}

func natural(a, b string) int {
	for a != "" && b != "" {
		na, restA := number(a)
		nb, restB := number(b)
		if na != "" && nb != "" {
			if c := cmp.Or(cmp.Compare(len(na), len(nb)), strings.Compare(na, nb)); c != 0 {
				return c
			}
			a, b = restA, restB
			continue
		}
		ra, sizeA := utf8.DecodeRuneInString(a)
		rb, sizeB := utf8.DecodeRuneInString(b)
		if ra != rb {
			return cmp.Compare(ra, rb)
		}
		a, b = a[sizeA:], b[sizeB:]
	}
	return cmp.Compare(len(a), len(b))
}

// number cuts off the number that s begins with, without leading zeros but for the
// number 0 itself; "" when there is none.
func number(s string) (n, rest string) {
	i := 0
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	n = strings.TrimLeft(s[:i], "0")
	if i > 0 && n == "" {
		n = "0"
	}
	return n, s[i:]
}
