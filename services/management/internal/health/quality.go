package health

import (
	"time"

	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// Thresholds of quality. They are over windows, so that one bad moment shows and then
// fades.
const (
	recent  = 60 // fine steps: the last 10 min
	anHour  = FineKeep
	poorRTT = 250_000 // µs
	fairRTT = 100_000
	// A better quality has to last this long before it is believed.
	betterAfter = time.Minute
)

// sums are what a span of steps adds up to.
type sums struct {
	late, reconnects, playing, weak int
	known                           bool
	rtt                             uint32 // mean
}

func sum(steps []step) sums {
	var s sums
	var rtt, n uint64
	for _, x := range steps {
		s.late += int(x.late)
		s.reconnects += int(x.reconnects)
		s.playing += int(x.playing)
		s.weak += int(x.weak)
		s.known = s.known || x.of > 0
		if x.rtt != noRTT {
			rtt, n = rtt+uint64(x.rtt), n+1
		}
	}
	if n > 0 {
		s.rtt = uint32(rtt / n)
	}
	return s
}

// judge is the quality of a client as its last steps show it.
func judge(c *model.Client, ten, hour sums) string {
	switch {
	case !c.Connected:
		return model.QualityOffline
	case c.Player == nil || c.Player.StreamFormat == nil:
		return model.QualityIdle
	case ten.late >= 10 || ten.weak >= 6 || ten.rtt > poorRTT || hour.reconnects >= flapping:
		return model.QualityPoor
	case ten.late > 0 || ten.weak > 0 || ten.rtt > fairRTT || hour.reconnects > 0:
		return model.QualityFair
	}
	return model.QualityGood
}

var rank = map[string]int{model.QualityPoor: 1, model.QualityFair: 2, model.QualityGood: 3}

// verdict is the quality that is shown.
type verdict struct {
	quality string
	since   *time.Time
	better  time.Time // since when it would be better; zero: it would not
}

// next folds in what is judged at now. A worse quality counts at once, a better one after
// betterAfter.
func (v verdict) next(quality string, now time.Time) verdict {
	if v.quality == "" {
		return verdict{quality: quality}
	}
	if quality == v.quality {
		v.better = time.Time{}
		return v
	}
	if r, was := rank[quality], rank[v.quality]; r > was && was > 0 {
		if v.better.IsZero() {
			v.better = now
		}
		if now.Sub(v.better) < betterAfter {
			return v
		}
	}
	return verdict{quality: quality, since: &now}
}

// clientHealth is how c does; s is nil where nothing was sampled.
func clientHealth(c *model.Client, s *Series, v verdict, ten, hour sums) model.ClientHealth {
	h := model.ClientHealth{ClientID: c.ClientID, Quality: v.quality, Since: v.since, Late10M: ten.late, Reconnects1H: hour.reconnects}
	if s == nil || !c.Connected {
		return h
	}
	if c.Sync != nil && c.Sync.RTTUS > 0 {
		h.RTTUS = ptr(c.Sync.RTTUS)
	}
	if p := c.Player; p != nil && p.StreamFormat != nil {
		h.BufferedMS, h.MinLeadMS = ptr(p.BufferedMS), ptr(p.MinLeadMS)
	}
	return h
}
