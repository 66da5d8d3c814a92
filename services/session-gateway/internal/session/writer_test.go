package session

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"go.uber.org/goleak"

	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/proto/tape"
	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/machine"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/metrics"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/pump"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/reel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wireLog is a connection that writes down what is sent.
type wireLog struct {
	mu    sync.Mutex
	sent  []string
	block chan struct{} // when not nil, audio says so on stuck and waits for it
	stuck chan struct{}
}

func (l *wireLog) add(what string) {
	l.mu.Lock()
	l.sent = append(l.sent, what)
	l.mu.Unlock()
}

func (l *wireLog) json(body []byte) {
	m, err := wire.Current().DecodeFromServer(body)
	if err != nil {
		l.add("undecodable")
		return
	}
	l.add(m.Type())
}

func (l *wireLog) WriteJSON(_ context.Context, body []byte) error { l.json(body); return nil }
func (l *wireLog) WriteStamped(_ context.Context, build func([]byte) []byte) error {
	l.json(build(nil)[1:])
	return nil
}
func (l *wireLog) WriteMessage(context.Context, byte, []byte) error { l.add("fragments"); return nil }
func (l *wireLog) WritePlain(ctx context.Context, _ []byte) error {
	if l.block != nil {
		select {
		case l.stuck <- struct{}{}:
		default:
		}
		select {
		case <-l.block:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	l.add("audio")
	return nil
}

func (l *wireLog) Rehandshake(_ context.Context, _ noise.Credential, activate func() ([]byte, error)) error {
	l.add("re-handshake")
	body, err := activate()
	if err == nil {
		l.json(body)
	}
	return err
}

func (l *wireLog) Ping(context.Context) error { return nil }

func (l *wireLog) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.sent)
}

// tapeSource is a bus whose tapes are filled by the test.
type tapeSource struct {
	mu sync.Mutex
	h  map[string]func([]byte)
}

func (s *tapeSource) consume(_ context.Context, subject string, h func([]byte)) (func(), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.h == nil {
		s.h = map[string]func([]byte){}
	}
	s.h[subject] = h
	return func() {}, nil
}

func (s *tapeSource) put(t testing.TB, subject string, at int64, n, size int) {
	t.Helper()
	for {
		s.mu.Lock()
		h := s.h[subject]
		s.mu.Unlock()
		if h == nil {
			time.Sleep(time.Millisecond)
			continue
		}
		for i := range n {
			h(tape.Append(nil, &tape.Chunk{Epoch: 1, TimestampUS: at + int64(i)*100_000, DurationUS: 100_000, Data: make([]byte, size)}))
		}
		return
	}
}

func testDeps(t testing.TB, house houseclock.Clock) (*Deps, *tapeSource) {
	t.Helper()
	src := &tapeSource{}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	d := &Deps{
		House: house, Clock: clockwork.NewRealClock(), Log: log, Codec: wire.Current(), Metrics: metrics.New(nil),
		WriteDeadline: 10 * time.Second,
	}
	d.Tapes = reel.NewSet(src.consume, house, d.Clock, log, nil, nil)
	t.Cleanup(d.Tapes.Close)
	return d, src
}

func startWriter(t testing.TB, w *writer) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := w.run(ctx); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, errFinished) {
			t.Errorf("writer: %v", err)
		}
	}()
	return sync.OnceFunc(func() { cancel(); <-done })
}

func until(t testing.TB, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func start(gen uint64) machine.StartStream {
	return machine.StartStream{
		Gen: gen, GroupID: "g", Rendition: "r", Epoch: 1, NotBefore: 10_000_000,
		Player: wire.PlayerStream{Format: wire.AudioFormat{Codec: "pcm", Channels: 2, SampleRate: 44100, BitDepth: 16}},
	}
}

// TestLanes: while a chunk is stuck in the socket, everything else piles up behind
// it; then the clock goes first, control next, audio last.
func TestLanes(t *testing.T) {
	house := houseclock.NewManual(9_000_000)
	d, src := testDeps(t, house)
	conn := &wireLog{block: make(chan struct{}), stuck: make(chan struct{}, 1)}
	w := newWriter(conn, 1<<20, d, func(context.Context, input) {})
	w.greeted.Store(true)
	defer startWriter(t, w)()
	w.push(machine.Report{Timing: pump.Timing{MinBuffer: 500_000}, Available: true})
	w.push(start(1))
	src.put(t, "tutti.v1.tape.g.r", 10_000_000, 3, 100)
	<-conn.stuck
	w.push(machine.Send{Msg: &wire.ServerState{Metadata: &wire.Metadata{Timestamp: 1}}})
	w.askTime(1, 2)
	w.push(machine.Send{Msg: &wire.GroupUpdate{PlaybackState: "playing", GroupID: "g", GroupName: "g"}})
	w.askTime(3, 4)
	close(conn.block)
	until(t, "all is sent", func() bool { return len(conn.all()) == 8 })
	want := []string{"stream/start", "audio", "server/time", "server/time", "server/state", "group/update", "audio", "audio"}
	if got := conn.all(); !slices.Equal(got, want) {
		t.Errorf("sent %v, want %v", got, want)
	}
}

func TestLanesAreBounded(t *testing.T) {
	d, _ := testDeps(t, houseclock.NewManual(0))
	w := newWriter(&wireLog{}, 0, d, func(context.Context, input) {})
	for i := range maxControl {
		if !w.push(machine.EndStream{}) {
			t.Fatalf("full at %d", i)
		}
	}
	if w.push(machine.EndStream{}) {
		t.Error("the control lane has no end")
	}
	w.ops = nil
	for i := range 10 * maxControl {
		if !w.push(machine.Report{Timing: pump.Timing{MinBuffer: int64(i)}}) {
			t.Fatalf("reports filled the lane at %d", i)
		}
	}
	if last := w.ops[0].(machine.Report); len(w.ops) != 1 || last.Timing.MinBuffer != 10*maxControl-1 {
		t.Errorf("%d reports wait, first %+v", len(w.ops), last)
	}
	w.greeted.Store(true)
	for range 10 * maxClock {
		w.askTime(1, 1)
	}
	if len(w.asks) != maxClock {
		t.Errorf("%d clock requests wait", len(w.asks))
	}
}

// TestNothingBeforeTheFirstActivation: a client that asks for the time too early gets no
// answer, and one that has its activation does.
func TestNothingBeforeTheFirstActivation(t *testing.T) {
	d, _ := testDeps(t, houseclock.NewManual(0))
	conn := &wireLog{}
	w := newWriter(conn, 0, d, func(context.Context, input) {})
	defer startWriter(t, w)()
	w.askTime(1, 2)
	w.push(machine.Send{Msg: &wire.ServerActivate{Activities: []string{}, ActiveRoles: []string{}}})
	until(t, "the activation is sent", func() bool { return len(conn.all()) > 0 })
	w.askTime(3, 4)
	until(t, "both are sent", func() bool { return len(conn.all()) >= 2 })
	if got, want := conn.all(), []string{"server/activate", "server/time"}; !slices.Equal(got, want) {
		t.Errorf("sent %v, want %v", got, want)
	}
}

func TestFinishSendsWhatWasBefore(t *testing.T) {
	d, _ := testDeps(t, houseclock.NewManual(0))
	conn := &wireLog{}
	w := newWriter(conn, 0, d, func(context.Context, input) {})
	w.push(machine.Send{Msg: &wire.ServerActivate{Activities: []string{}, ActiveRoles: []string{}}})
	w.push(finish{machine.Close{Reason: machine.ReasonTrust}})
	if err := w.run(t.Context()); !errors.Is(err, errFinished) || w.farewell().Reason != machine.ReasonTrust {
		t.Errorf("run: %v, %v", err, w.farewell())
	}
	if got := conn.all(); !slices.Equal(got, []string{"server/activate"}) {
		t.Errorf("sent %v", got)
	}
}

// A re-handshake has its place in the control lane: stream/end before it, what follows
// it after its activation, and word of both in between.
func TestRehandshakeHasItsPlace(t *testing.T) {
	d, _ := testDeps(t, houseclock.NewManual(0))
	conn := &wireLog{}
	w := newWriter(conn, 0, d, func(context.Context, input) {})
	psk, err := noise.GeneratePSK(nil)
	if err != nil {
		t.Fatal(err)
	}
	var told []int
	note := written{func(context.Context) { told = append(told, len(conn.all())) }}
	activate := &wire.ServerActivate{Activities: []string{}, ActiveRoles: []string{}}
	w.push(machine.Send{Msg: &wire.ServerPairFinalize{}})
	w.push(note)
	w.push(rekey{cred: noise.Credential{PSK: psk, Category: noise.LongTerm}, own: true, activate: activate})
	w.push(note)
	w.push(machine.Send{Msg: &wire.GroupUpdate{PlaybackState: "stopped", GroupID: "g", GroupName: "g"}})
	w.push(finish{})
	if err := w.run(t.Context()); !errors.Is(err, errFinished) {
		t.Fatal(err)
	}
	want := []string{"server/pair-finalize", "re-handshake", "server/activate", "group/update"}
	if got := conn.all(); !slices.Equal(got, want) {
		t.Errorf("sent %v, want %v", got, want)
	}
	if !slices.Equal(told, []int{1, 3}) {
		t.Errorf("told after %v messages, want 1 and 3", told)
	}
	if slices.ContainsFunc(psk.Bytes(), func(b byte) bool { return b != 0 }) {
		t.Error("the PSK is still there after its use")
	}
}

// PSKs that are not used any more do not stay.
func TestKeysOfAnEndedSessionAreWiped(t *testing.T) {
	d, _ := testDeps(t, houseclock.NewManual(0))
	w := newWriter(&wireLog{}, 0, d, func(context.Context, input) {})
	mine, _ := noise.GeneratePSK(nil)
	shared, _ := noise.GeneratePSK(nil)
	w.push(finish{})
	w.push(rekey{cred: noise.Credential{PSK: mine, Category: noise.LongTerm}, own: true})
	w.push(rekey{cred: noise.Credential{PSK: shared, Category: noise.LongTerm}})
	if err := w.run(t.Context()); !errors.Is(err, errFinished) {
		t.Fatal(err)
	}
	kept := func(p noise.PSK) bool { return slices.ContainsFunc(p.Bytes(), func(b byte) bool { return b != 0 }) }
	if kept(mine) || !kept(shared) {
		t.Error("the wrong PSK was wiped")
	}
}

// TestScheduledEndAndDrainAreTold: the writer tells the actor when they came.
func TestScheduledEndAndDrainAreTold(t *testing.T) {
	house := houseclock.NewManual(9_000_000)
	d, src := testDeps(t, house)
	conn := &wireLog{}
	told := make(chan input, 10)
	w := newWriter(conn, 1<<20, d, func(_ context.Context, in input) { told <- in })
	defer startWriter(t, w)()
	w.push(machine.Report{Timing: pump.Timing{MinBuffer: 500_000}, Available: true})
	w.push(start(1))
	src.put(t, "tutti.v1.tape.g.r", 10_000_000, 2, 100)
	until(t, "chunks", func() bool { return slices.Contains(conn.all(), "audio") })
	w.push(machine.EndStream{Gen: 2, At: 9_900_000})
	w.push(start(2)) // takes the end back
	w.push(machine.EndStream{Gen: 2, At: 10_200_000})
	house.Advance(time.Second)
	w.poke()
	until(t, "all audio", func() bool { return len(conn.all()) == 3 })
	house.Advance(300 * time.Millisecond)
	w.poke()
	if in := <-told; in != (streamEnded{2}) {
		t.Errorf("told %#v", in)
	}
	w.push(machine.EndStream{Gen: 3, At: 99})
	if in := <-told; in != (streamEnded{3}) {
		t.Errorf("told %#v of an end that came before", in)
	}
	w.push(start(4))
	w.push(machine.EndStream{Gen: 5, Drain: true})
	// The end itself, not only the start before it: until what was sent has played out is counted from there.
	until(t, "second end", func() bool {
		return len(slices.DeleteFunc(conn.all(), func(s string) bool { return s != "stream/end" })) == 2
	})
	house.Advance(time.Hour)
	w.poke()
	if in := <-told; in != (drained{5}) {
		t.Errorf("told %#v", in)
	}
}

func TestNoSwitchWhileUnavailable(t *testing.T) {
	house := houseclock.NewManual(9_000_000)
	d, src := testDeps(t, house)
	conn := &wireLog{}
	w := newWriter(conn, 1<<20, d, func(context.Context, input) {})
	defer startWriter(t, w)()
	w.push(machine.Report{Timing: pump.Timing{MinBuffer: 500_000}, Available: true})
	w.push(start(1))
	src.put(t, "tutti.v1.tape.g.r", 10_000_000, 2, 100)
	until(t, "chunks", func() bool { return slices.Contains(conn.all(), "audio") })
	w.push(machine.Report{Timing: pump.Timing{MinBuffer: 500_000}})
	next := start(2)
	next.Rendition = "q"
	w.push(next)
	src.put(t, "tutti.v1.tape.g.q", 10_000_000, 9, 100)
	src.put(t, "tutti.v1.tape.g.r", 10_200_000, 2, 100)
	until(t, "the old tape goes on", func() bool { return w.Status().stats.Sent == 4 || len(conn.all()) == 5 })
	if n := len(slices.DeleteFunc(conn.all(), func(s string) bool { return s != "stream/start" })); n != 1 {
		t.Errorf("%d stream/start messages, want 1", n)
	}
}

// TestSendChunkDoesNotAllocate guards the hot path.
func TestSendChunkDoesNotAllocate(t *testing.T) {
	d, _ := testDeps(t, houseclock.NewManual(0))
	w := newWriter(discard{}, 1<<40, d, func(context.Context, input) {})
	c, err := reel.Parse(tape.Append(nil, &tape.Chunk{TimestampUS: 1 << 40, DurationUS: 100_000, Data: make([]byte, 17_640)}))
	if err != nil {
		t.Fatal(err)
	}
	for range 100_000 { // grow the accounting's memory
		w.pump.Sent(c, 0)
	}
	w.pump.End()
	if n := testing.AllocsPerRun(1000, func() { _ = w.sendChunk(context.Background(), c) }); n != 0 {
		t.Errorf("%v allocations per chunk and player", n)
	}
}

type discard struct{}

func (discard) WriteJSON(context.Context, []byte) error          { return nil }
func (discard) WriteMessage(context.Context, byte, []byte) error { return nil }
func (discard) WritePlain(context.Context, []byte) error         { return nil }
func (discard) Ping(context.Context) error                       { return nil }
func (discard) Rehandshake(context.Context, noise.Credential, func() ([]byte, error)) error {
	return nil
}
func (discard) WriteStamped(_ context.Context, build func([]byte) []byte) error {
	build(nil)
	return nil
}

// secured returns both ends of a secured loopback WebSocket; the client's side is
// read and thrown away below the encryption.
func secured(b *testing.B, suite noise.Suite) *channel.Conn {
	b.Helper()
	serverKey, _ := noise.GenerateKey(nil)
	clientKey, _ := noise.GenerateKey(nil)
	conns := make(chan *channel.Conn, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		t, err := channel.Accept(rw, r, channel.Options{})
		if err != nil {
			return
		}
		go func() {
			c, err := channel.OpenServer(context.Background(), t, channel.ServerConfig{Identity: serverKey,
				Credential: func(context.Context, string) (noise.Credential, error) {
					return noise.Credential{PSK: noise.SentinelPSK(), Category: noise.Sentinel}, nil
				}})
			if err == nil {
				conns <- c
			}
		}()
	}))
	b.Cleanup(srv.Close)
	t, err := channel.Dial(b.Context(), "ws://"+srv.Listener.Addr().(*net.TCPAddr).String(), channel.Options{})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := channel.OpenClient(b.Context(), t, channel.ClientConfig{Identity: clientKey, Suite: suite}); err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, _, err := t.Read(context.Background()); err != nil {
				return
			}
		}
	}()
	c := <-conns
	b.Cleanup(func() { _ = c.CloseNow(); _ = t.CloseNow(); <-done })
	return c
}

// BenchmarkChunk is what one chunk costs one session: pump, borrow, stamp, seal,
// one write; the reader at the other end shares the CPU.
func BenchmarkChunk(b *testing.B) {
	for name, size := range map[string]int{"pcm20ms": 3_528, "pcm100ms": 17_640} {
		for _, suite := range []noise.Suite{noise.ChaChaPoly, noise.AESGCM} {
			b.Run(name+"/"+string(suite[6:9]), func(b *testing.B) {
				house := houseclock.NewManual(0)
				d, _ := testDeps(b, house)
				w := newWriter(secured(b, suite), 1<<40, d, func(context.Context, input) {})
				ring := reel.NewRing(reel.Limits{PastUS: 1 << 60, Bytes: 1 << 40})
				w.pump.Begin(pump.Start{Ring: ring, Epoch: 1}, 0)
				c := func(at int64) *reel.Chunk {
					c, err := reel.Parse(tape.Append(nil, &tape.Chunk{Epoch: 1, TimestampUS: at, DurationUS: 100_000, Data: make([]byte, size)}))
					if err != nil {
						b.Fatal(err)
					}
					return c
				}
				const loop = 64
				var chunks []*reel.Chunk
				for i := range int64(loop) {
					chunks = append(chunks, c(1_000_000+i*100_000))
				}
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					// The ring's way is measured by the pump's own test; here time stands.
					if err := w.sendChunk(b.Context(), chunks[i%loop]); err != nil {
						b.Fatal(err)
					}
					if i%loop == loop-1 {
						w.pump.End()
					}
				}
			})
		}
	}
}
