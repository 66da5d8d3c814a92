package wire

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxIgnored bounds the list of identifiers that a message notes as ignored, and
// maxIgnoredLen the bytes of each, so that a peer cannot make us keep much.
const (
	maxIgnored    = 16
	maxIgnoredLen = 64
)

// maxListed bounds the roles and the formats of a client/hello. The specification has
// no limit; ours keeps a hostile client from making us search and keep long lists.
const maxListed = 256

// dec reads one message. It keeps the first fault and goes on with zero values, so
// that the decoders of the messages read as plain lists of fields.
type dec struct {
	msg     string
	role    string // family of the role object being read
	err     *FieldError
	roles   RoleErrors
	ignored []string
}

func (d *dec) fail(field, problem string) {
	if d.err == nil {
		d.err = &FieldError{Message: d.msg, Field: field, Problem: problem, Role: d.role}
	}
}

// ignore notes an identifier that was left out.
func (d *dec) ignore(field, value string) {
	if len(d.ignored) >= maxIgnored {
		return
	}
	if len(value) > maxIgnoredLen {
		value = strings.ToValidUTF8(value[:maxIgnoredLen], "") + "…"
	}
	d.ignored = append(d.ignored, field+": "+value)
}

// field is one member of an object; raw is its value with no white space around. Both
// alias the message, unless the key is spelled with escapes.
type field struct {
	key, raw []byte
}

// obj is an object of the message and the path of its members.
type obj struct {
	d      *dec
	path   string
	fields []field
}

// name returns the path of a member.
func (o *obj) name(key string) string {
	if o.path == "" {
		return key
	}
	return o.path + "." + key
}

func (o *obj) fail(key, problem string) { o.d.fail(o.name(key), problem) }

// get returns the raw value of a member, nil when it is absent. The last of equal
// keys counts.
func (o *obj) get(key string) []byte {
	for i := len(o.fields) - 1; i >= 0; i-- {
		if string(o.fields[i].key) == key {
			return o.fields[i].raw
		}
	}
	return nil
}

// need is get for a required member.
func (o *obj) need(key string) []byte {
	raw := o.get(key)
	if raw == nil {
		o.fail(key, "missing")
	}
	return raw
}

func (o *obj) has(key string) bool { return o.get(key) != nil }

// str reads a required string.
func (o *obj) str(key string) string { return o.asStr(key, o.need(key)) }

// optStr reads a string, "" when it is absent.
func (o *obj) optStr(key string) string { return o.asStr(key, o.get(key)) }

func (o *obj) asStr(key string, raw []byte) string {
	if raw == nil {
		return ""
	}
	if raw[0] != '"' {
		o.fail(key, "want a string")
		return ""
	}
	return unquote(raw)
}

// oneOf reads a required string of a closed set.
func (o *obj) oneOf(key string, allowed ...string) string {
	s := o.str(key)
	if raw := o.get(key); raw != nil && raw[0] == '"' && !slices.Contains(allowed, s) {
		o.fail(key, "not a value of the specification")
	}
	return s
}

// int64 reads a required integer.
func (o *obj) int64(key string) int64 { return o.asInt(key, o.need(key), 64) }

// int reads a required integer that must lie between lo and hi.
func (o *obj) int(key string, lo, hi int) int {
	raw := o.need(key)
	if raw == nil {
		return 0
	}
	return o.ranged(key, raw, lo, hi)
}

// optInt reads an integer that must lie between lo and hi, nil when it is absent.
func (o *obj) optInt(key string, lo, hi int) *int {
	raw := o.get(key)
	if raw == nil {
		return nil
	}
	v := o.ranged(key, raw, lo, hi)
	return &v
}

// optInt64 reads an integer, nil when it is absent.
func (o *obj) optInt64(key string) *int64 {
	raw := o.get(key)
	if raw == nil {
		return nil
	}
	v := o.asInt(key, raw, 64)
	return &v
}

func (o *obj) ranged(key string, raw []byte, lo, hi int) int {
	v := int(o.asInt(key, raw, strconv.IntSize))
	if v < lo || v > hi {
		o.fail(key, rangeText(lo, hi))
		return lo
	}
	return v
}

func (o *obj) asInt(key string, raw []byte, bits int) int64 {
	if raw == nil {
		return 0
	}
	if !isInteger(raw) {
		o.fail(key, "want an integer")
		return 0
	}
	v, err := strconv.ParseInt(string(raw), 10, bits)
	if err != nil {
		o.fail(key, "integer out of range")
	}
	return v
}

// bool reads a required boolean.
func (o *obj) bool(key string) bool {
	raw := o.need(key)
	return raw != nil && o.asBool(key, raw)
}

// optBool reads a boolean, nil when it is absent.
func (o *obj) optBool(key string) *bool {
	raw := o.get(key)
	if raw == nil {
		return nil
	}
	v := o.asBool(key, raw)
	return &v
}

func (o *obj) asBool(key string, raw []byte) bool {
	switch raw[0] {
	case 't':
		return true
	case 'f':
		return false
	}
	o.fail(key, "want a boolean")
	return false
}

// strs reads a required list of strings; it never returns nil.
func (o *obj) strs(key string) []string {
	if raw := o.need(key); raw != nil {
		return o.asStrs(key, raw)
	}
	return []string{}
}

// optStrs reads a list of strings, nil when it is absent.
func (o *obj) optStrs(key string) []string {
	if raw := o.get(key); raw != nil {
		return o.asStrs(key, raw)
	}
	return nil
}

func (o *obj) asStrs(key string, raw []byte) []string {
	out := []string{}
	o.list(key, raw, "want a list of strings", func(_ int, v []byte) {
		if v[0] != '"' {
			o.fail(key, "want a list of strings")
			return
		}
		out = append(out, unquote(v))
	})
	return out
}

// known reduces a list of identifiers to the recognized ones, each once, and notes
// the others.
func (o *obj) known(key string, in []string, allowed ...string) []string {
	if in == nil {
		return nil
	}
	out := []string{}
	for _, s := range in {
		switch {
		case !slices.Contains(allowed, s):
			o.d.ignore(o.name(key), s)
		case !slices.Contains(out, s):
			out = append(out, s)
		}
	}
	return out
}

// list calls fn for every element of a list.
func (o *obj) list(key string, raw []byte, problem string, fn func(i int, v []byte)) {
	if raw == nil {
		return
	}
	if raw[0] != '[' {
		o.fail(key, problem)
		return
	}
	eachElement(raw, fn)
}

// obj reads a required object.
func (o *obj) obj(key string) *obj {
	if sub := o.optObj(key); sub != nil {
		return sub
	}
	o.need(key)
	return &obj{d: o.d, path: o.name(key)}
}

// optObj reads an object, nil when it is absent.
func (o *obj) optObj(key string) *obj {
	raw := o.get(key)
	if raw == nil {
		return nil
	}
	return o.asObj(key, raw)
}

func (o *obj) asObj(key string, raw []byte) *obj {
	sub := &obj{d: o.d, path: o.name(key)}
	if raw[0] != '{' {
		o.fail(key, "want an object")
		return sub
	}
	sub.fields = members(raw)
	return sub
}

// roleObj reads the object of a role. A fault inside goes to the role's errors and
// fn's result is dropped by the caller, who learns it from the return value.
func (o *obj) roleObj(family string, fn func(*obj)) bool {
	raw := o.get(family)
	if raw == nil {
		return false
	}
	outer, role := o.d.err, o.d.role
	o.d.err, o.d.role = nil, family
	fn(o.asObj(family, raw))
	fault := o.d.err
	o.d.err, o.d.role = outer, role
	if fault != nil {
		o.d.roles = append(o.d.roles, fault)
	}
	return fault == nil
}

// app collects the application objects whose keys allowed admits. Values that are
// not objects are unknown fields like any other.
func (o *obj) app(allowed func(key string) bool) AppObjects {
	var out AppObjects
	for _, f := range o.fields {
		if f.raw[0] != '{' || !allowed(string(f.key)) {
			continue
		}
		if out == nil {
			out = AppObjects{}
		}
		out[string(f.key)] = json.RawMessage(slices.Clone(f.raw))
	}
	return out
}

// b64url reads a required string of unpadded base64url for n bytes.
func (o *obj) b64url(key string, n int) []byte { return o.asB64url(key, o.need(key), n) }

// optB64url is b64url for an optional member; nil when it is absent.
func (o *obj) optB64url(key string, n int) []byte { return o.asB64url(key, o.get(key), n) }

func (o *obj) asB64url(key string, raw []byte, n int) []byte {
	if raw == nil {
		return nil
	}
	b, err := decode64url(o.asStr(key, raw), n)
	if err != nil {
		problem := "want unpadded base64url"
		if n >= 0 {
			problem = fmt.Sprintf("want unpadded base64url of %d bytes", n)
		}
		o.fail(key, problem)
		return nil
	}
	return b
}

// header reads an optional codec header in padded standard Base64.
func (o *obj) header(key string) []byte {
	s := o.optStr(key)
	if s == "" {
		return nil
	}
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil {
		o.fail(key, "want padded standard Base64")
		return nil
	}
	return b
}

// envelope splits a message into type and payload. The error has no message name.
func envelope(b []byte) (string, []byte, *FieldError) {
	if !utf8.Valid(b) || !json.Valid(b) {
		return "", nil, &FieldError{Problem: "not valid JSON in UTF-8"}
	}
	b = trimSpace(b)
	if b[0] != '{' {
		return "", nil, &FieldError{Problem: "not a JSON object"}
	}
	top := obj{fields: members(b)}
	typ, payload := top.get("type"), top.get("payload")
	if typ == nil || typ[0] != '"' {
		return "", nil, &FieldError{Field: "type", Problem: "want a string"}
	}
	if payload == nil || payload[0] != '{' {
		return "", nil, &FieldError{Field: "payload", Problem: "want an object"}
	}
	return unquote(typ), payload, nil
}

func rangeText(lo, hi int) string {
	if hi == maxInt {
		return fmt.Sprintf("want an integer of at least %d", lo)
	}
	return fmt.Sprintf("want an integer from %d to %d", lo, hi)
}

const maxInt = int(^uint(0) >> 1)
