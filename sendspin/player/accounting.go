package player

import "github.com/tutti-audio/tutti/sendspin/wire"

// Accounting counts the bytes of a player's outstanding audio chunks as section
// Player Buffer Accounting defines them. A chunk counts in full, with its header,
// until its completion time: timestamp plus duration minus the player's output
// delay, on the server's clock. All times are server microseconds.
//
// A change of the output delay moves all completion times, so it can bring back
// chunks that no longer counted; they have to be remembered. But not for ever: the
// delay only ever makes a chunk complete earlier, and it is never below 0, so
// timestamp plus duration is the latest completion a chunk can get. A chunk for
// which that has passed is forgotten. What is kept beyond the counted chunks is
// therefore at most the output delay's 5 s of audio.
//
// The chunks lie in a ring in the order of their end. The counted ones are a suffix
// of it, so that every call moves one index by the number of chunks that changed
// sides: amortised constant time, no allocation once the ring has its size. Chunks
// sent out of order are legal and cost an insertion.
//
// The owner calls Sent before it starts to transmit a chunk and CanSend for the next
// one only after that transmission has finished; then no chunk is "unfinished" when
// it matters. Time must not go back; an earlier now than before counts as the later.
type Accounting struct {
	capacity int
	delay    int64 // µs
	now      int64 // latest time seen
	ring     []sentChunk
	mask     int // len(ring)-1; the length is a power of two
	front    int // position of the oldest chunk that is kept
	head     int // position of the oldest chunk that counts
	tail     int // position after the newest chunk
	bytes    int // size of the chunks from head to tail
}

// sentChunk is what is kept of a chunk: 16 bytes.
type sentChunk struct {
	end  int64 // timestamp plus duration
	size int
}

// New returns an empty count for a player with the given buffer_capacity in bytes.
func New(capacity int) *Accounting {
	const initial = 64
	return &Accounting{capacity: capacity, ring: make([]sentChunk, initial), mask: initial - 1}
}

// Capacity returns the player's buffer_capacity in bytes.
func (a *Accounting) Capacity() int { return a.capacity }

// CanSend reports whether a chunk of size bytes, header included, may be sent now.
// A chunk that is larger than the capacity never can.
func (a *Accounting) CanSend(size int, now int64) bool {
	return a.Count(now)+size <= a.capacity
}

// Sent records a chunk of size bytes, header included, whose transmission starts
// now. duration is in microseconds, of the samples per channel at the rate under
// which the chunk is sent. Sent does not refuse: ask CanSend first.
func (a *Accounting) Sent(timestamp, duration int64, size int, now int64) {
	if a.tail-a.front == len(a.ring) {
		a.grow()
	}
	c := sentChunk{end: timestamp + duration, size: size}
	at := a.tail
	for ; at > a.front && a.ring[(at-1)&a.mask].end > c.end; at-- {
		a.ring[at&a.mask] = a.ring[(at-1)&a.mask]
	}
	a.ring[at&a.mask] = c
	a.tail++
	if at < a.head {
		a.head++ // lies among those that no longer count
	} else {
		a.bytes += size
	}
	a.settle(now)
}

// SetOutputDelay takes the output_delay_ms of the latest client/state, in
// microseconds; it is clamped to the range of the protocol. All chunks since the
// last Reset are counted again with it.
func (a *Accounting) SetOutputDelay(delayUS int64, now int64) {
	a.delay = min(max(delayUS, 0), wire.MaxOutputDelayMS*1000)
	a.settle(now)
}

// Reset empties the count. It is called when a player stream/clear or stream/end is
// sent. The output delay stays.
func (a *Accounting) Reset() {
	a.front, a.head, a.tail, a.bytes = 0, 0, 0, 0
}

// Count returns the outstanding bytes.
func (a *Accounting) Count(now int64) int {
	a.settle(now)
	return a.bytes
}

// Buffered returns for how long the audio sent lasts, in microseconds: from now to
// the completion of the chunk that completes last. 0 when nothing is outstanding.
func (a *Accounting) Buffered(now int64) int64 {
	a.settle(now)
	if a.head == a.tail {
		return 0
	}
	return a.ring[(a.tail-1)&a.mask].end - a.delay - a.now
}

// NextRelease returns the server time at which the count next falls. ok is false
// when nothing is outstanding.
func (a *Accounting) NextRelease(now int64) (at int64, ok bool) {
	a.settle(now)
	if a.head == a.tail {
		return 0, false
	}
	return a.ring[a.head&a.mask].end - a.delay, true
}

// settle moves the boundaries to where they belong at now.
func (a *Accounting) settle(now int64) {
	a.now = max(a.now, now)
	due := a.now + a.delay // chunks with an end at or before this are complete
	for a.head < a.tail && a.ring[a.head&a.mask].end <= due {
		a.bytes -= a.ring[a.head&a.mask].size
		a.head++
	}
	for a.head > a.front && a.ring[(a.head-1)&a.mask].end > due {
		a.head--
		a.bytes += a.ring[a.head&a.mask].size
	}
	for a.front < a.head && a.ring[a.front&a.mask].end <= a.now {
		a.front++
	}
}

// grow doubles the ring.
func (a *Accounting) grow() {
	ring := make([]sentChunk, 2*len(a.ring))
	for i := a.front; i < a.tail; i++ {
		ring[i&(len(ring)-1)] = a.ring[i&a.mask]
	}
	a.ring, a.mask = ring, len(ring)-1
}
