package channel

import (
	"context"
	"runtime"
	"testing"
)

// An idle connection holds no message buffers. Both ends together, with their
// goroutines, the WebSocket library and the HTTP leftovers, stay below the budget of
// the server's end alone.
func TestIdleConnectionIsSmall(t *testing.T) {
	const pairs, budget = 200, 64 << 10
	l := listen(t, Options{})
	p := newParties(t)
	before := inUse()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{}, 2*pairs)
	for range pairs {
		st, ct := l.dial(t, Options{})
		s, c := p.open(t, st, ct)
		plain := make([]byte, 19201) // some traffic first
		if err := s.WritePlain(ctx, plain); err != nil {
			t.Fatal(err)
		}
		for _, conn := range []*Conn{s, c} {
			go func() {
				for {
					if _, _, err := conn.Read(ctx); err != nil {
						ended <- struct{}{}
						return
					}
				}
			}()
		}
	}
	each := (inUse() - before) / pairs
	t.Logf("%d bytes per connection, both ends", each)
	if each > budget {
		t.Errorf("%d bytes per connection, want at most %d", each, budget)
	}
	cancel()
	for range 2 * pairs {
		<-ended
	}
}

func inUse() int64 {
	for range 4 { // stacks shrink by half at a time
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
