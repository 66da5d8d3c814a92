package group

import (
	"context"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/tape"
)

// Receipt tells what became of a chunk that was published.
type Receipt interface {
	// Settled tells whether Stored returns at once.
	Settled() bool
	// Stored waits until the chunk is on its tape, or says why it is not. It is called once.
	Stored(ctx context.Context) error
}

const (
	// unacknowledged is how many chunks of a tape may be on their way when they sound soon:
	// those of a live source cannot wait for each other. One that is stored behind one
	// that was refused makes a hole.
	unacknowledged = 8
	// soonUS is when they can: each then waits until the one before it is stored.
	soonUS = 1_500_000
)

// taper writes tapes without holes. The bus refuses chunks, or swallows them, while its
// streams change their leader; what was not stored is written again, and before anything
// that follows, because sessions read a tape in its order. A chunk that was stored although
// its receipt was lost comes twice, and a session skips the second one. It belongs to one
// pipeline's goroutine.
type taper struct {
	publish func(ctx context.Context, id string, data []byte) (Receipt, error)
	house   House
	tapes   map[string][]onItsWay // by rendition, in their order
}

type onItsWay struct {
	data    []byte
	receipt Receipt // nil: it has to be written again
}

func newTaper(house House, publish func(ctx context.Context, id string, data []byte) (Receipt, error)) *taper {
	return &taper{publish: publish, house: house, tapes: map[string][]onItsWay{}}
}

// write puts a chunk on a tape behind those before it. Unavailable says that it is not on its way,
// and is to be written again.
func (t *taper) write(ctx context.Context, id string, data []byte) error {
	most := unacknowledged
	if c, err := tape.Parse(data); err == nil && c.TimestampUS > t.house.NowMicros()+soonUS {
		most = 1
	}
	if err := t.settle(ctx, id, most); err != nil {
		return err
	}
	r, err := t.publish(ctx, id, data)
	if err == nil {
		t.tapes[id] = append(t.tapes[id], onItsWay{data, r})
	}
	return err
}

// settle looks at what is on its way: it forgets what is stored, waits while there is too
// much (most or more), and from the first that was lost on writes everything again.
func (t *taper) settle(ctx context.Context, id string, most int) error {
	way := t.tapes[id]
	defer func() { t.tapes[id] = way }()
	for len(way) > 0 && way[0].receipt != nil && (way[0].receipt.Settled() || len(way) >= most) {
		if err := way[0].receipt.Stored(ctx); err == nil {
			way = way[1:]
			continue
		} else if ctx.Err() != nil {
			return fault.Wrap(fault.Unavailable, err, "tape %s", id)
		}
		for i := range way {
			way[i].receipt = nil
		}
	}
	for i := range way {
		if way[i].receipt != nil {
			break
		}
		if t.past(way[i].data) {
			continue
		}
		r, err := t.publish(ctx, id, way[i].data)
		if err != nil {
			return err
		}
		// One at a time: the stream may still be without a leader.
		if err := r.Stored(ctx); err != nil {
			return fault.Wrap(fault.Unavailable, err, "tape %s", id)
		}
		way[i].receipt = stored{}
	}
	for len(way) > 0 && (way[0].receipt == nil || way[0].receipt == Receipt(stored{})) {
		way = way[1:]
	}
	return nil
}

// past tells whether nobody can hear a chunk any more.
func (t *taper) past(data []byte) bool {
	c, err := tape.Parse(data)
	return err != nil || c.TimestampUS+int64(c.DurationUS) < t.house.NowMicros()
}

// stored is the receipt of a chunk that was waited for.
type stored struct{}

func (stored) Settled() bool                { return true }
func (stored) Stored(context.Context) error { return nil }
