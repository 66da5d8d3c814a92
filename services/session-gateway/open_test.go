package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// rawDial opens a WebSocket that nothing was said on.
func rawDial(r *rig) channel.Transport {
	r.t.Helper()
	t, err := channel.Dial(r.t.Context(), r.url(), channel.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = t.CloseNow() })
	return t
}

func TestInitFailuresSayWhy(t *testing.T) {
	r := newRig(t)
	id := newDevice(r).id()
	const suite = "25519_ChaChaPoly_SHA256"
	for name, c := range map[string]struct{ text, reason string }{
		"not JSON":                     {"hello", "malformed"},
		"no envelope":                  {`[1]`, "malformed"},
		"legacy hello":                 {`{"type":"client/hello","payload":{}}`, "malformed"},
		"no version":                   {fmt.Sprintf(`{"type":"client/init","payload":{"client_id":%q,"suite":%q}}`, id, suite), "malformed"},
		"version before everything":    {`{"type":"client/init","payload":{"version":2,"suite":7}}`, "unsupported_version"},
		"version before suite":         {fmt.Sprintf(`{"type":"client/init","payload":{"client_id":%q,"version":0,"suite":"x"}}`, id), "unsupported_version"},
		"suite before remaining field": {`{"type":"client/init","payload":{"client_id":"short","version":1,"suite":"x"}}`, "unsupported_suite"},
		"bad client_id":                {fmt.Sprintf(`{"type":"client/init","payload":{"client_id":"short","version":1,"suite":%q}}`, suite), "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			conn := rawDial(r)
			if err := conn.Write(t.Context(), true, []byte(c.text)); err != nil {
				t.Fatal(err)
			}
			text, data, err := conn.Read(t.Context())
			if err != nil || !text {
				t.Fatalf("answer: text %v, %v", text, err)
			}
			var m struct {
				Type    string
				Payload struct{ Reason string }
			}
			if err := json.Unmarshal(data, &m); err != nil || m.Type != "server/error" || m.Payload.Reason != c.reason {
				t.Errorf("got %s, want server/error with reason %s", data, c.reason)
			}
			if _, _, err := conn.Read(t.Context()); err == nil {
				t.Error("the connection is still open")
			}
		})
	}
	newDevice(r).join(r).clean()
}

// TestOddPrologue sends a client/init with odd white space and unknown fields, and
// goes through the whole handshake on it: the prologue is the bytes as they are.
func TestOddPrologue(t *testing.T) {
	r := newRig(t)
	d := newDevice(r)
	odd := fmt.Sprintf("{ \"payload\"\n:{\"future\" : [1, {\"a\":null}],\t\"suite\":%q,\"client_id\":%q,\"version\":1 },\r\n\"type\":\"client/init\", \"x\":1}  ", d.suite, d.id())
	conn := rawDial(r)
	write := func(text bool, b []byte) {
		t.Helper()
		if err := conn.Write(t.Context(), text, b); err != nil {
			t.Fatal(err)
		}
	}
	read := func() []byte {
		t.Helper()
		_, b, err := conn.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Clone(b)
	}
	decode := func(b []byte) wire.Message {
		t.Helper()
		m, err := wire.Current().DecodeFromServer(b)
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		return m
	}
	write(true, []byte(odd))
	serverInit := read()
	server, err := noise.ParsePublicKey(decode(serverInit).(*wire.ServerInit).ServerID)
	if err != nil {
		t.Fatal(err)
	}
	msg2, res, err := noise.Respond(noise.Config{
		Suite: d.suite, Static: d.key, Peer: server, Prologue: append([]byte(odd), serverInit...), SentinelFallback: true,
	}, func(string, noise.Category) (noise.PSK, bool, error) { return noise.PSK{}, false, nil },
		decode(read()).(*wire.NoiseHandshake).Data)
	if err != nil {
		t.Fatal(err)
	}
	body, err := wire.Current().Encode(&wire.NoiseHandshake{Data: msg2})
	if err != nil {
		t.Fatal(err)
	}
	write(true, body)
	plain, err := res.Session.Open(nil, read())
	if err != nil {
		t.Fatal(err)
	}
	if h, ok := decode(plain[1:]).(*wire.ServerHello); !ok || h.Name != "Tutti" {
		t.Errorf("first encrypted message: %s", plain)
	}
}

// tamper sits between a device and its socket and spoils one encrypted frame.
type tamper struct {
	channel.Transport
	armed bool
	spoil func(frame []byte) [][]byte
}

func (w *tamper) Write(ctx context.Context, text bool, data []byte) error {
	if text || !w.armed {
		return w.Transport.Write(ctx, text, data)
	}
	w.armed = false
	for _, f := range w.spoil(append([]byte(nil), data...)) {
		if err := w.Transport.Write(ctx, false, f); err != nil {
			return err
		}
	}
	return nil
}

func TestSpoiledFramesCloseSilently(t *testing.T) {
	r := newRig(t)
	for name, spoil := range map[string]func([]byte) [][]byte{
		"tampered":  func(b []byte) [][]byte { b[len(b)/2] ^= 1; return [][]byte{b} },
		"truncated": func(b []byte) [][]byte { return [][]byte{b[:len(b)-1]} },
		"empty":     func([]byte) [][]byte { return [][]byte{{}} },
		"replayed":  func(b []byte) [][]byte { return [][]byte{b, b} },
		"oversized": func([]byte) [][]byte { return [][]byte{make([]byte, 65_535)} },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDevice(r)
			raw := rawDial(r)
			tp := &tamper{Transport: raw, spoil: spoil}
			if err := d.open(tp); err != nil {
				t.Fatal(err)
			}
			waitType[*wire.ServerActivate](d, 1)
			d.settle(r)
			r.told(d) // what comes from here on was not owed before
			n := len(d.messages())
			tp.armed = true
			d.send(&wire.ClientLeave{})
			err := d.waitEnd()
			var closed *channel.CloseError
			if errors.As(err, &closed) && closed.Reason != "" {
				t.Errorf("the close frame tells a reason: %v", closed)
			}
			for _, m := range d.messages()[n:] {
				t.Errorf("a %s was sent after the failure", m.Type())
			}
			d.join(r).clean() // the same client connects right after
		})
	}
}

func TestMessagesOutOfPlaceClose(t *testing.T) {
	r := newRig(t)
	for name, body := range map[string]string{
		"a second client/hello":         `{"type":"client/hello","payload":{"name":"x","supported_roles":[],"supported_pair_methods":{},"unpaired_access":{"enabled":true}}}`,
		"unsolicited client-stream":     `{"type":"client-stream/start","payload":{"source":{"codec":"pcm","channels":1,"sample_rate":8000,"bit_depth":16}}}`,
		"pairing without an attempt":    `{"type":"client/pair-init","payload":{"pairing_index":1}}`,
		"a server's message":            `{"type":"group/update","payload":{"playback_state":"stopped","group_id":"g","group_name":"g"}}`,
		"a known field of a wrong type": `{"type":"client/state","payload":{"available":"yes"}}`,
		"a fault in an active role":     `{"type":"client/state","payload":{"available":true,"player":{"output_delay_ms":"x"}}}`,
		"not JSON":                      `{`,
	} {
		t.Run(name, func(t *testing.T) {
			d := newDevice(r).join(r)
			d.raw([]byte(body))
			d.waitEnd()
		})
	}
	for name, body := range map[string]string{
		"unknown type":                   `{"type":"client/future","payload":{"a":1}}`,
		"unknown field":                  `{"type":"client/leave","payload":{"a":1}}`,
		"an object of an inactive role":  `{"type":"client/state","payload":{"available":true,"artwork":{"channels":"?"}}}`,
		"end of what is not open":        `{"type":"client-stream/end","payload":{}}`,
		"abort of what never began":      `{"type":"pair/abort","payload":{"reason":"user_cancelled"}}`,
		"a command that nobody offered":  `{"type":"client/command","payload":{"controller":{"command":"play"}}}`,
		"seek beyond all numbers":        `{"type":"client/command","payload":{"controller":{"command":"seek","position_ms":100000000000000000000}}}`,
		"a command without its argument": `{"type":"client/command","payload":{"controller":{"command":"seek"}}}`,
		"command object of another kind": `{"type":"client/command","payload":{"_vendor":{"x":1}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			d := newDevice(r).join(r)
			d.raw([]byte(body))
			d.settle(r)
			if err := d.ended(); err != nil {
				t.Errorf("the session ended: %v", err)
			}
			d.clean()
		})
	}
}

func TestBinaryMessages(t *testing.T) {
	r := newRig(t)
	for id, closes := range map[byte]bool{4: true, 12: true, 9: false, 30: false, 200: false} {
		d := newDevice(r).join(r)
		// The server may close before the write returns: only the end counts.
		_ = d.conn.WriteMessage(t.Context(), id, make([]byte, 40))
		if closes {
			d.waitEnd()
			continue
		}
		d.settle(r)
		if err := d.ended(); err != nil {
			t.Errorf("message %d ended the session: %v", id, err)
		}
	}
}

func TestHandshakeTimeout(t *testing.T) {
	r := newRig(t, impatient)
	if _, _, err := rawDial(r).Read(t.Context()); err == nil {
		t.Error("a handshake without client/init was answered")
	}
	eventually(t, func() string {
		if n := r.svc.gate.Open(); n != 0 {
			return fmt.Sprintf("%d half-open", n)
		}
		return ""
	})
}

func TestHalfOpenLimits(t *testing.T) {
	r := newRig(t, func(c *Config, _ *Deps) {
		c.MaxHalfOpenPerAddress, c.MaxHalfOpen, c.MaxQueuedPerAddress = 3, 5, -1 // nobody waits
		// They must still be half-open when the fourth comes.
		c.HandshakeTimeout = patience
	})
	var idle []channel.Transport
	for range 3 {
		idle = append(idle, rawDial(r))
	}
	eventually(t, func() string {
		if n := r.svc.gate.Open(); n != 3 {
			return fmt.Sprintf("%d half-open", n)
		}
		return ""
	})
	resp, err := http.Get("http" + r.url()[len("ws"):])
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" {
		t.Errorf("fourth half-open connection: %s", resp.Status)
	}
	for _, c := range idle {
		_ = c.CloseNow()
	}
	eventually(t, func() string { // nobody waits for a place
		if n := r.svc.gate.Open(); n != 0 {
			return fmt.Sprintf("%d half-open", n)
		}
		return ""
	})
	newDevice(r).join(r).clean()
}

func TestWrongPathAndPlainHTTP(t *testing.T) {
	r := newRig(t)
	for path, want := range map[string]int{"/": http.StatusNotFound, "/sendspin": http.StatusUpgradeRequired} {
		resp, err := http.Get("http://" + r.svc.Addr() + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %s, want %d", path, resp.Status, want)
		}
	}
	eventually(t, func() string {
		if n := r.svc.gate.Open(); n != 0 {
			return fmt.Sprintf("%d places taken", n)
		}
		return ""
	})
}

// TestStrangersCannotTakeAllSessions: sessions that wait for approval are limited
// per address; an approved one gives its place back.
func TestStrangersCannotTakeAllSessions(t *testing.T) {
	r := newRig(t, func(c *Config, _ *Deps) { c.MaxWaitingPerAddress = 2 })
	r.pairing.unapprovedByDefault()
	first := newDevice(r).join(r)
	newDevice(r).join(r)
	third := newDevice(r)
	if err := third.dialIn(r); err == nil {
		third.waitEnd()
	}
	for _, m := range third.messages() {
		t.Errorf("the third stranger was sent a %s", m.Type())
	}
	r.pairing.decide(first.id(), approved, "approved", false, "player")
	waitType[*wire.ServerActivate](first, 2)
	newDevice(r).join(r)
}
