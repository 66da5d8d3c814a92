package pcm

import "fmt"

// CanMap reports whether MapChannels knows how to go from `in` to `out` channels.
func CanMap(in, out int) bool {
	return in == out && in > 0 || in == 1 && out > 0 || (out == 1 || out == 2) && in > 0 && in <= MaxChannels
}

// MapChannels appends samples, of `in` interleaved channels, to dst as `out`
// channels. Gains:
//
//   - equal counts: copied
//   - mono to more: every output channel is the mono channel at gain 1
//   - stereo to mono: (L+R)/2, rounded half up, so it can never clip
//   - 3..8 channels to 2: front left and front right are kept, what the layout puts
//     on the left or right is added at -3 dB, centre likewise to both, LFE dropped,
//     and the sum is scaled so that it can never clip
//   - 3..8 channels to 1: the two channels of the above, averaged
//
// Other pairs fail; ask CanMap first.
func MapChannels(dst, samples []int32, in, out int) ([]int32, error) {
	switch {
	case !CanMap(in, out):
		return dst, fmt.Errorf("pcm: no mapping from %d to %d channels", in, out)
	case in == out:
		return append(dst, samples...), nil
	case in == 1:
		for _, s := range samples {
			for range out {
				dst = append(dst, s)
			}
		}
		return dst, nil
	case in == 2:
		for i := 0; i+1 < len(samples); i += 2 {
			dst = append(dst, average(samples[i], samples[i+1]))
		}
		return dst, nil
	}
	return fold(dst, samples, in, out), nil
}

func average(a, b int32) int32 { return int32((int64(a) + int64(b) + 1) >> 1) }

// side is where one channel of a FLAC/WAVE layout goes in a stereo fold.
type side struct{ left, right float64 }

var (
	front  = [2]side{{1, 0}, {0, 1}}
	centre = side{minus3dB, minus3dB}
	onLeft = side{minus3dB, 0}
	onRite = side{0, minus3dB}
	none   = side{}
)

const minus3dB = 0.70710678118654752440

// layout gives the sides of n channels in the order RFC 9639 (section 9.1.3) and
// WAVE share.
func layout(n int) []side {
	switch n {
	case 3:
		return []side{front[0], front[1], centre}
	case 4:
		return []side{front[0], front[1], onLeft, onRite}
	case 5:
		return []side{front[0], front[1], centre, onLeft, onRite}
	case 6:
		return []side{front[0], front[1], centre, none, onLeft, onRite}
	case 7:
		return []side{front[0], front[1], centre, none, centre, onLeft, onRite}
	default:
		return []side{front[0], front[1], centre, none, onLeft, onRite, onLeft, onRite}
	}
}

func fold(dst, samples []int32, in, out int) []int32 {
	sides := layout(in)
	var sum float64
	for _, s := range sides {
		sum += s.left
	}
	for i := 0; i+in <= len(samples); i += in {
		var l, r float64
		for c, s := range samples[i : i+in] {
			l += float64(s) * sides[c].left
			r += float64(s) * sides[c].right
		}
		left, right := roundInt(l/sum), roundInt(r/sum)
		if out == 1 {
			dst = append(dst, average(left, right))
		} else {
			dst = append(dst, left, right)
		}
	}
	return dst
}

func roundInt(v float64) int32 {
	if v < 0 {
		return int32(v - 0.5)
	}
	return int32(v + 0.5)
}
