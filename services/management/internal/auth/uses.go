package auth

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/bus"
)

// uses keeps when each token was last used. Authentication does not wait for it: an actor
// writes, seldom, and the watch of the bucket tells all instances.
type uses struct {
	bucket *bus.Bucket[wrapperspb.BytesValue, *wrapperspb.BytesValue]
	clock  clockwork.Clock
	times  sync.Map // token id -> time.Time
	ref    *actor.Ref[string]
}

func newUses(sup *actor.Supervisor, b *bus.Bucket[wrapperspb.BytesValue, *wrapperspb.BytesValue], clock clockwork.Clock, log *slog.Logger) (*uses, error) {
	u := &uses{bucket: b, clock: clock}
	var err error
	u.ref, err = actor.Spawn(sup, actor.Options{Key: "token-use", Size: usedMailbox, Full: actor.DropOldest, Clock: clock, Log: log},
		func(*actor.Ref[string]) actor.Handler[string] { return actor.HandlerFunc[string](u.write) })
	if err != nil {
		return nil, fmt.Errorf("management: start the actor of token uses: %w", err)
	}
	return u, nil
}

func (u *uses) at(id string) time.Time {
	t, _ := u.times.Load(id)
	at, _ := t.(time.Time)
	return at
}

// heard takes what the bucket says; nil: the token is gone.
func (u *uses) heard(id string, v *wrapperspb.BytesValue) {
	at, err := time.Parse(time.RFC3339, string(v.GetValue()))
	if v == nil || err != nil {
		u.times.Delete(id)
		return
	}
	u.times.Store(id, at)
}

// note says that a token is being used.
func (u *uses) note(id string) {
	_ = u.ref.Send(context.Background(), id) // fails only when the service stops
}

// write notes one use, unless that was done just now.
func (u *uses) write(ctx context.Context, id string) error {
	now := u.clock.Now().UTC().Truncate(time.Second)
	if now.Sub(u.at(id)) < usedEvery {
		return nil
	}
	u.times.Store(id, now)
	if _, err := u.bucket.Put(ctx, usedPrefix+id, wrapperspb.Bytes([]byte(now.Format(time.RFC3339)))); err != nil {
		return nil // the next use will find the bus
	}
	return nil
}
