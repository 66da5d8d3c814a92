package houseclock

import (
	"context"
	"errors"
	"math"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tutti-audio/tutti/platform/bus"
)

const (
	// burstSize exchanges make one measurement: of each direction the quickest counts.
	burstSize     = 16
	exchangeLimit = 500 * time.Millisecond
)

// exchanger asks another process for house time.
type exchanger struct {
	c       *bus.Conn
	subject string
	mono    func() int64
	fence   uint64 // answers under an older lease are dropped
}

// bounds are what one exchange says: what to add to this kernel's time is at least lo,
// because the answer was sent before it came, and at most hi, because the question came
// after it was sent. t4 is when the answer came. All in µs.
type bounds struct{ lo, hi, t4 int64 }

// measurement is one burst: what to add to this kernel's time, how far that may be off,
// and when the last answer came; all µs.
type measurement struct{ measurement, maxErr, t4 int64 }

// burst makes burstSize exchanges and puts their bounds together: the quickest question and
// the quickest answer need not be of one exchange. Two crystals part by less than a µs meanwhile.
func (x *exchanger) burst(ctx context.Context) (measurement, error) {
	lo, hi := int64(math.MinInt64), int64(math.MaxInt64)
	var at int64
	var last error
	for range burstSize {
		b, err := x.exchange(ctx)
		if err != nil {
			last = err
			if ctx.Err() != nil {
				break
			}
			continue
		}
		lo, hi, at = max(lo, b.lo), min(hi, b.hi), b.t4
	}
	if at == 0 {
		return measurement{}, errors.Join(errors.New("no exchange of a burst succeeded"), last)
	}
	return measurement{lo + (hi-lo)/2, max((hi-lo)/2, 1), at}, nil
}

var errOldLeader = errors.New("house clock: the answer comes from a leader whose lease is over")

func (x *exchanger) exchange(ctx context.Context) (bounds, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeLimit)
	defer cancel()
	t1 := x.mono()
	resp := &wrapperspb.BytesValue{}
	if err := x.c.Request(ctx, x.subject, encodeTimes(t1), resp); err != nil {
		return bounds{}, err
	}
	t4 := x.mono()
	t, err := decodeTimes(resp, 4)
	if err != nil {
		return bounds{}, err
	}
	switch {
	case t[0] != t1:
		return bounds{}, errExchange
	case uint64(t[3]) < x.fence:
		return bounds{}, errOldLeader
	}
	return bounds{lo: t[2] - t4, hi: t[1] - t1, t4: t4}, nil
}
