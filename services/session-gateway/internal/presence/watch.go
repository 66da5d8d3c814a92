package presence

import (
	"context"
	"slices"
	"time"

	"github.com/tutti-audio/tutti/platform/bus"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Watch follows everybody's records until stop is called. It returns when the
// first look is complete, so that lookups are true from then on. A session of this
// board that sees its client connected under another session was replaced.
func (b *Board) Watch(ctx context.Context) (stop func(), err error) {
	return b.store.Follow(ctx, ctx, ">", b.take)
}

// Seen is what the board keeps of everybody's records: a gateway hears of every
// client of the deployment, so this is small.
type Seen struct {
	ClientID, SessionID, GatewayID string
	Connected                      bool
	// PlayedAt is when the record last said that the session is for playback; zero: never.
	PlayedAt time.Time
	// Lost: another gateway ended the record, because the one that held the session is gone.
	Lost bool
	// Kept is the volume that its player keeps if it comes back with it; nil: unknown.
	Kept *int32
	// Ordered is the volume that its player was told last and had not answered; nil: none.
	Ordered *int32

	rev uint64 // of the record
}

func (b *Board) take(e bus.Entry[*tuttiv1.ClientPresence]) {
	for _, replaced := range b.learn(e) {
		replaced()
	}
}

// learn keeps what the record says, and returns whom to tell that they were
// replaced.
func (b *Board) learn(e bus.Entry[*tuttiv1.ClientPresence]) (tell []func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	was := b.seen[e.Key]
	if e.Value == nil {
		delete(b.seen, e.Key)
	} else {
		b.seen[e.Key] = &Seen{
			ClientID: e.Key, SessionID: e.Value.GetSessionId(), GatewayID: e.Value.GetGatewayId(),
			Connected: e.Value.GetConnected(), Kept: e.Value.KeptVolume, Ordered: e.Value.OrderedVolume,
			Lost: !e.Value.GetConnected() && e.Value.GetLastError() == gatewayGone,
			rev:  e.Rev,
		}
		switch {
		case slices.Contains(e.Value.GetActivities(), wire.ActivityPlayback):
			b.seen[e.Key].PlayedAt = b.clock.Now()
		case was != nil && was.SessionID == e.Value.GetSessionId() && !e.Value.GetConnected():
			b.seen[e.Key].PlayedAt = was.PlayedAt // it ended in the middle
		}
		if u := e.Value.GetUrl(); u != "" {
			b.byURL[u] = e.Key
		}
	}
	if (was != nil && was.Connected) != e.Value.GetConnected() {
		for ch := range b.subs[e.Key] {
			select {
			case ch <- struct{}{}:
			default:
			}
		}
	}
	for _, own := range b.live[e.Key] {
		if own.busy { // whose write was first is known when it is through
			own.heard = b.seen[e.Key]
			continue
		}
		if f := own.succeeded(b.seen[e.Key]); f != nil {
			tell = append(tell, f)
		}
	}
	return tell
}

// succeeded returns whom to tell that somebody else wrote the record, which is p now, after
// the last write of e; the caller holds the board's mu.
func (e *Entry) succeeded(p *Seen) (tell func()) {
	switch {
	case p == nil || !e.claimed || e.gone || p.rev <= e.rev:
		return nil
	case p.SessionID != e.session: // it is the later one
		e.gone = true
		return e.replaced
	case !p.Connected: // somebody took this gateway for dead; it is not, and says so
		return e.denied
	}
	return nil
}

// Lookup returns the record of a client as last heard; ok is false when there is
// none.
func (b *Board) Lookup(clientID string) (p Seen, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.seen[clientID]; p != nil {
		return *p, true
	}
	return Seen{}, false
}

// ByURL returns the client that was last dialled at an address, by any gateway;
// ok is false when nobody remembers.
func (b *Board) ByURL(url string) (p Seen, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	id := b.byURL[url]
	if p := b.seen[id]; p != nil {
		return *p, true
	}
	return Seen{ClientID: id}, id != ""
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
