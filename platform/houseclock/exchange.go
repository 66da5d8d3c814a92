package houseclock

import (
	"context"
	"errors"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tutti-audio/tutti/platform/bus"
)

const (
	// burstSize exchanges make one measurement: the one with the shortest round trip.
	burstSize     = 8
	exchangeLimit = 500 * time.Millisecond
)

// exchanger asks another process for house time.
type exchanger struct {
	c       *bus.Conn
	subject string
	mono    func() int64
	fence   uint64 // answers under an older lease are dropped
}

// measurement is one exchange: what to add to this kernel's time, how far that may be
// off (half the round trip), and when the answer came; all µs.
type measurement struct{ measurement, maxErr, t4 int64 }

// burst makes burstSize exchanges and returns the best.
func (x *exchanger) burst(ctx context.Context) (measurement, error) {
	var best measurement
	found := false
	var last error
	for range burstSize {
		m, err := x.exchange(ctx)
		if err != nil {
			last = err
			if ctx.Err() != nil {
				break
			}
			continue
		}
		if !found || m.maxErr < best.maxErr {
			best, found = m, true
		}
	}
	if !found {
		return best, errors.Join(errors.New("no exchange of a burst succeeded"), last)
	}
	best.maxErr = max(best.maxErr, 1)
	return best, nil
}

var errOldLeader = errors.New("house clock: the answer comes from a leader whose lease is over")

func (x *exchanger) exchange(ctx context.Context) (measurement, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeLimit)
	defer cancel()
	t1 := x.mono()
	resp := &wrapperspb.BytesValue{}
	if err := x.c.Request(ctx, x.subject, encodeTimes(t1), resp); err != nil {
		return measurement{}, err
	}
	t4 := x.mono()
	t, err := decodeTimes(resp, 4)
	if err != nil {
		return measurement{}, err
	}
	switch {
	case t[0] != t1:
		return measurement{}, errExchange
	case uint64(t[3]) < x.fence:
		return measurement{}, errOldLeader
	}
	return measurement{((t[1] - t1) + (t[2] - t4)) / 2, ((t4 - t1) - (t[2] - t[1])) / 2, t4}, nil
}
