package harness

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/sendspin/client"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Source is a virtual line-in: the real client library, strict. When it is asked for
// audio it plays the click track, 44.1 kHz, 16 bits, stereo, in real time.
type Source struct {
	Name   string
	Client *client.Client

	mu         sync.Mutex
	violations []string
	began      int64 // the track's beginning on the server's clock; 0 before
	asked      int
	stopped    []client.CaptureEnd
	cancel     context.CancelFunc // of the capturing goroutine
	work       sync.WaitGroup
}

// NewSource makes a source; Connect starts it.
func NewSource(t testing.TB, name string) *Source {
	t.Helper()
	s := &Source{Name: name}
	c, err := client.New(client.Config{
		Name: name, Roles: []string{wire.RoleSourceV1}, UnpairedAccess: true, Strict: true, LineSense: true,
		SyncInterval: time.Second, BackoffMin: 200 * time.Millisecond, BackoffMax: time.Second, OnEvent: s.event,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Client = c
	return s
}

// Connect dials url until the test ends or the returned stop is called.
func (s *Source) Connect(t testing.TB, url string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Client.Dial(ctx, url)
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-done
		s.end()
		s.work.Wait()
	})
	t.Cleanup(func() {
		stop()
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.violations) > 0 {
			t.Errorf("%s: the server broke %d rules of the specification, first: %s", s.Name, len(s.violations), s.violations[0])
		}
	})
	return stop
}

func (s *Source) event(e client.Event) {
	switch e := e.(type) {
	case client.Violation:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.violations = append(s.violations, e.String())
	case client.CaptureRequested:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked++
		ctx, cancel := context.WithCancel(context.Background())
		s.cancel = cancel
		s.work.Go(func() { s.capture(ctx) })
	case client.CaptureStopped:
		s.end()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.stopped = append(s.stopped, e.Reason)
	}
}

func (s *Source) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil {
		s.cancel()
		s.cancel = nil
	}
}

// chunkUS is how much is sent at once, frames how many samples that is.
const (
	chunkUS = 20_000
	frames  = 882
)

// capture plays the click track until it is stopped.
func (s *Source) capture(ctx context.Context) {
	Capture(ctx, s.Client, clickChunk, func(start int64) {
		began, _ := s.Client.ServerTime(start)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.began = began
	})
}

// Capture sends what chunk returns, 20 ms of 44.1 kHz, 16 bits, stereo at a time, as if it
// was captured now, until ctx ends or the server has had enough. begun is told the start
// on the client's clock.
func Capture(ctx context.Context, c *client.Client, chunk func(k int64) []byte, begun func(start int64)) {
	x, err := c.OpenCapture(wire.AudioFormat{Codec: wire.CodecPCM, SampleRate: 44100, Channels: 2, BitDepth: 16}, nil)
	if err != nil {
		return // taken back already
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	start := c.Now()
	begun(start)
	for k := int64(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for ; c.Now() >= start+(k+1)*chunkUS; k++ {
			if err := x.Write(start+k*chunkUS, chunk(k)); errors.Is(err, client.ErrNotRequested) {
				return
			}
		}
	}
}

// clickChunk is chunk k of the click track.
func clickChunk(k int64) []byte {
	out := make([]byte, 0, frames*4)
	for i := range int64(frames) {
		v := ClickTrack(float64(k*frames+i) * 1e6 / 44100)
		out = append(out, byte(v), byte(v>>8), byte(v), byte(v>>8))
	}
	return out
}

// Began is the house time of the track's beginning, by the source's own time filter; 0
// before it was asked for.
func (s *Source) Began() int64 { s.mu.Lock(); defer s.mu.Unlock(); return s.began }

// Asked counts the server's requests.
func (s *Source) Asked() int { s.mu.Lock(); defer s.mu.Unlock(); return s.asked }

// Stopped is why capturing ended, in order.
func (s *Source) Stopped() []client.CaptureEnd {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.stopped)
}
