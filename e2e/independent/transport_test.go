package independent

import (
	"fmt"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/e2e/harness"
)

const timeMessage = `{"type":"client/time","payload":{"client_transmitted":%d}}`

// jsonPlain is the plaintext of a JSON message: ID 0 and its body.
func jsonPlain(body string) []byte { return append([]byte{0}, body...) }

// testTransport: what breaks the channel closes it silently, before and after
// other traffic, and leaves the next connection alone.
func testTransport(t *testing.T, s *harness.Server) {
	ping := func(d *device) []byte { return d.sealed(jsonPlain(fmt.Sprintf(timeMessage, now()))) }
	for name, attack := range map[string]func(d *device){
		"tampered":     func(d *device) { b := ping(d); b[len(b)/2] ^= 0x10; _ = d.w.binary(b) },
		"tampered tag": func(d *device) { b := ping(d); b[len(b)-1] ^= 1; _ = d.w.binary(b) },
		"replayed": func(d *device) {
			b := d.sealed(jsonPlain(`{"type":"client/nothing","payload":{}}`))
			_ = d.w.binary(b)
			_ = d.w.binary(b)
		},
		"one left out":  func(d *device) { ping(d); _ = d.w.binary(ping(d)) },
		"two exchanged": func(d *device) { a, b := ping(d), ping(d); _ = d.w.binary(b); _ = d.w.binary(a) },
		"truncated":     func(d *device) { b := ping(d); _ = d.w.binary(b[:len(b)-1]) },
		"a tag alone":   func(d *device) { _ = d.w.binary(ping(d)[:16]) },
		"15 bytes":      func(d *device) { _ = d.w.binary(ping(d)[:15]) },
		"empty":         func(d *device) { _ = d.w.binary(nil) },
		"oversized":     func(d *device) { _ = d.w.binary(d.sealed(make([]byte, 65535-16+1))) },
		"plain text":    func(d *device) { _ = d.w.text([]byte(fmt.Sprintf(timeMessage, 1))) },
		"sealed text":   func(d *device) { _ = d.w.text(ping(d)) },
		"plain binary":  func(d *device) { _ = d.w.binary(jsonPlain(fmt.Sprintf(timeMessage, 1))) },
	} {
		t.Run(name, func(t *testing.T) {
			d := connect(t, s.Sendspin, options{})
			d.sync(1)
			attack(d)
			d.awaitClosed(name)
		})
	}
	t.Run("before hello", func(t *testing.T) {
		d := handshake(t, s.Sendspin, options{suite: suiteAES})
		b := ping(d)
		b[0] ^= 1
		check(t, d.w.binary(b))
		d.awaitClosed("a tampered first message")
	})
	t.Run("the same device is back at once", func(t *testing.T) {
		key := newKey(t)
		d := connect(t, s.Sendspin, options{key: key})
		check(t, d.w.text([]byte("{}")))
		d.awaitClosed("text")
		connect(t, s.Sendspin, options{key: key}).sync(1)
	})
}

// testFragments: proper sequences work, each malformed one closes.
func testFragments(t *testing.T, s *harness.Server) {
	body := func() string { return fmt.Sprintf(timeMessage, 77) }
	for name, frames := range map[string][][]byte{
		"first within a message":        {{1, 2, 0, '{'}, {1, 2, 0, '{'}},
		"first and last within one":     {{1, 2, 0, '{'}, append([]byte{1, 3, 0}, body()...)},
		"middle without a first":        {{1, 0, '{'}},
		"last without a first":          {{1, 1, '{'}},
		"JSON within a message":         {{1, 2, 0, '{'}, jsonPlain(body())},
		"audio ID within a message":     {{1, 2, 0, '{'}, {200, 1, 2}},
		"unknown ID within one to drop": {{1, 2, 200, 9}, {201, 1, 2}},
		"first within one to drop":      {{1, 2, 200, 9}, {1, 2, 200, 9}},
		"reserved bit on a first":       {{1, 2 | 4, 0, '{'}},
		"reserved bit on a middle":      {{1, 2, 0, '{'}, {1, 128, '}'}},
		"reserved bit on a last":        {{1, 2, 0, '{'}, {1, 1 | 16, '}'}},
		"reserved bit on one to drop":   {{1, 2, 200, 1}, {1, 8, 2}},
		"fragment of fragments":         {{1, 2, 1, 3}},
		"fragment of fragments, whole":  {append([]byte{1, 3, 1, 0}, body()...)},
		"no flags":                      {{1}},
		"no orig_type":                  {{1, 2}},
		"a second last":                 {append([]byte{1, 3, 0}, `{"type":"client/x","payload":{}}`...), {1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			d := connect(t, s.Sendspin, options{})
			for _, f := range frames {
				d.sendPlain(f)
			}
			d.awaitClosed(name)
		})
	}
	t.Run("a fragmented client/hello", func(t *testing.T) {
		d := handshake(t, s.Sendspin, options{})
		d.await("server/hello", 0, isType("server/hello"))
		d.mu.Lock()
		d.ref.helloSent = true
		d.mu.Unlock()
		d.sendFragments(mustJSON(t, obj{"type": "client/hello", "payload": d.o.hello()}), 0, 11)
		d.await("server/activate", 0, isType("server/activate"))
		d.sync(1)
	})
	t.Run("well-formed oddities", func(t *testing.T) {
		d := connect(t, s.Sendspin, options{})
		d.sendPlain(append([]byte{1, 3, 0}, `{"type":"client/x","payload":{}}`...)) // whole in one
		d.sendPlain([]byte{1, 2, 200})                                              // empty first, empty middle, empty last
		d.sendPlain([]byte{1, 0})
		d.sendPlain([]byte{1, 1})
		d.sendFragments(make([]byte, 200_000), 201, 60_000) // an unknown ID, larger than a Noise message
		big := fmt.Sprintf(`{"type":"client/x","payload":{"pad":"%0*d"}}`, 66_000, 0)
		d.sendFragments([]byte(big), 0, 65_515)
		d.sendPlain(append([]byte{202}, make([]byte, 65_518)...)) // the largest that fits
		d.sync(2)
	})
}

func (d *device) sendFragments(data []byte, id byte, size int) {
	first := true
	for len(data) > 0 {
		n := min(size, len(data))
		head := []byte{1, 0}
		if first {
			head = []byte{1, 2, id}
		}
		if n == len(data) {
			head[1] |= 1
		}
		d.sendPlain(append(head, data[:n]...))
		data, first = data[n:], false
	}
}

// testIgnored: after the first activation, what a later revision may send is ignored.
func testIgnored(t *testing.T, s *harness.Server) {
	d := connect(t, s.Sendspin, options{})
	for _, body := range []string{
		`{"type":"client/from-the-future","payload":{"a":[1,2,{"b":null}]}}`,
		`{"type":"nobody/knows","payload":{}}`,
		`{"type":"","payload":{}}`,
		`{"type":"client/time2","payload":{},"more":1}`,
		`{"type":"client-stream/pause","payload":{}}`,
		`{"type":"CLIENT/GOODBYE","payload":{"reason":"shutdown"}}`,
		`{"type":"client/command","payload":{"future":{"x":1}}}`,
		`{"type":"client/command","payload":{}}`,
		// Objects of roles that are not active, known and unknown ones.
		`{"type":"client/state","payload":{"available":true,"player":{"output_delay_ms":0,"required_lead_time_ms":0,"min_buffer_ms":0,"supported_commands":[]}}}`,
		`{"type":"client/state","payload":{"available":false,"_app":{"x":1},"artwork":{"channels":[]},"source":{},"visualizer":{"types":[],"rate_max":1}}}`,
		`{"type":"client/command","payload":{"controller":{"command":"play"},"_app":{}}}`,
	} {
		d.sendRaw(body)
	}
	for _, id := range []byte{2, 3, 5, 7, 8, 11, 13, 15, 16, 20, 23, 24, 100, 191, 192, 255} {
		d.sendPlain([]byte{id, 1, 2, 3})
		d.sendPlain([]byte{id})
	}
	d.sync(2)
	for _, m := range d.since(0) {
		if m.typ == "server/state" || m.typ == "stream/start" || m.typ == "server/command" {
			t.Errorf("an unapproved device got %s", m)
		}
	}
}

// testTime: client/time with any integer is echoed exactly.
func testTime(t *testing.T, s *harness.Server) {
	d := connect(t, s.Sendspin, options{})
	d.sync(8)
	for _, t1 := range []int64{0, -1, 1, 1<<53 + 1, 1<<63 - 1, -1 << 63} {
		mark := d.mark()
		d.send("client/time", obj{"client_transmitted": t1})
		d.await(fmt.Sprintf("server/time for %d", t1), mark, func(m msg) bool {
			return m.typ == "server/time" && m.payload["client_transmitted"] == jsonInt(t1)
		})
	}
	// A burst of 8 without waiting is answered too, in its order.
	mark := d.mark()
	for i := range int64(8) {
		d.send("client/time", obj{"client_transmitted": 1000 + i})
	}
	for i := range int64(8) {
		var m msg
		m, mark = d.await("server/time", mark, isType("server/time"))
		if num(m.payload["client_transmitted"]) != 1000+i {
			t.Fatalf("answer %d is %s", i, m)
		}
	}
}

// testLiveness: WebSocket control frames are answered at any time.
func testLiveness(t *testing.T, s *harness.Server) {
	w := dialWS(t, s.Sendspin)
	_ = w.c.SetReadDeadline(time.Now().Add(patience))
	pong := func(want string) {
		t.Helper()
		check(t, w.frame(opPing, true, []byte(want)))
		h, payload, err := w.readFrame()
		if err != nil || h != 0x80|opPong || string(payload) != want {
			t.Fatalf("ping %q was answered %#x %q %v", want, h, payload, err)
		}
	}
	pong("before init")
	key := newKey(t)
	init := clientInit(idOf(key), suiteChaCha)
	o := open(t, w, key, suiteChaCha, init)
	pong("within the handshake")
	_ = w.c.SetReadDeadline(time.Time{})
	opts := options{key: key}
	opts.fill(t)
	d := start(t, w, opts, o)
	check(t, w.frame(opPing, true, make([]byte, 125)))
	select {
	case got := <-w.pongs:
		if got != string(make([]byte, 125)) {
			t.Errorf("pong %q", got)
		}
	case <-time.After(patience):
		t.Error("no pong in transport mode")
	}
	check(t, w.frame(opClose, true, []byte{0x03, 0xE8}))
	d.awaitClosed("a close frame")
}
