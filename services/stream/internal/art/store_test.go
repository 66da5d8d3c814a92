package art

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/services/stream/internal/palette"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newStore runs a store until the test ends.
func newStore(t testing.TB) *Store {
	t.Helper()
	s := NewStore()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { s.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return s
}

func TestStoreMakesWhatIsAskedFor(t *testing.T) {
	s := newStore(t)
	id, err := s.Add(pngOf(t, quadrants(60, 20)), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{JPEG, PNG} {
		data, err := s.Picture(t.Context(), id, format, 33, 44)
		if err != nil {
			t.Fatal(err)
		}
		got, size, err := Check(data)
		if err != nil || got != format || size != image.Pt(33, 44) {
			t.Errorf("%s: %s of %v, %v", format, got, size, err)
		}
		if bare, err := s.Bare(t.Context(), id, format, 33, 44); err != nil {
			t.Error(err)
		} else if _, size, _ := Check(bare); size != image.Pt(33, 11) {
			t.Errorf("%s without black has %v pixels", format, size)
		}
		again, err := s.Picture(t.Context(), id, format, 33, 44)
		if err != nil || &again[0] != &data[0] {
			t.Errorf("%s: made twice, %v", format, err)
		}
	}
	wide := image.NewGray(image.Rect(0, 0, 60, 10))
	for i := range wide.Pix {
		wide.Pix[i] = 255
	}
	white, err := s.Add(pngOf(t, wide), nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Palette(t.Context(), white)
	if err != nil || p.Primary != (palette.RGB{255, 255, 255}) {
		t.Errorf("palette %v, %v: the black beside a white picture is not its color", p, err)
	}
	for name, c := range map[string]struct {
		id, format string
		w          int
		code       fault.Code
	}{
		"unknown": {"x", PNG, 5, fault.NotFound}, "format": {id, "gif", 5, fault.OutOfRange}, "size": {id, PNG, 9000, fault.OutOfRange},
	} {
		if _, err := s.Picture(t.Context(), c.id, c.format, c.w, 5); fault.CodeOf(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Add([]byte("no picture"), nil); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("%v", err)
	}
}

func TestStoreReadsAgainWhatItForgot(t *testing.T) {
	s := newStore(t)
	data := pngOf(t, quadrants(10, 10))
	read := 0
	now := data
	reload := func(context.Context) ([]byte, error) {
		read++
		if now == nil {
			return nil, errors.New("gone")
		}
		return now, nil
	}
	id, err := s.Add(data, reload)
	if err != nil {
		t.Fatal(err)
	}
	forget := func() { s.mu.Lock(); s.originals.drop(id); s.mu.Unlock() }
	forget()
	if _, err := s.Picture(t.Context(), id, PNG, 5, 5); err != nil || read != 1 {
		t.Errorf("%v, read %d times", err, read)
	}
	if _, err := s.Picture(t.Context(), id, PNG, 6, 6); err != nil || read != 1 {
		t.Errorf("%v, read %d times", err, read)
	}
	for name, file := range map[string][]byte{"removed": nil, "replaced": pngOf(t, quadrants(11, 10))} {
		forget()
		now = file
		if _, err := s.Picture(t.Context(), id, PNG, 7, 7); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Picture(t.Context(), id, PNG, 5, 5); err != nil {
		t.Errorf("what was made is not kept: %v", err)
	}
}

// A crowd that wants the same picture has it made once, and the worker makes one at a time.
func TestStoreSharesWork(t *testing.T) {
	s := NewStore()
	reads := 0
	data := pngOf(t, quadrants(10, 10))
	id, err := s.Add(data, func(context.Context) ([]byte, error) { reads++; return data, nil })
	if err != nil {
		t.Fatal(err)
	}
	s.originals.drop(id)
	var wg sync.WaitGroup
	results := make([][]byte, 50)
	for i := range results {
		wg.Go(func() { results[i], _ = s.Picture(context.Background(), id, PNG, 8, 8) })
	}
	// Without a worker all of them wait for one flight.
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	wg.Wait()
	cancel()
	<-done
	for i, r := range results {
		if !bytes.Equal(r, results[0]) || len(r) == 0 {
			t.Fatalf("answer %d differs", i)
		}
	}
	if reads != 1 {
		t.Errorf("read %d times", reads)
	}
	if _, err := s.Picture(t.Context(), id, PNG, 9, 9); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("after the end: %v", err)
	}
}

func TestStoreIsBounded(t *testing.T) {
	s := newStore(t)
	s.made = newLRU[making, []byte](4000)
	s.originals = newLRU[string, []byte](4000)
	s.known = newLRU[string, known](4 * knownSize)
	for i := range 40 {
		id, err := s.Add(pngOf(t, quadrants(10+i, 10)), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Picture(t.Context(), id, PNG, 20+i, 20); err != nil {
			t.Fatal(err)
		}
		s.mu.Lock()
		if s.made.bytes > 4000 || s.originals.bytes > 4000 || len(s.known.of) > 4 {
			t.Errorf("%d bytes made, %d of originals, %d known", s.made.bytes, s.originals.bytes, len(s.known.of))
		}
		s.mu.Unlock()
	}
	if len(s.made.of) < 2 {
		t.Error("nothing is kept")
	}
}

func TestStoreGivesUpWhenAskedTo(t *testing.T) {
	s := NewStore() // nobody works
	id, err := s.Add(pngOf(t, quadrants(3, 3)), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Picture(ctx, id, PNG, 4, 4); fault.CodeOf(err) != fault.Timeout {
		t.Errorf("%v", err)
	}
	// A flight that nobody waits for any more leaves its place in the queue only to the
	// worker, so one more than the queue holds is refused. The refusal and the caller's end
	// are then both true, and either may be answered: ask until the refusal is.
	for i := range waiting + 64 {
		if _, err = s.Picture(ctx, id, PNG, 5+i, 4); fault.CodeOf(err) == fault.Unavailable {
			return
		}
	}
	t.Errorf("the queue has no bound: %v", err)
}

func BenchmarkPicture(b *testing.B) {
	p := decode(b, jpegOf(b, quadrants(1500, 1500)))
	for _, side := range []int{240, 800} {
		b.Run(fmt.Sprint(side), func(b *testing.B) {
			for b.Loop() {
				if _, err := Encode(Fit(p, side, side), JPEG); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
