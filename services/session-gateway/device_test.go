package gateway

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// device is a Sendspin client of the test, strict with its server: what the
// specification forbids a server to do ends up in faults.
type device struct {
	t     testing.TB
	house steady
	key   *noise.PrivateKey
	suite noise.Suite
	hello *wire.ClientHello
	psk   noise.PSK // its long-term record, if any
	pair  pairer

	obeysUnpair bool
	conn        *channel.Conn
	cancel      context.CancelFunc
	done        chan struct{}

	opened  atomic.Int64
	mu      sync.Mutex
	log     []wire.Message
	chunks  []got
	faults  []string
	err     error
	player  *wire.PlayerState
	avail   bool
	active  []string
	started bool // a player stream is active
	format  wire.AudioFormat
	since   int // index of the first chunk since the last reset of the count
}

// got is one received audio chunk.
type got struct {
	ts     int64
	lead   int64 // send_ahead
	at     int64 // house time of arrival
	size   int
	data   []byte
	format wire.AudioFormat
}

func (g got) sent() int64 { return g.ts - g.lead }

type deviceOption func(*device)

func newDevice(r *rig, opts ...deviceOption) *device {
	r.t.Helper()
	key, err := noise.GenerateKey(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	f := wire.AudioFormat{Codec: "pcm", Channels: 1, SampleRate: rate, BitDepth: 16}
	g := f
	g.BitDepth = 24
	d := &device{
		t: r.t, house: r.house, key: key, suite: noise.ChaChaPoly,
		hello: &wire.ClientHello{
			Name: "test device", SupportedRoles: []string{"player@v1", "metadata@v1", "controller@v1"},
			Player:         &wire.PlayerSupport{Formats: []wire.AudioFormat{f, g}, BufferCapacity: 40 * (chunkLen + wire.AudioHeaderLen)},
			PairMethods:    wire.PairMethods{PSK: &wire.SecretMethod{}},
			UnpairedAccess: wire.UnpairedAccess{Enabled: true},
		},
		player: &wire.PlayerState{
			RequiredLeadMS: 300, MinBufferMS: 200, SupportedCommands: []string{"volume"}, Volume: ptr(50),
		},
		avail: true,
	}
	for _, o := range opts {
		o(d)
	}
	return d
}

func ptr[T any](v T) *T { return &v }

func (d *device) id() string { return d.key.Public().ID() }

func (d *device) clientConfig() channel.ClientConfig {
	return channel.ClientConfig{
		Identity: d.key, Suite: d.suite,
		Candidates: func(_, pskID string, cat noise.Category) (noise.PSK, bool, error) {
			d.mu.Lock()
			defer d.mu.Unlock()
			if cat == noise.LongTerm && !d.psk.IsZero() && d.psk.ID() == pskID {
				return d.psk, true, nil
			}
			if cat == noise.Pairing && !d.pair.token.IsZero() && d.pair.token.ID() == pskID {
				return d.pair.token, true, nil
			}
			return noise.PSK{}, false, nil
		},
	}
}

// dialIn connects to the gateway up to client/hello.
func (d *device) dialIn(r *rig) error {
	t, err := channel.Dial(d.t.Context(), r.url(), channel.Options{})
	if err != nil {
		return err
	}
	return d.open(t)
}

// join is dialIn that must succeed, and waits for the first server/activate.
func (d *device) join(r *rig) *device {
	d.t.Helper()
	if err := d.dialIn(r); err != nil {
		d.t.Fatalf("connect: %v", err)
	}
	d.waitFor("server/activate", func(m wire.Message) bool { return m.Type() == wire.TypeServerActivate })
	return d
}

// listen makes the device wait for the gateway's dial; it returns its address.
func (d *device) listen() (url string) {
	return d.serve(func(t channel.Transport) { _ = d.open(t) })
}

// serve runs open for each connection to a new address.
func (d *device) serve(open func(t channel.Transport)) (url string) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	over := false // guarded by mu: a gateway may dial while the test ends
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		if over {
			mu.Unlock()
			return
		}
		wg.Add(1)
		mu.Unlock()
		defer wg.Done()
		d.opened.Add(1)
		t, err := channel.Accept(w, r, channel.Options{})
		if err != nil {
			return
		}
		wg.Go(func() { open(t) })
	}))
	d.t.Cleanup(func() {
		srv.Close()
		mu.Lock()
		over = true
		mu.Unlock()
		wg.Wait()
	})
	return "ws" + srv.URL[len("http"):] + "/sendspin"
}

// openings is how often the device was dialled.
func (d *device) openings() int { return int(d.opened.Load()) }

func (d *device) open(t channel.Transport) error {
	conn, err := channel.OpenClient(d.t.Context(), t, d.clientConfig())
	if err != nil {
		return err
	}
	codec := wire.Current()
	_, payload, err := conn.Read(d.t.Context())
	if err != nil {
		return err
	}
	m, err := codec.DecodeFromServer(payload)
	if err != nil {
		return err
	}
	if _, ok := m.(*wire.ServerHello); !ok {
		return fmt.Errorf("first message is %s", m.Type())
	}
	body, err := codec.Encode(d.hello)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	// Before the hello: the gateway may tell of the session while this goroutine waits its turn.
	d.mu.Lock()
	d.conn, d.cancel, d.done, d.err = conn, cancel, done, nil
	d.started, d.active = false, nil
	d.mu.Unlock()
	if err := conn.WriteJSON(d.t.Context(), body); err != nil {
		cancel()
		close(done)
		return err
	}
	go func() {
		defer close(done)
		d.read(ctx, conn)
	}()
	d.t.Cleanup(func() { cancel(); _ = conn.CloseNow(); <-done })
	return nil
}

func (d *device) read(ctx context.Context, conn *channel.Conn) {
	first := true
	for {
		id, payload, err := conn.Read(ctx)
		at := d.house.NowMicros()
		if err != nil {
			d.mu.Lock()
			d.err = err
			d.mu.Unlock()
			return
		}
		if id == wire.IDAudio {
			d.audio(payload, at)
			continue
		}
		m, err := wire.Current().DecodeFromServer(payload)
		if err != nil {
			d.fault("message cannot be decoded: %v", err)
			continue
		}
		if first && m.Type() != wire.TypeServerActivate {
			d.fault("first message is %s", m.Type())
		}
		first = false
		d.message(m)
		d.pairing(m)
	}
}

func (d *device) fault(format string, a ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faultLocked(format, a...)
}

func (d *device) faultLocked(format string, a ...any) {
	d.faults = append(d.faults, fmt.Sprintf(format, a...))
}

// message checks the order of what the server says.
func (d *device) message(m wire.Message) {
	d.mu.Lock()
	d.log = append(d.log, m)
	answer, leave := false, false
	switch m := m.(type) {
	case *wire.ServerActivate:
		d.judge(m)
		if d.started && wire.ActiveFamily(m.ActiveRoles, "player") == "" {
			d.faultLocked("player role removed without stream/end")
		}
		answer = wire.ActiveFamily(d.active, "player") == "" && wire.ActiveFamily(m.ActiveRoles, "player") != ""
		d.active = m.ActiveRoles
	case *wire.StreamStart:
		if !d.avail || wire.ActiveFamily(d.active, "player") == "" {
			d.faultLocked("stream/start to a client that is unavailable or without the role")
		}
		if !d.started {
			d.since = len(d.chunks)
		}
		d.started, d.format = true, m.Player.Format
	case *wire.StreamClear:
		if !d.started {
			d.faultLocked("stream/clear without a stream")
		}
		d.since = len(d.chunks)
	case *wire.StreamEnd:
		if !d.started {
			d.faultLocked("stream/end without a stream")
		}
		d.started, d.since = false, len(d.chunks)
	case *wire.ServerUnpair:
		if d.conn.Matched() != noise.LongTerm {
			d.faultLocked("server/unpair on an unpaired session")
		}
		leave = d.obeysUnpair
	case *wire.ServerState:
		if m.Metadata != nil && wire.ActiveFamily(d.active, "metadata") == "" {
			d.faultLocked("metadata without the role")
		}
	}
	d.mu.Unlock()
	if answer {
		d.sendState()
	}
	if leave {
		d.mu.Lock()
		d.psk = noise.PSK{}
		d.mu.Unlock()
		d.send(&wire.ClientGoodbye{Reason: wire.GoodbyeUnpaired})
	}
}

// audio is the referee of player buffer accounting.
func (d *device) audio(payload []byte, at int64) {
	c, err := wire.Current().ParseAudioChunk(payload)
	if err != nil {
		d.fault("audio: %v", err)
		return
	}
	g := got{ts: c.Timestamp, lead: int64(c.SendAhead), at: at, size: len(payload) + 1, data: append([]byte(nil), c.Data...)}
	d.mu.Lock()
	defer d.mu.Unlock()
	g.format = d.format
	if !d.started {
		d.faultLocked("audio outside a stream")
	}
	count := g.size
	for _, o := range d.chunks[d.since:] {
		if o.ts+chunkUS-int64(d.player.OutputDelayMS)*1000 > g.sent() {
			count += o.size
		}
	}
	if count > d.hello.Player.BufferCapacity {
		d.faultLocked("buffer_capacity exceeded: %d of %d bytes", count, d.hello.Player.BufferCapacity)
	}
	if n := len(d.chunks); n > d.since {
		if last := d.chunks[n-1]; g.ts < last.ts+chunkUS-100 {
			d.faultLocked("chunk %d overlaps or repeats the one before (%d)", g.ts, last.ts)
		}
	}
	d.chunks = append(d.chunks, g)
}

func (d *device) send(m wire.Message) {
	d.t.Helper()
	body, err := wire.Current().Encode(m)
	if err != nil {
		d.t.Errorf("encode: %v", err)
		return
	}
	d.raw(body)
}

func (d *device) raw(body []byte) {
	d.mu.Lock()
	conn := d.conn
	d.mu.Unlock()
	_ = conn.WriteJSON(context.Background(), body) // a closed connection shows in err
}

func (d *device) sendState() {
	d.mu.Lock()
	s := &wire.ClientState{Available: d.avail, Player: d.player}
	d.mu.Unlock()
	d.send(s)
}

func (d *device) setAvailable(v bool) {
	d.mu.Lock()
	d.avail = v
	d.mu.Unlock()
	d.sendState()
}

// messages returns what was received so far.
func (d *device) messages() []wire.Message {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]wire.Message(nil), d.log...)
}

func (d *device) audioSoFar() []got {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]got(nil), d.chunks...)
}

func (d *device) types() []string {
	var out []string
	for _, m := range d.messages() {
		out = append(out, m.Type())
	}
	return out
}

// waitFor waits for a message and returns it.
func (d *device) waitFor(what string, f func(wire.Message) bool) wire.Message {
	d.t.Helper()
	var found wire.Message
	eventually(d.t, func() string {
		for _, m := range d.messages() {
			if f(m) {
				found = m
				return ""
			}
		}
		return fmt.Sprintf("no %s; received %v, connection: %v", what, d.types(), d.ended())
	})
	return found
}

func waitType[M wire.Message](d *device, n int) M {
	d.t.Helper()
	var out M
	eventually(d.t, func() string {
		k := 0
		for _, m := range d.messages() {
			if v, ok := m.(M); ok {
				if k++; k == n {
					out = v
					return ""
				}
			}
		}
		return fmt.Sprintf("%d of %d messages of type %T; received %v; connection: %v", k, n, out, d.types(), d.ended())
	})
	return out
}

func (d *device) waitChunks(n int) []got {
	d.t.Helper()
	eventually(d.t, func() string {
		if g := len(d.audioSoFar()); g < n {
			return fmt.Sprintf("%d of %d chunks; received %v; connection: %v", g, n, d.types(), d.ended())
		}
		return ""
	})
	return d.audioSoFar()
}

// ended is the connection's end, or nil.
func (d *device) ended() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

func (d *device) waitEnd() error {
	d.t.Helper()
	eventually(d.t, func() string {
		if d.ended() == nil {
			return "the connection is open"
		}
		return ""
	})
	return d.ended()
}

// clean fails the test for what the server did wrong.
func (d *device) clean() {
	d.t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.faults {
		d.t.Errorf("the server broke a rule: %s", f)
	}
}

// sync makes sure that everything sent before was handled by the session's actor:
// it asks the clock, then waits a state change through. Only for rigs.
func (d *device) settle(r *rig) {
	d.t.Helper()
	n := len(d.messages())
	d.send(&wire.ClientTime{ClientTransmitted: time.Now().UnixMicro()})
	eventually(d.t, func() string {
		for _, m := range d.messages()[n:] {
			if m.Type() == wire.TypeServerTime {
				return ""
			}
		}
		return "no server/time"
	})
}
