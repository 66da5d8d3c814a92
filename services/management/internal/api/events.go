package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/feed"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/readmodel"
)

const (
	// heartbeat keeps proxies from closing a silent stream and finds dead readers.
	heartbeat = 15 * time.Second
	// streamWriteDeadline is how long one write to a reader may be stuck. Then the
	// reader is dropped; it comes back with Last-Event-ID.
	streamWriteDeadline = 10 * time.Second
	// eventStream is the content type of the feed.
	eventStream = "text/event-stream"
	// retryMS is what a browser waits before it connects anew.
	retryMS = 2000
)

type eventsInput struct {
	LastEventID string `header:"Last-Event-ID" maxLength:"64" doc:"The id of the last event that was seen: the feed goes on after it."`
}

const eventsDoc = `Server-Sent Events. Kinds: ` + "`client.updated`, `group.updated`, `queue.updated`, `inbox.updated`, `pairing.updated`, `persona.updated`, `schedule.updated`, `holidays.updated`, `server.updated`, `health.updated` and `audit.appended`" + ` carry the same JSON object that the GET returns (pairing.updated is for admins alone, as its GET); ` + "`client.removed`, `group.removed` and `schedule.removed`" + ` carry the id. queue.updated comes whenever the titles or the index changed, by whoever; a group that is removed takes its queue along. Counters that move all the while (buffers, round trips) are sent about once a second, and less often in a large deployment. A reader with a role in single zones alone gets what is of those zones; a client that leaves them is client.removed.

The feed begins with the present: connect first, then read the state by GET. A reader that comes back with Last-Event-ID gets what it missed; if that is too long ago it gets the event ` + "`reset`" + ` and reads the state anew. A comment line every 15 s says that the feed is alive.`

func (a *API) eventRoutes() {
	register(a, route{
		id: "get-events", method: http.MethodGet, path: "/api/v1/events", tag: tagEvents, role: auth.RoleViewer, zone: zoneAny,
		summary: "The feed of changes", doc: eventsDoc, errors: []int{http.StatusUnprocessableEntity}, stream: true,
		success: &huma.Response{Description: "An endless stream of events.", Content: map[string]*huma.MediaType{
			eventStream: {Schema: &huma.Schema{Type: huma.TypeString}},
		}},
	}, func(_ context.Context, in *eventsInput) (*huma.StreamResponse, error) {
		return &huma.StreamResponse{Body: func(c huma.Context) { a.stream(c, in.LastEventID) }}, nil
	})
}

// stream writes the feed to one reader until it leaves, is stuck, or the service
// stops. Each reader has its own cursor; nobody waits for it.
func (a *API) stream(c huma.Context, lastID string) {
	r, w := humago.Unwrap(c)
	s := &stream{w: w, rc: http.NewResponseController(w), feed: a.d.Feed, who: auth.PrincipalOf(c.Context())}
	a.d.Metrics.streams.Inc()
	defer a.d.Metrics.streams.Dec()
	h := w.Header()
	h.Set("Content-Type", eventStream)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // a reverse proxy must not hold events back
	_ = s.rc.SetReadDeadline(time.Time{})
	w.WriteHeader(http.StatusOK)
	if !a.begin(s, lastID) {
		return
	}
	beat := a.d.Clock.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		b := a.d.Feed.Read(s.cursor)
		if len(b.Events) > 0 || b.Gap {
			// What the reader may do can have changed since the last event.
			if !a.still(r, s.who) || !a.pass(s, b) {
				return
			}
		}
		select {
		case <-b.Changed:
		case <-beat.Chan():
			if !a.still(r, s.who) || !s.write(": alive\n\n") {
				return
			}
		case <-a.d.Door.Users().Changed():
			if !a.still(r, s.who) {
				return
			}
		case <-c.Context().Done():
			return
		case <-a.d.Streams.Done():
			return
		}
	}
}

// begin sets the cursor and tells the reader where it stands, so that it can
// resume even if no event comes before it is cut off.
func (a *API) begin(s *stream, lastID string) bool {
	s.cursor = a.d.Feed.Last()
	if s.who.Limited() {
		s.shown = a.shownClients(s.who)
	}
	if lastID == "" {
		return s.write(fmt.Sprintf("retry: %d\nid: %s\n\n", retryMS, a.d.Feed.ID(s.cursor)))
	}
	// What came into the reader's zones and left them meanwhile is not known: it reads anew.
	if cursor, ok := a.d.Feed.Cursor(lastID); ok && !s.who.Limited() {
		s.cursor = cursor
		return s.write(fmt.Sprintf("retry: %d\n\n", retryMS))
	}
	return s.write(fmt.Sprintf("retry: %d\n\n", retryMS)) && a.reset(s)
}

// pass writes a batch.
func (a *API) pass(s *stream, b feed.Batch) bool {
	if b.Gap {
		s.cursor = b.Cursor
		return a.reset(s)
	}
	newest := map[string]uint64{} // of each group's queue: events of older ones would tell the same
	for _, e := range b.Events {
		if e.Kind == readmodel.EventQueueUpdated {
			newest[e.GroupID] = e.Seq
		}
	}
	for _, e := range b.Events {
		if e.Kind == readmodel.EventQueueUpdated && e.Seq < newest[e.GroupID] {
			continue
		}
		if kind, body := s.filter(e); kind != "" && !s.event(kind, e.Seq, body) {
			return false
		}
		s.cursor = e.Seq
	}
	return true
}

// still says whether the request is as good as it was: a token may have been deleted, a
// user signed out, or a role taken away. Then the reader comes back, or does not.
func (a *API) still(r *http.Request, was auth.Principal) bool {
	p, err := a.authenticate(r)
	return err == nil && p.Same(was)
}

// shownClients are the clients that a reader of single zones has read by GET.
func (a *API) shownClients(p auth.Principal) map[string]bool {
	out := map[string]bool{}
	for _, c := range a.d.Projection.Snapshot().Clients {
		if p.In(c.GroupID) >= auth.RoleViewer {
			out[c.ClientID] = true
		}
	}
	return out
}

// filter is what the reader gets of an event; nothing when kind is "".
func (s *stream) filter(e feed.Event) (kind string, body []byte) {
	switch {
	case e.Kind == readmodel.EventPairingUpdated && s.who.Role < auth.RoleAdmin:
		return "", nil
	case !s.who.Limited() || e.Public:
		return e.Kind, e.Body()
	case e.ClientID != "":
		return s.filterClient(e)
	case e.GroupID != "" && s.who.In(e.GroupID) >= auth.RoleViewer:
		return e.Kind, e.Body()
	}
	return "", nil
}

// filterClient lets a client come and go as it enters and leaves the reader's zones.
func (s *stream) filterClient(e feed.Event) (kind string, body []byte) {
	if s.who.In(e.GroupID) >= auth.RoleViewer {
		s.shown[e.ClientID] = true
		return e.Kind, e.Body()
	}
	if !s.shown[e.ClientID] {
		return "", nil
	}
	delete(s.shown, e.ClientID)
	body, err := json.Marshal(model.Removed{ClientID: e.ClientID})
	if err != nil {
		return "", nil // it is two strings
	}
	return readmodel.EventClientRemoved, body
}

func (a *API) reset(s *stream) bool {
	a.d.Metrics.streamGaps.Inc()
	return s.event("reset", s.cursor, []byte(`{"reason":"events were missed; read the state anew"}`))
}

// stream is one reader's connection.
type stream struct {
	w      http.ResponseWriter
	rc     *http.ResponseController
	feed   *feed.Feed
	cursor uint64
	who    auth.Principal
	// shown are the clients that the reader knows of, when it may see single zones alone.
	shown map[string]bool
}

func (s *stream) event(kind string, seq uint64, data []byte) bool {
	return s.write(fmt.Sprintf("event: %s\nid: %s\ndata: %s\n\n", kind, s.feed.ID(seq), data))
}

// write sends text at once; false says that the reader is gone or stuck.
func (s *stream) write(text string) bool {
	if err := s.rc.SetWriteDeadline(time.Now().Add(streamWriteDeadline)); err != nil {
		return false
	}
	if _, err := io.WriteString(s.w, text); err != nil {
		return false
	}
	return s.rc.Flush() == nil
}
