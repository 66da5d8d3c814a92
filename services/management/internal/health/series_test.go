package health

import (
	"runtime"
	"testing"
	"time"
	"unsafe"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// base is a moment at the begin of a coarse step, at 10:00 UTC.
var base = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

func fineOf(t time.Time) int64 { return t.UnixMilli() / FineStep.Milliseconds() }

func TestMemoryOfAClientIsBounded(t *testing.T) {
	if size := unsafe.Sizeof(step{}); size != 16 {
		t.Fatalf("a step takes %d bytes; the limits are written for 16", size)
	}
	s := newSeries()
	most := 0
	// Three days: more than is kept, in both steps.
	for n := fineOf(base); n < fineOf(base.Add(72*time.Hour)); n++ {
		s.add(n, step{of: 1, up: 1})
		v := s.view.Load()
		if len(v.fine) > FineKeep || len(v.coarse) > CoarseKeep {
			t.Fatalf("%d fine and %d coarse steps are kept", len(v.fine), len(v.coarse))
		}
		most = max(most, cap(v.fine)+cap(v.coarse))
	}
	if limit := FineKeep + fineSlack + CoarseKeep + coarseSlack; most > limit {
		t.Errorf("room for %d steps, more than %d", most, limit)
	}
	v := s.view.Load()
	if len(v.fine) != FineKeep || len(v.coarse) != CoarseKeep {
		t.Errorf("%d fine and %d coarse steps are kept", len(v.fine), len(v.coarse))
	}
}

// What the limits say in bytes is measured once, over the whole of a deployment.
func TestMemoryOfAllClientsIsBounded(t *testing.T) {
	const clients = 200
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	all := make([]*Series, clients)
	for i := range all {
		all[i] = newSeries()
		n := fineOf(base)
		for range 2 * CoarseKeep { // a sample in each coarse step fills both
			all[i].add(n, step{of: 1})
			n += perCoarse
		}
		for range 2 * FineKeep {
			all[i].add(n, step{of: 1})
			n++
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	perClient := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / clients
	if perClient > 20_000 {
		t.Errorf("a client takes %d bytes, more than 20 kB", perClient)
	}
	runtime.KeepAlive(all)
}

func TestAReaderKeepsWhatItRead(t *testing.T) {
	s := newSeries()
	n := fineOf(base)
	for i := range int64(100) {
		s.add(n+i, step{of: 1, late: uint16(i)})
	}
	held := s.last(FineKeep)
	for i := int64(100); i < 2000; i++ {
		s.add(n+i, step{of: 1, late: uint16(i)})
	}
	for i, x := range held {
		if x.late != uint16(i) {
			t.Fatalf("step %d became %d", i, x.late)
		}
	}
}

func TestMissedStepsAreUnknown(t *testing.T) {
	s := newSeries()
	n := fineOf(base)
	s.add(n, step{of: 1, up: 1})
	s.add(n+3, step{of: 1, up: 1})
	s.add(n+2, step{of: 1, up: 1}) // the clock was set back
	got := s.last(10)
	if len(got) != 4 || got[1].of != 0 || got[2].of != 0 || got[3].of != 1 {
		t.Errorf("steps %+v", got)
	}
	s.add(n+4+FineKeep, step{of: 1})
	if got := s.last(10); len(got) != 1 {
		t.Errorf("after more than an hour there are still %d steps", len(got))
	}
}

func TestCoarseStepsAddUpFineOnes(t *testing.T) {
	s := newSeries()
	n := fineOf(base)
	for i := range perCoarse {
		x := step{of: 1, up: 1, rtt: uint32(1000 + i), buffered: uint16(5000 - i), lead: int16(i - 10), late: 2, playing: 1}
		if i < 10 {
			x = unknown
			x.of = 1
		}
		if i == 20 {
			x.weak, x.reconnects = 1, 1
		}
		s.add(n+i, x)
	}
	s.add(n+perCoarse, unknown)
	got := s.view.Load().coarse
	want := step{of: 30, up: 20, rtt: 1019, buffered: 4971, lead: 0, late: 40, playing: 20, weak: 1, reconnects: 1}
	if len(got) != 1 || got[0] != want {
		t.Errorf("coarse steps %+v, want one: %+v", got, want)
	}
}

func TestHistoryHasColumnsOfOneLength(t *testing.T) {
	s := newSeries()
	start := base.Add(-10 * time.Minute)
	for now := start; now.Before(base); now = now.Add(FineStep) {
		s.add(fineOf(now), step{of: 1, up: 1, rtt: 2000, buffered: noBuffered, lead: noLead})
	}
	now := base.Add(-time.Second)
	for over, want := range map[string]struct {
		n      int
		stepMS int64
		values int
	}{"1h": {360, 10_000, 60}, "6h": {72, 300_000, 2}, "48h": {576, 300_000, 2}} {
		h := s.History("c", over, now)
		if len(h.RTTUS) != want.n || len(h.BufferedMS) != want.n || len(h.MinLeadMS) != want.n || len(h.Late) != want.n ||
			len(h.Reconnects) != want.n || len(h.Connected) != want.n || h.StepMS != want.stepMS {
			t.Errorf("%s: %d steps of %d ms", over, len(h.RTTUS), h.StepMS)
		}
		values := 0
		for i, v := range h.RTTUS {
			if v == nil {
				continue
			}
			values++
			if *v != 2000 || *h.Connected[i] != 1 || h.BufferedMS[i] != nil {
				t.Errorf("%s: step %d is %v", over, i, *v)
			}
		}
		// The step that is under way is the last one.
		if values != want.values || h.RTTUS[want.n-1] == nil {
			t.Errorf("%s: %d values, want %d; last %v", over, values, want.values, h.RTTUS[want.n-1])
		}
		if end := h.From.Add(time.Duration(want.n) * time.Duration(h.StepMS) * time.Millisecond); end.Before(now) || end.Sub(now) > time.Duration(h.StepMS)*time.Millisecond {
			t.Errorf("%s: from %v ends at %v, and it is %v", over, h.From, end, now)
		}
	}
	if h := (*Series)(nil).History("c", RangeHour, now); len(h.RTTUS) != FineKeep || h.RTTUS[0] != nil {
		t.Error("a client without a history has values")
	}
}
