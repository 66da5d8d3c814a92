// Package pump decides when a session sends which chunk of its tape: never before
// its time, never above the player's buffer_capacity, in a paced burst at the
// start, and never what comes too late. It is a pure state machine on integers of
// microseconds; the session's writer owns it and does the sending.
//
// Specification: sections "Server Audio Send Constraints" and "Player Buffer
// Accounting".
package pump

import (
	"github.com/tutti-audio/tutti/sendspin/player"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/reel"
)

const (
	// toleranceUS is how much two chunks may overlap and still follow each other:
	// timestamps are truncated to µs per chunk, and a switch between sample rates
	// may be off by a sample.
	toleranceUS = 50
	// minLeadUS is the lead below which a chunk cannot arrive in time.
	minLeadUS = 3_000
	// burstFactor is how many times faster than real time a buffer is filled after
	// the first burst: small devices run out of memory when a server sends all it
	// has at once.
	burstFactor = 10
	// The first burst, sent without a pause, is the player's lead within these
	// limits, µs.
	minBurstUS, maxBurstUS = 200_000, 2_000_000
	// gatherUS is what a full player may lack before it gets more, so that short
	// chunks go out a few per wake-up: at most this, and a tenth of what it holds.
	gatherUS = 80_000
	// patienceUS is how long, in media time, a change of rendition waits for a moment
	// where a chunk of both begins. All renditions have such moments but those of
	// contrived rates, whose chunks last no whole milliseconds.
	patienceUS = 1_000_000
)

// Timing is what the player reports about its timing, in µs.
type Timing struct {
	OutputDelay  int64
	RequiredLead int64
	MinBuffer    int64
}

// Must is the lead that the first chunk needs in any case.
func (t Timing) Must() int64 { return t.MinBuffer + t.OutputDelay }

// Full is the lead that a joiner of a buffered source gets.
func (t Timing) Full() int64 { return max(t.RequiredLead, t.MinBuffer) + t.OutputDelay }

// Start is one stream/start, as far as timing goes.
type Start struct {
	Ring  *reel.Ring
	Epoch uint64
	// NotBefore is the group's own start; see Pump.startAt.
	NotBefore int64
	// Live sources do not extend the lead: their buffer cannot grow.
	Live bool
}

// Step is what to do next.
type Step struct {
	Kind StepKind
	// Chunk and its ring's sequence number, for Send.
	Chunk *reel.Chunk
	// Until is when to look again, house clock µs, for Wait; 0: only when a chunk
	// arrives or the pump is told something.
	Until int64
	// Filling is true while the player holds less than its lead although it could take
	// more: other data of the session had better wait.
	Filling bool
}

// StepKind is the kind of a Step.
type StepKind int

// The kinds of a Step.
const (
	// Idle: no stream is active.
	Idle StepKind = iota
	// Wait: look again at Until or when the ring has news.
	Wait
	// Send: send the chunk, then call Sent.
	Send
	// Switch: announce the new rendition with stream/start, then call Switched.
	Switch
)

// Stats are the pump's counters since it was made.
type Stats struct {
	Sent, Late uint64
	Bytes      uint64
	// LateNow is how many of Late came in the last ten to fifteen seconds.
	LateNow uint64
	// MinLead is the smallest lead (timestamp minus output delay minus now) of the
	// last ten seconds, µs; false when nothing was sent in that time.
	MinLead   int64
	MinLeadOK bool
	// End is the house time where the last chunk that was sent since the last start or
	// clear ends; 0: none.
	End int64
}

// Pump is the audio state of one session. It is used by one goroutine.
type Pump struct {
	acct   *player.Accounting
	cap    int
	timing Timing

	active  bool
	cur     Start
	seq     uint64
	startAt int64
	// end is where the timeline of what was sent ends; 0 before the first chunk.
	end int64

	next    *Start
	nextSeq uint64
	patient int64 // media time up to which the change waits for chunks that meet; 0: not set

	tokens, tokensAt int64 // media µs that may be sent now, and when that was true

	sent, late, bytes uint64
	lead              leadWindow
	lateNow           countWindow
}

// New returns an idle pump for a player with this buffer_capacity in bytes.
func New(capacity int) *Pump {
	return &Pump{acct: player.New(capacity), cap: capacity}
}

// SetTiming takes the player's latest report at house time now.
func (p *Pump) SetTiming(t Timing, now int64) {
	if t.OutputDelay != p.timing.OutputDelay {
		p.acct.SetOutputDelay(t.OutputDelay, now)
	}
	p.timing = t
}

// Active reports whether a stream is active.
func (p *Pump) Active() bool { return p.active }

// Ring is the ring that is read now; nil when idle.
func (p *Pump) Ring() *reel.Ring {
	if !p.active {
		return nil
	}
	return p.cur.Ring
}

// Pending is the ring of an announced rendition change, or nil.
func (p *Pump) Pending() *reel.Ring {
	if p.next == nil {
		return nil
	}
	return p.next.Ring
}

// Begin starts a stream that buffers from empty. Call it when stream/start is
// sent: the lead counts from now.
func (p *Pump) Begin(s Start, now int64) {
	p.active, p.cur, p.seq, p.next = true, s, 0, nil
	p.end = 0
	p.restart(s.NotBefore, now)
}

// restart sets the first timestamp and refills the burst.
//
// A player that is there when its group starts begins with the group, at
// notBefore, as long as that leaves the lead it must have. Whoever comes later
// gets a later start from its own lead.
func (p *Pump) restart(notBefore, now int64) {
	p.startAt = notBefore
	if notBefore < now+p.timing.Must() {
		lead := p.timing.Full()
		if p.cur.Live {
			lead = p.timing.Must()
		}
		p.startAt = now + max(lead, minLeadUS)
	}
	burst := min(max(p.timing.Full(), minBurstUS), maxBurstUS)
	p.tokens, p.tokensAt = burst, now
}

// Change moves an active stream to another rendition, or to another epoch of the
// same ring, without a break: the timeline goes on.
func (p *Pump) Change(s Start) { p.next, p.nextSeq, p.patient = &s, 0, 0 }

// CancelChange keeps the present rendition.
func (p *Pump) CancelChange() { p.next = nil }

// Switched confirms that stream/start of the new rendition was sent.
func (p *Pump) Switched() {
	p.cur, p.seq, p.next = *p.next, p.nextSeq, nil
	p.startAt = max(p.startAt, p.cur.NotBefore)
}

// Clear drops what was sent and goes on with chunks of epoch. Call it when
// stream/clear is sent.
func (p *Pump) Clear(epoch uint64, notBefore, now int64) {
	p.acct.Reset()
	p.end = 0
	p.cur.Epoch = epoch
	if p.next != nil {
		p.next.Epoch = epoch
		p.next.NotBefore = notBefore
	}
	p.restart(notBefore, now)
}

// End ends the stream. Call it when stream/end is sent.
func (p *Pump) End() {
	p.acct.Reset()
	p.active, p.next = false, nil
	p.cur = Start{}
}

// Next says what to do at house time now.
func (p *Pump) Next(now int64) Step {
	if !p.active {
		return Step{Kind: Idle}
	}
	if p.next != nil && p.switchDue(now) {
		return Step{Kind: Switch}
	}
	c := p.head(now)
	if c == nil {
		return Step{Kind: Wait}
	}
	if !p.acct.CanSend(c.Size, now) {
		at, ok := p.acct.NextRelease(now)
		if !ok {
			return Step{Kind: Wait}
		}
		return Step{Kind: Wait, Until: at + p.gather(c, now)}
	}
	if at := p.paced(now); at > now {
		return Step{Kind: Wait, Until: at, Filling: p.acct.Buffered(now) < p.timing.Full()}
	}
	return Step{Kind: Send, Chunk: c}
}

// gather is how much longer to wait than until chunk c fits: long enough for the
// chunks after it to fit as well, where they are short.
func (p *Pump) gather(c *reel.Chunk, now int64) int64 {
	if c.Duration <= 0 {
		return 0
	}
	together := min(gatherUS, p.acct.Buffered(now)/10) / c.Duration
	return max(together-1, 0) * c.Duration
}

// Sent records that the chunk of the last Send step goes out at now.
func (p *Pump) Sent(c *reel.Chunk, now int64) {
	p.acct.Sent(c.Timestamp, c.Duration, c.Size, now)
	p.seq++
	p.end = c.End()
	p.tokens -= c.Duration
	p.sent++
	p.bytes += uint64(c.Size)
	p.lead.add(c.Timestamp-p.timing.OutputDelay-now, now)
}

// head finds the next chunk to send and moves the cursor to it; nil when there is
// none for now.
func (p *Pump) head(now int64) *reel.Chunk {
	for {
		c, seq := p.cur.Ring.At(p.seq)
		p.seq = seq
		switch {
		case c == nil || c.Epoch > p.cur.Epoch:
			// A chunk of a later epoch waits for the stream/clear that it follows.
			return nil
		case c.Epoch < p.cur.Epoch, c.Timestamp < p.startAt, p.end != 0 && c.Timestamp < p.end-toleranceUS:
			p.seq++
		case c.Timestamp-p.timing.OutputDelay < now+minLeadUS, c.Size > p.cap:
			p.seq++
			p.late++
			p.lateNow.add(now)
		default:
			return c
		}
	}
}

// paced returns when the next chunk may go by the burst's pace.
func (p *Pump) paced(now int64) int64 {
	burst := min(max(p.timing.Full(), minBurstUS), maxBurstUS)
	if now > p.tokensAt {
		p.tokens = min(burst, p.tokens+burstFactor*(now-p.tokensAt))
		p.tokensAt = now
	}
	if p.tokens > 0 {
		return now
	}
	return now + (-p.tokens)/burstFactor + 1
}

// switchDue reports whether the new rendition takes over now: at its first chunk
// that follows what was sent without a gap. While there is none, the present rendition
// goes on, as long as patience allows and it has what fills the time before that chunk.
func (p *Pump) switchDue(now int64) bool {
	from := max(p.end-toleranceUS, p.startAt)
	c := p.seek(from, now)
	if c == nil {
		return false
	}
	if p.end == 0 || c.Timestamp <= p.end+toleranceUS {
		return true
	}
	old := p.head(now)
	if old == nil {
		return true
	}
	if p.patient == 0 {
		p.patient = c.Timestamp + patienceUS
	}
	return old.End() > c.Timestamp+toleranceUS && p.end > p.patient
}

// seek moves the next ring's cursor to its first chunk from a time on.
func (p *Pump) seek(from, now int64) *reel.Chunk {
	for {
		c, seq := p.next.Ring.At(p.nextSeq)
		p.nextSeq = seq
		switch {
		case c == nil || c.Epoch > p.next.Epoch:
			return nil
		case c.Epoch < p.next.Epoch, c.Timestamp < from, c.Timestamp-p.timing.OutputDelay < now+minLeadUS:
			p.nextSeq++
		default:
			return c
		}
	}
}

// Buffered is the outstanding audio at now: µs and bytes.
func (p *Pump) Buffered(now int64) (us int64, bytes int) {
	return p.acct.Buffered(now), p.acct.Count(now)
}

// Stats returns the counters at now.
func (p *Pump) Stats(now int64) Stats {
	lead, ok := p.lead.min(now)
	return Stats{Sent: p.sent, Late: p.late, Bytes: p.bytes, LateNow: p.lateNow.sum(now), MinLead: lead, MinLeadOK: ok, End: p.end}
}

// leadWindow keeps the minimum of the last 10 to 15 seconds in three slots.
type leadWindow struct {
	slot [3]int64 // slot number + 1; 0 unused
	low  [3]int64
}

const leadSlotUS = 5_000_000

func (w *leadWindow) add(lead, now int64) {
	n := now/leadSlotUS + 1
	i := n % 3
	if w.slot[i] != n || lead < w.low[i] {
		w.slot[i], w.low[i] = n, lead
	}
}

func (w *leadWindow) min(now int64) (int64, bool) {
	n := now/leadSlotUS + 1
	var low int64
	ok := false
	for i := range w.slot {
		if w.slot[i] != 0 && n-w.slot[i] < 3 && (!ok || w.low[i] < low) {
			low, ok = w.low[i], true
		}
	}
	return low, ok
}

// countWindow counts events of the last 10 to 15 seconds in three slots.
type countWindow struct {
	slot [3]int64 // slot number + 1; 0 unused
	n    [3]uint64
}

func (w *countWindow) add(now int64) {
	n := now/leadSlotUS + 1
	i := n % 3
	if w.slot[i] != n {
		w.slot[i], w.n[i] = n, 0
	}
	w.n[i]++
}

func (w *countWindow) sum(now int64) (sum uint64) {
	n := now/leadSlotUS + 1
	for i := range w.slot {
		if w.slot[i] != 0 && n-w.slot[i] < 3 {
			sum += w.n[i]
		}
	}
	return sum
}
