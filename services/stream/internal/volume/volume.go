// Package volume computes group volume and mute (specification, Controller messages:
// "Setting group volume", "Reading group volume", "Reading group mute").
package volume

// Group is the volume of the whole group: the average, rounded half up. Without
// players that support volume it is 100 and ok is false: the command is not offered.
func Group(volumes []int) (v int, ok bool) {
	if len(volumes) == 0 {
		return 100, false
	}
	sum := 0
	for _, x := range volumes {
		sum += x
	}
	return (2*sum + len(volumes)) / (2 * len(volumes)), true
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
// (0..100): their differences are kept as far as the bounds 0 and 100 allow, the
// average is want, and only the end result is rounded.
//
// The specification's loop hands what clamping lost to the players that were not
// clamped, in equal parts, until nothing is lost or all are clamped. Each round here is
// one turn of that loop; at most one per player.
func Set(volumes []int, want int) []int {
	n := len(volumes)
	if n == 0 {
		return nil
	}
	vol := make([]float64, n)
	sum := 0
	for i, v := range volumes {
		vol[i] = float64(v)
		sum += v
	}
	// What is still to be handed out, over all players together.
	left := float64(want*n - sum)
	free := make([]bool, n)
	for i := range free {
		free[i] = true
	}
	for count := n; count > 0 && (left > tiny || left < -tiny); {
		share := left / float64(count)
		left, count = 0, 0
		for i := range vol {
			if !free[i] {
				continue
			}
			proposed := vol[i] + share
			vol[i] = min(max(proposed, 0), 100)
			if lost := proposed - vol[i]; lost != 0 {
				left += lost
				free[i] = false
				continue
			}
			count++
		}
	}
	out := make([]int, n)
	for i, v := range vol {
		out[i] = int(v + 0.5)
	}
	return out
}

// tiny is far below what rounding to whole volumes can see, and far above the
// floating-point error of a hundred rounds.
const tiny = 1e-9
