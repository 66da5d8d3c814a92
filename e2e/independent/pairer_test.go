package independent

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// pairer says how a device pairs, and what it does wrong.
type pairer struct {
	method  string   // offered beside pairing_psk: "static_pairing_code", "dynamic_pairing_code", or ""
	formats []string // of the dynamic code
	code    string   // the static code, 8 digits
	hold    string   // when set: client/pair-pending with this message, until release
	rounds  int      // after so many it aborts (default 20, the round limit)
	deaf    bool     // it loses the record that it should keep
	// edit sees each pairing message before it is sent; false keeps it back.
	edit func(d *device, typ string, payload obj) bool

	shown chan string // every code that is emitted
}

func dynamic(formats ...string) *pairer {
	return &pairer{method: "dynamic_pairing_code", formats: formats, shown: make(chan string, 64)}
}

func static(code string) *pairer { return &pairer{method: "static_pairing_code", code: code} }

// offer adds the method to supported_pair_methods, beside values of the future.
func (p *pairer) offer(methods obj) {
	switch p.method {
	case "dynamic_pairing_code":
		methods[p.method] = obj{"formats": append([]string{"morse"}, p.formats...), "out_channels": []string{"display", "smoke"}}
	case "static_pairing_code":
		methods[p.method] = obj{"locations": []string{"leaflet"}}
	}
}

// attempt is where a device stands.
type attempt struct {
	live           bool
	held           bool
	method, format string
	index, round   uint32
	due            string // the server's message that comes next
	nonceB         []byte
	prs            []byte
	sid            []byte
	keys           keys
	psk            []byte // the new long-term PSK
}

// steer carries out what a message of the server asks of us (reader).
func (d *device) steer(m msg) error {
	switch {
	case m.id != 0:
		return nil
	case m.typ == "noise/handshake":
		return d.rehandshake(m)
	case m.typ == "server/activate":
		d.unhold()
	}
	if d.o.pair == nil {
		return nil
	}
	if m.typ == "server/unpair" {
		d.unpaired()
		return nil
	}
	d.pairMu.Lock()
	defer d.pairMu.Unlock()
	if m.typ == "server/activate" {
		d.activated(m.payload)
		return nil
	}
	a := &d.att
	if m.typ == "pair/abort" {
		a.live = false
	}
	if !strings.HasPrefix(m.typ, "server/pair-") || !a.live {
		return nil // what follows our own end is discarded silently
	}
	if m.typ != a.due {
		return fmt.Errorf("got %s, due is %q", m.typ, a.due)
	}
	switch m.typ {
	case "server/pair-init":
		return d.round(m.payload)
	case "server/pair-auth":
		return d.exchange(m.payload)
	case "server/pair-confirm":
		d.confirm(m.payload)
	case "server/pair-finalize":
		if !d.o.pair.deaf {
			d.o.vault.keep(d.serverID, a.psk)
		}
		a.live = false
	}
	return nil
}

// activated begins or leaves an attempt.
func (d *device) activated(p obj) {
	a := &d.att
	*a = attempt{index: a.index}
	if list, _ := p["activities"].([]any); !contains(list, "pairing") {
		return
	}
	details := sub(p, "pairing")
	a.index++
	a.live = true
	a.method, _ = details["method"].(string)
	a.format, _ = details["format"].(string)
	if a.method != "pairing_psk" && a.method != d.o.pair.method || a.format != "" && !slices.Contains(d.o.pair.formats, a.format) {
		d.abort("method_not_supported")
		return
	}
	if d.o.pair.hold != "" && a.method != "pairing_psk" {
		a.held = true
		d.say("client/pair-pending", obj{"pairing_index": a.index, "message": d.o.pair.hold})
		return
	}
	d.begin()
}

// release is the gesture, or the end of the cooldown.
func (d *device) release() {
	d.pairMu.Lock()
	defer d.pairMu.Unlock()
	if d.att.held {
		d.att.held = false
		d.begin()
	}
}

func (d *device) begin() {
	a := &d.att
	start := obj{"pairing_index": a.index}
	switch a.method {
	case "pairing_psk":
		a.due, a.psk = "server/pair-finalize", random(32)
		d.say("client/pair-init", start)
		d.say("client/pair-finalize", obj{"long_term_psk": b64.EncodeToString(a.psk)})
		return
	case "static_pairing_code":
		a.due, a.prs, a.round = "server/pair-auth", []byte(d.o.pair.code), 1
	case "dynamic_pairing_code":
		a.due, a.nonceB = "server/pair-init", random(32)
		start["commit_B"] = b64.EncodeToString(commitment(a.nonceB))
	}
	d.say("client/pair-init", start)
}

// say sends one of our pairing messages, unless edit keeps it back.
func (d *device) say(typ string, payload obj) {
	if e := d.o.pair.edit; e == nil || e(d, typ, payload) {
		d.send(typ, payload)
	}
}

func (d *device) abort(reason string) {
	d.att.live = false
	d.say("pair/abort", obj{"reason": reason})
}

// round takes server/pair-init and emits the code.
func (d *device) round(p obj) error {
	a := &d.att
	a.round++
	nonce, there := p["nonce_A"].(string)
	if there != (a.round == 1) {
		return fmt.Errorf("server/pair-init of round %d: nonce_A is there: %v", a.round, there)
	}
	if there {
		nonceA, err := b64.DecodeString(nonce)
		if err != nil {
			return err
		}
		var shown string
		a.prs, shown = derive(a.format, d.hash, nonceA, a.nonceB)
		d.showing = shown
	}
	a.due = "server/pair-auth"
	select {
	case d.o.pair.shown <- d.showing:
	default: // nobody looks
	}
	return nil
}

// exchange takes the server's share.
func (d *device) exchange(p obj) error {
	a := &d.att
	a.sid = pakeSID(d.hash, a.index, a.round)
	run, err := newRun(nil, a.prs, nil, a.sid, []byte("server"), []byte("client"))
	if err != nil {
		return err
	}
	ya, err := b64.DecodeString(p["pake_msg_1"].(string))
	if err != nil {
		return err
	}
	if a.keys, err = run.finish(ya, ya, run.share); err != nil {
		return fmt.Errorf("the server's share: %w", err)
	}
	a.due = "server/pair-confirm"
	d.say("client/pair-auth", obj{"pake_msg_2": b64.EncodeToString(run.share)})
	return nil
}

// confirm takes the server's tag.
func (d *device) confirm(p obj) {
	a := &d.att
	tag, _ := b64.DecodeString(p["server_kc"].(string))
	limit := d.o.pair.rounds
	if limit == 0 {
		limit = 20
	}
	switch {
	case bytes.Equal(tag, a.keys.ta):
		answer := obj{"client_kc": b64.EncodeToString(a.keys.tb)}
		if a.method == "dynamic_pairing_code" {
			answer["wrapped_nonce_B"] = d.wrapped(labelNonce, a.nonceB)
		}
		a.due, a.psk = "server/pair-finalize", random(32)
		d.say("client/pair-confirm", answer)
		d.say("client/pair-finalize", obj{"wrapped_psk": d.wrapped(labelPSK, a.psk)})
	case a.method == "dynamic_pairing_code" && int(a.round) < limit:
		a.due = "server/pair-init"
		d.say("client/pair-retry", obj{})
	default:
		d.abort("pairing_code_mismatch")
	}
}

func (d *device) wrapped(label string, value []byte) string {
	return b64.EncodeToString(wrap(d.o.suite, label, d.att.sid, d.att.keys.isk, value))
}

// unpaired carries out server/unpair.
func (d *device) unpaired() {
	d.mu.Lock()
	paired := d.ref.psk == "lt"
	d.mu.Unlock()
	if !paired {
		return // ignored on an unpaired session
	}
	d.o.vault.drop(d.serverID)
	d.send("client/goodbye", obj{"reason": "unpaired"})
}
