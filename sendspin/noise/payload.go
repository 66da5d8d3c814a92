package noise

import (
	"encoding/json"
	"unicode/utf8"
)

// message2Payload is the payload of Noise message 2: exactly these two bytes
// (specification: "noise/handshake").
const message2Payload = "{}"

// message2Length is therefore fixed: ephemeral key, payload, tag.
const message2Length = 32 + len(message2Payload) + Overhead

// encodePayload1 builds the payload of Noise message 1. Its length does not
// depend on the category.
func encodePayload1(pskID string, cat Category) []byte {
	return []byte(`{"psk_id":"` + pskID + `","psk_category":"` + string(cat) + `"}`)
}

// decodePayload1 reads the payload of Noise message 1: a UTF-8 JSON object with
// psk_id (43 characters of base64url) and psk_category (one of three). Unknown
// fields are ignored; names match exactly, as everywhere in the protocol.
func decodePayload1(b []byte) (pskID string, cat Category, err error) {
	if !utf8.Valid(b) {
		return "", "", ErrPayload
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(b, &fields) != nil || fields == nil {
		return "", "", ErrPayload
	}
	pskID, ok := stringField(fields, "psk_id")
	if !ok {
		return "", "", ErrPayload
	}
	if _, err := ParsePublicKey(pskID); err != nil { // the same shape: base64url of 32 bytes
		return "", "", ErrPayload
	}
	name, ok := stringField(fields, "psk_category")
	if cat = Category(name); !ok || !cat.Valid() {
		return "", "", ErrPayload
	}
	return pskID, cat, nil
}

// stringField reads a member that must be present and a JSON string.
func stringField(fields map[string]json.RawMessage, name string) (string, bool) {
	raw, ok := fields[name]
	if !ok {
		return "", false
	}
	var s *string
	if json.Unmarshal(raw, &s) != nil || s == nil {
		return "", false
	}
	return *s, true
}
