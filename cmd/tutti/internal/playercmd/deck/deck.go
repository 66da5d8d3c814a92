// Package deck is the part of `tutti player` between the network and the speaker: it
// keeps decoded chunks until their moment, drops what comes too late, and lays what is
// left on a timeline of samples, so that an output writes every sample at the place
// that its server timestamp says.
//
// A Deck has no goroutine and reads no clock: its owner passes times in.
package deck

import (
	"fmt"
	"math"
	"slices"

	"github.com/tutti-audio/tutti/audio/decode"
	"github.com/tutti-audio/tutti/audio/pcm"
)

const (
	// maxGapUS is the longest pause that is written as silence. After a longer one the
	// output starts a new segment (a recording of a night's pause helps nobody).
	maxGapUS = 60_000_000
	// overflow is how far beyond the capacity that it announced a player lets the
	// server go before it drops chunks: a lower output delay can legally cause some.
	overflow = 2
)

// Output takes audio that is due. Calls come from one goroutine.
type Output interface {
	// Segment starts continuous audio in format f, whose first sample belongs to the
	// server time firstTS in microseconds.
	Segment(f pcm.Format, firstTS int64) error
	// Write appends interleaved samples to the segment, and Silence frames of zeros.
	Write(samples []int32) error
	Silence(frames int64) error
	// LeadUS is how long before their moment samples are wanted.
	LeadUS() int64
	// Clear drops what was written and is not heard yet.
	Clear() error
	// SyncErrorUS is how far the sound is from its moment, if the output can tell.
	SyncErrorUS() (us int64, ok bool)
	// Close completes the output.
	Close() error
}

// Chunk is one encoded audio chunk as it arrived.
type Chunk struct {
	Format    pcm.Format
	Header    []byte // codec_header
	Timestamp int64  // server microseconds
	DelayUS   int64  // output delay in effect
	ArrivedAt int64  // client microseconds
	Data      []byte
}

// item is a decoded chunk that waits.
type item struct {
	format    pcm.Format
	ts, delay int64
	arrived   int64
	size      int // bytes as the buffer accounting counts them
	samples   []int32
}

// Deck keeps chunks until they are due. Not safe for concurrent use.
type Deck struct {
	out      Output
	toClient func(server int64) (client int64, ok bool)
	capacity int

	ready   bool
	readyAt int64 // when the clock became usable
	queue   []item
	bytes   int

	dec       decode.Decoder
	decFormat pcm.Format
	decHeader []byte
	free      [][]int32 // sample buffers for reuse

	lost      bool // the stream's connection is gone; the next chunk begins anew
	suspended bool // the speaker is needed for something else

	open    bool // a segment is open
	paused  bool // nothing was played since a Clear: what is missing was not expected
	format  pcm.Format
	origin  int64 // server time of the segment's first sample
	written int64 // frames of the segment
	stats   Stats
}

// Stats counts what happened since the last TakeStats, except for the two buffer
// levels, which are of now.
type Stats struct {
	Chunks       int64 `json:"chunks"`        // received
	Bytes        int64 `json:"bytes"`         // received, with 13-byte headers
	Frames       int64 `json:"frames"`        // played, without silence
	Late         int64 `json:"late"`          // chunks dropped: received after their moment
	Undecodable  int64 `json:"undecodable"`   // chunks dropped: not of the stream's codec
	Overflow     int64 `json:"overflow"`      // chunks dropped: far beyond the capacity
	Gaps         int64 `json:"gaps"`          // times that audio was missing within a stream
	GapFrames    int64 `json:"gap_frames"`    // frames that were missing
	Overlaps     int64 `json:"overlaps"`      // times that audio came twice
	MinLeadUS    int64 `json:"min_lead_us"`   // least time from arrival to the moment; 0 without chunks
	SyncErrorUS  int64 `json:"sync_error_us"` // worst distance from the moment
	BufferedMS   int64 `json:"buffered_ms"`
	BufferedSize int64 `json:"buffered_bytes"`
}

// New returns a deck for an output. capacity is the announced buffer_capacity in
// bytes; toClient is the time filter.
func New(out Output, capacity int, toClient func(int64) (int64, bool)) *Deck {
	d := &Deck{out: out, capacity: capacity, toClient: toClient}
	d.stats.MinLeadUS = math.MaxInt64
	return d
}

// SetReady tells whether the clock can be trusted. Until then chunks wait.
func (d *Deck) SetReady(ready bool, now int64) {
	if ready && !d.ready {
		d.readyAt = now
	}
	d.ready = ready
}

// Add decodes a chunk and keeps it. The error is about the chunk alone.
func (d *Deck) Add(c Chunk) error {
	size := len(c.Data) + 13
	d.stats.Chunks++
	d.stats.Bytes += int64(size)
	if at, ok := d.toClient(c.Timestamp); ok {
		d.stats.MinLeadUS = min(d.stats.MinLeadUS, at-c.DelayUS-c.ArrivedAt)
	}
	if d.bytes+size > overflow*d.capacity {
		d.stats.Overflow++
		return fmt.Errorf("the server sends far more than buffer_capacity allows: chunk of %d bytes dropped", size)
	}
	if err := d.decoder(c); err != nil {
		d.stats.Undecodable++
		return err
	}
	samples, err := d.dec.Decode(d.buffer(), c.Data)
	if err != nil {
		d.stats.Undecodable++
		return err
	}
	if d.lost {
		d.resume(c.Timestamp)
	}
	it := item{format: c.Format, ts: c.Timestamp, delay: c.DelayUS, arrived: c.ArrivedAt, size: size, samples: samples}
	at := len(d.queue)
	for at > 0 && d.queue[at-1].ts > it.ts {
		at--
	}
	d.queue = slices.Insert(d.queue, at, it)
	d.bytes += size
	return nil
}

// decoder makes sure that dec is for the chunk's format.
func (d *Deck) decoder(c Chunk) error {
	if d.dec != nil && d.decFormat == c.Format && string(d.decHeader) == string(c.Header) {
		return nil
	}
	dec, err := decode.New(c.Format, c.Header)
	if err != nil {
		return err
	}
	d.dec, d.decFormat, d.decHeader = dec, c.Format, slices.Clone(c.Header)
	return nil
}

func (d *Deck) buffer() []int32 {
	if n := len(d.free); n > 0 {
		b := d.free[n-1]
		d.free = d.free[:n-1]
		return b[:0]
	}
	return nil
}

// Clear drops everything that was not played (stream/clear, and with End stream/end).
func (d *Deck) Clear() error {
	d.queue, d.bytes, d.paused, d.lost = nil, 0, true, false
	return d.out.Clear()
}

// Lose keeps what is buffered, to be played out, after the connection was lost. What
// comes next, on another connection, takes its place from its own timestamp on.
func (d *Deck) Lose() { d.lost = true }

// resume drops what the stream that begins at ts brings again, or otherwise.
func (d *Deck) resume(ts int64) {
	d.lost = false
	d.queue = slices.DeleteFunc(d.queue, func(it item) bool {
		if it.ts < ts {
			return false
		}
		d.bytes -= it.size
		return true
	})
}

// Suspend silences the output, and what is due in that time is dropped; the timeline
// goes on. Afterwards the output goes on in time.
func (d *Deck) Suspend(on bool) error {
	if d.suspended == on {
		return nil
	}
	d.suspended = on
	if !on {
		return nil
	}
	d.paused = true
	return d.out.Clear()
}

// due is when an item has to be handed to the output, on the client's clock.
func (d *Deck) due(it item) (int64, bool) {
	at, ok := d.toClient(it.ts)
	return at - it.delay - d.out.LeadUS(), ok && d.ready
}

// Next is when Play has something to do, on the client's clock.
func (d *Deck) Next() (int64, bool) {
	if len(d.queue) == 0 {
		return 0, false
	}
	return d.due(d.queue[0])
}

// Play hands everything that is due at now to the output. An error is the output's.
func (d *Deck) Play(now int64) error {
	for len(d.queue) > 0 {
		it := d.queue[0]
		at, ok := d.due(it)
		if !ok || at > now {
			return nil
		}
		d.queue = slices.Delete(d.queue, 0, 1)
		d.bytes -= it.size
		// Late is what could not have been played, not what this program is slow with.
		if max(it.arrived, d.readyAt) > at+d.out.LeadUS() {
			d.stats.Late++
		} else if !d.suspended {
			d.noteSync(now - at)
			if err := d.place(it); err != nil {
				return err
			}
		}
		if len(d.free) < 8 {
			d.free = append(d.free, it.samples)
		}
	}
	return nil
}

func (d *Deck) noteSync(late int64) {
	if us, ok := d.out.SyncErrorUS(); ok {
		late = us
	}
	if late > d.stats.SyncErrorUS || -late > d.stats.SyncErrorUS {
		d.stats.SyncErrorUS = max(late, -late)
	}
}

// place writes an item where its timestamp says: after silence when something is
// missing, without its beginning when that was there already.
func (d *Deck) place(it item) error {
	ch := it.format.Channels
	gap := d.distance(it)
	if !d.open || d.format != it.format || gap*1_000_000/int64(it.format.SampleRate) > maxGapUS || gap < -int64(it.format.SampleRate) {
		if err := d.out.Segment(it.format, it.ts); err != nil {
			return err
		}
		d.open, d.format, d.origin, d.written = true, it.format, it.ts, 0
		gap = 0
	}
	samples := it.samples
	switch {
	case gap > 0:
		if !d.paused {
			d.stats.Gaps++
			d.stats.GapFrames += gap
		}
		if err := d.out.Silence(gap); err != nil {
			return err
		}
		d.written += gap
	case gap < 0:
		if !d.paused {
			d.stats.Overlaps++
		}
		samples = samples[min(int64(len(samples)), -gap*int64(ch)):]
	}
	if err := d.out.Write(samples); err != nil {
		return err
	}
	d.paused = d.paused && len(samples) == 0
	d.written += int64(len(samples) / ch)
	d.stats.Frames += int64(len(samples) / ch)
	return nil
}

// distance is how many frames lie between the end of the segment and the item's
// timestamp. Timestamps are whole microseconds and a frame is never shorter than five,
// so rounding finds the frame that was meant.
func (d *Deck) distance(it item) int64 {
	if !d.open {
		return 0
	}
	rate := int64(d.format.SampleRate)
	us := it.ts - d.origin
	sec, rest := us/1_000_000, us%1_000_000
	if rest < 0 {
		sec, rest = sec-1, rest+1_000_000
	}
	return sec*rate + (rest*rate+500_000)/1_000_000 - d.written
}

// TakeStats returns the counts and starts them anew.
func (d *Deck) TakeStats() Stats {
	s := d.stats
	if s.MinLeadUS == math.MaxInt64 {
		s.MinLeadUS = 0
	}
	var us int64
	for _, it := range d.queue {
		us += it.format.DurationUS(int64(len(it.samples) / it.format.Channels))
	}
	s.BufferedMS, s.BufferedSize = us/1000, int64(d.bytes)
	d.stats = Stats{MinLeadUS: math.MaxInt64}
	return s
}
