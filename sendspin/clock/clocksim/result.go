package clocksim

import (
	"math"
	"slices"
)

// Percentiles returns the absolute error in microseconds that the estimate was within for
// each of the fractions of the time, from seconds on. Before the client would play,
// nothing counts.
func (r *Result) Percentiles(from float64, fractions ...float64) []float64 {
	var errs []float64
	for _, p := range r.Points {
		if p.AtS >= from && p.Ready {
			errs = append(errs, math.Abs(p.ErrUS))
		}
	}
	slices.Sort(errs)
	out := make([]float64, len(fractions))
	for i, f := range fractions {
		out[i] = errs[int(math.Ceil(f*float64(len(errs))))-1]
	}
	return out
}

// ReadyS is when the client would play first, in seconds; +Inf if never.
func (r *Result) ReadyS() float64 {
	for _, p := range r.Points {
		if p.Ready {
			return p.AtS
		}
	}
	return math.Inf(1)
}

// SettledS is when the estimate had been within bound microseconds for a minute for the
// first time: that minute's start, in seconds; +Inf if never.
func (r *Result) SettledS(bound float64) float64 {
	since := math.Inf(1)
	for _, p := range r.Points {
		switch {
		case !p.Ready || math.Abs(p.ErrUS) > bound:
			since = math.Inf(1)
		case math.IsInf(since, 1):
			since = p.AtS
		case p.AtS-since >= 60:
			return since
		}
	}
	return math.Inf(1)
}
