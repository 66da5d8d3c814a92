package client

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tutti-audio/tutti/sendspin/sendspintest"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// TestMain looks for goroutines that were left, for longer than goleak would: the closing
// handshake with a peer that does not answer takes seconds, and ends by itself.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if err := leaked(); err != nil {
			fmt.Fprintln(os.Stderr, "goleak:", err)
			code = 1
		}
	}
	os.Exit(code)
}

func leaked() (err error) {
	for end := time.Now().Add(20 * time.Second); ; {
		if err = goleak.Find(); err == nil || time.Now().After(end) {
			return err
		}
	}
}

const patience = time.Minute

func ptr[T any](v T) *T { return &v }

func testFormats() []wire.AudioFormat {
	return []wire.AudioFormat{{Codec: wire.CodecFLAC, Channels: 2, SampleRate: 48000, BitDepth: 24}, {Codec: wire.CodecPCM, Channels: 2, SampleRate: 48000, BitDepth: 16}}
}

var pcm = wire.AudioFormat{Codec: wire.CodecPCM, Channels: 2, SampleRate: 48000, BitDepth: 16}

// pcm20 is 20 ms in the format pcm.
var pcm20 = make([]byte, 960*4)

// recorder keeps what a client tells.
type recorder struct {
	events chan Event
	chunks chan Chunk
	mu     sync.Mutex
	broken []Violation
}

func newRecorder() *recorder {
	return &recorder{events: make(chan Event, 10_000), chunks: make(chan Chunk, 10_000)}
}

func (r *recorder) config(name string) Config {
	return Config{
		Name: name, UnpairedAccess: true, Formats: testFormats(), BufferCapacity: 1 << 20, MinBufferMS: 100, Strict: true,
		OnEvent: func(e Event) {
			if v, ok := e.(Violation); ok {
				r.mu.Lock()
				r.broken = append(r.broken, v)
				r.mu.Unlock()
			}
			r.events <- e
		},
		OnChunk: func(c Chunk) {
			c.Data = append([]byte(nil), c.Data...)
			r.chunks <- c
		},
	}
}

func (r *recorder) violations() []Violation {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Violation(nil), r.broken...)
}

// waitFor returns the next event of type E, skipping others.
func waitFor[E Event](t *testing.T, r *recorder) E {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case e := <-r.events:
			if want, ok := e.(E); ok {
				return want
			}
		case <-deadline:
			var want E
			t.Fatalf("no %T", want)
		}
	}
}

func (r *recorder) nextChunk(t *testing.T) Chunk {
	t.Helper()
	select {
	case c := <-r.chunks:
		return c
	case <-time.After(patience):
		t.Fatal("no chunk")
	}
	return Chunk{}
}

// rig is a client and a scripted server over a pipe.
type rig struct {
	*recorder
	c      *Client
	srv    *sendspintest.Server
	ended  chan error
	cancel context.CancelFunc
}

func newRig(t *testing.T, o sendspintest.ServerOptions, change func(*Config)) *rig {
	t.Helper()
	r := &rig{recorder: newRecorder(), ended: make(chan error, 1)}
	cfg := r.config("rig")
	if change != nil {
		change(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.c = c
	r.connect(t, o)
	return r
}

// connect runs a connection of the client.
func (r *rig) connect(t *testing.T, o sendspintest.ServerOptions) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	a, b := sendspintest.Pipe()
	var wg sync.WaitGroup
	wg.Go(func() { r.ended <- r.c.Run(ctx, a) })
	r.cancel = cancel
	t.Cleanup(func() { cancel(); wg.Wait() })
	r.srv = sendspintest.NewServer(t, b, o)
}

// play greets, activates the roles, answers time and returns the first client/state. What
// follows may take longer than the server may wait with its group/update.
func (r *rig) play(t *testing.T, roles ...string) *wire.ClientState {
	t.Helper()
	r.srv.Greet()
	r.srv.Activate([]string{wire.ActivityPlayback}, roles...)
	r.srv.Send(&wire.GroupUpdate{PlaybackState: wire.PlaybackStopped, GroupID: "g"})
	return sendspintest.Expect[*wire.ClientState](r.srv)
}

// settle waits until the client has dealt with everything sent before.
func (r *rig) settle(t *testing.T) {
	t.Helper()
	id := "settle " + t.Name() + time.Now().String()
	r.srv.Send(&wire.GroupUpdate{PlaybackState: wire.PlaybackStopped, GroupID: id, GroupName: ""})
	for waitFor[GroupChanged](t, r.recorder).Group.GroupID != id {
	}
}

// inCore runs f where the client's state is changed, and returns when that is done.
func (r *rig) inCore(t *testing.T, f func(k *core)) {
	t.Helper()
	done := make(chan struct{})
	if err := r.c.do(func(k *core) { f(k); close(done) }); err != nil {
		t.Fatal(err)
	}
	<-done
}

// crossing lets what the server sends from here on cross with what the client has said,
// for as long as a slow machine may take: the referee allows it two seconds.
func (r *rig) crossing(t *testing.T) {
	t.Helper()
	r.inCore(t, func(k *core) {
		const longer = 60_000_000
		ref := k.holder.referee
		if ref.unavailableAt != never {
			ref.unavailableAt += longer
		}
		for i := range ref.visual.asked {
			ref.visual.asked[i].at += longer
		}
	})
}

func (r *rig) wantNoViolations(t *testing.T) {
	t.Helper()
	for _, v := range r.violations() {
		t.Errorf("violation: %s", v)
	}
}

func (r *rig) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.ended:
		return err
	case <-time.After(patience):
		t.Fatal("the client does not end")
	}
	return nil
}

func removeAll(t *testing.T, dir string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}
