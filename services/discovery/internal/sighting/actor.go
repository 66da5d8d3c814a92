package sighting

import (
	"context"
	"log/slog"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/discovery/internal/record"
)

// writeTimeout bounds one write; the bus may be away.
const writeTimeout = 3 * time.Second

// Bucket is the bucket of sightings.
type Bucket = bus.Bucket[tuttiv1.Sighting, *tuttiv1.Sighting]

// Message is what the actor hears: an observation, or (nil) the request to look at
// the clock.
type Message struct{ Observation *record.Observation }

// Options of an actor.
type Options struct {
	Key    string
	Stored *tuttiv1.Sighting // nil when new
	Rev    uint64
	Bucket *Bucket
	Clock  clockwork.Clock
	Log    *slog.Logger
	// Freshness is how long a device counts as present after it was heard.
	Freshness time.Duration
}

// Spawn starts the actor of one present device. It ends when the device is absent
// and that is written: an absent device needs no goroutine.
func Spawn(s *actor.Supervisor, o Options) (*actor.Ref[Message], error) {
	return actor.Spawn(s, actor.Options{Key: "sighting/" + o.Key, Size: 8, Full: actor.DropOldest},
		func(*actor.Ref[Message]) actor.Handler[Message] {
			return &device{o: o, state: NewState(o.Key, o.Stored), rev: o.Rev}
		})
}

// device is the state of one actor.
type device struct {
	o       Options
	state   *State
	rev     uint64
	dirty   bool      // the bucket does not have what we know
	written time.Time // when it last got it
}

// Handle implements actor.Handler.
func (d *device) Handle(ctx context.Context, m Message) error {
	now := d.o.Clock.Now()
	if m.Observation != nil {
		was := d.state.Value().Present
		if d.state.Observe(*m.Observation, now, d.o.Freshness) {
			d.dirty = true
		}
		if v := d.state.Value(); !was {
			d.o.Log.Info("device seen", obs.KeyKey, v.Key, obs.KeyName, v.Name, obs.KeyURL, v.Url, obs.KeyIface, v.Interface)
		}
	} else if d.state.Expire(now, d.o.Freshness) {
		if err := d.confirmAbsent(ctx, now); err != nil {
			return nil // not now: the bus is away, and absence is no hurry
		}
	}
	// The time alone is written often enough for other instances to know.
	if !d.dirty && now.Sub(d.written) < d.o.Freshness/2 {
		return nil
	}
	d.write(ctx, now)
	if !d.dirty && !d.state.Value().Present {
		return actor.ErrStop
	}
	return nil
}

// confirmAbsent asks the bucket whether another instance of the service still hears
// the device; then it is present.
func (d *device) confirmAbsent(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	stored, rev, err := d.o.Bucket.Get(ctx, d.o.Key)
	if fault.CodeOf(err) == fault.NotFound {
		d.dirty = true
		return nil
	}
	if err != nil {
		d.state.value.Present = true // undecided
		return err
	}
	d.rev = rev
	d.state.Merge(stored)
	if stored.GetPresent() && now.Sub(stored.GetLastSeen().AsTime()) < d.o.Freshness {
		d.state.value.Present = true
		return nil
	}
	d.state.value.Present = false
	d.dirty = true
	v := d.state.Value()
	d.o.Log.Info("device not heard any more", obs.KeyKey, v.Key, obs.KeyName, v.Name, obs.KeyURL, v.Url)
	return nil
}

// write brings the bucket to our value; on a conflict it takes the other's in.
func (d *device) write(ctx context.Context, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	err := d.put(ctx)
	if fault.CodeOf(err) == fault.Conflict {
		if stored, rev, gerr := d.o.Bucket.Get(ctx, d.o.Key); gerr == nil {
			d.state.Merge(stored)
			d.rev = rev
		} else if fault.CodeOf(gerr) == fault.NotFound {
			d.rev = 0
		}
		err = d.put(ctx)
	}
	if err != nil {
		d.dirty = true // the next message tries again
		d.o.Log.Debug("sighting not written", obs.KeyKey, d.o.Key, obs.KeyErr, err)
		return
	}
	d.dirty, d.written = false, now
}

func (d *device) put(ctx context.Context) (err error) {
	var rev uint64
	if d.rev == 0 {
		rev, err = d.o.Bucket.Create(ctx, d.o.Key, d.state.Value())
	} else {
		rev, err = d.o.Bucket.Update(ctx, d.o.Key, d.state.Value(), d.rev)
	}
	if err == nil {
		d.rev = rev
	}
	return err
}
