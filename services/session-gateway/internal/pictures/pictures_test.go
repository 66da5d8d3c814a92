package pictures

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/fault"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/gallery"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeBus has images of any name, of this size.
type fakeBus struct {
	size     int
	requests atomic.Int64
	answer   func(ctx context.Context, r *tuttiv1.ArtworkRequest, resp *tuttiv1.ArtworkResponse) error
}

func (b *fakeBus) Request(ctx context.Context, subject string, req, resp proto.Message) error {
	b.requests.Add(1)
	r, out := req.(*tuttiv1.ArtworkRequest), resp.(*tuttiv1.ArtworkResponse)
	if subject != "tutti.v1.stream.artwork.i1" {
		return fault.New(fault.Unavailable, "nobody at %s", subject)
	}
	if b.answer != nil {
		return b.answer(ctx, r, out)
	}
	image := bytes.Repeat([]byte(r.GetImageId()), b.size)[:b.size]
	end := min(int(r.GetOffset())+256<<10, b.size)
	out.TotalSize, out.Data = int64(b.size), image[r.GetOffset():end]
	return nil
}

func key(id string) gallery.Key {
	return gallery.Key{ID: id, Format: "png", Width: 10, Height: 10, Instance: "i1"}
}

func TestImageIsFetchedInPartsOnce(t *testing.T) {
	b := &fakeBus{size: 600_000}
	s := New(b, 2_000_000)
	defer s.Close()
	for range 3 {
		data, err := s.Get(t.Context(), key("ab"))
		if err != nil || len(data) != 600_000 || string(data[599_998:]) != "ab" {
			t.Fatalf("%d bytes, %v", len(data), err)
		}
	}
	if n := b.requests.Load(); n != 3 {
		t.Errorf("%d requests for 3 parts", n)
	}
	other := key("ab")
	other.Instance = "gone"
	if _, err := s.Get(t.Context(), other); err != nil {
		t.Errorf("the same image from another instance: %v", err)
	}
}

func TestSetIsBounded(t *testing.T) {
	b := &fakeBus{size: 400}
	s := New(b, 1000)
	defer s.Close()
	for _, id := range []string{"a", "b", "c", "a", "c"} {
		if _, err := s.Get(t.Context(), key(id)); err != nil {
			t.Fatal(err)
		}
		if s.bytes > 1000 || len(s.of) > 2 {
			t.Fatalf("%d bytes of %d images", s.bytes, len(s.of))
		}
	}
	if n := b.requests.Load(); n != 4 { // a was forgotten for c, c was kept
		t.Errorf("%d fetches", n)
	}
	b.size = 600
	if _, err := s.Get(t.Context(), key("large")); err != nil || len(s.of) != 2 {
		t.Errorf("%v, %d kept", err, len(s.of))
	}
}

func TestWaitersShareAFetchAndTheLastOneEndsIt(t *testing.T) {
	began, ended := make(chan struct{}, 10), make(chan struct{})
	b := &fakeBus{answer: func(ctx context.Context, _ *tuttiv1.ArtworkRequest, _ *tuttiv1.ArtworkResponse) error {
		began <- struct{}{}
		<-ctx.Done()
		close(ended)
		return ctx.Err()
	}}
	s := New(b, 1000)
	defer s.Close()
	var wg sync.WaitGroup
	var cancels []context.CancelFunc
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		cancels = append(cancels, cancel)
		wg.Go(func() {
			if _, err := s.Get(ctx, key("a")); !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
		})
	}
	<-began
	for waiting := 0; waiting < 3; runtime.Gosched() {
		s.mu.Lock()
		for _, f := range s.flights {
			waiting = f.waiters
		}
		s.mu.Unlock()
	}
	cancels[0]()
	cancels[1]()
	select {
	case <-ended:
		t.Error("the fetch ended while somebody waited")
	default:
	}
	cancels[2]()
	<-ended
	wg.Wait()
	if n := b.requests.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestBadAnswersAreErrors(t *testing.T) {
	for name, answer := range map[string]func(context.Context, *tuttiv1.ArtworkRequest, *tuttiv1.ArtworkResponse) error{
		"nothing": func(context.Context, *tuttiv1.ArtworkRequest, *tuttiv1.ArtworkResponse) error { return nil },
		"too large": func(_ context.Context, _ *tuttiv1.ArtworkRequest, r *tuttiv1.ArtworkResponse) error {
			r.TotalSize = 1 << 40
			return nil
		},
		"no data": func(_ context.Context, _ *tuttiv1.ArtworkRequest, r *tuttiv1.ArtworkResponse) error {
			r.TotalSize = 5
			return nil
		},
		"too much": func(_ context.Context, _ *tuttiv1.ArtworkRequest, r *tuttiv1.ArtworkResponse) error {
			r.TotalSize, r.Data = 2, []byte("abc")
			return nil
		},
		"not there ": func(context.Context, *tuttiv1.ArtworkRequest, *tuttiv1.ArtworkResponse) error {
			return fault.New(fault.NotFound, "no")
		},
		"grows": func(_ context.Context, q *tuttiv1.ArtworkRequest, r *tuttiv1.ArtworkResponse) error {
			r.TotalSize, r.Data = 10+q.GetOffset()*1000, []byte("abc")
			return nil
		},
	} {
		s := New(&fakeBus{answer: answer}, 1000)
		if data, err := s.Get(t.Context(), key("a")); err == nil || data != nil {
			t.Errorf("%s: %d bytes, %v", name, len(data), err)
		}
		s.Close()
	}
}
