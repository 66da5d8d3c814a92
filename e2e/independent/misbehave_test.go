package independent

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// testMisbehaviour: devices that break the flow. A protocol error closes the
// connection without a word; a failed confirmation aborts; nothing is ever kept.
func testMisbehaviour(t *testing.T, s *harness.Server) {
	set := func(on, field string, value func(d *device) any) func(*device, string, obj) bool {
		return func(d *device, typ string, p obj) bool {
			if typ == on {
				p[field] = value(d)
			}
			return true
		}
	}
	raw := func(b []byte) func(*device) any { return func(*device) any { return b64.EncodeToString(b) } }
	without := func(on, field string) func(*device, string, obj) bool {
		return func(_ *device, typ string, p obj) bool {
			if typ == on {
				delete(p, field)
			}
			return true
		}
	}
	var revealed []byte // of one case alone
	for _, c := range []struct {
		name   string
		early  bool // it ends before there is a code
		way    int  // of ways
		edit   func(d *device, typ string, p obj) bool
		reason string
	}{
		{"another nonce is revealed", false, 1, func(d *device, typ string, p obj) bool {
			if typ == "client/pair-init" {
				d.att.nonceB = random(32) // after the commitment
			}
			return true
		}, "protocol_error"},
		{"the code is not the nonces'", false, 2, func(d *device, typ string, p obj) bool {
			switch typ {
			case "client/pair-init":
				revealed, d.att.nonceB = d.att.nonceB, random(32)
			case "client/pair-confirm":
				p["wrapped_nonce_B"] = d.wrapped(labelNonce, revealed)
			}
			return true
		}, "protocol_error"},
		{"the nonce does not unwrap", false, 1, set("client/pair-confirm", "wrapped_nonce_B", raw(random(48))), "protocol_error"},
		{"the nonce under the other label", false, 1, set("client/pair-confirm", "wrapped_nonce_B", func(d *device) any { return d.wrapped(labelPSK, d.att.nonceB) }), "protocol_error"},
		{"no nonce", false, 1, without("client/pair-confirm", "wrapped_nonce_B"), "protocol_error"},
		{"no commitment", true, 1, without("client/pair-init", "commit_B"), "protocol_error"},
		{"the PSK does not unwrap", false, 1, set("client/pair-finalize", "wrapped_psk", raw(random(48))), "protocol_error"},
		{"the static PSK does not unwrap", false, 3, set("client/pair-finalize", "wrapped_psk", raw(random(48))), "protocol_error"},
		{"a PSK in clear after a code", false, 3, func(d *device, typ string, p obj) bool {
			if typ == "client/pair-finalize" {
				delete(p, "wrapped_psk")
				p["long_term_psk"] = b64.EncodeToString(d.att.psk)
			}
			return true
		}, "protocol_error"},
		{"a PSK of 31 bytes", false, 0, set("client/pair-finalize", "long_term_psk", raw(random(31))), "protocol_error"},
		{"share zero", false, 3, set("client/pair-auth", "pake_msg_2", raw(make([]byte, 32))), "protocol_error"},
		{"share one", false, 1, set("client/pair-auth", "pake_msg_2", raw(append([]byte{1}, make([]byte, 31)...))), "protocol_error"},
		{"share of low order", false, 3, set("client/pair-auth", "pake_msg_2", raw(lowOrder())), "protocol_error"},
		{"share of 31 bytes", false, 3, set("client/pair-auth", "pake_msg_2", raw(random(31))), "protocol_error"},
		{"share that is no string", false, 3, set("client/pair-auth", "pake_msg_2", func(*device) any { return 7 }), "protocol_error"},
		{"a wrong tag", false, 3, set("client/pair-confirm", "client_kc", raw(random(64))), "pairing_code_mismatch"},
		{"the server's tag back", false, 1, set("client/pair-confirm", "client_kc", func(d *device) any { return b64.EncodeToString(d.att.keys.ta) }), "pairing_code_mismatch"},
		{"a short tag", false, 1, set("client/pair-confirm", "client_kc", raw(random(63))), "protocol_error"},
		{"an index ahead", true, 1, func(d *device, typ string, p obj) bool {
			if typ == "client/pair-init" {
				p["pairing_index"] = d.att.index + 1
			}
			return true
		}, "protocol_error"},
		{"finalize before confirm", false, 3, func(d *device, typ string, p obj) bool { return typ != "client/pair-confirm" }, "protocol_error"},
		{"auth before init", false, 3, func(d *device, typ string, p obj) bool {
			if typ == "client/pair-init" {
				d.send("client/pair-auth", obj{"pake_msg_2": b64.EncodeToString(random(32))})
				return false
			}
			return true
		}, "protocol_error"},
		{"retry of a static code", false, 3, func(d *device, typ string, p obj) bool {
			if typ == "client/pair-confirm" {
				d.send("client/pair-retry", obj{})
			}
			return typ == "client/pair-init" || typ == "client/pair-auth"
		}, "protocol_error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := ways()[c.way]
			p := w.pair()
			p.edit = c.edit
			d := connect(t, s.Sendspin, options{pair: p})
			if c.early {
				d.pair(s, obj{"method": "dynamic_pairing_code", "format": "digits"})
			} else {
				w.run(d, s)
			}
			if got := attemptIs(t, s, d.id, 0, "failed", "paired"); got.Reason != c.reason || got.Detail == "" {
				t.Errorf("the attempt ended as %+v, want reason %s", got, c.reason)
			}
			mark := d.mark()
			if c.reason != "pairing_code_mismatch" {
				d.awaitClosed(c.name)
			} else {
				m, _ := d.await("pair/abort", 0, isType("pair/abort"))
				if m.payload["reason"] != c.reason {
					t.Errorf("pair/abort %v", m.payload)
				}
				d.sync(1)
			}
			for _, m := range d.since(mark) {
				if m.typ == "server/pair-finalize" {
					t.Errorf("got %s", m)
				}
			}
			d.nothingKept(s)
		})
	}
	t.Run("a leftover index", func(t *testing.T) {
		t.Parallel()
		p := static("86428642")
		p.edit = func(d *device, typ string, m obj) bool {
			if typ == "client/pair-init" {
				d.send(typ, obj{"pairing_index": d.att.index - 1}) // of an earlier activation
			}
			return true
		}
		d := connect(t, s.Sendspin, options{pair: p})
		d.pair(s, obj{"method": "static_pairing_code", "code": "86428642"})
		d.paired(s)
	})
}

// lowOrder is the point of order 8 of the draft's vectors.
func lowOrder() []byte {
	b := []byte{0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
		0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00}
	return bytes.Clone(b)
}

// testAborts: every reason that a device may give ends the attempt with that reason;
// concurrent_attempt also ends the connection.
func testAborts(t *testing.T, s *harness.Server) {
	for _, reason := range []string{"attempt_timeout", "concurrent_attempt", "method_not_supported", "pairing_code_mismatch", "user_cancelled"} {
		for _, at := range []string{"client/pair-init", "client/pair-auth", "client/pair-confirm", "client/pair-finalize"} {
			t.Run(reason+" for "+at, func(t *testing.T) {
				t.Parallel()
				p := dynamic("digits")
				aborted := false
				p.edit = func(d *device, typ string, _ obj) bool {
					if typ == at {
						d.att.live, aborted = false, true
						d.send("pair/abort", obj{"reason": reason})
					}
					return !aborted
				}
				d := connect(t, s.Sendspin, options{pair: p})
				d.pair(s, obj{"method": "dynamic_pairing_code", "format": "digits"})
				if at != "client/pair-init" {
					d.enter(s, d.code(), 1)
				}
				if got := attemptIs(t, s, d.id, 0, "failed", "cancelled", "paired"); got.Reason != reason || got.Detail == "" {
					t.Errorf("%+v, want reason %s", got, reason)
				}
				if reason == "concurrent_attempt" {
					_ = d.w.c.Close() // not before: a reset may overtake what was sent
				} else {
					d.await("the activation that leaves pairing", 0, func(m msg) bool {
						l, _ := m.payload["activities"].([]any)
						return m.typ == "server/activate" && d.left() && !contains(l, "pairing")
					})
					d.sync(1)
				}
				d.nothingKept(s)
			})
		}
	}
}

// left tells whether the newest activation is without pairing.
func (d *device) left() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ref.activations > 1 && !contains(d.ref.activities, "pairing")
}

// testCancel: an operator may cancel at any point; the device hears user_cancelled
// and the activation that leaves pairing, and the next attempt works.
func testCancel(t *testing.T, s *harness.Server) {
	for _, at := range []string{"pending", "connecting", "awaiting_code", "second round"} {
		t.Run("cancel while "+at, func(t *testing.T) {
			t.Parallel()
			p := dynamic("digits")
			if at == "pending" {
				p.hold = "Hold the button."
			}
			silent := at == "connecting"
			p.edit = func(_ *device, typ string, _ obj) bool { return !silent || typ != "client/pair-init" }
			d := connect(t, s.Sendspin, options{pair: p})
			d.pair(s, obj{"method": "dynamic_pairing_code", "format": "digits"})
			switch at {
			case "pending", "connecting":
				attemptIs(t, s, d.id, 0, at)
				d.await("the pairing activation", 0, func(m msg) bool { return m.typ == "server/activate" && m.payload["pairing"] != nil })
			case "awaiting_code":
				attemptIs(t, s, d.id, 1, at)
			default:
				d.enter(s, wrong(d.code()), 1)
				attemptIs(t, s, d.id, 2, "awaiting_code")
			}
			mark := d.mark()
			s.Must(t, "DELETE", pairingPath(d.id), nil, nil)
			if got := attemptIs(t, s, d.id, 0, "cancelled", "failed"); got.State != "cancelled" || got.Reason != "cancelled" {
				t.Errorf("%+v, want cancelled", got)
			}
			m, next := d.await("pair/abort", mark, isType("pair/abort"))
			if m.payload["reason"] != "user_cancelled" {
				t.Errorf("%s, want user_cancelled", m)
			}
			m, _ = d.await("server/activate", next, isType("server/activate"))
			if l, _ := m.payload["activities"].([]any); len(l) != 0 {
				t.Errorf("after the abort: %s", m)
			}
			// Messages still under way are discarded silently.
			d.send("client/pair-retry", obj{})
			d.send("client/pair-init", obj{"pairing_index": 1, "commit_B": b64.EncodeToString(random(32))})
			d.sync(1)
			d.pairMu.Lock()
			silent, p.hold = false, ""
			d.pairMu.Unlock()
			for len(p.shown) > 0 {
				<-p.shown
			}
			d.pair(s, obj{"method": "dynamic_pairing_code", "format": "digits"})
			d.enter(s, d.code(), 1)
			d.paired(s)
		})
	}
}

// testPairingMiddle: with a man in the middle, each method fails at key confirmation
// or before, and neither side keeps anything.
func testPairingMiddle(t *testing.T, s *harness.Server) {
	for i, w := range ways() {
		t.Run("man in the middle of "+w.name, func(t *testing.T) {
			t.Parallel()
			m := newMiddle(t, s.Sendspin)
			p := w.pair()
			p.rounds = 2
			d := connect(t, m.url, options{pair: p})
			// The operator takes the one in the middle for the device.
			mine := d.id
			d.id = m.id()
			d.awaitKnown(s)
			switch i {
			case 0:
				d.id = m.id()
				if st := status(s.Do("POST", pairingPath(d.id), obj{"method": "pairing_psk", "token": d.pskToken()}, nil)); st < 400 || st > 422 {
					t.Errorf("the device's token is taken for another key: %d", st)
				}
			case 3:
				w.run(d, s)
				failedAtConfirmation(t, s, m)
			default:
				d.pair(s, obj{"method": "dynamic_pairing_code", "format": w.name})
				code := d.code()
				d.enter(s, code, 1)
				if again := d.code(); again != code {
					t.Errorf("code %s became %s", code, again)
				}
				d.enter(s, code, 2)
				failedAtConfirmation(t, s, m)
			}
			d.id = mine
			if d.o.vault.record(d.serverID) != nil {
				t.Error("the device has a record of the one in the middle")
			}
			if m.saw("device", "client/pair-confirm") || m.saw("device", "client/pair-finalize") {
				t.Error("the device went beyond key confirmation")
			}
			var c harness.Client
			s.Must(t, "GET", "/api/v1/clients/"+m.id(), nil, &c)
			if c.Trust != "unapproved" || len(c.ActiveRoles) != 0 {
				t.Errorf("the server holds the one in the middle for %s with %v", c.Trust, c.ActiveRoles)
			}
		})
	}
}

func failedAtConfirmation(t *testing.T, s *harness.Server, m *middle) {
	t.Helper()
	if got := attemptIs(t, s, m.id(), 0, "failed", "paired"); got.Reason != "pairing_code_mismatch" {
		t.Errorf("through a man in the middle: %s", fmt.Sprintf("%+v", got))
	}
	if !m.saw("server", "server/pair-confirm") {
		t.Error("it did not come to key confirmation")
	}
}
