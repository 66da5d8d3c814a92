package presence

import (
	"context"

	"github.com/tutti-audio/tutti/platform/bus"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// Watch follows everybody's records until stop is called. It returns when the
// first look is complete, so that lookups are true from then on. A session of this
// board that sees its client connected under another session was replaced.
func (b *Board) Watch(ctx context.Context) (stop func(), err error) {
	done := make(chan struct{})
	stop, err = b.store.Watch(ctx, ">", b.take, func() { close(done) })
	if err != nil {
		return nil, err
	}
	select {
	case <-done:
		return stop, nil
	case <-ctx.Done():
		stop()
		return nil, ctx.Err()
	}
}

func (b *Board) take(e bus.Entry[*tuttiv1.ClientPresence]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	was := b.seen[e.Key].GetConnected()
	if e.Value == nil {
		delete(b.seen, e.Key)
	} else {
		b.seen[e.Key] = e.Value
		if u := e.Value.GetUrl(); u != "" {
			b.byURL[u] = e.Key
		}
	}
	if was != e.Value.GetConnected() {
		for ch := range b.subs[e.Key] {
			select {
			case ch <- struct{}{}:
			default:
			}
		}
	}
	// A foreign session's record makes our own session's next write the test of
	// who is the later one.
	for _, own := range b.live[e.Key] {
		if own.claimed && e.Value != nil && e.Value.GetSessionId() != own.session {
			own.dirty = true
			b.enqueue(own)
		}
	}
}

// Lookup returns the record of a client as last heard; nil when there is none.
// The caller must not change it.
func (b *Board) Lookup(clientID string) *tuttiv1.ClientPresence {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seen[clientID]
}

// ByURL returns the client that was last dialled at an address, by any gateway;
// nil when nobody remembers. The caller must not change it.
func (b *Board) ByURL(url string) *tuttiv1.ClientPresence {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seen[b.byURL[url]]
}

// Learn remembers which client answers at an address.
func (b *Board) Learn(url, clientID string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.byURL[url] = clientID
}

// Follow returns a channel that gets a token when a client connects or
// disconnects anywhere; stop ends that.
func (b *Board) Follow(clientID string) (ch <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	b.mu.Lock()
	if b.subs[clientID] == nil {
		b.subs[clientID] = map[chan struct{}]struct{}{}
	}
	b.subs[clientID][c] = struct{}{}
	b.mu.Unlock()
	return c, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if delete(b.subs[clientID], c); len(b.subs[clientID]) == 0 {
			delete(b.subs, clientID)
		}
	}
}
