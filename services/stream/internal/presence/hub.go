// Package presence is an instance's view of the clients: one watch of the gateways'
// KV bucket, handed out to the director and to the groups that care. What a player
// prefers is the operator's choice where there is one (tuning).
package presence

import (
	"context"
	"maps"
	"slices"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// Hub holds the latest presence of every client. Its methods are safe for concurrent
// use. It is guarded by a lock instead of being an actor, so that a group that calls
// Watch can never wait for itself: no lock is held while a listener is called.
type Hub struct {
	mu      sync.Mutex
	said    map[string]*tuttiv1.ClientPresence // as the gateways write it
	tuning  map[string]*tuttiv1.ClientTuning   // the operator's choices
	clients map[string]*tuttiv1.ClientPresence // said, with the chosen format in it
	subs    map[string]*sub                    // by listener
	byID    map[string]map[*sub]bool           // by client id
}

type sub struct {
	ids  map[string]bool
	all  bool
	hear func(clientID string)
}

// NewHub returns an empty hub.
func NewHub() *Hub {
	return &Hub{
		said: map[string]*tuttiv1.ClientPresence{}, tuning: map[string]*tuttiv1.ClientTuning{}, clients: map[string]*tuttiv1.ClientPresence{},
		subs: map[string]*sub{}, byID: map[string]map[*sub]bool{},
	}
}

// Follow watches the buckets until ctx ends or stop is called. It returns when what
// was in them at first is known.
func (h *Hub) Follow(ctx context.Context, c *bus.Conn) (stop func(), err error) {
	// The choices first, so that no stream starts in a format that was chosen away.
	stopChoices, err := watch(ctx, c, subject.BucketTuning, h.tune)
	if err != nil {
		return nil, err
	}
	stopClients, err := watch(ctx, c, subject.BucketPresence, h.set)
	if err != nil {
		stopChoices()
		return nil, err
	}
	return func() { stopClients(); stopChoices() }, nil
}

// watch feeds f with a bucket, and returns when what is in it now was fed.
func watch[T any, PT interface {
	*T
	proto.Message
}](ctx context.Context, c *bus.Conn, bucket string, f func(id string, v PT)) (stop func(), err error) {
	b, err := bus.OpenBucket[T, PT](ctx, c, bucket, bus.BucketOptions{})
	if err != nil {
		return nil, err
	}
	return b.Follow(ctx, ctx, ">", func(e bus.Entry[PT]) { f(e.Key, e.Value) })
}

// set takes a change; p is nil when the client was removed.
func (h *Hub) set(id string, p *tuttiv1.ClientPresence) {
	h.mu.Lock()
	if p == nil {
		delete(h.said, id)
	} else {
		h.said[id] = p
	}
	h.changed(id)
}

// tune takes the operator's choices; t is nil when they were taken back.
func (h *Hub) tune(id string, t *tuttiv1.ClientTuning) {
	h.mu.Lock()
	if t == nil {
		delete(h.tuning, id)
	} else {
		h.tuning[id] = t
	}
	h.changed(id)
}

// Tuning returns what the operator set for a client, nil when there is nothing. The
// caller must not change it.
func (h *Hub) Tuning(id string) *tuttiv1.ClientTuning {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tuning[id]
}

// AutoStarts are the sources that start by themselves, by client id.
func (h *Hub) AutoStarts() map[string]*tuttiv1.AutoStart {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := map[string]*tuttiv1.AutoStart{}
	for id, t := range h.tuning {
		if a := t.GetAutoStart(); a != nil {
			out[id] = a
		}
	}
	return out
}

// changed makes a client anew and tells the listeners. It takes over the lock.
func (h *Hub) changed(id string) {
	p := chosen(h.said[id], h.tuning[id].GetFormat())
	if p == nil && h.clients[id] == nil {
		h.mu.Unlock()
		return
	}
	if p == nil {
		delete(h.clients, id)
	} else {
		h.clients[id] = p
	}
	listeners := slices.Collect(maps.Keys(h.byID[id]))
	for _, s := range h.subs {
		if s.all {
			listeners = append(listeners, s)
		}
	}
	h.mu.Unlock()
	for _, s := range listeners {
		s.hear(id)
	}
}

// chosen is p with the operator's choice in place of the player's own preference, if
// the player can play it.
func chosen(p *tuttiv1.ClientPresence, f *tuttiv1.AudioFormat) *tuttiv1.ClientPresence {
	can := func(s *tuttiv1.AudioFormat) bool { return proto.Equal(s, f) }
	if f == nil || p.GetPlayer() == nil || !slices.ContainsFunc(p.GetPlayerSupport().GetSupportedFormats(), can) {
		return p
	}
	p = proto.CloneOf(p)
	p.Player.Format = f
	return p
}

// Get returns the latest presence of a client, nil when there is none. The caller
// must not change it.
func (h *Hub) Get(id string) *tuttiv1.ClientPresence {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.clients[id]
}

// All returns the presence of every client. The caller must not change the values.
func (h *Hub) All() map[string]*tuttiv1.ClientPresence {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.clients)
}

// Watch makes hear be called with a client's id after each change of one of ids, until
// the next Watch or Forget of the same listener. hear may be called once more after
// that; it asks Get for the state. It may wait for the listener's mailbox, but then
// everybody's news wait.
func (h *Hub) Watch(listener string, ids []string, hear func(clientID string)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.forget(listener)
	s := &sub{ids: map[string]bool{}, hear: hear}
	for _, id := range ids {
		s.ids[id] = true
		if h.byID[id] == nil {
			h.byID[id] = map[*sub]bool{}
		}
		h.byID[id][s] = true
	}
	h.subs[listener] = s
}

// WatchAll is Watch for every client.
func (h *Hub) WatchAll(listener string, hear func(clientID string)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.forget(listener)
	h.subs[listener] = &sub{all: true, hear: hear}
}

// Forget ends a listener's Watch.
func (h *Hub) Forget(listener string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.forget(listener)
}

func (h *Hub) forget(listener string) {
	s := h.subs[listener]
	if s == nil {
		return
	}
	delete(h.subs, listener)
	for id := range s.ids {
		delete(h.byID[id], s)
		if len(h.byID[id]) == 0 {
			delete(h.byID, id)
		}
	}
}
