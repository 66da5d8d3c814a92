package record

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tutti-audio/tutti/platform/fault"
)

// Limits of texts from the network.
const (
	maxName = 64 // runes: a name is one line of a list
	maxPath = 256
)

// CleanName makes a name fit to be shown: valid UTF-8, without control, format
// (such as a change of the writing direction) and private characters, white space
// folded, at most 64 characters.
func CleanName(s string) string {
	var b strings.Builder
	n, space := 0, false
	for _, r := range s {
		switch {
		case r == utf8.RuneError || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp):
			continue
		case unicode.IsSpace(r):
			space = n > 0
			continue
		case !unicode.IsPrint(r):
			continue
		}
		if space && n < maxName-1 {
			b.WriteByte(' ')
			n++
		}
		space = false
		if n >= maxName {
			break
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}

// CheckPath accepts an absolute URL path without query and fragment.
func CheckPath(p string) error {
	if !strings.HasPrefix(p, "/") || len(p) > maxPath {
		return fault.New(fault.Invalid, "the path must start with / and have at most %d bytes", maxPath)
	}
	for i := 0; i < len(p); i++ {
		c := p[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			strings.IndexByte("/-._~!$&'()*+,;=:@", c) >= 0:
		case c == '%' && i+2 < len(p) && isHex(p[i+1]) && isHex(p[i+2]):
		default:
			return fault.New(fault.Invalid, "the path has a byte that a URL path cannot have: 0x%02x", c)
		}
	}
	for part := range strings.SplitSeq(p, "/") {
		if part == ".." || part == "." {
			return fault.New(fault.Invalid, "the path has a part %q", part)
		}
	}
	return nil
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// Unescape undoes the escapes of a DNS label's text form: \. and \032.
func Unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		if i+3 < len(s) && isDigit(s[i+1]) && isDigit(s[i+2]) && isDigit(s[i+3]) {
			if n := int(s[i+1]-'0')*100 + int(s[i+2]-'0')*10 + int(s[i+3]-'0'); n < 256 {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		i++
		b.WriteByte(s[i])
	}
	return b.String()
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// InstanceKey is the key of a device that is known by its mDNS instance name. DNS
// names do not tell case apart.
func InstanceKey(instance string) string { return "mdns-" + hash(strings.ToLower(instance)) }

// DNSKey is the key of a device that a DNS server names, by its whole name.
func DNSKey(name string) string { return "dns-" + hash(strings.ToLower(name)) }

// StaticKey is the key of a device that is known by its address.
func StaticKey(url string) string { return "addr-" + hash(url) }

// hash is 120 bits of SHA-256: names of any length and content become a key.
func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:15])
}
