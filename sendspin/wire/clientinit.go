package wire

import "errors"

// ParseClientInit reads the first message of a connection, exactly as received. The
// error is a [*InitError] with the reason that the server answers, in the order of
// section Failure Handling:
//
//  1. input that is not JSON of the message envelope with type client/init:
//     malformed;
//  2. a version that is an integer other than 1: unsupported_version, whatever the
//     rest looks like; a version that is missing or no integer: malformed;
//  3. a suite that is a string but not a defined one: unsupported_suite; one that is
//     missing or no string: malformed;
//  4. anything else: malformed.
func ParseClientInit(raw []byte) (*ClientInit, error) {
	typ, payload, fault := envelope(raw)
	if fault != nil {
		return nil, &InitError{Reason: ErrorMalformed, Err: fault}
	}
	if typ != TypeClientInit {
		return nil, &InitError{Reason: ErrorMalformed, Err: errors.New("the first message is not client/init")}
	}
	d := &dec{msg: typ}
	o := &obj{d: d, fields: members(payload)}
	if v := o.get("version"); v != nil && isInteger(v) && string(v) != "1" {
		return nil, &InitError{Reason: ErrorUnsupportedVersion, Err: errors.New("version is " + clip(v))}
	}
	if o.need("version") != nil && !isInteger(o.get("version")) {
		o.fail("version", "want an integer")
	}
	if d.err == nil {
		if s := o.str("suite"); d.err == nil && s != SuiteChaChaPoly && s != SuiteAESGCM {
			return nil, &InitError{Reason: ErrorUnsupportedSuite, Err: errors.New("suite is not one of the specification")}
		}
	}
	m := &ClientInit{}
	m.decode(o)
	if d.err != nil {
		return nil, &InitError{Reason: ErrorMalformed, Err: d.err}
	}
	return m, nil
}

// clip shortens a number that a stranger sent, for a log line.
func clip(v []byte) string {
	const most = 20
	if len(v) > most {
		return string(v[:most]) + "…"
	}
	return string(v)
}
