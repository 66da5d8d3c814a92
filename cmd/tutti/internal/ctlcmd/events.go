package ctlcmd

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
)

const (
	// The pause between attempts to come back to the feed grows between these.
	minRetry = 500 * time.Millisecond
	maxRetry = 10 * time.Second
	// maxEvent bounds one line of the feed.
	maxEvent = 8 << 20
)

// feedEvent is one event of the live feed.
type feedEvent struct{ kind, id, data string }

func eventsCommand() *cobra.Command {
	return command("events", "Print changes as they happen",
		"Goes on until Ctrl-C, and comes back by itself when the server was away. With --json each line is {\"event\":…,\"data\":…}.",
		`  tutti events
  tutti events --json | jq -r 'select(.event=="inbox.updated") | .data.waiting[].name'`,
		cobra.NoArgs, func(r *run, _ []string) error {
			return r.following(func(events <-chan feedEvent, failed <-chan error) error {
				for {
					select {
					case e := <-events:
						if err := r.printEvent(e); err != nil {
							return err
						}
					case err := <-failed:
						return err
					}
				}
			})
		})
}

// following runs f beside a reader of the feed, and ends and awaits the reader
// when f returns. failed tells why the reader ended before that.
func (r *run) following(f func(events <-chan feedEvent, failed <-chan error) error) error {
	ctx, cancel := context.WithCancel(r.ctx)
	events := make(chan feedEvent, 64)
	failed := make(chan error, 1)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { failed <- (&run{ctx: ctx, api: r.api, out: r.out, json: r.json}).follow(events) })
	return f(events, failed)
}

func (r *run) printEvent(e feedEvent) error {
	if r.json {
		b, err := json.Marshal(struct {
			Event string          `json:"event"`
			ID    string          `json:"id"`
			Data  json.RawMessage `json:"data"`
		}{e.kind, e.id, json.RawMessage(e.data)})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(r.out, string(b))
		return err
	}
	_, err := fmt.Fprintf(r.out, "%s  %-15s  %s\n", time.Now().Format("15:04:05"), e.kind, clean(summary(e)))
	return err
}

// summary says in a few words what an event is about.
func summary(e feedEvent) string {
	data := []byte(e.data)
	switch e.kind {
	case "client.updated":
		var c apiClient
		if json.Unmarshal(data, &c) == nil {
			return fmt.Sprintf("%s: %s, %s, volume %s, buffer %s", c.display(), state(c, time.Now()), trust(c), volume(c), buffer(c))
		}
	case "group.updated":
		var g apiGroup
		if json.Unmarshal(data, &g) == nil {
			return fmt.Sprintf("%s: %s %s", g.display(), playState(g), title(g))
		}
	case "queue.updated":
		var q struct {
			GroupID string `json:"group_id"`
			apiQueue
		}
		if json.Unmarshal(data, &q) == nil {
			return fmt.Sprintf("%s: %d titles", q.GroupID, len(q.Items))
		}
	case "inbox.updated":
		var in apiInbox
		if json.Unmarshal(data, &in) == nil {
			return fmt.Sprintf("%d wait", len(in.Waiting))
		}
	case "pairing.updated":
		var p apiPairing
		if json.Unmarshal(data, &p) == nil {
			s := fmt.Sprintf("%s: %s, %s", short(p.ClientID), p.Method, p.State)
			if p.Reason != "" {
				s += " (" + p.Reason + ")"
			}
			return s
		}
	case "audit.appended":
		var a apiAuditEvent
		if json.Unmarshal(data, &a) == nil {
			return fmt.Sprintf("%s %s %s", a.Actor, a.Kind, a.Detail)
		}
	case "server.updated":
		var s apiServer
		if json.Unmarshal(data, &s) == nil {
			return fmt.Sprintf("%s, %d instances", s.Name, len(s.Instances))
		}
	}
	return e.data
}

// follow reads the feed into events until ctx ends, and resumes where it was when
// the connection broke. It fails at once when the server refuses.
func (r *run) follow(events chan<- feedEvent) error {
	lastID, pause := "", minRetry
	for {
		begun := time.Now()
		err := r.readFeed(&lastID, events)
		var p *problem
		switch {
		case r.ctx.Err() != nil:
			return r.ctx.Err()
		case errors.As(err, &p) && p.Status < 500, lastID == "" && err != nil:
			return err
		}
		if time.Since(begun) > maxRetry {
			pause = minRetry
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, maxRetry)
		case <-r.ctx.Done():
			return r.ctx.Err()
		}
	}
}

// readFeed reads one connection to its end. It returns nil when the server ended it.
func (r *run) readFeed(lastID *string, events chan<- feedEvent) error {
	header := http.Header{"Accept": {"text/event-stream"}}
	if *lastID != "" {
		header.Set("Last-Event-ID", *lastID)
	}
	resp, err := r.api.send(r.ctx, http.MethodGet, "/api/v1/events", nil, header)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return parseFeed(r.ctx, resp.Body, lastID, events)
}

// parseFeed reads the text form of Server-Sent Events.
func parseFeed(ctx context.Context, body io.Reader, lastID *string, events chan<- feedEvent) error {
	sc := bufio.NewScanner(body)
	sc.Buffer(nil, maxEvent)
	var e feedEvent
	for sc.Scan() {
		key, value, _ := strings.Cut(sc.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch key {
		case "event":
			e.kind = value
		case "id":
			e.id = value
		case "data":
			if e.data != "" {
				e.data += "\n"
			}
			e.data += value
		case "":
			if sc.Text() != "" {
				continue // a comment
			}
			if e.id != "" {
				*lastID = e.id
			}
			if e.data != "" {
				select {
				case events <- e:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			e = feedEvent{}
		}
	}
	return sc.Err()
}
