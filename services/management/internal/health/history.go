package health

import (
	"time"

	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// Ranges of a history, as the API names them.
const (
	RangeHour    = "1h"
	RangeQuarter = "6h"
	RangeDays    = "48h"
)

// History is what s holds of a client over a range that ends at now. A nil s holds
// nothing: every value is null.
func (s *Series) History(clientID, over string, now time.Time) model.HealthHistory {
	long, n := CoarseStep, 0
	switch over {
	case RangeQuarter:
		n = int(6 * time.Hour / CoarseStep)
	case RangeDays:
		n = CoarseKeep
	default:
		long, n = FineStep, FineKeep
	}
	v := &view{}
	if s != nil {
		v = s.view.Load()
	}
	steps, end := v.fine, v.fineEnd
	if long == CoarseStep {
		steps, end = v.coarse, v.coarseEnd
	}
	// The last step is the one that is under way.
	first := now.UnixMilli()/long.Milliseconds() - int64(n) + 1
	out := model.HealthHistory{
		ClientID: clientID, StepMS: long.Milliseconds(), From: time.UnixMilli(first * long.Milliseconds()).UTC(),
		RTTUS: make([]*int64, n), BufferedMS: make([]*int64, n), MinLeadMS: make([]*int64, n),
		Late: make([]*int64, n), Reconnects: make([]*int64, n), Connected: make([]*float64, n),
	}
	for i := range n {
		at := first + int64(i)
		switch j := at - (end - int64(len(steps))); {
		case j >= 0 && j < int64(len(steps)):
			show(&out, i, steps[j])
		case long == CoarseStep && at == end:
			show(&out, i, v.running)
		}
	}
	return out
}

func show(out *model.HealthHistory, i int, x step) {
	if x.of == 0 {
		return
	}
	if x.rtt != noRTT {
		out.RTTUS[i] = ptr(int64(x.rtt))
	}
	if x.buffered != noBuffered {
		out.BufferedMS[i] = ptr(int64(x.buffered))
	}
	if x.lead != noLead {
		out.MinLeadMS[i] = ptr(int64(x.lead))
	}
	out.Late[i], out.Reconnects[i] = ptr(int64(x.late)), ptr(int64(x.reconnects))
	out.Connected[i] = ptr(float64(x.up) / float64(x.of))
}

func ptr[T any](v T) *T { return &v }
