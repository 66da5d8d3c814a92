package backup

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// Value is one value of a row: nil, an int64, a string, a []byte, or a Secret.
// Truth values are the integers 0 and 1, so that every database says the same.
type Value struct{ V any }

// Secret is a value that a database keeps sealed under its deployment key; in a
// backup it is open, since the file as a whole is sealed.
type Secret []byte

// String hides the secret.
func (Secret) String() string { return "[secret]" }

// GoString hides the secret.
func (Secret) GoString() string { return "[secret]" }

// wide is how values look that JSON has no type for.
type wide struct {
	Bytes  *[]byte `json:"bytes,omitempty"`
	Secret *[]byte `json:"secret,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (v Value) MarshalJSON() ([]byte, error) {
	switch x := v.V.(type) {
	case nil, int64, string:
		return json.Marshal(x)
	case []byte:
		x = append([]byte{}, x...) // an empty value is "", not null
		return json.Marshal(wide{Bytes: &x})
	case Secret:
		b := append([]byte{}, x...)
		defer clear(b)
		return json.Marshal(wide{Secret: &b})
	}
	return nil, fmt.Errorf("backup: a value of type %T has no form", v.V)
}

// UnmarshalJSON implements json.Unmarshaler.
func (v *Value) UnmarshalJSON(b []byte) error {
	b = bytes.TrimSpace(b)
	switch {
	case bytes.Equal(b, []byte("null")):
		v.V = nil
		return nil
	case len(b) > 0 && b[0] == '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		v.V = s
		return nil
	case len(b) > 0 && b[0] == '{':
		return v.wide(b)
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		return fmt.Errorf("backup: a value is no whole number, text or bytes")
	}
	v.V = n
	return nil
}

func (v *Value) wide(b []byte) error {
	var w wide
	if err := json.Unmarshal(b, &w); err != nil {
		return fmt.Errorf("backup: a value cannot be read")
	}
	switch {
	case w.Bytes != nil && w.Secret == nil:
		v.V = *w.Bytes
	case w.Secret != nil && w.Bytes == nil:
		v.V = Secret(*w.Secret)
	default:
		return fmt.Errorf("backup: a value is neither bytes nor a secret")
	}
	return nil
}
