// Package wire is the vocabulary of the Sendspin protocol: every message of the
// specification as a Go type, the JSON codec that reads and writes them, the
// headers of the binary messages, and the small rules about roles, identifiers
// and the first message.
//
// The package is pure: it takes bytes and returns values, it reads no clock,
// opens no socket and starts no goroutine. Everything in it is safe for
// concurrent use, as long as a message is not changed while it is encoded.
//
// Encoding is strict. A message is checked before it is written: a required
// field that is missing, a value out of range or an unknown identifier is an
// [*EncodeError] and nothing is written. Only fields that the specification
// defines are written, null never is.
//
// Decoding is lenient where the specification asks for it and exact elsewhere:
//
//   - unknown fields are ignored, an unknown message type yields [*Unknown];
//   - a known field of the wrong type or out of its range, and a required field
//     that is missing, yield a [*FieldError] that names message and field;
//   - null is a value of the wrong type, for optional fields too;
//   - the last of several equal keys counts; names are compared exactly;
//   - an integer is written as digits with an optional minus sign. A fraction or
//     an exponent ("1.0", "1e3") is not an integer here, because timestamps need
//     all 64 bits and one spelling leaves no room for two readings;
//   - unrecognized identifiers follow the rule of their field. Where the rule is
//     "ignore", the identifier is left out and noted in the message's Ignored
//     list, so that an operator can be told that the peer is newer than we are.
//
// Section names in the comments are those of the specification.
package wire
