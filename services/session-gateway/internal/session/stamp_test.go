package session

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/sendspin/wire"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/machine"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/pump"
)

// stamps is a connection that keeps the transmit times that messages carry.
type stamps struct {
	wireLog
	mu   sync.Mutex
	said map[string][]int64
}

func (s *stamps) keep(kind string, at int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.said == nil {
		s.said = map[string][]int64{}
	}
	s.said[kind] = append(s.said[kind], at)
}

func (s *stamps) of(kind string) []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]int64(nil), s.said[kind]...)
}

func (s *stamps) WriteStamped(_ context.Context, build func([]byte) []byte) error {
	m, err := wire.Current().DecodeFromServer(build(nil)[1:])
	if err != nil {
		return err
	}
	switch m := m.(type) {
	case *wire.ServerTime:
		s.keep(m.Type(), m.ServerTransmitted)
	case *wire.StreamStart:
		s.keep(m.Type(), m.ServerTransmitted)
	case *wire.StreamClear:
		s.keep(m.Type(), m.ServerTransmitted)
	}
	return nil
}

func (s *stamps) WritePlain(ctx context.Context, plain []byte) error {
	c, err := wire.ParseAudioChunk(plain[1:])
	if err != nil {
		return err
	}
	s.keep("audio", c.Timestamp-int64(c.SendAhead))
	return s.wireLog.WritePlain(ctx, plain)
}

// TestStampsAreTakenWhenSent: what waits behind a stuck socket says when it went out, not
// when it was put in its lane.
func TestStampsAreTakenWhenSent(t *testing.T) {
	house := houseclock.NewManual(9_000_000)
	d, src := testDeps(t, house)
	conn := &stamps{wireLog: wireLog{block: make(chan struct{}), stuck: make(chan struct{}, 1)}}
	w := newWriter(conn, 1<<20, d, func(context.Context, input) {})
	w.greeted.Store(true)
	defer startWriter(t, w)()
	w.push(machine.Report{Timing: pump.Timing{MinBuffer: 500_000}, Available: true})
	w.push(start(1))
	src.put(t, "tutti.v1.tape.g.r", 10_000_000, 20, 100)
	<-conn.stuck
	w.askTime(1, 2)
	cleared := start(2)
	cleared.Epoch = 1
	w.push(machine.ClearStream{Stream: cleared})
	house.Advance(300 * time.Millisecond)
	close(conn.block)
	until(t, "audio after the clear", func() bool { return len(conn.of("audio")) >= 3 })
	for kind, want := range map[string]int64{"stream/start": 9_000_000, "server/time": 9_300_000, "stream/clear": 9_300_000} {
		if got := conn.of(kind); len(got) != 1 || got[0] != want {
			t.Errorf("%s says it was sent at %v, want %d", kind, got, want)
		}
	}
	if got := conn.of("audio"); got[0] != 9_000_000 || got[1] != 9_300_000 {
		t.Errorf("chunks say that they were sent at %v", got)
	}
}
