package attempt

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
)

const (
	// scanEvery is how often entries are looked for whose instance died.
	scanEvery = time.Minute
	// scanSoon is the wait when an attempt runs elsewhere: it may be that of an
	// instance that died just now, whose lease is still there.
	scanSoon = 5 * time.Second
)

type scan struct{}

// startJanitor spawns the actor that marks attempts that nobody holds any more.
func (a *Attempts) startJanitor() error {
	_, err := actor.Spawn(a.Supervisor, actor.Options{Key: "attempts-janitor", Size: 1, Full: actor.DropOldest},
		func(self *actor.Ref[scan]) actor.Handler[scan] { return &janitor{a: a, self: self} })
	return err
}

type janitor struct {
	a      *Attempts
	self   *actor.Ref[scan]
	cancel func()
	failed bool
}

// Start implements actor.Lifecycle.
func (j *janitor) Start(context.Context) error {
	j.cancel = actor.After(j.self, j.a.Clock, 0, scan{})
	return nil
}

// Close implements actor.Lifecycle.
func (j *janitor) Close(context.Context) { j.cancel() }

// Handle implements actor.Handler.
func (j *janitor) Handle(ctx context.Context, _ scan) error {
	elsewhere, err := j.a.scan(ctx)
	if err != nil && !j.failed && ctx.Err() == nil {
		j.a.Log.Warn("interrupted pairing attempts cannot be looked for now", obs.KeyErr, err)
	}
	j.failed = err != nil
	wait := scanEvery
	if elsewhere || err != nil {
		wait = scanSoon
	}
	j.cancel = actor.After(j.self, j.a.Clock, wait, scan{})
	return nil
}

// scan marks every attempt that is under way according to its entry, and that nobody
// runs. It reports whether some run in other processes.
func (a *Attempts) scan(ctx context.Context) (elsewhere bool, err error) {
	ids, err := a.Bucket.Keys(ctx)
	if err != nil {
		return false, err
	}
	for _, id := range ids {
		v, rev, err := a.Bucket.Get(ctx, id)
		if fault.CodeOf(err) == fault.NotFound || err == nil && over(v) {
			continue
		}
		if err != nil {
			return elsewhere, err
		}
		held, err := a.isHeld(ctx, id)
		if err != nil {
			return elsewhere, err
		}
		if held {
			elsewhere = elsewhere || !a.runs(id)
			continue
		}
		if err := a.interrupted(ctx, id, v, rev); err != nil {
			return elsewhere, err
		}
	}
	return elsewhere, nil
}

// isHeld reports whether somebody runs the attempt with a client.
func (a *Attempts) isHeld(ctx context.Context, id string) (bool, error) {
	if a.runs(id) || a.Leases == nil {
		return a.runs(id), nil
	}
	_, _, err := a.Leases.Holder(ctx, leaseKey(id))
	if fault.CodeOf(err) == fault.NotFound {
		return false, nil
	}
	return err == nil, err
}

// interrupted marks one attempt, unless somebody has written its entry since.
func (a *Attempts) interrupted(ctx context.Context, id string, v *pb.PairingAttempt, rev uint64) error {
	next := proto.CloneOf(v)
	next.State, next.Reason, next.Message, next.ExpiresAt = stateFailed, reasonInterrupted, "", nil
	next.Detail = "the pairing service was interrupted while it paired; start again (if the device shows a credential mismatch, that mends it)"
	next.UpdatedAt = timestamppb.New(a.Clock.Now().UTC())
	_, err := a.Bucket.Update(ctx, id, next, rev)
	if fault.CodeOf(err) == fault.Conflict {
		return nil
	}
	if err == nil {
		a.Metrics.ended.WithLabelValues(v.GetMethod(), reasonInterrupted).Inc()
		a.Log.Warn("pairing attempt interrupted", obs.KeyClient, id, "attempt_id", v.GetAttemptId(), "actor", v.GetActor(),
			"instance", v.GetInstanceId(), obs.KeyState, v.GetState())
	}
	return err
}
