package lease

import "context"

// WatchLives calls h for every owner that is alive, then initialDone once (may be nil),
// then h for every change, until ctx ends or stop is called. An owner is alive from its
// first lease on until its heartbeat ends: by Manager.Close at once, by its death within
// the TTL. Calls are made one at a time, so h must not call stop, which waits for it.
func (m *Manager) WatchLives(ctx context.Context, h func(owner string, alive bool), initialDone func()) (stop func(), err error) {
	if err := m.entries.start(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	w := &waiter{lives: true, wake: make(chan struct{}, 1)}
	m.entries.join(w)
	signal(w.wake)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer m.entries.part(w)
		told, first := map[string]bool{}, true
		for {
			select {
			case <-w.wake:
			case <-ctx.Done():
				return
			case <-m.ctx.Done():
				return
			case <-m.c.Done():
				return
			}
			owners, known := m.entries.owners()
			if !known {
				continue // the end of the first state wakes again
			}
			for o := range told {
				if !owners[o] {
					delete(told, o)
					h(o, false)
				}
			}
			for o := range owners {
				if !told[o] {
					told[o] = true
					h(o, true)
				}
			}
			if first {
				first = false
				if initialDone != nil {
					initialDone()
				}
			}
		}
	}()
	return func() { cancel(); <-done }, nil
}

// owners are those who have a life.
func (t *table) owners() (owners map[string]bool, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	owners = map[string]bool{}
	for _, l := range t.lives {
		owners[l.owner] = true
	}
	return owners, t.synced == 2
}
