package gateway

import (
	"context"
	"sync"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// tunings is what the operator set for clients, by client id. It is read by sessions as
// they begin and written by the watch, so it is behind a lock.
type tunings struct {
	mu sync.Mutex
	m  map[string]*tuttiv1.ClientTuning
}

func (t *tunings) get(id string) *tuttiv1.ClientTuning {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.m[id]
}

func (t *tunings) set(id string, v *tuttiv1.ClientTuning) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if v == nil {
		delete(t.m, id)
		return
	}
	if t.m == nil {
		t.m = map[string]*tuttiv1.ClientTuning{}
	}
	t.m[id] = v
}

// watchTunings returns when everything that is set is known: no session may begin without
// its limits.
func (s *Service) watchTunings(ctx, base context.Context) (func(), error) {
	b, err := bus.OpenBucket[tuttiv1.ClientTuning](ctx, s.d.Bus, subject.BucketTuning, bus.BucketOptions{History: 1})
	if err != nil {
		return nil, err
	}
	return b.Follow(base, ctx, ">", func(e bus.Entry[*tuttiv1.ClientTuning]) { s.tuned(e.Key, e.Value) })
}

// tuned keeps what is set for a client and tells its session. A session that is not in
// the hub yet reads it when it begins.
func (s *Service) tuned(id string, t *tuttiv1.ClientTuning) {
	s.tunings.set(id, t)
	if sess := s.hub.Get(id); sess != nil {
		ctx, cancel := context.WithTimeout(context.Background(), trustDelivery)
		defer cancel()
		sess.Tuned(ctx)
	}
}
