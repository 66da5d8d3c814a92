package group

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/proto/tape"
)

// shaky is a bus whose stream loses its leader from time to time: it refuses messages,
// swallows them, or stores them and loses the receipt.
type shaky struct {
	rnd  *rand.Rand
	bad  int // calls for which it has no leader
	away bool
	tape []int64 // timestamps in the order in which they were stored
}

type receipt struct {
	settled bool
	err     error
}

func (r receipt) Settled() bool                { return r.settled }
func (r receipt) Stored(context.Context) error { return r.err }

var errNoLeader = errors.New("no response from stream")

func (s *shaky) publish(_ context.Context, _ string, data []byte) (Receipt, error) {
	if s.away {
		return nil, fault.New(fault.Unavailable, "not reachable")
	}
	if s.bad == 0 && s.rnd.IntN(40) == 0 {
		s.bad = 1 + s.rnd.IntN(30)
	}
	late := s.rnd.IntN(2) == 0
	if s.bad > 0 {
		s.bad--
		if s.rnd.IntN(6) != 0 {
			return receipt{!late, errNoLeader}, nil
		}
		late = true // stored, and the receipt is lost
	}
	c, err := tape.Parse(data)
	if err != nil {
		return nil, err
	}
	s.tape = append(s.tape, c.TimestampUS)
	if s.bad > 0 {
		return receipt{false, errNoLeader}, nil
	}
	return receipt{!late, nil}, nil
}

// What a session makes of a tape, which skips what it was sent, has no hole however the
// stream behaves, as long as chunks can still be heard.
func TestATapeHasNoHoles(t *testing.T) {
	for seed := range uint64(200) {
		s := &shaky{rnd: rand.New(rand.NewPCG(seed, 7))}
		w := newTaper(houseclock.NewManual(0), s.publish)
		const chunks, first = 300, 10_000_000
		for i := range int64(chunks) {
			data := tape.Append(nil, &tape.Chunk{Epoch: 1, TimestampUS: first + i*100_000, DurationUS: 100_000, Data: []byte("x")})
			for tries := 0; w.write(t.Context(), "r", data) != nil; tries++ {
				if tries > 1000 {
					t.Fatalf("seed %d: chunk %d is never written", seed, i)
				}
			}
		}
		for tries := 0; w.settle(t.Context(), "r", 1) != nil || len(w.tapes["r"]) > 0; tries++ {
			if tries > 1000 {
				t.Fatalf("seed %d: the tape does not settle", seed)
			}
		}
		next := int64(first)
		for _, at := range s.tape {
			if at > next {
				t.Fatalf("seed %d: the tape goes on at %d behind %d", seed, at, next-100_000)
			}
			if at == next {
				next += 100_000
			}
		}
		if want := int64(first + chunks*100_000); next != want {
			t.Fatalf("seed %d: the tape ends at %d, want %d", seed, next, want)
		}
	}
}

func TestChunksOfThePastAreNotWrittenAgain(t *testing.T) {
	house := houseclock.NewManual(0)
	s := &shaky{rnd: rand.New(rand.NewPCG(1, 1)), bad: 1 << 30}
	w := newTaper(house, func(ctx context.Context, id string, data []byte) (Receipt, error) {
		if s.bad > 0 {
			return receipt{true, errNoLeader}, nil
		}
		return s.publish(ctx, id, data)
	})
	at := func(us int64) []byte {
		return tape.Append(nil, &tape.Chunk{Epoch: 1, TimestampUS: us, DurationUS: 20_000, Data: []byte("x")})
	}
	if err := w.write(t.Context(), "r", at(20_000)); err != nil {
		t.Fatal(err)
	}
	if err := w.write(t.Context(), "r", at(40_000)); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("a chunk behind one that was lost: %v", err)
	}
	s.away, s.bad = true, 0
	if err := w.write(t.Context(), "r", at(40_000)); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("while the bus is away: %v", err)
	}
	s.away = false
	house.Advance(1e9)
	if err := w.write(t.Context(), "r", at(1_020_000)); err != nil {
		t.Fatal(err)
	}
	if len(s.tape) != 1 || s.tape[0] != 1_020_000 {
		t.Errorf("on the tape: %v", s.tape)
	}
}
