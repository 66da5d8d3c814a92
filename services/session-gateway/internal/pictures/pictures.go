// Package pictures fetches the images that displays show from the stream instances that
// have them, and keeps them for all sessions of a gateway within a bound of bytes. Whoever
// wants the same image at the same time waits for one fetch; when nobody waits any more it
// is given up.
package pictures

import (
	"container/list"
	"context"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/gallery"
)

const (
	// Bytes is how much is kept: some hundred covers.
	Bytes = 32 << 20
	// fetches is how many images are fetched at once.
	fetches = 4
	// partTimeout bounds the request for a part. The first one waits until the image is
	// made, behind others.
	partTimeout = 20 * time.Second
)

// Bus is what a [Set] needs of the bus.
type Bus interface {
	Request(ctx context.Context, subject string, req, resp proto.Message) error
}

// Set is the images of one gateway. Its methods are safe for concurrent use.
type Set struct {
	bus   Bus
	bound int64
	slots chan struct{}
	wg    sync.WaitGroup

	mu      sync.Mutex
	bytes   int64
	order   *list.List // of *kept, newest first
	of      map[gallery.Key]*list.Element
	flights map[gallery.Key]*flight
}

type kept struct {
	key  gallery.Key
	data []byte
}

// flight is a fetch under way.
type flight struct {
	waiters int
	cancel  context.CancelFunc
	done    chan struct{}
	data    []byte
	err     error
}

// New returns an empty set that keeps at most bound bytes.
func New(bus Bus, bound int64) *Set {
	return &Set{bus: bus, bound: bound, slots: make(chan struct{}, fetches), order: list.New(),
		of: map[gallery.Key]*list.Element{}, flights: map[gallery.Key]*flight{}}
}

// Close waits for the fetches under way, whose waiters are gone.
func (s *Set) Close() { s.wg.Wait() }

// Get returns an image. It is shared: do not change it. The error is a *fault.Error or
// ctx's.
func (s *Set) Get(ctx context.Context, k gallery.Key) ([]byte, error) {
	data, f := s.join(k)
	if f == nil {
		return data, nil
	}
	defer s.leave(k, f)
	select {
	case <-f.done:
		return f.data, f.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// join returns the image, or the flight that brings it.
func (s *Set) join(k gallery.Key) ([]byte, *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.of[named(k)]; e != nil {
		s.order.MoveToFront(e)
		return e.Value.(*kept).data, nil
	}
	f := s.flights[named(k)]
	if f == nil {
		ctx, cancel := context.WithCancel(context.Background())
		f = &flight{cancel: cancel, done: make(chan struct{})}
		s.flights[named(k)] = f
		s.wg.Go(func() { s.run(ctx, k, f) })
	}
	f.waiters++
	return nil, f
}

// named is what tells images apart: not where they come from.
func named(k gallery.Key) gallery.Key {
	k.Instance = ""
	return k
}

// leave gives a fetch up that nobody waits for.
func (s *Set) leave(k gallery.Key, f *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.waiters--; f.waiters > 0 {
		return
	}
	f.cancel()
	if s.flights[named(k)] == f {
		delete(s.flights, named(k))
	}
}

func (s *Set) run(ctx context.Context, k gallery.Key, f *flight) {
	data, err := s.fetch(ctx, k)
	s.mu.Lock()
	defer s.mu.Unlock()
	f.data, f.err = data, err
	if s.flights[named(k)] == f {
		delete(s.flights, named(k))
		if err == nil {
			s.keep(named(k), data)
		}
	}
	close(f.done)
}

// keep is called under the lock. An image of more than half of the bound would drive out
// all others, and is not kept.
func (s *Set) keep(k gallery.Key, data []byte) {
	if int64(len(data)) > s.bound/2 {
		return
	}
	s.of[k] = s.order.PushFront(&kept{k, data})
	for s.bytes += int64(len(data)); s.bytes > s.bound; {
		e := s.order.Back()
		old := s.order.Remove(e).(*kept)
		s.bytes -= int64(len(old.data))
		delete(s.of, old.key)
	}
}

// fetch gets an image part by part.
func (s *Set) fetch(ctx context.Context, k gallery.Key) ([]byte, error) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	var data []byte
	for {
		part, err := s.part(ctx, k, len(data))
		switch size := part.GetTotalSize(); {
		case err != nil:
			return nil, err
		case size < 1 || size > gallery.MaxImage:
			return nil, fault.New(fault.TooLarge, "the image %s has %d bytes, 1 to %d can be sent", k.ID, size, gallery.MaxImage)
		case len(part.GetData()) == 0 || int64(len(data)+len(part.GetData())) > size:
			return nil, fault.New(fault.Internal, "a part of the image %s does not fit: %d bytes at %d of %d", k.ID, len(part.GetData()), len(data), size)
		case data == nil:
			data = make([]byte, 0, size)
		case int64(cap(data)) < size:
			return nil, fault.New(fault.Unavailable, "the image %s changed while it was fetched", k.ID)
		}
		if data = append(data, part.GetData()...); int64(len(data)) == part.GetTotalSize() {
			return data, nil
		}
	}
}

func (s *Set) part(ctx context.Context, k gallery.Key, offset int) (*tuttiv1.ArtworkResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, partTimeout)
	defer cancel()
	var resp tuttiv1.ArtworkResponse
	err := s.bus.Request(ctx, subject.Artwork(k.Instance), &tuttiv1.ArtworkRequest{
		ImageId: k.ID, Format: k.Format, Width: int32(min(k.Width, 1<<20)), Height: int32(min(k.Height, 1<<20)), Offset: int64(offset),
	}, &resp)
	return &resp, err
}
