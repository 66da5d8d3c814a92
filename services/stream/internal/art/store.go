package art

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"sync"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/services/stream/internal/palette"
)

// Bounds of what a [Store] keeps by default, in bytes.
const (
	originalBytes = 48 << 20
	madeBytes     = 48 << 20
	// knownBytes bounds the table of where pictures come from and what their colors are;
	// an entry counts as knownSize.
	knownBytes = 4 << 20
	knownSize  = 512
	// waiting bounds the work that waits for the worker.
	waiting = 256
)

// Reload reads a picture again from where it was found.
type Reload func(ctx context.Context) ([]byte, error)

// Store keeps pictures by the hash of their bytes, in the sizes that were asked for. Its
// methods are safe for concurrent use. The zero value is not usable: see [NewStore].
type Store struct {
	work chan *flight
	gone chan struct{} // the worker has ended

	mu        sync.Mutex
	originals *lru[string, []byte]
	known     *lru[string, known]
	made      *lru[making, []byte]
	flights   map[making]*flight
}

// known is what is remembered of a picture whose bytes may be gone.
type known struct {
	reload  Reload
	palette *palette.Palette
}

// making is a picture in one size and format; with an empty format, its palette.
type making struct {
	id, format string
	w, h       int
	bare       bool // without black beside it
}

// flight is work that is under way. Its result is set before done is closed.
type flight struct {
	making
	done    chan struct{}
	data    []byte
	palette palette.Palette
	err     error
}

// NewStore returns an empty store. Run must run for it to make anything.
func NewStore() *Store {
	return &Store{
		work: make(chan *flight, waiting), gone: make(chan struct{}), originals: newLRU[string, []byte](originalBytes), known: newLRU[string, known](knownBytes),
		made: newLRU[making, []byte](madeBytes), flights: map[making]*flight{},
	}
}

// Run is the worker; it returns when ctx ends, and who waits then fails. It is called once.
func (s *Store) Run(ctx context.Context) {
	defer close(s.gone)
	for ctx.Err() == nil {
		select {
		case f := <-s.work:
			s.finish(f, s.make(ctx, f))
		case <-ctx.Done():
		}
	}
}

var errEnding = fault.New(fault.Unavailable, "this instance is ending: ask again")

// Add takes a picture in and returns its id, a hash of its bytes. reload is used when the
// bytes have been forgotten; nil: they cannot be read again.
func (s *Store) Add(data []byte, reload Reload) (id string, err error) {
	if _, _, err := Check(data); err != nil {
		return "", err
	}
	id = hash(data)
	s.mu.Lock()
	defer s.mu.Unlock()
	k, _ := s.known.get(id)
	k.reload = reload
	s.known.put(id, k, knownSize)
	s.originals.put(id, data, int64(len(data)))
	return id, nil
}

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16])
}

// Picture returns the picture fitted into w by h pixels and encoded. The result is shared:
// do not change it.
func (s *Store) Picture(ctx context.Context, id, format string, w, h int) ([]byte, error) {
	return s.picture(ctx, making{id: id, format: format, w: w, h: h})
}

// Bare is Picture without the black beside a picture of another aspect ratio: it is as
// large as fits into w by h.
func (s *Store) Bare(ctx context.Context, id, format string, w, h int) ([]byte, error) {
	return s.picture(ctx, making{id: id, format: format, w: w, h: h, bare: true})
}

func (s *Store) picture(ctx context.Context, m making) ([]byte, error) {
	if m.format != JPEG && m.format != PNG {
		return nil, fault.New(fault.OutOfRange, "pictures are made as %s or %s, not as %q", JPEG, PNG, m.format)
	}
	if err := CheckSize(m.w, m.h); err != nil {
		return nil, err
	}
	f, err := s.ask(ctx, m)
	if err != nil {
		return nil, err
	}
	return f.data, nil
}

// Palette returns the colors of a picture.
func (s *Store) Palette(ctx context.Context, id string) (palette.Palette, error) {
	f, err := s.ask(ctx, making{id: id})
	if err != nil {
		return palette.Palette{}, err
	}
	return f.palette, nil
}

// ask returns a finished flight: one made of what is kept, or what the worker makes.
func (s *Store) ask(ctx context.Context, m making) (*flight, error) {
	f, fresh, err := s.join(m)
	if err != nil || f.done == nil { // done is nil for what is kept
		return f, err
	}
	if fresh {
		select {
		case s.work <- f:
		default:
			s.finish(f, fault.New(fault.Unavailable, "too many pictures are being made: ask again"))
		}
	}
	select {
	case <-f.done:
		return f, f.err
	case <-s.gone:
		return nil, errEnding
	case <-ctx.Done():
		return nil, fault.Wrap(fault.Timeout, ctx.Err(), "the picture was not made in time: ask again")
	}
}

// join finds what is kept, work that is under way, or begins some.
func (s *Store) join(m making) (f *flight, fresh bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.known.get(m.id)
	switch {
	case !ok:
		return nil, false, errUnknown(m.id)
	case m.format == "" && k.palette != nil:
		return &flight{making: m, palette: *k.palette}, false, nil
	}
	if data, ok := s.made.get(m); ok {
		return &flight{making: m, data: data}, false, nil
	}
	if f := s.flights[m]; f != nil {
		return f, false, nil
	}
	f = &flight{making: m, done: make(chan struct{})}
	s.flights[m] = f
	return f, true, nil
}

func errUnknown(id string) error {
	return fault.New(fault.NotFound, "there is no picture %q here", id)
}

// finish ends a flight and keeps its result.
func (s *Store) finish(f *flight, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.flights, f.making)
	f.err = err
	switch {
	case err != nil:
	case f.format == "":
		if k, ok := s.known.get(f.id); ok {
			k.palette = &f.palette
			s.known.put(f.id, k, knownSize)
		}
	default:
		s.made.put(f.making, f.data, int64(len(f.data)))
	}
	close(f.done)
}

// make does the work of a flight.
func (s *Store) make(ctx context.Context, f *flight) error {
	data, err := s.original(ctx, f.id)
	if err != nil {
		return err
	}
	p, err := Decode(data)
	if err != nil {
		return err
	}
	if f.format == "" {
		f.palette = palette.Of(Fit(p, inside.X, inside.Y).SubImage(center(p)))
		return nil
	}
	w, h := f.w, f.h
	if f.bare {
		size := Inside(p.Size(), w, h)
		w, h = size.X, size.Y
	}
	f.data, err = Encode(Fit(p, w, h), f.format)
	return err
}

// original returns a picture's bytes, from where they came from if need be.
func (s *Store) original(ctx context.Context, id string) ([]byte, error) {
	s.mu.Lock()
	data, ok := s.originals.get(id)
	k, _ := s.known.get(id)
	s.mu.Unlock()
	if ok {
		return data, nil
	}
	if k.reload == nil {
		return nil, errUnknown(id)
	}
	data, err := k.reload(ctx)
	if err != nil {
		var coded *fault.Error
		if errors.As(err, &coded) {
			return nil, err
		}
		return nil, fault.Wrap(fault.NotFound, err, "the picture cannot be read again")
	}
	if hash(data) != id {
		return nil, fault.New(fault.NotFound, "the picture has been replaced by another one")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.originals.put(id, data, int64(len(data)))
	return data, nil
}
