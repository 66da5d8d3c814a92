package group

import (
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/playback"
)

// This file knows what is audible now, what comes next, and when: what displays are told
// ahead of time hangs on it.

// scheduleUS is how long before its time a title is announced to displays. A server
// should not schedule more than 20 s ahead (specification, Server rules for scheduled
// metadata); half a second less allows for a clock that is a little off.
const scheduleUS = 19_500_000

// sounds is what is audible; ok is false while nothing of the present run is.
func (g *Group) sounds() (m mark, ok bool) {
	if r := g.run; r != nil && g.s.Mode == playback.Playing && r.heard && len(r.marks) > 0 {
		return r.marks[0], true
	}
	return mark{}, false
}

// comes is what becomes audible next by itself, as far as it is on the timeline. What the
// queue does not hold any more does not count, although its audio may be there.
func (g *Group) comes() (m mark, ok bool) {
	r := g.run
	if r == nil || g.s.Mode != playback.Playing {
		return mark{}, false
	}
	n := 0
	if r.heard {
		n = 1
	}
	if len(r.marks) <= n || g.s.Turn != "" && r.marks[n].item.ID == g.s.Turn {
		return mark{}, false
	}
	return r.marks[n], true
}

// coming is the item that becomes audible after what is audible at now, and when, in µs
// of the house clock. ok is false when that is not known (yet).
func (g *Group) coming(now int64) (it playback.Item, atUS int64, ok bool) {
	m, ok := g.comes()
	if !ok || m.startUS <= now {
		return playback.Item{}, 0, false
	}
	return m.item, m.startUS, true
}

// comingMetadata is the scheduled update that displays should hold at now; nil when none.
func (g *Group) comingMetadata(now int64) *tuttiv1.MetadataState {
	m, ok := g.comes()
	if !ok || m.startUS <= now || m.startUS > now+scheduleUS {
		return nil
	}
	return metadata(keyOf(m), now)
}
