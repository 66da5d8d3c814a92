package palette

import (
	"cmp"
	"slices"
)

const (
	// clusters is how many colors are told apart: a cover seldom has more that matter.
	clusters = 6
	// rounds of k-means; the means hardly move after that.
	rounds = 8
)

// cluster is a color and its share of the picture, 0 to 1.
type cluster struct {
	lab
	share float64
}

// split clusters the pixels. It returns at least one cluster, the largest first.
func split(pixels []lab) []cluster {
	means := medianCut(pixels)
	counts := make([]int, len(means))
	for range rounds {
		means, counts = move(pixels, means)
	}
	var out []cluster
	for i, m := range means {
		if counts[i] > 0 {
			out = append(out, cluster{m, float64(counts[i]) / float64(len(pixels))})
		}
	}
	slices.SortStableFunc(out, func(a, b cluster) int { return cmp.Compare(b.share, a.share) })
	return out
}

// medianCut cuts the box with the longest side until there are enough boxes, and returns
// their means. It reorders pixels.
func medianCut(pixels []lab) []lab {
	boxes := [][]lab{pixels}
	for len(boxes) < clusters {
		best, side, axis := -1, 0.0, 0
		for i, b := range boxes {
			if s, a := longest(b); len(b) > 1 && s > side {
				best, side, axis = i, s, a
			}
		}
		if best < 0 {
			break // every box is one color
		}
		b := boxes[best]
		slices.SortStableFunc(b, func(x, y lab) int { return cmp.Compare(x.component(axis), y.component(axis)) })
		boxes[best] = b[:len(b)/2]
		boxes = append(boxes, b[len(b)/2:])
	}
	means := make([]lab, len(boxes))
	for i, b := range boxes {
		means[i] = mean(b)
	}
	return means
}

// longest is the longest side of the box around pixels, and its axis.
func longest(pixels []lab) (side float64, axis int) {
	for i := range 3 {
		lo, hi := pixels[0].component(i), pixels[0].component(i)
		for _, p := range pixels {
			lo, hi = min(lo, p.component(i)), max(hi, p.component(i))
		}
		if hi-lo > side {
			side, axis = hi-lo, i
		}
	}
	return side, axis
}

func mean(pixels []lab) lab {
	var sum lab
	for _, p := range pixels {
		sum = sum.plus(p)
	}
	return sum.times(1 / float64(len(pixels)))
}

// move is one round of k-means. A mean that nobody is nearest to stays.
func move(pixels, means []lab) ([]lab, []int) {
	sums, counts := make([]lab, len(means)), make([]int, len(means))
	for _, p := range pixels {
		near, least := 0, p.distance(means[0])
		for i, m := range means[1:] {
			if d := p.distance(m); d < least {
				near, least = i+1, d
			}
		}
		sums[near] = sums[near].plus(p)
		counts[near]++
	}
	for i := range sums {
		if counts[i] == 0 {
			sums[i] = means[i]
			continue
		}
		sums[i] = sums[i].times(1 / float64(counts[i]))
	}
	return sums, counts
}
