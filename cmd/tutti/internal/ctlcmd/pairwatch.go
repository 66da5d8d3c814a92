package ctlcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	// pairPoll is how often an attempt is asked for beside the feed of changes, which
	// may be broken or slow.
	pairPoll = time.Second
	// patience is how long the server may be away before a command gives up watching.
	patience = 30 * time.Second
)

// apiPairing is an attempt to pair a device.
type apiPairing struct {
	ClientID   string     `json:"client_id"`
	AttemptID  string     `json:"attempt_id"`
	State      string     `json:"state"`
	Method     string     `json:"method"`
	Format     string     `json:"format"`
	Round      int        `json:"round"`
	CodeLength int        `json:"code_length"`
	Message    string     `json:"message"`
	Reason     string     `json:"reason"`
	Detail     string     `json:"detail"`
	Actor      string     `json:"actor"`
	StartedAt  time.Time  `json:"started_at"`
	ExpiresAt  *time.Time `json:"expires_at"`
}

func (p apiPairing) ended() bool {
	return p.State == "paired" || p.State == "failed" || p.State == "cancelled"
}

// same reports whether o is the attempt p and stands where p stands.
func (p apiPairing) same(o apiPairing) bool {
	return p.AttemptID == o.AttemptID && p.State == o.State && p.Round == o.Round && p.Message == o.Message && p.Reason == o.Reason
}

// pairUpdate is an attempt as it is now, or why it cannot be told.
type pairUpdate struct {
	p   apiPairing
	raw json.RawMessage
	err error
}

func pairingPath(id string) string { return "/api/v1/clients/" + id + "/pairing" }

// watchPairing tells of each change of a device's attempt, until stop is called. The
// feed says when to look, and looking now and then covers for the feed; what is told
// always comes from a GET, so it never goes back in time.
func (r *run) watchPairing(ctx context.Context, id string) (updates <-chan pairUpdate, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	out, changed := make(chan pairUpdate), make(chan struct{}, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		r.onEvents(ctx, changed, func(e feedEvent) bool { return e.kind == "pairing.updated" && strings.Contains(e.data, id) })
	})
	wg.Go(func() {
		defer close(out)
		(&pairWatcher{r: r, id: id, out: out, heard: time.Now()}).loop(ctx, changed)
	})
	return out, func() { cancel(); wg.Wait() }
}

// onEvents pokes changed for each event that matters, and after each gap. It comes back
// by itself when the feed breaks.
func (r *run) onEvents(ctx context.Context, changed chan<- struct{}, matters func(feedEvent) bool) {
	poke := func() {
		select {
		case changed <- struct{}{}:
		default: // it is about to look
		}
	}
	for ctx.Err() == nil {
		_ = (&run{ctx: ctx, api: r.api}).following(func(events <-chan feedEvent, failed <-chan error) error {
			for {
				select {
				case e := <-events:
					if e.kind == "reset" || matters(e) {
						poke()
					}
				case err := <-failed:
					return err
				}
			}
		})
		select { // the first connection failed; asking goes on meanwhile
		case <-time.After(maxRetry):
		case <-ctx.Done():
		}
	}
}

type pairWatcher struct {
	r     *run
	id    string
	out   chan<- pairUpdate
	last  apiPairing
	heard time.Time
}

func (w *pairWatcher) loop(ctx context.Context, changed <-chan struct{}) {
	tick := time.NewTicker(pairPoll)
	defer tick.Stop()
	for {
		if u, tell := w.look(ctx); tell {
			select {
			case w.out <- u:
			case <-ctx.Done():
				return
			}
		}
		select {
		case <-changed:
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// look asks once. An answer that cannot be had is told only when it stays away.
func (w *pairWatcher) look(ctx context.Context) (u pairUpdate, tell bool) {
	raw, err := w.r.api.do(ctx, http.MethodGet, pairingPath(w.id), nil)
	if err != nil {
		var p *problem
		if errors.As(err, &p) && p.Status < 500 && p.Status != http.StatusNotFound || time.Since(w.heard) > patience {
			return pairUpdate{err: err}, true
		}
		return u, false
	}
	w.heard = time.Now()
	var p apiPairing
	if err := json.Unmarshal(raw, &p); err != nil {
		return pairUpdate{err: fmt.Errorf("the server's word on the attempt cannot be read: %w", err)}, true
	}
	if p.same(w.last) {
		return u, false
	}
	w.last = p
	return pairUpdate{p: p, raw: raw}, true
}
