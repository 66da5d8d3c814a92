// Package tuning keeps what the operator set for each client: volume limits, start-up
// volume, channels, equalizer and format (KV bucket "tuning"). Gateways and groups watch
// the bucket; only this package writes it.
package tuning

import (
	"context"
	"log/slog"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// Bucket is where tunings are kept, by client id. bus.Bucket is one.
type Bucket interface {
	Get(ctx context.Context, key string) (*tuttiv1.ClientTuning, uint64, error)
	Put(ctx context.Context, key string, t *tuttiv1.ClientTuning) (uint64, error)
	Create(ctx context.Context, key string, t *tuttiv1.ClientTuning) (uint64, error)
	Update(ctx context.Context, key string, t *tuttiv1.ClientTuning, rev uint64) (uint64, error)
	Delete(ctx context.Context, key string) error
	DeleteRev(ctx context.Context, key string, rev uint64) error
}

// Open opens the bucket.
func Open(ctx context.Context, c *bus.Conn) (Bucket, error) {
	return bus.OpenBucket[tuttiv1.ClientTuning](ctx, c, subject.BucketTuning, bus.BucketOptions{History: 1})
}

// Keeper writes tunings. It is safe for concurrent use.
type Keeper struct {
	Bucket Bucket
	Log    *slog.Logger
}

// Tune makes r.Tuning what is set for its client, and answers with it. A tuning that sets
// nothing removes the entry. OutOfRange names a bad field; Conflict: r.Revision is not
// that of the entry.
func (k *Keeper) Tune(ctx context.Context, r *tuttiv1.TuneRequest) (*tuttiv1.ClientTuning, error) {
	t := r.GetTuning()
	if err := Check(t); err != nil {
		return nil, err
	}
	if err := k.write(ctx, t, r.Revision); err != nil {
		return nil, err
	}
	k.Log.Info("client tuned", obs.KeyClient, t.GetClientId(), "by", r.GetActor())
	return t, nil
}

func (k *Keeper) write(ctx context.Context, t *tuttiv1.ClientTuning, rev *uint64) error {
	id := t.GetClientId()
	var err error
	switch {
	case Empty(t) && rev == nil:
		err = k.Bucket.Delete(ctx, id)
	case Empty(t) && *rev == 0:
		_, _, err = k.Bucket.Get(ctx, id) // there should be none
		if err == nil {
			return conflict(id)
		}
	case Empty(t):
		err = k.Bucket.DeleteRev(ctx, id, *rev)
	case rev == nil:
		_, err = k.Bucket.Put(ctx, id, t)
	case *rev == 0:
		_, err = k.Bucket.Create(ctx, id, t)
	default:
		_, err = k.Bucket.Update(ctx, id, t, *rev)
	}
	switch fault.CodeOf(err) {
	case fault.Conflict:
		return conflict(id)
	case fault.NotFound:
		if Empty(t) {
			return nil // as it should be
		}
	}
	return err
}

func conflict(id string) error {
	return fault.New(fault.Conflict, "the tuning of client %s was changed by somebody else meanwhile: read it and try again", id)
}

// Move hands a client's tuning to the device that takes its place. The choice of a
// format stays behind: formats are the hardware's.
func (k *Keeper) Move(ctx context.Context, from, to string) error {
	t, _, err := k.Bucket.Get(ctx, from)
	if fault.CodeOf(err) == fault.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	t.ClientId, t.Format = to, nil
	if !Empty(t) {
		if _, err := k.Bucket.Put(ctx, to, t); err != nil {
			return err
		}
	}
	return k.Forget(ctx, from)
}

// Forget removes what is set for a client.
func (k *Keeper) Forget(ctx context.Context, id string) error {
	if err := k.Bucket.Delete(ctx, id); fault.CodeOf(err) != fault.NotFound {
		return err
	}
	return nil
}
