package wire

import (
	"math"
	"unicode/utf8"
)

func (p PairMethods) encode(e *enc) {
	e.open("supported_pair_methods")
	e.check(p.PSK != nil, MethodPSK, "missing: every client offers it")
	e.check(p.StaticCode == nil || p.DynamicCode == nil, MethodDynamicCode, "at most one pairing-code method may be listed")
	if p.PSK != nil {
		p.PSK.encode(e, MethodPSK)
	}
	if p.StaticCode != nil {
		p.StaticCode.encode(e, MethodStaticCode)
	}
	if d := p.DynamicCode; d != nil {
		e.open(MethodDynamicCode)
		e.check(len(d.OutChannels) > 0, "out_channels", "must not be empty")
		e.subset("out_channels", d.OutChannels, OutDisplay, OutSpeaker)
		e.check(len(d.Formats) > 0, "formats", "must not be empty")
		e.subset("formats", d.Formats, FormatDigits, FormatQRCode)
		e.close()
	}
	e.close()
}

func (s *SecretMethod) encode(e *enc, name string) {
	e.open(name)
	if len(s.Locations) > 0 {
		e.subset("locations", s.Locations, LocationDevice, LocationLeaflet, LocationOperator)
	}
	e.close()
}

func (p *PairMethods) decode(o *obj) {
	p.PSK = decodeSecretMethod(o, MethodPSK)
	if p.PSK == nil {
		o.fail(MethodPSK, "missing")
	}
	p.StaticCode = decodeSecretMethod(o, MethodStaticCode)
	p.DynamicCode = decodeDynamicMethod(o)
	for _, f := range o.fields {
		switch key := string(f.key); key {
		case MethodPSK, MethodStaticCode, MethodDynamicCode:
		default:
			o.d.ignore(o.path, key)
		}
	}
}

func decodeSecretMethod(o *obj, name string) *SecretMethod {
	m := o.optObj(name)
	if m == nil {
		return nil
	}
	return &SecretMethod{Locations: m.known("locations", m.optStrs("locations"), LocationDevice, LocationLeaflet, LocationOperator)}
}

// decodeDynamicMethod treats a descriptor that is left with no recognized format or
// channel as an unrecognized key.
func decodeDynamicMethod(o *obj) *DynamicMethod {
	m := o.optObj(MethodDynamicCode)
	if m == nil {
		return nil
	}
	d := &DynamicMethod{
		OutChannels: m.known("out_channels", m.strs("out_channels"), OutDisplay, OutSpeaker),
		Formats:     m.known("formats", m.strs("formats"), FormatDigits, FormatQRCode),
	}
	if len(d.OutChannels) == 0 || len(d.Formats) == 0 {
		o.d.ignore(o.path, MethodDynamicCode)
		return nil
	}
	return d
}

// index reads pairing_index, a uint32.
func (o *obj) index() uint32 {
	const key = "pairing_index"
	v := o.int64(key)
	if v < 0 || v > math.MaxUint32 {
		o.fail(key, "want an integer from 0 to 4294967295")
		return 0
	}
	return uint32(v)
}

func (m *ClientPairPending) encode(e *enc) {
	e.int64("pairing_index", int64(m.PairingIndex))
	e.check(utf8.RuneCountInString(m.Message) <= MaxPendingMessage, "message", "longer than 200 characters")
	e.optStr("message", m.Message)
}

func (m *ClientPairPending) decode(o *obj) {
	m.PairingIndex = o.index()
	m.Message = truncateRunes(o.optStr("message"), MaxPendingMessage)
}

// truncateRunes cuts a string to n characters.
func truncateRunes(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

func (m *ClientPairInit) encode(e *enc) {
	e.int64("pairing_index", int64(m.PairingIndex))
	e.optB64url("commit_B", m.Commit, 32)
}

func (m *ClientPairInit) decode(o *obj) {
	m.PairingIndex = o.index()
	m.Commit = o.optB64url("commit_B", 32)
}

func (m *ServerPairInit) encode(e *enc) { e.optB64url("nonce_A", m.Nonce, 32) }
func (m *ServerPairInit) decode(o *obj) { m.Nonce = o.optB64url("nonce_A", 32) }

func (m *ServerPairAuth) encode(e *enc) { e.b64url("pake_msg_1", m.PAKEMsg1, 32) }
func (m *ServerPairAuth) decode(o *obj) { m.PAKEMsg1 = o.b64url("pake_msg_1", 32) }

func (m *ClientPairAuth) encode(e *enc) { e.b64url("pake_msg_2", m.PAKEMsg2, 32) }
func (m *ClientPairAuth) decode(o *obj) { m.PAKEMsg2 = o.b64url("pake_msg_2", 32) }

func (m *ServerPairConfirm) encode(e *enc) { e.b64url("server_kc", m.ServerKC, 64) }
func (m *ServerPairConfirm) decode(o *obj) { m.ServerKC = o.b64url("server_kc", 64) }

func (*ClientPairRetry) encode(*enc) {}
func (*ClientPairRetry) decode(*obj) {}

func (m *ClientPairConfirm) encode(e *enc) {
	e.b64url("client_kc", m.ClientKC, 64)
	e.optB64url("wrapped_nonce_B", m.WrappedNonce, 48)
}

func (m *ClientPairConfirm) decode(o *obj) {
	m.ClientKC = o.b64url("client_kc", 64)
	m.WrappedNonce = o.optB64url("wrapped_nonce_B", 48)
}

func (m *ClientPairFinalize) encode(e *enc) {
	e.check((len(m.LongTermPSK) > 0) != (len(m.WrappedPSK) > 0), "long_term_psk", "exactly one of long_term_psk and wrapped_psk must be present")
	e.optB64url("long_term_psk", m.LongTermPSK, 32)
	e.optB64url("wrapped_psk", m.WrappedPSK, 48)
}

func (m *ClientPairFinalize) decode(o *obj) {
	m.LongTermPSK = o.optB64url("long_term_psk", 32)
	m.WrappedPSK = o.optB64url("wrapped_psk", 48)
	if o.has("long_term_psk") == o.has("wrapped_psk") {
		o.fail("long_term_psk", "exactly one of long_term_psk and wrapped_psk must be present")
	}
}

func (*ServerPairFinalize) encode(*enc) {}
func (*ServerPairFinalize) decode(*obj) {}

func (m *PairAbort) encode(e *enc) {
	e.oneOf("reason", m.Reason, AbortAttemptTimeout, AbortConcurrentAttempt, AbortMethodNotSupported, AbortCodeMismatch, AbortUserCancelled)
}
func (m *PairAbort) decode(o *obj) { m.Reason = o.str("reason") }
