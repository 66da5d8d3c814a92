package group

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// courier tells one member's session what the group wants it to know, one command
// after the other, on its own goroutine: a session that does not answer holds up
// nobody else. It is driven by the difference between want and told, so a session
// that comes back, or a command that was lost, needs no special case.
type courier struct {
	clientID string
	groupID  string
	fence    uint64
	send     func(ctx context.Context, clientID string, c *tuttiv1.SessionCommand) error
	house    House
	clock    clockwork.Clock
	log      *slog.Logger

	wants chan want // one slot, the newest wins
	done  chan struct{}
	// flying is the command that is on its way; nil: none is.
	flying atomic.Pointer[flight]
	// trace is the id of the newest order of which something is still to be told: its
	// commands carry it, so that an order can be followed to the gateway. It is the
	// goroutine's.
	trace string
}

// flight is a command to a session. When the client has another one, nobody waits for the
// answer: a gateway that died, or is cut off, does not give one, and its successor would wait
// for the timeout.
type flight struct {
	sessionID string
	cancel    context.CancelFunc
}

const (
	sendTimeout = 3 * time.Second
	retryMin    = 250 * time.Millisecond
	retryMax    = 5 * time.Second
)

// want replaces what the session should know. It never blocks. One goroutine calls it.
func (c *courier) want(w want) {
	select {
	case old := <-c.wants:
		if w.trace == "" {
			w.trace = old.trace // what that order changed is in this one, too
		}
	default:
	}
	c.wants <- w
	if f := c.flying.Load(); f != nil && f.sessionID != w.sessionID {
		f.cancel()
	}
}

// run sends until ctx ends, or until a last want is fulfilled.
func (c *courier) run(ctx context.Context, t told) {
	defer close(c.done)
	var w want
	var retry <-chan time.Time
	wait := retryMin
	for {
		select {
		case w = <-c.wants:
			wait = retryMin
			if w.trace != "" {
				c.trace = w.trace
			}
		case <-retry:
			wait = min(2*wait, retryMax)
		case <-ctx.Done():
			return
		}
		var ok bool
		if t, ok = c.deliver(ctx, t, w); !ok {
			retry = c.clock.After(wait)
			continue
		}
		retry = nil
		if w.last && len(c.wants) == 0 {
			return
		}
	}
}

// deliver sends what is missing. It is false when it must try again later; a newer
// want is taken before the next command in any case.
func (c *courier) deliver(ctx context.Context, t told, w want) (told, bool) {
	for len(c.wants) == 0 && ctx.Err() == nil {
		cmd, after := next(t, w, c.house.NowMicros())
		if cmd == nil {
			c.trace = ""
			return after, true
		}
		cmd.GroupId, cmd.Fence, cmd.SessionId = c.groupID, c.fence, w.sessionID
		sent, err := c.request(ctx, cmd)
		switch {
		case !sent:
			continue // something newer has come
		case err == nil:
			t = after
			continue
		}
		var again bool
		if t, again = c.refused(cmd, t, after, err); again {
			return t, w.last // nobody waits for a session that is gone
		}
	}
	return t, true
}

// request sends a command, unless something newer is wanted already.
func (c *courier) request(ctx context.Context, cmd *tuttiv1.SessionCommand) (sent bool, err error) {
	ctx, cancel := context.WithTimeout(traced(ctx, c.trace), sendTimeout)
	defer cancel()
	c.flying.Store(&flight{cmd.GetSessionId(), cancel})
	defer c.flying.Store(nil)
	if len(c.wants) > 0 { // which may have come before it could see the flight
		return false, nil
	}
	return true, c.send(ctx, c.clientID, cmd)
}

// traced is ctx with a trace id; without one, each message gets its own.
func traced(ctx context.Context, id string) context.Context {
	if id == "" {
		return ctx
	}
	return bus.WithTraceID(ctx, id)
}

// refused decides what an error means: what the session has been told now, and
// whether the command should be tried again later.
func (c *courier) refused(cmd *tuttiv1.SessionCommand, t, after told, err error) (told, bool) {
	conflict := fault.CodeOf(err) == fault.Conflict
	c.log.Debug("session did not take a command", obs.KeyClient, c.clientID, "command", name(cmd), obs.KeyErr, err)
	switch cmd.GetCommand().(type) {
	case *tuttiv1.SessionCommand_Player:
		return after, false // a volume that comes late is worse than none
	case *tuttiv1.SessionCommand_StreamEnd:
		if conflict { // there is none: as it should be
			after.stream, after.endAt = nil, 0
			return after, false
		}
	case *tuttiv1.SessionCommand_Artwork:
		if conflict && !after.artwork.GetActive() { // there is no stream to end
			return after, false
		}
	case *tuttiv1.SessionCommand_VisualEnd:
		if conflict { // likewise
			after.visual, after.visualEnd = nil, 0
			return after, false
		}
	case *tuttiv1.SessionCommand_StreamClear:
		if conflict { // there is none to clear: start one
			t.stream, t.endAt = nil, 0
			return t, false
		}
	}
	return t, true
}

func name(c *tuttiv1.SessionCommand) string {
	switch c.GetCommand().(type) {
	case *tuttiv1.SessionCommand_Group:
		return "group"
	case *tuttiv1.SessionCommand_State:
		return "state"
	case *tuttiv1.SessionCommand_Player:
		return "player"
	case *tuttiv1.SessionCommand_StreamStart:
		return "stream_start"
	case *tuttiv1.SessionCommand_StreamClear:
		return "stream_clear"
	case *tuttiv1.SessionCommand_StreamEnd:
		return "stream_end"
	case *tuttiv1.SessionCommand_Artwork:
		return "artwork"
	case *tuttiv1.SessionCommand_VisualStart:
		return "visual_start"
	case *tuttiv1.SessionCommand_VisualEnd:
		return "visual_end"
	}
	return "other"
}
