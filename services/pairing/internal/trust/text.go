package trust

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Limits of what is kept of a device's own words. They stop a device from
// filling the store, the log or an operator's screen.
const (
	// MaxText is the length of a name, label, maker or product, in code points.
	MaxText = 64
	// MaxRoles and MaxRole bound supported_roles.
	MaxRoles = 32
	MaxRole  = 64
)

// Clean makes hostile text fit for a log line and a screen: invalid UTF-8,
// control, format (such as bidirectional overrides) and unassigned characters
// go, runs of white space become one space, and at most limit code points stay.
func Clean(s string, limit int) string {
	var b strings.Builder
	n, space := 0, false
	for i := 0; i < len(s) && n < limit; {
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		switch {
		case r == utf8.RuneError && size == 1:
		case unicode.IsSpace(r):
			space = true
		case !unicode.IsGraphic(r):
		default:
			if space && n > 0 {
				b.WriteByte(' ')
				if n++; n == limit {
					return strings.TrimRight(b.String(), " ")
				}
			}
			space = false
			b.WriteRune(r)
			n++
		}
	}
	return b.String()
}

// lookalikes are letters of other scripts that are read as a Latin one, by their
// folded form. It is not the whole of what can be confused (Unicode TR 39), but what
// a keyboard or a prank has at hand.
var lookalikes = map[rune]rune{
	'а': 'a', 'в': 'b', 'с': 'c', 'ԁ': 'd', 'е': 'e', 'һ': 'h', 'н': 'h', 'і': 'i', 'ј': 'j', 'к': 'k', 'ӏ': 'l', 'м': 'm',
	'о': 'o', 'р': 'p', 'ԛ': 'q', 'ѕ': 's', 'т': 't', 'ѵ': 'v', 'ԝ': 'w', 'х': 'x', 'у': 'y', // Cyrillic
	'α': 'a', 'β': 'b', 'ε': 'e', 'η': 'n', 'ι': 'i', 'κ': 'k', 'μ': 'm', 'ν': 'v', 'ο': 'o', 'ρ': 'p', 'τ': 't', 'υ': 'u',
	'χ': 'x', 'ζ': 'z', // Greek
	'ı': 'i', 'ɑ': 'a', 'ɡ': 'g',
}

// NameKey is the form in which two names are compared: compatibility-normalised,
// case-folded, look-alikes of Latin letters replaced, letters and digits only. So
// "Kitchen ", "kitchen." and the full-width "Ｋitchen" are one familiar name. A name
// without letters or digits is compared as it stands.
func NameKey(name string) string {
	folded := cases.Fold().String(norm.NFKC.String(Clean(name, MaxText)))
	key := strings.Map(func(r rune) rune {
		if latin, ok := lookalikes[r]; ok {
			return latin
		}
		if unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) {
			return r
		}
		return -1
	}, folded)
	if key == "" {
		return folded
	}
	return key
}

// CleanMAC is aa:bb:cc:dd:ee:ff for a MAC address in any usual notation, and ""
// for everything else, the all-zero and the broadcast address included: they
// identify nobody.
func CleanMAC(s string) string {
	if len(s) > 32 {
		return ""
	}
	var hex []byte
	for _, c := range []byte(strings.ToLower(s)) {
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f':
			hex = append(hex, c)
		case c == ':' || c == '-' || c == '.':
		default:
			return ""
		}
	}
	if len(hex) != 12 || strings.Count(string(hex), "0") == 12 || strings.Count(string(hex), "f") == 12 {
		return ""
	}
	out := make([]byte, 0, 17)
	for i := 0; i < 12; i += 2 {
		if i > 0 {
			out = append(out, ':')
		}
		out = append(out, hex[i], hex[i+1])
	}
	return string(out)
}

// Clean bounds and cleans every text of f.
func (f Facts) Clean() Facts {
	f.Name = Clean(f.Name, MaxText)
	f.Manufacturer = Clean(f.Manufacturer, MaxText)
	f.ProductName = Clean(f.ProductName, MaxText)
	f.SoftwareVersion = Clean(f.SoftwareVersion, MaxText)
	f.Address = Clean(f.Address, MaxText)
	f.MAC = CleanMAC(f.MAC)
	roles := make([]string, 0, min(len(f.Roles), MaxRoles))
	for _, r := range f.Roles[:min(len(f.Roles), MaxRoles)] {
		if r = Clean(r, MaxRole); r != "" {
			roles = append(roles, r)
		}
	}
	f.Roles = roles
	return f
}
