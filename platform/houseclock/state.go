package houseclock

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tutti-audio/tutti/platform/bus"
)

// Names on the bus that belong to the house clock alone.
const (
	Bucket          = "clock"
	stateKey        = "house"
	ExchangeSubject = "tutti.v1.clock.exchange"
	// CopySubject is answered by every process that has a reading, for a leader that
	// has none.
	CopySubject = "tutti.v1.clock.copy"
	// LeaseKey is the leader's lease.
	LeaseKey = "clock"
)

// state is what the leader publishes: enough for a process on the same kernel
// to read house time, and for a successor to go on.
type state struct {
	Leader   string `json:"leader"`
	BootID   string `json:"boot_id"`
	OffsetUS int64  `json:"offset_us"` // house = CLOCK_MONOTONIC of BootID + OffsetUS
	HouseUS  int64  `json:"house_us"`  // house time when this was written
	WallUS   int64  `json:"wall_us"`   // Unix time when this was written, µs
	Fence    uint64 `json:"fence"`
}

type bucket = bus.Bucket[wrapperspb.BytesValue, *wrapperspb.BytesValue]

func openBucket(ctx context.Context, c *bus.Conn) (*bucket, error) {
	return bus.OpenBucket[wrapperspb.BytesValue](ctx, c, Bucket, bus.BucketOptions{})
}

func encodeState(s state) (*wrapperspb.BytesValue, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	return wrapperspb.Bytes(b), nil
}

func decodeState(v *wrapperspb.BytesValue) (state, error) {
	var s state
	if err := json.Unmarshal(v.GetValue(), &s); err != nil {
		return state{}, fmt.Errorf("house clock: state in the bucket is unreadable: %w", err)
	}
	return s, nil
}

// restartMargin covers what passed between the last heartbeat and the crash,
// should the wall clock not tell.
const restartMargin = 2 * heartbeat

// offsetFor decides the offset of a new leader on a kernel with monotonic time
// m. copy is this process's own fitted house time at m, if it followed before.
func offsetFor(last *state, bootID string, m int64, wall time.Time, copy *int64) int64 {
	switch {
	case last == nil:
		return 0
	case last.BootID == bootID:
		return last.OffsetUS
	case copy != nil:
		return *copy - m
	default:
		passed := max(wall.UnixMicro()-last.WallUS, 0) + restartMargin.Microseconds()
		return last.HouseUS + passed - m
	}
}

// An exchange is 8 bytes there (t1) and 32 back (t1, t2, t3 in µs and the leader's fence),
// big-endian.

func encodeTimes(times ...int64) *wrapperspb.BytesValue {
	b := make([]byte, 0, 8*len(times))
	for _, t := range times {
		b = binary.BigEndian.AppendUint64(b, uint64(t))
	}
	return wrapperspb.Bytes(b)
}

var errExchange = errors.New("house clock: malformed exchange")

func decodeTimes(v *wrapperspb.BytesValue, n int) ([]int64, error) {
	b := v.GetValue()
	if len(b) != 8*n {
		return nil, errExchange
	}
	out := make([]int64, n)
	for i := range out {
		out[i] = int64(binary.BigEndian.Uint64(b[8*i:]))
	}
	return out, nil
}
