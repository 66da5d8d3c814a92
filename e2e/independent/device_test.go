package independent

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/flynn/noise"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// object of JSON, as sent.
type obj = map[string]any

// unhurried is the lead of a player whose stream must not break, in ms: a slow machine may
// hand it its chunks, and handshakes between them, seconds late.
const unhurried = 3000

// options of a device; the zero value is a stereo PCM speaker.
type options struct {
	name     string
	suite    string      // default ChaCha
	key      noise.DHKey // default: a new one
	roles    []string    // default player, controller, metadata
	formats  []obj       // default PCM 44.1 kHz/16
	buffer   int         // default 1 MiB
	lead     int         // required_lead_time_ms; default unhurried, when minBuf is 0, too
	minBuf   int         // min_buffer_ms
	delay    int         // output_delay_ms
	volume   int         // default 50
	commands []string    // default volume, mute, set_output_delay; []string{} for none
	noAccess bool
	artwork  []obj   // channels; default one of album covers
	visual   obj     // of client/state; default loudness
	visBuf   int     // the visualizer's buffer_capacity; default 4096
	vault    *vault  // credentials; nil: none, and every session is on the Sentinel
	pair     *pairer // how it pairs; nil: it does not
	extra    obj     // device_info
}

func format(codec string, rate, bits int) obj {
	return obj{"codec": codec, "channels": 2, "sample_rate": rate, "bit_depth": bits}
}

func (o *options) fill(t testing.TB) {
	if o.suite == "" {
		o.suite = suiteChaCha
	}
	if o.key.Private == nil {
		o.key = newKey(t)
	}
	if o.roles == nil {
		o.roles = []string{"player@v1", "controller@v1", "metadata@v1"}
	}
	if o.formats == nil {
		o.formats = []obj{format("pcm", 44100, 16)}
	}
	if o.buffer == 0 {
		o.buffer = 1 << 20
	}
	if o.lead == 0 && o.minBuf == 0 {
		o.lead, o.minBuf = unhurried, 200
	}
	if o.artwork == nil {
		o.artwork = []obj{{"source": "album", "format": "png", "width": 120, "height": 120}}
	}
	if o.visual == nil {
		o.visual = obj{"types": []string{"loudness"}, "rate_max": 20}
	}
	if o.visBuf == 0 {
		o.visBuf = 4096
	}
	if o.volume == 0 {
		o.volume = 50
	}
	if o.commands == nil {
		o.commands = []string{"volume", "mute", "set_output_delay"}
	}
	if o.pair != nil && o.vault == nil {
		o.vault = newVault()
	}
	if o.name == "" {
		o.name = "Independent " + idOf(o.key)[:6]
	}
}

func (o *options) hello() obj {
	h := obj{
		"name": o.name, "supported_roles": o.roles,
		"supported_pair_methods": obj{"pairing_psk": obj{"locations": []string{"device", "an unknown place"}}, "an_unknown_method": 7},
		"unpaired_access":        obj{"enabled": !o.noAccess},
	}
	if o.pair != nil {
		o.pair.offer(h["supported_pair_methods"].(obj))
	}
	if o.extra != nil {
		h["device_info"] = o.extra
	}
	if slices.Contains(o.roles, "player@v1") {
		h["player@v1_support"] = obj{"supported_formats": o.formats, "buffer_capacity": o.buffer}
	}
	if slices.Contains(o.roles, "visualizer@v1") {
		h["visualizer@v1_support"] = obj{"buffer_capacity": o.visBuf}
	}
	if slices.Contains(o.roles, "source@v1") {
		h["source@v1_support"] = obj{"features": obj{"line_sense": true}}
	}
	return h
}

// msg is one message of the server.
type msg struct {
	at      int64 // arrival, our clock, µs
	id      byte
	typ     string // of JSON
	payload obj
	chunk   *chunk
}

func (m msg) String() string {
	if m.id != 0 {
		return fmt.Sprintf("binary %d", m.id)
	}
	b, _ := json.Marshal(m.payload)
	return m.typ + " " + string(b)
}

// device is one connection of a device.
type device struct {
	t        testing.TB
	o        options
	id       string
	w        *ws
	serverID string

	sendMu sync.Mutex
	enc    *noise.CipherState
	dec    *noise.CipherState
	rekey  bool   // between message 1 and the activation; the reader holds sendMu
	hash   []byte // h of the newest handshake

	pairMu  sync.Mutex
	att     attempt
	showing string // the code on our display

	mu      sync.Mutex
	changed chan struct{} // closed and replaced on every message
	msgs    []msg
	closed  error
	ref     referee
	player  obj // the player object that we report
	done    chan struct{}
}

// The clock of our devices begins somewhere arbitrary.
var clockStart = time.Now()

func now() int64 { return time.Since(clockStart).Microseconds() + 7_000_000_123 }

// handshake connects and secures, and starts the reader; nothing is sent after
// Noise message 2.
func handshake(t testing.TB, addr string, o options) *device {
	t.Helper()
	o.fill(t)
	return secure(t, dialWS(t, addr), o)
}

func secure(t testing.TB, w *ws, o options) *device {
	t.Helper()
	init := clientInit(idOf(o.key), o.suite)
	return start(t, w, o, openWith(t, w, o.key, o.suite, init, o.vault))
}

func start(t testing.TB, w *ws, o options, op *opening) *device {
	data, enc, dec := op.message2(t, "{}")
	if err := w.text(handshakeJSON(data)); err != nil {
		t.Fatal(err)
	}
	d := &device{
		t: t, o: o, id: idOf(o.key), w: w, serverID: op.serverID, enc: enc, dec: dec,
		hash:    slices.Clone(op.hs.ChannelBinding()),
		changed: make(chan struct{}), done: make(chan struct{}),
		ref: newReferee(o),
		player: obj{"output_delay_ms": o.delay, "required_lead_time_ms": o.lead, "min_buffer_ms": o.minBuf,
			"supported_commands": o.commands, "volume": o.volume, "muted": false},
	}
	d.ref.psk, d.ref.missed = op.category, op.missed
	go d.read()
	t.Cleanup(func() {
		_ = w.c.Close()
		<-d.done
		for i, v := range d.faults() {
			if i < 5 {
				t.Errorf("%s: %s", o.name, v)
			}
		}
	})
	return d
}

// connect goes on to the first server/activate.
func connect(t testing.TB, addr string, o options) *device {
	t.Helper()
	return greet(handshake(t, addr, o))
}

// greet goes on from a secured connection.
func greet(d *device) *device {
	d.t.Helper()
	d.await("server/hello", 0, isType("server/hello"))
	d.send("client/hello", d.o.hello())
	d.await("first server/activate", 0, isType("server/activate"))
	return d
}

// ready connects a device that the operator approved, with its clock and state told.
func ready(t testing.TB, s *harness.Server, o options) *device {
	t.Helper()
	d := connect(t, s.Sendspin, o)
	d.approve(s)
	d.sync(4)
	d.state(true)
	return d
}

func (d *device) approve(s *harness.Server) {
	d.t.Helper()
	harness.Eventually(d.t, patience, "approve "+d.o.name, func() string {
		what := obj{}
		if slices.Contains(d.o.roles, "source@v1") {
			what["source"] = true
		}
		if err := s.Do("POST", "/api/v1/clients/"+d.id+"/approve", what, nil); err != nil {
			return err.Error()
		}
		return ""
	})
	d.await("server/activate with roles", 0, func(m msg) bool {
		roles, _ := m.payload["active_roles"].([]any)
		return m.typ == "server/activate" && len(roles) > 0
	})
	d.awaitKnown(s) // before that no group takes it: its approval may be known sooner than its session
}

// read is the reader: it owns dec and the referee's view of the wire.
func (d *device) read() {
	next, ended := d.w.arrivals()
	defer close(d.done)
	defer func() { <-ended }()
	var frag []byte
	inFlight := false
	for {
		a := next()
		op, data, err := a.op, a.data, a.err
		var plain []byte
		if err == nil && op != opBinary {
			err = fmt.Errorf("opcode %d in transport mode", op)
		}
		if err == nil {
			plain, err = d.dec.Decrypt(nil, nil, data)
		}
		if err == nil && (len(plain) == 0 || len(data) > 65535) {
			err = fmt.Errorf("Noise message of %d bytes", len(data))
		}
		if err == nil && plain[0] == 1 {
			frag, inFlight, err = d.fragment(plain, frag, inFlight)
			if inFlight || err != nil {
				plain = nil
			} else {
				plain = frag
			}
		} else if err == nil && inFlight {
			err = errors.New("a message within a fragmented one")
		}
		m := d.deliver(a.at, plain, err)
		if err == nil && m != nil {
			if err = d.steer(*m); err != nil {
				d.end(err)
			}
		}
		if err != nil {
			_ = d.w.c.Close()
			d.unhold()
			return
		}
	}
}

// fragment puts fragments together; frag begins with orig_type.
func (d *device) fragment(plain, frag []byte, inFlight bool) ([]byte, bool, error) {
	first := len(plain) > 1 && plain[1]&2 != 0
	switch {
	case len(plain) < 2 || plain[1]&^3 != 0 || first == inFlight || first && (len(plain) < 3 || plain[2] == 1):
		return nil, false, fmt.Errorf("malformed fragment % x", plain[:min(len(plain), 8)])
	case first:
		frag = slices.Clone(plain[2:])
	default:
		frag = append(frag, plain[2:]...)
	}
	return frag, plain[1]&1 == 0, nil
}

// deliver hands one message to the referee and to those who wait.
func (d *device) deliver(at int64, plain []byte, err error) (got *msg) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var c *closedError
	if err != nil {
		if !errors.As(err, &c) {
			d.ref.fault("%v", err)
		}
		d.closed = err
	}
	if plain != nil {
		m := msg{at: at, id: plain[0]}
		if m.id == 0 {
			var fault string
			if m.typ, m.payload, fault = parse(plain[1:]); fault != "" {
				d.ref.fault("%s", fault)
			}
		} else {
			m.chunk = d.ref.audio(at, plain)
		}
		if m.id == 0 {
			d.ref.received(m)
		}
		d.msgs = append(d.msgs, m)
		got = &m
	}
	close(d.changed)
	d.changed = make(chan struct{})
	return got
}

// end is our own end of the connection for what a message of the server says.
func (d *device) end(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !errors.Is(err, errMiss) {
		d.ref.fault("%v", err)
	}
	d.closed = err
	close(d.changed)
	d.changed = make(chan struct{})
}

// sealed encrypts one plaintext; the caller writes it in order.
func (d *device) sealed(plain []byte) []byte {
	b, err := d.enc.Encrypt(nil, nil, plain)
	if err != nil {
		d.t.Fatal(err)
	}
	return b
}

// sendPlain sends one binary message by its plaintext.
func (d *device) sendPlain(plain []byte) {
	d.sendMu.Lock()
	defer d.sendMu.Unlock()
	_ = d.w.binary(d.sealed(plain)) // a closed connection shows in the reader
}

func (d *device) send(typ string, payload obj) {
	body, err := json.Marshal(obj{"type": typ, "payload": payload})
	if err != nil {
		d.t.Fatal(err)
	}
	d.sendMu.Lock()
	defer d.sendMu.Unlock()
	d.mu.Lock()
	d.ref.sent(typ, payload)
	d.mu.Unlock()
	_ = d.w.binary(d.sealed(append([]byte{0}, body...)))
}

// sendRaw sends a JSON body as it stands.
func (d *device) sendRaw(body string) { d.sendPlain(append([]byte{0}, body...)) }

// state reports our state; change (if any) edits the player object first.
func (d *device) state(available bool, change ...func(player obj)) {
	for _, f := range change {
		f(d.player)
	}
	p := obj{"available": available}
	if slices.Contains(d.o.roles, "player@v1") {
		p["player"] = maps.Clone(d.player)
	}
	if slices.Contains(d.o.roles, "artwork@v1") {
		p["artwork"] = obj{"channels": slices.Clone(d.o.artwork)}
	}
	if slices.Contains(d.o.roles, "visualizer@v1") {
		p["visualizer"] = maps.Clone(d.o.visual)
	}
	if slices.Contains(d.o.roles, "source@v1") {
		p["source"] = obj{"signal": "absent"}
	}
	d.send("client/state", p)
}

// command sends a controller command.
func (d *device) command(name string, more ...any) {
	c := obj{"command": name}
	for i := 0; i < len(more); i += 2 {
		c[more[i].(string)] = more[i+1]
	}
	d.send("client/command", obj{"controller": c})
}

// sync makes n time exchanges, one after the other. The answer to the last one
// also proves that all that was sent before has been received.
func (d *device) sync(n int) {
	d.t.Helper()
	for range n {
		t1 := now()<<8 | rand.Int64N(256) // unique, and far from any clock
		mark := d.mark()
		d.send("client/time", obj{"client_transmitted": t1})
		d.await("server/time", mark, func(m msg) bool {
			return m.typ == "server/time" && num(m.payload["client_transmitted"]) == t1
		})
	}
}

// mark is the position after everything received so far.
func (d *device) mark() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.msgs)
}

func (d *device) since(mark int) []msg {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.msgs[mark:])
}

// unhinted fails when the server did what it should not but may, without an excuse.
func (d *device) unhinted() {
	d.t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, h := range d.ref.hints {
		d.t.Errorf("%s: %s", d.o.name, h)
	}
}

func (d *device) faults() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.ref.faults)
}

// await waits for a message at or after mark and returns it with the position after it.
func (d *device) await(what string, mark int, is func(msg) bool) (msg, int) {
	d.t.Helper()
	deadline := time.After(patience)
	for {
		d.mu.Lock()
		changed, closed, msgs := d.changed, d.closed, d.msgs
		d.mu.Unlock()
		for ; mark < len(msgs); mark++ {
			if is(msgs[mark]) {
				return msgs[mark], mark + 1
			}
		}
		if closed != nil {
			d.t.Fatalf("%s: waiting for %s: %v; %s", d.o.name, what, closed, d.tail())
		}
		select {
		case <-changed:
		case <-deadline:
			d.t.Fatalf("%s: no %s; %s", d.o.name, what, d.tail())
		}
	}
}

// tail describes the last JSON messages, for failures.
func (d *device) tail() string {
	s := "last received:"
	msgs := d.since(0)
	shown := 0
	for _, m := range slices.Backward(msgs) {
		if m.id == 0 && m.typ != "server/time" && shown < 8 {
			s += "\n  " + m.String()
			shown++
		}
	}
	return s + fmt.Sprintf("\n  (%d messages in all)", len(msgs))
}

// awaitClosed waits for the server to end the connection.
func (d *device) awaitClosed(why string) {
	d.t.Helper()
	select {
	case <-d.done:
	case <-time.After(closing):
		d.t.Fatalf("%s: the server keeps the connection open after %s; %s", d.o.name, why, d.tail())
	}
}

// closedNow tells whether the connection has ended.
func (d *device) closedNow() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed
}

func isType(typ string) func(msg) bool { return func(m msg) bool { return m.id == 0 && m.typ == typ } }
func isAudio(m msg) bool               { return m.chunk != nil }

func num(v any) int64 {
	n, _ := v.(json.Number)
	i, _ := n.Int64()
	return i
}

func sub(m obj, name string) obj { o, _ := m[name].(obj); return o }

func be64(b []byte) int64  { return int64(binary.BigEndian.Uint64(b)) }
func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }

func jsonInt(i int64) json.Number { return json.Number(fmt.Sprint(i)) }

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
