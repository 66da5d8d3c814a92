package independent

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// vault is what a device keeps from one connection to the next.
type vault struct {
	mu      sync.Mutex
	psk     []byte            // the pairing PSK
	records map[string][]byte // long-term PSK by server_id
	gone    bool              // an operator unpaired us: the server has no record either
}

func newVault() *vault { return &vault{psk: random(32), records: map[string][]byte{}} }

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// match finds the PSK that a server references; a nil vault has the Sentinel alone.
func (v *vault) match(id, category, serverID string) ([]byte, bool) {
	if category == "sn" {
		return sentinel(), id == pskID(sentinel())
	}
	if v == nil {
		return nil, false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	psk := v.psk
	if category == "lt" {
		psk = v.records[serverID]
	}
	return psk, psk != nil && id == pskID(psk)
}

func (v *vault) keep(serverID string, psk []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.records[serverID], v.gone = slices.Clone(psk), false
}

// unpaired notes that an operator had the pairing removed.
func (v *vault) unpaired() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.gone = true
}

// excused tells whether roles on a session in Sentinel Fallback are in order: they are
// not while the server has a record.
func (v *vault) excused() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.gone
}

// forget is a factory reset that keeps the device's key and pairing PSK.
func (v *vault) forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	clear(v.records)
}

// record is the long-term PSK kept for a server; nil when there is none.
func (v *vault) record(serverID string) []byte {
	v.mu.Lock()
	defer v.mu.Unlock()
	return bytes.Clone(v.records[serverID])
}

// rehandshake answers Noise message 1 in band: the prologue is the hash of the
// handshake before, and there is no Sentinel Fallback. Until server/activate nothing
// of ours is sent: the reader keeps sendMu.
func (d *device) rehandshake(m msg) error {
	server, err := b64.DecodeString(d.serverID)
	if err != nil {
		return err
	}
	hs, err := responder(d.o.suite, d.hash, d.o.key, server)
	if err != nil {
		return err
	}
	data, err := b64.DecodeString(m.payload["data"].(string))
	if err != nil {
		return err
	}
	inner, _, _, err := hs.ReadMessage(nil, data)
	if err != nil {
		return fmt.Errorf("message 1 of a re-handshake: %w", err)
	}
	id, category, fault := reference(inner)
	if fault != "" {
		return errors.New(fault)
	}
	psk, ok := d.o.vault.match(id, category, d.serverID)
	if !ok {
		return errMiss
	}
	if err := hs.SetPresharedKey(psk); err != nil {
		return err
	}
	msg2, dec, enc, err := hs.WriteMessage(nil, []byte("{}"))
	if err != nil {
		return err
	}
	d.sendMu.Lock()
	d.rekey = true
	_ = d.w.binary(d.sealed(append([]byte{0}, handshakeJSON(msg2)...)))
	d.enc, d.dec, d.hash = enc, dec, slices.Clone(hs.ChannelBinding())
	d.pairMu.Lock()
	d.att.index = 0
	d.pairMu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ref.psk, d.ref.rekeyed = category, true
	d.ref.rekeys++
	if category == "lt" {
		d.ref.missed = false
	}
	return nil
}

// errMiss is a silent failure of ours, and no fault of the server.
var errMiss = errors.New("a re-handshake references a PSK that we do not have")

// unhold lets our other senders go on after a re-handshake.
func (d *device) unhold() {
	if d.rekey {
		d.rekey = false
		d.sendMu.Unlock()
	}
}

func (v *vault) drop(serverID string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.records, serverID)
}
