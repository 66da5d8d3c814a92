// Package hub knows this gateway's live sessions: one per client.
package hub

import (
	"errors"
	"sync"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/session"
)

// ErrConnected is returned by Claim: the client is connected, or being connected,
// another way.
var ErrConnected = errors.New("the client is connected already")

// Hub is the registry. It is safe for concurrent use.
type Hub struct {
	mu       sync.Mutex
	live     map[string]*session.Session
	claimed  map[string]struct{}
	sessions int
	last     uint64 // order of the last session
}

// New returns an empty hub.
func New() *Hub {
	return &Hub{live: map[string]*session.Session{}, claimed: map[string]struct{}{}}
}

// Claim is for an outbound connection whose client has just said who it is: one
// device may be seen at several addresses, and is dialled once. release must be
// called when the opening is over.
func (h *Hub) Claim(clientID string) (release func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.claimed[clientID]; ok || h.live[clientID] != nil {
		return nil, ErrConnected
	}
	h.claimed[clientID] = struct{}{}
	return sync.OnceFunc(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.claimed, clientID)
	}), nil
}

// Put makes s the client's live session and returns the one it replaces, or nil.
func (h *Hub) Put(s *session.Session) (old *session.Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last++
	s.SetOrder(h.last)
	old = h.live[s.ClientID]
	h.live[s.ClientID] = s
	h.sessions++
	return old
}

// Remove forgets a session that is over.
func (h *Hub) Remove(s *session.Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sessions--
	if h.live[s.ClientID] == s {
		delete(h.live, s.ClientID)
	}
}

// Get returns the client's live session, or nil.
func (h *Hub) Get(clientID string) *session.Session {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.live[clientID]
}

// All returns the live sessions.
func (h *Hub) All() []*session.Session {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]*session.Session, 0, len(h.live))
	for _, s := range h.live {
		out = append(out, s)
	}
	return out
}

// Len is the number of sessions that are not over yet, replaced ones included.
func (h *Hub) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sessions
}
