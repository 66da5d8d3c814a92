package shards

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// RoleDevices is the command line argument of the process of virtual devices.
const RoleDevices = "shards-devices"

// Heard is what the devices report.
type Heard struct {
	Connected int
	HalfOpen  int   // most openings at once since the report before
	Chunks    int64 // received since the report before
	Late      int64 // of those, after the time at which they should sound
	MinLead   int64 // least of all since the report before, µs
}

// fleet is the devices of this process: each waits to be dialled at a path of its own.
type fleet struct {
	keys  []*noise.PrivateKey
	conns []atomic.Pointer[channel.Conn]
	plays []atomic.Bool

	connected, ended, opening, mostOpening, chunks, late, minLead atomic.Int64

	mu      sync.Mutex
	changed chan struct{} // closed at the next change of connected
}

// DevicesMain runs devices until standard input ends: -devices. It prints its address first.
func DevicesMain(args []string) error {
	flags := flag.NewFlagSet(RoleDevices, flag.ContinueOnError)
	n := flags.Int("devices", 1, "how many")
	if err := flags.Parse(args); err != nil {
		return err
	}
	f := &fleet{conns: make([]atomic.Pointer[channel.Conn], *n), plays: make([]atomic.Bool, *n), changed: make(chan struct{})}
	f.minLead.Store(1 << 60)
	for range *n {
		key, err := noise.GenerateKey(nil)
		if err != nil {
			return err
		}
		f.keys = append(f.keys, key)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /device/{n}", f.accept)
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(ln) }()
	defer srv.Close()
	fmt.Println(ln.Addr())
	return answer(func(verb, rest string) (any, error) {
		switch verb {
		case "mark":
			return f.mark(), nil
		case "wait": // until all are connected; answers how long that took, in µs
			limit, err := time.ParseDuration(rest)
			if err != nil {
				return nil, err
			}
			return f.wait(limit)
		case "cut": // all that do not play
			return f.cut()
		case "fallen": // waits until connections end; answers how many are missing when no more do
			return f.fallen()
		}
		return nil, fmt.Errorf("shards: unknown question %q", verb)
	})
}

func (f *fleet) accept(w http.ResponseWriter, r *http.Request) {
	i, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || i < 0 || i >= len(f.keys) {
		http.NotFound(w, r)
		return
	}
	t, err := channel.Accept(w, r, channel.Options{})
	if err != nil {
		return
	}
	go f.run(i, t)
}

// run is one connection of a device.
func (f *fleet) run(i int, t channel.Transport) {
	n := f.opening.Add(1)
	for {
		most := f.mostOpening.Load()
		if n <= most || f.mostOpening.CompareAndSwap(most, n) {
			break
		}
	}
	ctx := context.Background()
	conn, err := f.open(ctx, i, t)
	f.opening.Add(-1)
	if err != nil {
		_ = t.CloseNow()
		return
	}
	if old := f.conns[i].Swap(conn); old != nil {
		_ = old.CloseNow() // one connection at a time
	}
	f.count(1)
	defer f.count(-1)
	for {
		id, payload, err := conn.Read(ctx)
		if err != nil {
			f.plays[i].Store(false)
			f.conns[i].CompareAndSwap(conn, nil)
			_ = conn.CloseNow()
			f.ended.Add(1)
			return
		}
		if id != wire.IDAudio {
			continue
		}
		f.plays[i].Store(true)
		f.chunk(payload)
	}
}

func (f *fleet) chunk(payload []byte) {
	c, err := wire.Current().ParseAudioChunk(payload)
	if err != nil {
		f.late.Add(1) // as good as not there
		return
	}
	lead := c.Timestamp - houseclock.MonotonicMicros()
	f.chunks.Add(1)
	if lead < 0 {
		f.late.Add(1)
	}
	for {
		least := f.minLead.Load()
		if lead >= least || f.minLead.CompareAndSwap(least, lead) {
			return
		}
	}
}

// open is a device's side of the opening, up to its first client/state.
func (f *fleet) open(ctx context.Context, i int, t channel.Transport) (*channel.Conn, error) {
	conn, err := channel.OpenClient(ctx, t, channel.ClientConfig{Identity: f.keys[i], Suite: noise.AESGCM})
	if err != nil {
		return nil, err
	}
	if _, _, err := conn.Read(ctx); err != nil { // server/hello
		return nil, err
	}
	pcm := wire.AudioFormat{Codec: "pcm", Channels: 2, SampleRate: 48000, BitDepth: 16}
	if err := send(ctx, conn, &wire.ClientHello{
		Name: "device " + strconv.Itoa(i), SupportedRoles: []string{"player@v1"},
		Player:         &wire.PlayerSupport{Formats: []wire.AudioFormat{pcm}, BufferCapacity: 40 * (chunkBytes + wire.AudioHeaderLen)},
		PairMethods:    wire.PairMethods{PSK: &wire.SecretMethod{}},
		UnpairedAccess: wire.UnpairedAccess{Enabled: true},
	}); err != nil {
		return nil, err
	}
	if _, _, err := conn.Read(ctx); err != nil { // server/activate
		return nil, err
	}
	volume := 50
	return conn, send(ctx, conn, &wire.ClientState{Available: true, Player: &wire.PlayerState{
		RequiredLeadMS: 300, MinBufferMS: 200, SupportedCommands: []string{"volume"}, Volume: &volume,
	}})
}

func send(ctx context.Context, conn *channel.Conn, m wire.Message) error {
	body, err := wire.Current().Encode(m)
	if err != nil {
		return err
	}
	return conn.WriteJSON(ctx, body)
}

func (f *fleet) count(d int64) {
	f.connected.Add(d)
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.changed)
	f.changed = make(chan struct{})
}

// wait returns when all devices are connected, with the time that it took in µs.
func (f *fleet) wait(limit time.Duration) (int64, error) {
	start := time.Now()
	late := time.After(limit)
	for {
		changed := f.change()
		if int(f.connected.Load()) >= len(f.keys) {
			return time.Since(start).Microseconds(), nil
		}
		select {
		case <-changed:
		case <-late:
			return 0, fmt.Errorf("shards: %d of %d devices are connected after %v", f.connected.Load(), len(f.keys), limit)
		}
	}
}

// cut closes the connections of all devices that do not play, as a power cut does, and
// answers how many that were.
func (f *fleet) cut() (int, error) {
	n, before := 0, f.ended.Load()
	for i := range f.conns {
		if c := f.conns[i].Load(); c != nil && !f.plays[i].Load() {
			_ = c.CloseNow()
			n++
		}
	}
	// Until they have all gone, the number of those that are connected says nothing.
	late := time.After(endLimit)
	for {
		changed := f.change()
		if f.ended.Load() >= before+int64(n) {
			return n, nil
		}
		select {
		case <-changed:
		case <-late:
			return n, fmt.Errorf("shards: %d of %d connections that were cut have ended after %v", f.ended.Load()-before, n, endLimit)
		}
	}
}

const (
	// endLimit is how long connections may take to end that were cut, or whose gateway died.
	endLimit = time.Minute
	// still is how long nothing changes when all that end have ended. The gateways that are
	// left wait longer than that until they believe in a death.
	still = 300 * time.Millisecond
)

func (f *fleet) fallen() (int, error) {
	late := time.After(endLimit)
	for {
		changed := f.change()
		missing := len(f.keys) - int(f.connected.Load())
		var calm <-chan time.Time
		if missing > 0 {
			calm = time.After(still)
		}
		select {
		case <-changed:
		case <-calm:
			return missing, nil
		case <-late:
			return missing, fmt.Errorf("shards: no connection ended in %v", endLimit)
		}
	}
}

// change is closed at the next change of connected.
func (f *fleet) change() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

func (f *fleet) mark() Heard {
	h := Heard{
		Connected: int(f.connected.Load()), HalfOpen: int(f.mostOpening.Swap(f.opening.Load())),
		Chunks: f.chunks.Swap(0), Late: f.late.Swap(0), MinLead: f.minLead.Swap(1 << 60),
	}
	if h.Chunks == 0 {
		h.MinLead = 0
	}
	return h
}
