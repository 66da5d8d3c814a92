// Package feed is the live feed behind GET /api/v1/events: a bounded ring of
// events with one writer and any number of readers.
//
// Readers pull. The writer never knows how many there are and never waits for
// one; a reader that falls further behind than the ring is long is told of the
// gap and goes on from the present.
package feed

import (
	"crypto/rand"
	"encoding/base32"
	"strconv"
	"strings"
	"sync/atomic"
)

// DefaultSize is the number of events kept for those who come back. At the
// bounded rate of the projection it covers well over a minute in a deployment of
// thousands of players, and hours in a home.
const DefaultSize = 8192

// Event is one change. Body is JSON, encoded when somebody asks; any number of readers
// call it at once.
type Event struct {
	Seq  uint64
	Kind string
	Body func() []byte
	Scope
}

// Scope says what an event is about, for readers who may see a part alone. The zero value
// is about the deployment: only who may read everywhere sees it, unless Public.
type Scope struct {
	// ClientID is the client that the event is about, if any; GroupID the group, or the
	// group in which that client plays.
	ClientID, GroupID string
	// Public is about no zone and for every reader.
	Public bool
}

// Feed is the ring. Append has one caller; everything else is safe for all.
type Feed struct {
	epoch string
	size  int
	view  atomic.Pointer[view]
}

// view is an immutable window: events[0] has sequence number first. The backing
// array is only ever written past the end of every published view.
type view struct {
	events  []Event
	next    uint64 // sequence number of the next event
	changed chan struct{}
}

// New makes a feed that keeps size events.
func New(size int) *Feed {
	var b [5]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	f := &Feed{epoch: strings.ToLower(base32.StdEncoding.EncodeToString(b[:])), size: size}
	f.view.Store(&view{events: make([]Event, 0, 2*size), next: 1, changed: make(chan struct{})})
	return f
}

// Append adds events in order and wakes the readers. Only the feed's one writer
// may call it. The Seq of the given events is set here.
func (f *Feed) Append(events ...Event) {
	if len(events) == 0 {
		return
	}
	old := f.view.Load()
	buf := old.events
	for i := range events {
		events[i].Seq = old.next + uint64(i)
		if len(buf) == cap(buf) {
			// The array is full: the newest move to a new one, older readers keep the old.
			buf = append(make([]Event, 0, 2*f.size), buf[len(buf)-f.size+1:]...)
		}
		buf = append(buf, events[i])
	}
	if over := len(buf) - f.size; over > 0 {
		buf = buf[over:]
	}
	f.view.Store(&view{events: buf, next: old.next + uint64(len(events)), changed: make(chan struct{})})
	close(old.changed)
}

// Batch is what a reader gets.
type Batch struct {
	Events []Event
	// Gap: events between the cursor and Events are lost; read the whole state anew.
	Gap bool
	// Cursor is where to read on from.
	Cursor uint64
	// Changed is closed when there is more to read.
	Changed <-chan struct{}
}

// Read returns what follows cursor (the sequence number of the last event the
// reader has seen).
func (f *Feed) Read(cursor uint64) Batch {
	v := f.view.Load()
	b := Batch{Cursor: v.next - 1, Changed: v.changed}
	first := v.next - uint64(len(v.events))
	switch {
	case cursor >= v.next: // from a future that never was
		b.Gap = true
	case cursor+1 < first:
		b.Gap = true
	default:
		b.Events = v.events[cursor+1-first:]
	}
	return b
}

// Last is the cursor of the present.
func (f *Feed) Last() uint64 { return f.view.Load().next - 1 }

// ID is the public form of a cursor. It holds the feed's epoch: an id of another
// process or of an earlier life is recognised and not mistaken for one of ours.
func (f *Feed) ID(cursor uint64) string { return f.epoch + "-" + strconv.FormatUint(cursor, 10) }

// Cursor reads an id; ok is false when it is not one of this feed.
func (f *Feed) Cursor(id string) (cursor uint64, ok bool) {
	epoch, seq, found := strings.Cut(id, "-")
	if !found || epoch != f.epoch {
		return 0, false
	}
	n, err := strconv.ParseUint(seq, 10, 64)
	return n, err == nil && n < f.view.Load().next
}
