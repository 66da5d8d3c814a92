// Package volume computes group volume and mute (specification, Controller messages:
// "Setting group volume", "Reading group volume", "Reading group mute").
package volume

// Level is the volume of one player that lets it be set, and the limits that it is held
// to: 0 <= Min <= Max <= 100. Volume may be outside, when a person has turned a knob.
type Level struct{ Volume, Min, Max int }

// Group is the volume of the whole group: the average, rounded half up. Without
// players that support volume it is 100 and ok is false: the command is not offered.
func Group(levels []Level) (v int, ok bool) {
	if len(levels) == 0 {
		return 100, false
	}
	return average(levels, func(l Level) int { return l.Volume }), true
}

// Range is the group's volume when every player is at its least, and at its most: 0 and
// 100 without players that support volume.
func Range(levels []Level) (low, high int) {
	if len(levels) == 0 {
		return 0, 100
	}
	return average(levels, func(l Level) int { return l.Min }), average(levels, func(l Level) int { return l.Max })
}

// average rounds half up; the values are not negative.
func average(levels []Level, of func(Level) int) int {
	sum := 0
	for _, l := range levels {
		sum += of(l)
	}
	return (2*sum + len(levels)) / (2 * len(levels))
}

// Muted is the group's mute state over the players that support mute: true when all
// of them are muted. Without any it is false and ok is false.
func Muted(mutes []bool) (m, ok bool) {
	for _, x := range mutes {
		if !x {
			return false, true
		}
	}
	return len(mutes) > 0, len(mutes) > 0
}

// Set returns the volume of each player after the group's volume was set to want
// (0..100): their differences are kept as far as their limits allow, the average is
// want, and only the end result is rounded. A volume outside its limits counts as the
// nearer one.
//
// The specification's loop hands what clamping lost to the players that were not
// clamped, in equal parts, until nothing is lost or all are clamped. So those that were
// never clamped have all gone by the same step, which is what the average still lacks
// divided among them: each round here is one turn of that loop, in exact integers.
//
// Halves are rounded down, while Group rounds them up: the volume that is read afterwards
// is the one that was set, and setting the one that is read changes nothing where no
// limit is in the way.
func Set(levels []Level, want int) []int {
	out := make([]int, len(levels))
	free := make([]int, len(levels)) // indices of the players that were not clamped
	for i, l := range levels {
		out[i], free[i] = l.clamp(l.Volume), i
	}
	lacks := want * len(levels) // of the sum of all volumes
	for _, v := range out {
		lacks -= v
	}
	for len(free) > 0 {
		// The step of each free player is lacks/count.
		count, kept, lost := len(free), free[:0], 0
		for _, i := range free {
			l, v := levels[i], out[i]
			bound := v
			switch {
			case v*count+lacks > l.Max*count:
				bound = l.Max
			case v*count+lacks < l.Min*count:
				bound = l.Min
			default:
				kept = append(kept, i)
				continue
			}
			lost += bound - v
			out[i] = bound
		}
		if len(kept) == count {
			break
		}
		free = kept
		lacks -= lost
	}
	for _, i := range free {
		out[i] = roundedStep(out[i], lacks, len(free))
	}
	return out
}

// roundedStep is v + lacks/count, rounded to the nearest integer, halves down. The result
// is not negative.
func roundedStep(v, lacks, count int) int {
	return (2*(v*count+lacks) + count - 1) / (2 * count)
}

func (l Level) clamp(v int) int { return min(max(v, l.Min), l.Max) }
