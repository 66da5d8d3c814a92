package reel

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"go.uber.org/goleak"

	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/proto/tape"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func encoded(epoch uint64, ts int64, audio []byte) []byte {
	return tape.Append(nil, &tape.Chunk{Epoch: epoch, TimestampUS: ts, DurationUS: 100_000, ItemID: "item", Data: audio})
}

func mustParse(t testing.TB, b []byte) *Chunk {
	t.Helper()
	c, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPlaintextIsBuiltInPlace(t *testing.T) {
	b := encoded(3, 77, []byte("audio"))
	c := mustParse(t, b)
	p := c.Borrow()
	got, err := wire.ParseAudioChunk(p.B[1:])
	if err != nil || p.B[0] != wire.IDAudio || got.Timestamp != 77 || string(got.Data) != "audio" {
		t.Fatalf("plaintext %x: %+v, %v", p.B, got, err)
	}
	if &p.B[len(p.B)-1] != &b[len(b)-1] {
		t.Error("the audio was copied")
	}
	if c.Epoch != 3 || c.End() != 100_077 || c.Size != 13+5 {
		t.Errorf("chunk %+v", c)
	}
	// A second borrower gets a copy of its own, a third the one that came back.
	q := c.Borrow()
	wire.PutAudioHeader(p.B, 77, 1)
	wire.PutAudioHeader(q.B, 77, 2)
	if bytes.Equal(p.B[:13], q.B[:13]) || !bytes.Equal(p.B[13:], q.B[13:]) {
		t.Error("the copies share their header, or differ in their audio")
	}
	c.Return(q)
	c.Return(p)
	if c.Borrow(); c.Copies() != 2 {
		t.Errorf("%d copies, want 2", c.Copies())
	}
}

func TestRefusedChunks(t *testing.T) {
	if _, err := Parse([]byte("short")); !errors.Is(err, tape.ErrMalformed) {
		t.Errorf("malformed: %v", err)
	}
	long := tape.Append(nil, &tape.Chunk{DurationUS: MaxDurationUS + 1})
	if _, err := Parse(long); !errors.Is(err, ErrTooLong) {
		t.Errorf("too long: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(encoded(1, 2, []byte("x")))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Parse(bytes.Clone(b))
		if err != nil {
			return
		}
		p := c.Borrow()
		if len(p.B) != c.Size || c.Size < wire.AudioHeaderLen || c.Duration > MaxDurationUS {
			t.Fatalf("chunk %+v with %d bytes", c, len(p.B))
		}
		if !bytes.HasSuffix(b, p.B[wire.AudioHeaderLen:]) {
			t.Fatal("the audio changed")
		}
	})
}

func TestRingBounds(t *testing.T) {
	r := NewRing(Limits{PastUS: 1_000_000, Bytes: 10 * 113})
	now := int64(10_000_000)
	r.Append(mustParse(t, encoded(1, now-2_000_000, make([]byte, 100))), now)
	if n, _ := r.Len(); n != 0 {
		t.Error("a chunk of the past was kept")
	}
	for i := range int64(15) {
		r.Append(mustParse(t, encoded(1, now+i*100_000, make([]byte, 100))), now)
	}
	n, bytes := r.Len()
	if n != 10 || bytes != 10*113 {
		t.Errorf("%d chunks with %d bytes, want 10 within the limit", n, bytes)
	}
	c, seq := r.At(0)
	if c.Timestamp != now+500_000 || seq != 5 {
		t.Errorf("oldest: %d at %d", c.Timestamp, seq)
	}
	if c, seq := r.At(99); c != nil || seq != 99 {
		t.Errorf("beyond the end: %v at %d", c, seq)
	}
	r.Append(mustParse(t, encoded(1, now+9_000_000, make([]byte, 100))), now+8_000_000)
	if n, _ := r.Len(); n != 1 {
		t.Errorf("%d chunks long after, want the newest alone", n)
	}
}

// TestRingDropsWhatAFormerHolderWrites: in the same epoch too, and whatever its time is.
func TestRingDropsWhatAFormerHolderWrites(t *testing.T) {
	r := NewRing(Limits{})
	put := func(epoch, fence uint64, ts int64) bool {
		return r.Append(mustParse(t, tape.Append(nil, &tape.Chunk{Epoch: epoch, Fence: fence, TimestampUS: ts, DurationUS: 100_000, Data: []byte("x")})), 0)
	}
	for _, c := range []struct {
		epoch, fence uint64
		ts           int64
		want         bool
	}{{5, 10, 100_000, true}, {5, 10, 200_000, true}, {5, 12, 300_000, true}, {5, 10, 300_000, false}, {6, 10, 400_000, false},
		{5, 0, 400_000, false}, {5, 12, 400_000, true}, {6, 13, 500_000, true}, {6, 12, 600_000, false}} {
		if got := put(c.epoch, c.fence, c.ts); got != c.want {
			t.Errorf("epoch %d fence %d at %d: %v, want %v", c.epoch, c.fence, c.ts, got, c.want)
		}
	}
	if n, _ := r.Len(); n != 5 {
		t.Errorf("%d chunks, want 5", n)
	}
	// One that is past is not kept, but its holder is believed.
	if r.Append(mustParse(t, tape.Append(nil, &tape.Chunk{Epoch: 6, Fence: 20})), 1<<40); put(6, 13, 1<<40) {
		t.Error("the fence of a chunk that is past does not count")
	}
}

func TestWaitersAreWokenOnlyWhenArmed(t *testing.T) {
	r := NewRing(Limits{})
	w := &Waiter{Wake: make(chan struct{}, 1)}
	r.Join(w)
	woken := func() bool {
		select {
		case <-w.Wake:
			return true
		default:
			return false
		}
	}
	put := func() { r.Append(mustParse(t, encoded(1, 1<<40, nil)), 0) }
	put()
	if woken() {
		t.Error("woken without being armed")
	}
	w.Arm()
	put()
	put()
	if !woken() || woken() {
		t.Error("want exactly one wake-up")
	}
	w.Arm()
	w.Disarm()
	put()
	r.Leave(w)
	w.Arm()
	put()
	if woken() {
		t.Error("woken after disarm or leave")
	}
}

func TestBorrowRace(t *testing.T) {
	c := mustParse(t, encoded(1, 5, bytes.Repeat([]byte{7}, 1000)))
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 500 {
				p := c.Borrow()
				wire.PutAudioHeader(p.B, int64(g), uint32(i))
				got, err := wire.ParseAudioChunk(p.B[1:])
				if err != nil || got.Timestamp != int64(g) || got.SendAhead != uint32(i) {
					t.Errorf("header of another borrower: %+v", got)
				}
				c.Return(p)
			}
		})
	}
	wg.Wait()
	if n := c.Copies(); n > 8 {
		t.Errorf("%d copies for 8 borrowers", n)
	}
}

func TestBorrowDoesNotAllocate(t *testing.T) {
	c := mustParse(t, encoded(1, 5, make([]byte, 100)))
	if n := testing.AllocsPerRun(100, func() { c.Return(c.Borrow()) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// feeder is a bus with one tape.
type feeder struct {
	mu      sync.Mutex
	fail    int
	opened  int
	stopped int
	h       func([]byte)
}

func (f *feeder) consume(_ context.Context, _ string, h func([]byte)) (func(), error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail > 0 {
		f.fail--
		return nil, errors.New("no stream yet")
	}
	f.opened++
	f.h = h
	return func() { f.mu.Lock(); f.stopped++; f.mu.Unlock() }, nil
}

func TestSetReadsEachTapeOnce(t *testing.T) {
	f := &feeder{fail: 1}
	clock := clockwork.NewFakeClock()
	bad, fenced := 0, 0
	s := NewSet(f.consume, houseclock.NewManual(0), clock, slog.New(slog.NewTextHandler(io.Discard, nil)), func() { bad++ }, func() { fenced++ })
	a, b := s.Acquire("g", "r"), s.Acquire("g", "r")
	if a != b || s.Len() != 1 {
		t.Fatalf("%d tapes for one rendition", s.Len())
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := clock.BlockUntilContext(ctx, 1); err != nil {
		t.Fatal("the consumer is not tried again")
	}
	clock.Advance(time.Second)
	for {
		f.mu.Lock()
		h := f.h
		f.mu.Unlock()
		if h != nil {
			h(encoded(1, 1, []byte("x")))
			h([]byte("rubbish"))
			h(tape.Append(nil, &tape.Chunk{Epoch: 1, TimestampUS: 2, Fence: 8}))
			h(tape.Append(nil, &tape.Chunk{Epoch: 1, TimestampUS: 3, Fence: 7}))
			break
		}
		if ctx.Err() != nil {
			t.Fatal("no consumer")
		}
		time.Sleep(time.Millisecond)
	}
	if n, _ := a.Len(); n != 2 || bad != 1 || fenced != 1 {
		t.Errorf("%d chunks, %d bad, %d fenced", n, bad, fenced)
	}
	a.Release()
	if s.Len() != 1 {
		t.Error("gone while still held")
	}
	b.Release()
	if s.Len() != 0 {
		t.Error("kept without a holder")
	}
	s.Close()
	if f.opened != 1 || f.stopped != 1 {
		t.Errorf("consumer opened %d times, stopped %d times", f.opened, f.stopped)
	}
}
