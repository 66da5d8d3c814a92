package group

import (
	"context"
	"log/slog"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// Store is where groups are kept. bus.Bucket is one.
type Store interface {
	Get(ctx context.Context, key string) (*tuttiv1.Group, uint64, error)
	Update(ctx context.Context, key string, g *tuttiv1.Group, rev uint64) (uint64, error)
	Delete(ctx context.Context, key string) error
}

// keeper writes one group's record, on its own goroutine, so that a slow bus does not
// hold up the group. Only the newest record counts. It notices when somebody with a
// higher fence writes the same record: then this instance has lost the group.
type keeper struct {
	id      string
	fence   uint64
	rev     uint64
	store   Store
	clock   clockwork.Clock
	log     *slog.Logger
	lost    func()
	metrics *Metrics

	records chan kept // one slot
	done    chan struct{}
}

const keepTimeout = 3 * time.Second

// kept is a record to be written, and who waits for that.
type kept struct {
	g       *tuttiv1.Group
	answers []owed
}

// owed is the answer to a command.
type owed struct {
	to chan<- Reply // has room for it
	r  Reply
}

// keep replaces the record to be written; answers go out when it is. It never blocks. One
// goroutine calls it.
func (k *keeper) keep(g *tuttiv1.Group, answers []owed) {
	select {
	case old := <-k.records:
		answers = append(old.answers, answers...)
	default:
	}
	k.records <- kept{g, answers}
}

// run writes until ctx ends; what waits then is written with a last effort.
func (k *keeper) run(ctx context.Context) {
	defer close(k.done)
	for {
		select {
		case r := <-k.records:
			for !k.write(context.WithoutCancel(ctx), r) && ctx.Err() == nil {
				select {
				case newer := <-k.records:
					r = kept{newer.g, append(r.answers, newer.answers...)}
				case <-k.clock.After(time.Second):
				case <-ctx.Done():
				}
			}
		case <-ctx.Done():
			select {
			case r := <-k.records:
				k.write(context.WithoutCancel(ctx), r)
			default:
			}
			return
		}
	}
}

// answer gives out what is owed; with an error when the record could not be written any
// more.
func answer(answers []owed, err error) {
	for _, a := range answers {
		if err != nil {
			a.r = Reply{Err: err}
		}
		a.to <- a.r
	}
}

// write stores g. It is false when it should be tried again.
func (k *keeper) write(ctx context.Context, r kept) bool {
	ctx, cancel := context.WithTimeout(ctx, keepTimeout)
	defer cancel()
	rev, err := k.store.Update(ctx, k.id, r.g, k.rev)
	if err == nil {
		k.rev = rev
		answer(r.answers, nil)
		return true
	}
	if fault.CodeOf(err) != fault.Conflict {
		k.log.Warn("group's state is not saved, will try again", obs.KeyErr, err)
	}
	// Either somebody else wrote, or our own write did arrive and only its answer
	// was lost.
	cur, rev, err := k.store.Get(ctx, k.id)
	switch {
	case fault.CodeOf(err) == fault.NotFound, err == nil && cur.GetFence() > k.fence:
		k.log.Warn("group is held by another instance", obs.KeyFence, cur.GetFence())
		k.metrics.dropped("group_record")
		k.lost()
		answer(r.answers, fault.New(fault.Unavailable, "group %s is moving to another instance: try again", k.id))
		return true
	case err == nil:
		k.rev = rev
	}
	return false
}
