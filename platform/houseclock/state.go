package houseclock

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
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
	// NeighbourPrefix and a kernel's token (neighbourSubject) are where every process on that
	// kernel that has a fitted reading answers, for one that has just started beside it.
	NeighbourPrefix = "tutti.v1.clock.neighbour"
	// LeaseKey is the leader's lease.
	LeaseKey = "clock"
)

// neighbourSubject is that of a kernel. A boot id may hold what a subject must not.
func neighbourSubject(bootID string) string {
	sum := sha256.Sum256([]byte(bootID))
	return NeighbourPrefix + "." + hex.EncodeToString(sum[:8])
}

// state is what the leader publishes: enough for a process on the same kernel
// to read house time, and for a successor to go on.
type state struct {
	Leader   string `json:"leader"`
	BootID   string `json:"boot_id"`
	OffsetUS int64  `json:"offset_us"` // house = CLOCK_MONOTONIC of BootID + OffsetUS, when that is PivotUS
	PivotUS  int64  `json:"pivot_us,omitempty"`
	RatePPB  int64  `json:"rate_ppb,omitempty"` // how much faster than CLOCK_MONOTONIC of BootID house time runs, parts per 10⁹
	HouseUS  int64  `json:"house_us"`           // house time when this was written
	WallUS   int64  `json:"wall_us"`            // Unix time when this was written, µs
	Fence    uint64 `json:"fence"`
}

// at is house time at monotonic time m of the leader's kernel.
func (s *state) at(m int64) int64 { return m + s.OffsetUS + (m-s.PivotUS)*s.RatePPB/1_000_000_000 }

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

// maxRatePPB bounds what a leader goes on at: two crystals are never that far apart, so a larger
// rate is a mistake that must not be handed on.
const maxRatePPB = 200_000

// course is how a new leader goes on: house time's offset at pivot of its kernel's clock,
// and its rate.
type course struct{ offset, pivot, ppb int64 }

// courseFor decides that for a kernel with monotonic time m. copy is what this process, or a
// survivor that it asked, knew of house time, if somebody did.
//
// The rate goes on as well: players fit a clock whose rate is constant, and take minutes to
// follow one that changes by the difference of two crystals.
func courseFor(last *state, bootID string, m int64, wall time.Time, copy *known) course {
	switch {
	case last == nil:
		return course{}
	case last.BootID == bootID:
		return course{last.OffsetUS, last.PivotUS, last.RatePPB}
	case copy != nil:
		return course{copy.at(m) - m, m, clamp(copy.ppb, maxRatePPB)}
	default:
		passed := max(wall.UnixMicro()-last.WallUS, 0) + restartMargin.Microseconds()
		return course{offset: last.HouseUS + passed - m}
	}
}

// An exchange is 8 bytes there (t1) and 32 back (t1, t2, t3 in µs and the leader's fence),
// big-endian. A neighbour is asked with t1 too, and answers with this kernel's time, house time
// then, its rate in parts per 10⁹ and the uncertainty in µs.

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
