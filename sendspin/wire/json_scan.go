package wire

import (
	"bytes"
	"encoding/json"
)

// The functions of this file walk JSON that json.Valid has accepted. They rely on
// that and look no further than they must.

// trimSpace removes JSON white space on both sides.
func trimSpace(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// firstByte returns the first byte that is not white space, 0 when there is none.
func firstByte(b []byte) byte {
	for _, c := range b {
		if !isSpace(c) {
			return c
		}
	}
	return 0
}

// members returns the members of an object; raw starts with '{'.
func members(raw []byte) []field {
	out := make([]field, 0, 4)
	for i := skipSpace(raw, 1); raw[i] != '}'; {
		end := skipValue(raw, i)
		key := unquoteBytes(raw[i:end])
		i = skipSpace(raw, end) + 1 // past ':'
		i = skipSpace(raw, i)
		end = skipValue(raw, i)
		out = append(out, field{key: key, raw: raw[i:end]})
		i = skipComma(raw, end)
	}
	return out
}

// eachElement calls fn for every element of a list; raw starts with '['.
func eachElement(raw []byte, fn func(i int, v []byte)) {
	n := 0
	for i := skipSpace(raw, 1); raw[i] != ']'; n++ {
		end := skipValue(raw, i)
		fn(n, raw[i:end])
		i = skipComma(raw, end)
	}
}

// skipSpace returns the index of the next byte at or after i that is not white
// space.
func skipSpace(b []byte, i int) int {
	for isSpace(b[i]) {
		i++
	}
	return i
}

// skipComma moves from the end of a value to the next value or closing bracket.
func skipComma(b []byte, i int) int {
	i = skipSpace(b, i)
	if b[i] == ',' {
		return skipSpace(b, i+1)
	}
	return i
}

// skipValue returns the index after the value that starts at i.
func skipValue(b []byte, i int) int {
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		depth := 0
		for {
			switch b[i] {
			case '"':
				i = skipString(b, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
	}
	for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' && !isSpace(b[i]) {
		i++
	}
	return i
}

// skipString returns the index after the string that starts at i.
func skipString(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// unquote returns the value of a JSON string with its quotes.
func unquote(raw []byte) string { return string(unquoteBytes(raw)) }

// unquoteBytes is unquote without a copy where none is needed.
func unquoteBytes(raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	var s string
	_ = json.Unmarshal(raw, &s) // cannot fail: the string is valid
	return []byte(s)
}

// isInteger reports whether a JSON value is an integer as this package reads it:
// digits with an optional minus sign.
func isInteger(raw []byte) bool {
	if raw[0] == '-' {
		raw = raw[1:]
	}
	for _, c := range raw {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true // JSON grammar has seen to the rest
}
