package stream

import (
	"context"
	"strings"
	"time"

	"github.com/tutti-audio/tutti/audio/source"
	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/library"
	"github.com/tutti-audio/tutti/services/stream/internal/linein"
	"github.com/tutti-audio/tutti/services/stream/internal/playback"
	"github.com/tutti-audio/tutti/services/stream/internal/presence"
)

// resolver is the library, and the sources among the clients.
type resolver struct {
	*library.Library
	hub *presence.Hub
}

// Play implements group.Resolver.
func (r *resolver) Play(ctx context.Context, uri string) ([]playback.Item, error) {
	if id, ok := playback.SourceOf(uri); ok {
		it, err := r.source(id)
		return []playback.Item{it}, err
	}
	return r.Library.Play(ctx, uri)
}

// Enqueue implements group.Resolver.
func (r *resolver) Enqueue(ctx context.Context, uris []string) ([]playback.Item, error) {
	var out []playback.Item
	for len(uris) > 0 {
		if id, ok := playback.SourceOf(uris[0]); ok {
			it, err := r.source(id)
			if err != nil {
				return nil, err
			}
			out, uris = append(out, it), uris[1:]
			continue
		}
		n := 1
		for n < len(uris) && !isSource(uris[n]) {
			n++
		}
		items, err := r.Library.Enqueue(ctx, uris[:n])
		if err != nil {
			return nil, err
		}
		out, uris = append(out, items...), uris[n:]
	}
	if len(out) == 0 {
		return r.Library.Enqueue(ctx, nil) // which says what is wrong
	}
	return out, nil
}

func isSource(uri string) bool { _, ok := playback.SourceOf(uri); return ok }

// source is the item of a client's source, if that can be heard now.
func (r *resolver) source(id string) (playback.Item, error) {
	it := playback.Item{ID: library.NewID(), URI: playback.SourceURI(id), Live: true}
	p := r.hub.Get(id)
	if p == nil {
		return it, fault.New(fault.NotFound, "there is no device %s: look for its id with `tutti clients`", id)
	}
	it.Title = p.GetName()
	it.Tidy()
	return it, hearable(p)
}

// hearable says why a source cannot be heard now.
func hearable(p *tuttiv1.ClientPresence) error {
	name := p.GetName()
	listed := false
	for _, role := range p.GetSupportedRoles() {
		listed = listed || strings.HasPrefix(role, "source@")
	}
	switch {
	case !listed:
		return fault.New(fault.Conflict, "%s has no source: it does not capture audio", name)
	case !p.GetConnected():
		return fault.New(fault.Conflict, "%s is not connected: switch it on, or check its network", name)
	case !presence.HasRole(p, "source"):
		return fault.New(fault.Conflict, "%s may not be heard: pair it, or approve it as a source (`tutti approve %s --source`)", name, p.GetClientId())
	case p.Available != nil && !p.GetAvailable():
		return fault.New(fault.Conflict, "%s is in use by something else: free it there", name)
	case p.GetSource().GetError() != "":
		return fault.New(fault.Conflict, "%s: %s", name, p.GetSource().GetError())
	}
	return nil
}

// sources returns the hub that hears sources for the groups of this instance.
func (s *Service) sources(ctx context.Context) *linein.Hub {
	return linein.NewHub(ctx, linein.Deps{
		InstanceID: s.cfg.InstanceID, House: s.d.House, Clock: s.d.Clock, Log: s.d.Log,
		Subscribe: func(clientID string, h func([]byte)) (func(), error) {
			return s.d.Bus.SubscribeBytes(subject.Capture(clientID), h)
		},
		Follow: s.followSession,
		Send:   s.send,
	})
}

// followSession tells h the session of a client, now and whenever its record changes.
func (s *Service) followSession(clientID string, h func(sessionID string)) (stop func()) {
	tell := func(string) {
		id := ""
		if p := s.hub.Get(clientID); presence.Active(p) {
			id = p.GetSessionId()
		}
		h(id)
	}
	listener := "source/" + clientID + "/" + bus.NewTraceID()
	s.hub.Watch(listener, []string{clientID}, tell)
	tell(clientID)
	return func() { s.hub.Forget(listener) }
}

// send asks a client's session.
func (s *Service) send(ctx context.Context, clientID string, c *tuttiv1.SessionCommand) error {
	return s.d.Bus.Request(ctx, subject.Session(clientID), c, &tuttiv1.SessionReply{})
}

// callWithin is for how long a device may be dialled for playback after somebody played.
const callWithin = 10 * time.Second

// call has a client dialled for playback.
func (s *Service) call(ctx context.Context, clientID string) error {
	return s.d.Bus.Request(ctx, subject.GatewayDial, &tuttiv1.DialRequest{
		ClientId: clientID, Purpose: "playback", WithinMs: callWithin.Milliseconds(),
	}, &tuttiv1.Empty{})
}

// openSource is Open of a source, as a group needs it.
func openSource(h *linein.Hub) func(ctx context.Context, clientID, name string) (source.Source, error) {
	return func(ctx context.Context, clientID, name string) (source.Source, error) {
		f, err := h.Open(ctx, clientID, name)
		if err != nil {
			return nil, err // not f: a nil feed in an interface is not nil
		}
		return f, nil
	}
}
