// Package placement decides which stream instance holds which group. It is pure: instances
// and groups in, a choice out; the same everywhere for the same picture.
//
// A group has a few instances that it prefers, by rendezvous hashing; the less loaded of
// the two that it prefers most gets it. So a burst of groups, as after a death, spreads by
// itself although everybody looks at the same picture, and nobody is given more than it
// takes.
package placement

import (
	"cmp"
	"hash/fnv"
	"slices"

	"github.com/tutti-audio/tutti/platform/fault"
)

// Instance is one stream instance as others see it.
type Instance struct {
	ID string
	// Groups that it holds, and the most that it takes; 0: any number.
	Groups, Capacity int
	// Busy is the share of its processors that is in use, 0-1.
	Busy float64
	// Draining says that it is on its way out.
	Draining bool
}

// Takes reports whether the instance can be given another group.
func (i Instance) Takes() bool {
	return !i.Draining && (i.Capacity == 0 || i.Groups < i.Capacity)
}

// load orders instances: groups, and what else keeps the processors busy, worth up to
// four.
func (i Instance) load() float64 { return float64(i.Groups) + 4*min(max(i.Busy, 0), 1) }

// Choose says who should hold a group: the instances that can, best first. It fails with
// fault.Unavailable, whose message says what to do, when there is none.
func Choose(group string, all []Instance) ([]Instance, error) {
	var can []Instance
	full, draining, capacity := 0, 0, 0
	for _, i := range all {
		switch {
		case i.Draining:
			draining++
		case !i.Takes():
			full++
			capacity += i.Capacity
		default:
			can = append(can, i)
		}
	}
	switch {
	case len(can) > 0:
	case full > 0:
		return nil, fault.New(fault.Unavailable, "group %s has no place: all %d stream instances hold as many groups as they may, %d together; "+
			"start another instance, or raise --max-groups", group, full, capacity)
	case draining > 0:
		return nil, fault.New(fault.Unavailable, "group %s has no place: every stream instance is shutting down; start another one, or wait for the restart", group)
	default:
		return nil, fault.New(fault.Unavailable, "group %s has no place: no stream instance runs", group)
	}
	slices.SortFunc(can, func(a, b Instance) int {
		return cmp.Or(cmp.Compare(score(group, b.ID), score(group, a.ID)), cmp.Compare(a.ID, b.ID))
	})
	if len(can) > 1 && can[1].load() < can[0].load() {
		can[0], can[1] = can[1], can[0]
	}
	return can, nil
}

// Rank is the place of an instance among those that can hold a group: 0 is the one that
// Choose names first; -1: it cannot.
func Rank(group, id string, all []Instance) int {
	can, err := Choose(group, all)
	if err != nil {
		return -1
	}
	return slices.IndexFunc(can, func(i Instance) bool { return i.ID == id })
}

// score is how much a group prefers an instance (rendezvous hashing).
func score(group, id string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(group + "\x00" + id)) // never fails
	// FNV spreads similar ids badly over its high bits: mix once more.
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return x
}

// Excess says how many groups an instance should give away, and to whom the next one. Only
// what is above the even share moves, and nothing moves for a difference of one, so that
// after a move nobody wants to move it back.
func Excess(id string, all []Instance) (n int, to string) {
	total, takers := 0, 0
	var me, least *Instance
	for k := range all {
		i := &all[k]
		if i.Draining {
			continue
		}
		total += i.Groups
		takers++
		if i.ID == id {
			me = i
			continue
		}
		if i.Takes() && (least == nil || cmp.Or(cmp.Compare(i.Groups, least.Groups), cmp.Compare(i.load(), least.load()), cmp.Compare(i.ID, least.ID)) < 0) {
			least = i
		}
	}
	if me == nil || least == nil {
		return 0, ""
	}
	share := (total + takers - 1) / takers
	n = me.Groups - share
	if me.Capacity > 0 {
		n = max(n, me.Groups-me.Capacity)
	}
	if n <= 0 || me.Groups-least.Groups < 2 {
		return 0, ""
	}
	return n, least.ID
}
