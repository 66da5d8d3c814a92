package visual

import (
	"encoding/binary"
	"slices"

	"github.com/tutti-audio/tutti/proto/tape"
	"github.com/tutti-audio/tutti/sendspin/wire"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/reel"
)

const (
	// leadUS is how far ahead frames are sent: more than any network delays them, and
	// little enough for a display's memory.
	leadUS = 1_500_000
	// gatherUS is how long frames wait for others, so that a session is not woken for
	// each one.
	gatherUS = 100_000
	// minLeadUS is the lead below which a frame cannot be shown in time.
	minLeadUS = 2_000
	// headerLen is the message's type and timestamp, which count for buffer_capacity.
	headerLen = 9
)

// Start is where a stream reads.
type Start struct {
	Config Config
	Ring   *reel.Ring
	Epoch  uint64
	// NotBefore is the least time of a frame, house clock µs.
	NotBefore int64
}

// Lane is the visualizer state of one session. It is used by one goroutine.
type Lane struct {
	capacity int
	active   bool
	cur      Start

	seq   uint64           // of the ring: the next chunk
	base  int64            // timestamp of the chunk that frames are of
	rest  []byte           // what is left of it
	frame tape.VisualFrame // the next one, when ready
	at    int64            // its time
	ready bool

	last      int64    // time of the frame that was sent last; 0: none since a clear
	lastOf    [8]int64 // by message id from IDLoudness on: time of the last one
	held      []held   // sent, with a time in the future; oldest first
	heldBytes int

	sent, dropped uint64
}

// held is a frame that counts for buffer_capacity.
type held struct {
	at   int64
	size int
}

// New returns an idle lane for a visualizer with this buffer_capacity in bytes.
func New(capacity int) *Lane { return &Lane{capacity: capacity} }

// Active reports whether a stream is active.
func (l *Lane) Active() bool { return l.active }

// Config is that of the active stream.
func (l *Lane) Config() Config { return l.cur.Config }

// Counts are the frames that were sent, and those that were dropped because they came
// too late or found no room.
func (l *Lane) Counts() (sent, dropped uint64) { return l.sent, l.dropped }

// Begin starts a stream, or changes the active one in place. Call it when stream/start
// is sent, if one is. What is past at house time now is passed over.
func (l *Lane) Begin(s Start, now int64) {
	s.NotBefore = max(s.NotBefore, now+minLeadUS)
	if !l.active {
		l.forget()
	}
	if l.cur.Ring != s.Ring || l.cur.Epoch != s.Epoch {
		l.seq = 0
	} else if l.ready || len(l.rest) > 0 {
		l.seq-- // what was passed over of this chunk may be asked for now
	}
	l.rest, l.ready = nil, false
	l.active, l.cur = true, s
}

// Clear drops what was sent. Call it when stream/clear is sent; Begin says what follows.
func (l *Lane) Clear() { l.forget() }

// End ends the stream. Call it when stream/end is sent.
func (l *Lane) End() {
	l.forget()
	l.active, l.cur = false, Start{}
	l.rest, l.ready = nil, false
}

func (l *Lane) forget() {
	l.last, l.lastOf = 0, [8]int64{}
	l.held, l.heldBytes = l.held[:0], 0
}

// Next appends to dst the message to send at house time now. Without one, until says
// when to look again; 0: when the ring has news, or the lane is told something.
func (l *Lane) Next(dst []byte, now int64) (message []byte, until int64) {
	if !l.active {
		return nil, 0
	}
	l.release(now)
	for l.head() {
		size := headerLen + len(l.frame.Body)
		switch {
		case l.at < now+minLeadUS || size > l.capacity:
			l.dropped++
			l.ready = false
		case l.heldBytes+size > l.capacity:
			return nil, l.roomAt(size)
		case l.at > now+leadUS:
			return nil, l.at - leadUS + gatherUS
		default:
			return l.send(dst, size), 0
		}
	}
	return nil, 0
}

// send takes the frame at hand.
func (l *Lane) send(dst []byte, size int) []byte {
	l.ready = false
	l.last, l.lastOf[l.frame.Code-wire.IDLoudness] = l.at, l.at
	l.held, l.heldBytes = append(l.held, held{l.at, size}), l.heldBytes+size
	l.sent++
	dst = append(dst, l.frame.Code)
	dst = binary.BigEndian.AppendUint64(dst, uint64(l.at))
	return append(dst, l.frame.Body...)
}

// release forgets what has been shown by now.
func (l *Lane) release(now int64) {
	n := 0
	for n < len(l.held) && l.held[n].at <= now {
		l.heldBytes -= l.held[n].size
		n++
	}
	if n > 0 {
		l.held = slices.Delete(l.held, 0, n)
	}
}

// roomAt is when so many bytes, and the frames of some more moments, fit.
func (l *Lane) roomAt(size int) int64 {
	free := l.capacity - l.heldBytes
	for i, h := range l.held {
		if free += h.size; free >= size {
			// A part of what is held may go as well, so that frames go a few at a time.
			span := l.held[len(l.held)-1].at - l.held[0].at
			more := h.at + min(gatherUS, span/4)
			for _, later := range l.held[i+1:] {
				if later.at > more {
					break
				}
				h = later
			}
			return h.at
		}
	}
	return l.held[len(l.held)-1].at // cannot be: the frame alone fits
}

// head makes the next frame of the stream ready, and reports whether there is one.
func (l *Lane) head() bool {
	for !l.ready {
		if len(l.rest) == 0 && !l.chunk() {
			return false
		}
		f, rest, err := tape.NextVisual(l.rest)
		if err != nil {
			l.rest = nil // the rest of a chunk that nobody can read
			continue
		}
		l.rest, l.frame, l.at = rest, f, l.base+int64(f.OffsetUS)
		l.ready = l.wanted()
	}
	return true
}

// chunk goes on to the next chunk of the epoch.
func (l *Lane) chunk() bool {
	for {
		c, seq := l.cur.Ring.At(l.seq)
		l.seq = seq
		switch {
		case c == nil || c.Epoch > l.cur.Epoch:
			return false // a later epoch waits for the stream/clear before it
		case c.Epoch < l.cur.Epoch || c.End() <= l.cur.NotBefore || c.End() < l.last:
			l.seq++
		default:
			l.seq++
			l.base, l.rest = c.Timestamp, c.Data()
			return true
		}
	}
}

// wanted reports whether the frame at hand is one of the stream: of its types, on its
// rate, and after what was sent. A tape that another instance carries on may repeat
// itself.
func (l *Lane) wanted() bool {
	f, c := &l.frame, &l.cur.Config
	name := kind(f.Code)
	switch {
	case name == "" || !slices.Contains(c.Stream.Types, name), len(f.Body) != c.bodyLen(f.Code):
		return false
	case periodic(f.Code) && f.Index%c.Every != 0:
		return false
	case l.at < l.cur.NotBefore, l.at < l.last:
		return false
	case l.lastOf[f.Code-wire.IDLoudness] != 0 && l.at <= l.lastOf[f.Code-wire.IDLoudness]:
		return false
	case f.Code == wire.IDBeat && (c.Stream.TracksDownbeats == nil || !*c.Stream.TracksDownbeats) && f.Body[0] != 0:
		f.Body = noFlags
	}
	return true
}

// noFlags is a beat of a tape whose downbeats are not tracked.
var noFlags = []byte{0}
