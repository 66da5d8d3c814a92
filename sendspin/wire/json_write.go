package wire

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// enc writes one message. It keeps the first fault and goes on, so that the
// encoders of the messages read as plain lists of fields. Names are written in
// the order of the specification.
type enc struct {
	b    []byte
	msg  string
	path []string
	err  error
}

// fail keeps the first fault.
func (e *enc) fail(field, problem string) {
	if e.err != nil {
		return
	}
	if len(e.path) > 0 {
		field = strings.Join(e.path, ".") + "." + field
	}
	e.err = &EncodeError{Message: e.msg, Field: field, Problem: problem}
}

// check fails the message unless ok.
func (e *enc) check(ok bool, field, problem string) {
	if !ok {
		e.fail(field, problem)
	}
}

// key writes the separator and the name of a field.
func (e *enc) key(name string) {
	e.sep()
	e.quote(name)
	e.b = append(e.b, ':')
}

// sep writes a comma unless the value is the first one of its object or list.
func (e *enc) sep() {
	if last := e.b[len(e.b)-1]; last != '{' && last != '[' {
		e.b = append(e.b, ',')
	}
}

// open starts the object of a field, close ends it.
func (e *enc) open(name string) {
	e.key(name)
	e.b = append(e.b, '{')
	e.path = append(e.path, name)
}

func (e *enc) close() {
	e.b = append(e.b, '}')
	e.path = e.path[:len(e.path)-1]
}

// str writes a string, empty ones too.
func (e *enc) str(name, v string) {
	e.key(name)
	e.quote(v)
}

// need writes a string that must not be empty.
func (e *enc) need(name, v string) {
	e.check(v != "", name, "missing")
	e.str(name, v)
}

// optStr writes a string unless it is empty.
func (e *enc) optStr(name, v string) {
	if v != "" {
		e.str(name, v)
	}
}

// oneOf writes a string that must be among the given ones.
func (e *enc) oneOf(name, v string, allowed ...string) {
	e.check(slices.Contains(allowed, v), name, "not a value of the specification")
	e.str(name, v)
}

// strs writes a list of strings; nil is the empty list.
func (e *enc) strs(name string, v []string) {
	e.key(name)
	e.b = append(e.b, '[')
	for _, s := range v {
		e.sep()
		e.quote(s)
	}
	e.b = append(e.b, ']')
}

// subset writes a list of distinct strings that must be among the given ones.
func (e *enc) subset(name string, v []string, allowed ...string) {
	for i, s := range v {
		e.check(slices.Contains(allowed, s), name, "holds a value that is not in the specification")
		e.check(!slices.Contains(v[:i], s), name, "holds a value twice")
	}
	e.strs(name, v)
}

func (e *enc) int(name string, v int) { e.int64(name, int64(v)) }

func (e *enc) int64(name string, v int64) {
	e.key(name)
	e.b = strconv.AppendInt(e.b, v, 10)
}

// ranged writes an integer between lo and hi.
func (e *enc) ranged(name string, v, lo, hi int) {
	e.check(lo <= v && v <= hi, name, rangeText(lo, hi))
	e.int(name, v)
}

// optRanged writes an integer between lo and hi unless it is nil.
func (e *enc) optRanged(name string, v *int, lo, hi int) {
	if v != nil {
		e.ranged(name, *v, lo, hi)
	}
}

func (e *enc) bool(name string, v bool) {
	e.key(name)
	e.b = strconv.AppendBool(e.b, v)
}

func (e *enc) optBool(name string, v *bool) {
	if v != nil {
		e.bool(name, *v)
	}
}

// b64url writes n bytes as unpadded base64url; n < 0 takes any length but 0.
func (e *enc) b64url(name string, v []byte, n int) {
	e.check(n < 0 && len(v) > 0 || len(v) == n, name, "wrong length")
	e.key(name)
	e.b = append(e.b, '"')
	e.b = b64url.AppendEncode(e.b, v)
	e.b = append(e.b, '"')
}

// optB64url writes n bytes unless there are none.
func (e *enc) optB64url(name string, v []byte, n int) {
	if len(v) > 0 {
		e.b64url(name, v, n)
	}
}

// header writes a codec header as padded standard Base64.
func (e *enc) header(name string, v []byte) {
	e.key(name)
	e.b = append(e.b, '"')
	e.b = base64.StdEncoding.AppendEncode(e.b, v)
	e.b = append(e.b, '"')
}

// app writes application objects in the order of their keys. allowed decides on a
// key.
func (e *enc) app(objs AppObjects, allowed func(key string) bool) {
	for _, k := range sortedKeys(objs) {
		v := objs[k]
		e.check(allowed(k), k, "not a permitted application-specific key")
		e.check(utf8.Valid(v) && json.Valid(v) && firstByte(v) == '{', k, "not a JSON object")
		e.key(k)
		e.b = append(e.b, v...)
	}
}

func sortedKeys(objs AppObjects) []string {
	keys := make([]string, 0, len(objs))
	for k := range objs {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

const hexDigits = "0123456789abcdef"

// quote writes a JSON string. Bytes that are not UTF-8 become U+FFFD.
func (e *enc) quote(s string) {
	e.b = append(e.b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			e.b = append(e.b, '\\', byte(r))
		case r < 0x20 || r == 0x7f:
			e.b = append(e.b, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&15])
		default:
			e.b = utf8.AppendRune(e.b, r)
		}
	}
	e.b = append(e.b, '"')
}
