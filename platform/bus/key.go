package bus

import (
	"strings"

	"github.com/tutti-audio/tutti/platform/fault"
)

// maxKey bounds a key before escaping, in bytes.
const maxKey = 512

const hexDigits = "0123456789ABCDEF"

// escapeKey makes any string a key that NATS allows. Letters, digits, '-', '_',
// '/' and inner single dots stay; every other byte, and '=' itself, becomes =XX.
// Distinct keys stay distinct.
func escapeKey(key string) (string, error) {
	if key == "" || len(key) > maxKey {
		return "", fault.New(fault.Invalid, "bus: a key has 1 to %d bytes, not %d", maxKey, len(key))
	}
	var b strings.Builder
	for i := 0; i < len(key); i++ {
		ch := key[i]
		if plainByte(ch) || ch == '.' && i > 0 && i < len(key)-1 && key[i-1] != '.' {
			b.WriteByte(ch)
			continue
		}
		b.WriteByte('=')
		b.WriteByte(hexDigits[ch>>4])
		b.WriteByte(hexDigits[ch&15])
	}
	return b.String(), nil
}

func plainByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '_' || c == '/'
}

// unescapeKey is the inverse of escapeKey; what is no escape stays as it is.
func unescapeKey(s string) string {
	if !strings.Contains(s, "=") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '=' && i+2 < len(s) {
			hi, lo := strings.IndexByte(hexDigits, s[i+1]), strings.IndexByte(hexDigits, s[i+2])
			if hi >= 0 && lo >= 0 {
				b.WriteByte(byte(hi<<4 | lo))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// escapePattern escapes a watch pattern: "*" stands for one token between dots, a
// last ">" for all that follow.
func escapePattern(pattern string) (string, error) {
	if pattern == ">" {
		return ">", nil
	}
	tokens := strings.Split(pattern, ".")
	wild := false
	for i, t := range tokens {
		wild = wild || t == "*" || t == ">" && i == len(tokens)-1
	}
	if !wild {
		return escapeKey(pattern)
	}
	for i, t := range tokens {
		if t == "*" || t == ">" && i == len(tokens)-1 {
			continue
		}
		e, err := escapeKey(t)
		if err != nil {
			return "", fault.New(fault.Invalid, "bus: watch pattern %q has an empty part", pattern)
		}
		tokens[i] = e
	}
	return strings.Join(tokens, "."), nil
}
