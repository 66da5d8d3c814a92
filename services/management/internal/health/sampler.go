package health

import (
	"math"
	"time"

	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/readmodel"
)

const (
	// settledAfter is how many samples in a row have audio before a small buffer tells
	// anything: a buffer fills for some seconds after each start.
	settledAfter = 3
	// typicalWeight is the weight of one sample in what is typical for a buffer: it
	// follows within some 5 min.
	typicalWeight = 1.0 / 32
	// lowPart: a buffer below this part of its typical size was lost.
	lowPart = 0.35
	// drainMS: the buffer of the last title empties as it ends, and that is no loss.
	drainMS = 45_000
)

// track is what the sampler remembers of a client between two samples.
type track struct {
	series      *Series
	late        uint64
	reconnects  uint64
	connectedAt time.Time
	up          bool
	lastUp      time.Time // when it was last seen connected
	format      model.AudioFormat
	// codecFrom is the coarse step from which on it is sent the present codec: what a link
	// did with another one says nothing of this one, and a remedy shows its effect.
	codecFrom int64
	settled   int
	typical   float64 // ms; 0: not known
}

// sampler turns what the read model shows into steps. It is plain data.
type sampler struct {
	tracks map[string]*track
	limit  int
}

func newSampler(limit int) *sampler { return &sampler{tracks: map[string]*track{}, limit: limit} }

// sample takes one sample of every client. It reports whether clients came or went.
func (m *sampler) sample(snap *readmodel.Snapshot, now readmodel.Now) (changed bool) {
	n := now.Wall.UnixMilli() / FineStep.Milliseconds()
	low := map[string]*lows{} // by group
	steps := make(map[string]step, len(m.tracks))
	for _, c := range snap.Clients {
		t := m.tracks[c.ClientID]
		if t == nil {
			if !c.Connected || !m.room() {
				continue
			}
			t = begin(c)
			m.tracks[c.ClientID], changed = t, true
		}
		x := t.take(c, now.Wall)
		if x.playing > 0 {
			g := low[c.GroupID]
			if g == nil {
				g = &lows{}
				low[c.GroupID] = g
			}
			g.playing++
			if t.isLow(x) {
				g.low = append(g.low, c.ClientID)
			}
		}
		steps[c.ClientID] = x
	}
	for id, g := range low {
		if g.ofLinks() && !drains(snap, id, now) {
			for _, c := range g.low {
				x := steps[c]
				x.weak = 1
				steps[c] = x
			}
		}
	}
	for id, t := range m.tracks {
		x, known := steps[id]
		if !known || now.Wall.Sub(t.lastUp) > CoarseKeep*CoarseStep {
			delete(m.tracks, id) // it was forgotten, or nothing is left to show
			changed = true
			continue
		}
		if x.playing > 0 && x.weak == 0 {
			t.learn(x)
		}
		t.series.add(n, x)
	}
	return changed
}

// room makes room for one more client.
func (m *sampler) room() bool {
	if len(m.tracks) < m.limit {
		return true
	}
	oldest, at := "", time.Time{}
	for id, t := range m.tracks {
		if !t.up && (oldest == "" || t.lastUp.Before(at)) {
			oldest, at = id, t.lastUp
		}
	}
	delete(m.tracks, oldest)
	return oldest != ""
}

// lows are the members of a group whose buffer is low.
type lows struct {
	playing int
	low     []string
}

// ofLinks reports whether the links are to blame: when several play and all are low, what
// they play came too slowly.
func (l *lows) ofLinks() bool { return l.playing == 1 || len(l.low) < l.playing }

// drains reports whether the group plays live, with the small buffer that this means, or
// the end of its last title.
func drains(snap *readmodel.Snapshot, groupID string, now readmodel.Now) bool {
	pb := snap.Group(groupID)
	if pb == nil || pb.GetLive() {
		return true
	}
	g := readmodel.BuildGroup(pb, now, func(string) *model.Client { return nil })
	p := g.NowPlaying
	last := int(pb.GetQueueIndex()) >= g.QueueLength-1 && g.Repeat == "off"
	return last && p != nil && p.DurationMS > 0 && p.DurationMS-p.PositionMS < drainMS
}

// begin remembers a client as it is: what happened before is not counted.
func begin(c *model.Client) *track {
	t := &track{series: newSeries(), reconnects: c.Reconnects, up: c.Connected}
	if c.Player != nil {
		t.late = c.Player.ChunksLate
	}
	if c.ConnectedAt != nil {
		t.connectedAt = *c.ConnectedAt
	}
	return t
}

// take is the sample of a client at this moment; weak is not known yet.
func (t *track) take(c *model.Client, now time.Time) step {
	x := unknown
	x.of = 1
	x.reconnects = t.cameBack(c)
	if t.up = c.Connected; !t.up {
		t.settled = 0
		return x
	}
	x.up, t.lastUp = 1, now
	if c.Sync != nil && c.Sync.RTTUS > 0 {
		x.rtt = uint32(min(c.Sync.RTTUS, math.MaxUint32))
	}
	p := c.Player
	if p == nil || p.StreamFormat == nil {
		t.settled = 0
		return x
	}
	x.buffered = uint16(min(max(p.BufferedMS, 0), noBuffered-1))
	x.lead = int16(min(max(p.MinLeadMS, noLead+1), math.MaxInt16))
	more := p.ChunksLate
	if more >= t.late { // else its counter began anew
		more -= t.late
	}
	t.late, x.late = p.ChunksLate, saturate16(more)
	if t.format != *p.StreamFormat {
		if t.format.Codec != "" && t.format.Codec != p.StreamFormat.Codec {
			t.codecFrom = now.UnixMilli() / CoarseStep.Milliseconds()
		}
		t.format, t.settled, t.typical = *p.StreamFormat, 0, 0
	}
	if t.settled++; t.settled > settledAfter {
		x.playing = 1
	}
	return x
}

// cameBack is how often c came back since the sample before.
func (t *track) cameBack(c *model.Client) uint8 {
	var n uint64
	if c.Reconnects > t.reconnects {
		n = c.Reconnects - t.reconnects
	}
	t.reconnects = c.Reconnects
	if c.Connected && c.ConnectedAt != nil {
		// A gateway that started anew counts from zero.
		if n == 0 && !t.connectedAt.IsZero() && !c.ConnectedAt.Equal(t.connectedAt) {
			n = 1
		}
		t.connectedAt = *c.ConnectedAt
	}
	return uint8(min(n, math.MaxUint8))
}

func (t *track) isLow(x step) bool {
	return x.late > 0 || t.typical > 0 && float64(x.buffered) < lowPart*t.typical
}

func (t *track) learn(x step) {
	if t.typical == 0 {
		t.typical = float64(x.buffered)
	}
	t.typical += typicalWeight * (float64(x.buffered) - t.typical)
}
