// Package linein listens to sources: clients that capture audio and send it to their
// gateway (specification, Source messages).
//
//	gateway ──capture──► bus ──► intake, one for each source that somebody uses
//	                               decode ─► asrc.Aligner ─► Feed of each group
//
// An intake asks the source's session to stream, again and again as long as a group wants
// its audio: a microphone must not stay open for a server that died. It puts the audio on
// the house clock, so that frame k of a Feed was captured at a time that everybody can
// compute; groups that use one source hear the same frames.
package linein

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// House tells the house clock.
type House interface{ NowMicros() int64 }

// Deps are what the intakes of an instance share.
type Deps struct {
	InstanceID string
	House      House
	Clock      clockwork.Clock
	Log        *slog.Logger
	// Subscribe calls h for every message of a source, in order, until stop. h must not
	// wait.
	Subscribe func(clientID string, h func(data []byte)) (stop func(), err error)
	// Follow calls h with the id of a client's session, "" for none, when it may have changed, until
	// stop. h does not wait. nil: a source that comes back is found out by asking it.
	Follow func(clientID string, h func(sessionID string)) (stop func())
	// Send asks a client's session.
	Send func(ctx context.Context, clientID string, c *tuttiv1.SessionCommand) error
}

// Hub holds the intakes of an instance. It is safe for concurrent use. It is guarded by a
// lock, because opening and closing come from many groups and touch nothing but the map.
type Hub struct {
	d Deps

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	intakes map[string]*intake
	ended   bool
	made    int // intakes so far
}

// NewHub returns a hub whose intakes end with ctx, or with Stop.
func NewHub(ctx context.Context, d Deps) *Hub {
	h := &Hub{d: d, intakes: map[string]*intake{}}
	h.ctx, h.cancel = context.WithCancel(ctx)
	return h
}

// Stop ends all intakes and waits for them.
func (h *Hub) Stop() {
	h.mu.Lock()
	h.ended = true
	h.mu.Unlock()
	h.cancel()
	h.wg.Wait()
}

// openTimeout is how long a source may take to begin.
const openTimeout = 10 * time.Second

// Open asks a source to stream and returns its feed once audio is there. name is what the
// source is called. The feed must be closed.
func (h *Hub) Open(ctx context.Context, clientID, name string) (*Feed, error) {
	f := &Feed{name: name, blocks: make(chan block, feedDepth), failed: make(chan error, 1), format: make(chan format, 1)}
	in, err := h.join(clientID, f)
	if err != nil {
		return nil, err
	}
	f.close = func() { h.leave(in, f) }
	ctx, cancel := clockwork.WithTimeout(ctx, h.d.Clock, openTimeout)
	defer cancel()
	select {
	case f.is = <-f.format:
		return f, nil
	case err = <-f.failed:
	case <-ctx.Done():
		err = fault.New(fault.Unavailable, "it sends no audio: %s", in.reason())
	}
	_ = f.Close()
	return nil, err
}

// join makes f hear a source.
func (h *Hub) join(clientID string, f *Feed) (*intake, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return nil, fault.New(fault.Unavailable, "this instance is stopping")
	}
	in := h.intakes[clientID]
	if in == nil {
		h.made++
		in = newIntake(h.d, clientID, fmt.Sprintf("stream/%s/%d", h.d.InstanceID, h.made))
		stop, err := h.d.Subscribe(clientID, in.hear)
		if err != nil {
			return nil, err
		}
		in.unsubscribe = stop
		if h.d.Follow != nil {
			unfollow := h.d.Follow(clientID, in.session)
			in.unsubscribe = func() { stop(); unfollow() }
		}
		h.intakes[clientID] = in
		h.d.Log.Info("source is wanted", obs.KeyClient, clientID)
		h.wg.Go(func() { in.run(h.ctx) })
		h.wg.Go(func() { in.wish(h.ctx) })
	}
	in.users++
	in.do(func() { in.join(f) })
	return in, nil
}

// leave takes f away; the last one ends the intake.
func (h *Hub) leave(in *intake, f *Feed) {
	h.mu.Lock()
	defer h.mu.Unlock()
	in.do(func() { in.part(f) })
	if in.users--; in.users == 0 {
		delete(h.intakes, in.clientID)
		close(in.over)
		h.d.Log.Info("source is not wanted any more", obs.KeyClient, in.clientID)
	}
}
