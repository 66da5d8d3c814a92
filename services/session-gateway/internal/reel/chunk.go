// Package reel holds tapes in memory: for each tape that at least one session
// of this gateway plays there is one ring of chunks, fed by one consumer of the
// bus, and every session reads it through a cursor of its own.
//
// The audio of a chunk is in memory once. What a session sends differs from what
// its neighbours send in four bytes (send_ahead), so a session borrows the
// plaintext, patches those bytes, has it sealed, and gives it back; a copy is
// made only when two sessions hold the same chunk at the same moment.
package reel

import (
	"errors"
	"sync"

	"github.com/tutti-audio/tutti/proto/tape"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// MaxDurationUS is the longest audio chunk that a server may send
// (specification: Server Audio Send Constraints, "Chunk duration bounds").
const MaxDurationUS = 150_000

// ErrTooLong is returned by Parse for a chunk longer than MaxDurationUS.
var ErrTooLong = errors.New("reel: chunk is longer than 150 ms")

// Chunk is one chunk of a tape, ready to be sent. It is safe for concurrent use.
type Chunk struct {
	// Epoch is the tape's epoch: a new one begins where the timeline is cut.
	Epoch uint64
	// Fence is that of the holder of the group that wrote it; 0: it has none.
	Fence uint64
	// Timestamp is when the first sample sounds, house clock µs.
	Timestamp int64
	// Duration in µs, and End = Timestamp + Duration.
	Duration int64
	// Size is what counts for buffer_capacity: header and encoded audio, bytes.
	Size int

	audio  []byte // never written after Parse: the source of further copies
	mu     sync.Mutex
	free   *Plain
	copies int
}

// Plain is one copy of a chunk's plaintext: message id, header, encoded audio.
// Whoever borrowed it may change the header and nothing else.
type Plain struct {
	B    []byte
	next *Plain
}

// End is when the last sample has sounded, house clock µs.
func (c *Chunk) End() int64 { return c.Timestamp + c.Duration }

// Parse makes a chunk of a message from the tape. It takes ownership of b: the
// plaintext is built in place, over the end of the tape's own header, so the
// audio is not copied.
func Parse(b []byte) (*Chunk, error) {
	t, err := tape.Parse(b)
	if err != nil {
		return nil, err
	}
	if t.DurationUS > MaxDurationUS {
		return nil, ErrTooLong
	}
	// The tape's header (35 bytes at least) is longer than the wire's (13).
	plain := b[len(b)-len(t.Data)-wire.AudioHeaderLen:]
	wire.PutAudioHeader(plain, t.TimestampUS, 0)
	return &Chunk{
		Epoch:     t.Epoch,
		Fence:     t.Fence,
		Timestamp: t.TimestampUS,
		Duration:  int64(t.DurationUS),
		Size:      len(plain),
		audio:     plain[wire.AudioHeaderLen:],
		free:      &Plain{B: plain},
		copies:    1,
	}, nil
}

// Borrow returns a copy of the plaintext that nobody else holds. It allocates
// only while other sessions hold all copies there are.
func (c *Chunk) Borrow() *Plain {
	c.mu.Lock()
	p := c.free
	if p != nil {
		c.free, p.next = p.next, nil
	} else {
		c.copies++
	}
	c.mu.Unlock()
	if p != nil {
		return p
	}
	b := make([]byte, c.Size)
	wire.PutAudioHeader(b, c.Timestamp, 0)
	copy(b[wire.AudioHeaderLen:], c.audio)
	return &Plain{B: b}
}

// Data is what the tape has behind its header: audio, or frames of analysis. It must not
// be changed.
func (c *Chunk) Data() []byte { return c.audio }

// Return gives a borrowed copy back.
func (c *Chunk) Return(p *Plain) {
	c.mu.Lock()
	p.next, c.free = c.free, p
	c.mu.Unlock()
}

// Copies is how many copies of the plaintext exist.
func (c *Chunk) Copies() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.copies
}
