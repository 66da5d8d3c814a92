package health

import (
	"math"
	"sync/atomic"
	"time"
)

// How much is kept of each client. With 16 bytes a step a client takes 16.3 kB at most,
// and MaxClients of them 67 MB; a home of ten takes 160 kB.
const (
	// FineStep and FineKeep: an hour in steps of 10 s. One sample is one fine step.
	FineStep = 10 * time.Second
	FineKeep = 360
	// CoarseStep and CoarseKeep: two days in steps of 5 min.
	CoarseStep = 5 * time.Minute
	CoarseKeep = 576
	// MaxClients bounds how many clients have a history; the one that was away for the
	// longest time gives way.
	MaxClients = 4096

	// The slack makes room for steps behind those that readers hold, so that the steps
	// are copied once in a while and not each time.
	fineSlack   = 60
	coarseSlack = 24

	perCoarse = int64(CoarseStep / FineStep)
)

// Values that stand for "not known".
const (
	noRTT      = 0
	noBuffered = math.MaxUint16
	noLead     = math.MinInt16
)

// step is what one step of a history holds: 16 bytes.
type step struct {
	rtt        uint32 // µs, mean; noRTT
	buffered   uint16 // ms, least; noBuffered
	lead       int16  // ms, least; noLead
	late       uint16 // chunks
	of         uint8  // samples in this step; 0: nothing is known
	up         uint8  // of these, while it was connected
	reconnects uint8
	playing    uint8 // samples with audio that had settled
	weak       uint8 // of these, with a buffer that its link lost
}

// unknown is a step of which nothing is known.
var unknown = step{buffered: noBuffered, lead: noLead}

// Series is the history of one client. One goroutine adds to it; any number reads.
type Series struct {
	view atomic.Pointer[view]
	acc  gather
}

// view is an immutable window. The arrays are only ever written behind the end of every
// published view.
type view struct {
	fine      []step
	fineEnd   int64 // number of the step behind the last one, in FineStep since 1970
	coarse    []step
	coarseEnd int64
	running   step // the coarse step that is not over yet, number coarseEnd
}

func newSeries() *Series {
	s := &Series{}
	s.view.Store(&view{running: unknown})
	s.acc.reset()
	return s
}

// add takes the sample of fine step number n. A step that was missed is unknown; one
// that is there already (the clock was set back) is left out.
func (s *Series) add(n int64, x step) {
	v := *s.view.Load()
	if len(v.fine) > 0 && n < v.fineEnd {
		return
	}
	if v.fineEnd == 0 || n-v.fineEnd >= FineKeep {
		v.fine, v.fineEnd = nil, n
	}
	for ; v.fineEnd < n; v.fineEnd++ {
		v.fine = push(v.fine, unknown, FineKeep, fineSlack)
	}
	v.fine = push(v.fine, x, FineKeep, fineSlack)
	v.fineEnd++
	s.addCoarse(&v, n/perCoarse, x)
	s.view.Store(&v)
}

func (s *Series) addCoarse(v *view, n int64, x step) {
	if v.coarseEnd == 0 || n-v.coarseEnd >= CoarseKeep {
		v.coarse, v.coarseEnd = nil, n
		s.acc.reset()
	}
	for ; v.coarseEnd < n; v.coarseEnd++ {
		v.coarse = push(v.coarse, s.acc.step(), CoarseKeep, coarseSlack)
		s.acc.reset()
	}
	s.acc.add(x)
	v.running = s.acc.step()
}

// push appends to a window of at most keep steps without touching what earlier windows
// show.
func push(w []step, x step, keep, slack int) []step {
	if len(w) == cap(w) {
		from := max(0, len(w)-keep+1)
		w = append(make([]step, 0, min(2*(len(w)-from)+16, keep+slack)), w[from:]...)
	}
	w = append(w, x)
	return w[max(0, len(w)-keep):]
}

// last are the n newest fine steps, or fewer.
func (s *Series) last(n int) []step {
	f := s.view.Load().fine
	return f[max(0, len(f)-n):]
}

// gather makes one coarse step of many fine ones.
type gather struct {
	sum          step
	rttSum, rtts uint64
}

func (g *gather) reset() { *g = gather{sum: unknown} }

func (g *gather) add(x step) {
	if x.rtt != noRTT {
		g.rttSum, g.rtts = g.rttSum+uint64(x.rtt), g.rtts+1
	}
	g.sum.buffered = min(g.sum.buffered, x.buffered)
	switch {
	case x.lead == noLead:
	case g.sum.lead == noLead:
		g.sum.lead = x.lead
	default:
		g.sum.lead = min(g.sum.lead, x.lead)
	}
	g.sum.late = saturate16(uint64(g.sum.late) + uint64(x.late))
	for _, c := range []struct {
		to *uint8
		by uint8
	}{{&g.sum.of, x.of}, {&g.sum.up, x.up}, {&g.sum.reconnects, x.reconnects}, {&g.sum.playing, x.playing}, {&g.sum.weak, x.weak}} {
		*c.to = uint8(min(uint(*c.to)+uint(c.by), math.MaxUint8))
	}
}

func (g *gather) step() step {
	s := g.sum
	if g.rtts > 0 {
		s.rtt = uint32(g.rttSum / g.rtts)
	}
	return s
}

func saturate16(n uint64) uint16 { return uint16(min(n, math.MaxUint16)) }
