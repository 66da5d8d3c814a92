package analysis

import "math"

const (
	// envRate is the rate of the envelope that tempo and beats are found in, per second.
	envRate = onsetRate
	// slowest and fastest bound the tempo, in beats per minute.
	slowest, fastest = 50, 215
	// preferred is the tempo that wins among multiples, as people's tapping does
	// (McKinney, Moelants, 2004); preferWidth is the spread of that, in octaves.
	preferred   = 132
	preferWidth = 1.0
	// tempoWindow is how much of the envelope a tempo is found in, in seconds.
	tempoWindow = 8
	// tempoLeast is what it takes for a first guess, in seconds.
	tempoLeast = 2
)

// tempoFinder finds the period of an envelope by autocorrelation.
type tempoFinder struct {
	acf    []float64
	smooth []float64
	last   float64 // the period found last, in steps; 0: none
}

// find returns the period in steps, with a fraction, and how sure it is: the
// autocorrelation there, 0-1. The period is 0 when nothing repeats.
func (t *tempoFinder) find(env []float64) (period, sure float64) {
	if len(env) < tempoLeast*envRate {
		return 0, 0
	}
	t.prepare(env)
	least, most := envRate*60/fastest, min(envRate*60/slowest, len(t.smooth)/2)
	best := 0.0
	for lag := least; lag <= most; lag++ {
		a := t.at(lag)
		if a <= 0 || a < t.at(lag-1) || a < t.at(lag+1) {
			continue
		}
		if s := t.score(lag); s > best {
			best, period, sure = s, t.vertex(lag), a
		}
	}
	t.last = period
	return period, sure
}

// score weighs a lag: what also repeats at its multiples counts more; a lag at which less
// repeats than at its double is a subdivision of the beat; the preferred tempo and the
// present one have an advantage.
func (t *tempoFinder) score(lag int) float64 {
	a, b, c := t.at(lag), t.near(2*lag), t.near(3*lag)
	s := a + 0.5*b + 0.33*c
	if b > 0 {
		s *= min(1, a/b) * min(1, a/b)
	}
	octaves := math.Log2(60 * envRate / float64(lag) / preferred)
	s *= math.Exp(-0.5 * octaves * octaves / (preferWidth * preferWidth))
	if t.last > 0 && math.Abs(float64(lag)/t.last-1) < 0.06 {
		s *= 1.2
	}
	return s
}

// prepare computes the autocorrelation of env without its mean, normalised for the
// overlap, up to the third multiple of the slowest period.
func (t *tempoFinder) prepare(env []float64) {
	t.smooth = level(smooth(t.smooth[:0], env))
	n := len(t.smooth)
	lags := min(3*envRate*60/slowest+4, n*3/4)
	t.acf = t.acf[:0]
	for lag := range lags {
		sum := 0.0
		x, y := t.smooth[:n-lag], t.smooth[lag:]
		for i, v := range x {
			sum += v * y[i]
		}
		t.acf = append(t.acf, sum/float64(n-lag))
	}
	if zero := t.acf[0]; zero > 0 {
		for i := range t.acf {
			t.acf[i] /= zero
		}
	}
}

func (t *tempoFinder) at(lag int) float64 {
	if lag < 0 || lag >= len(t.acf) {
		return 0
	}
	return t.acf[lag]
}

// near is the largest value around a multiple, where a fraction of a step has added up.
func (t *tempoFinder) near(lag int) float64 {
	top := 0.0
	for d := -2; d <= 2; d++ {
		top = max(top, t.at(lag+d))
	}
	return top
}

// vertex is the top of the parabola through a lag and its neighbours.
func (t *tempoFinder) vertex(lag int) float64 {
	return float64(lag) + parabola(t.at(lag-1), t.at(lag), t.at(lag+1))
}

// parabola is where a parabola through three values at -1, 0 and 1 has its vertex, -0.5
// to 0.5 when the middle one is the largest.
func parabola(a, b, c float64) float64 {
	den := a - 2*b + c
	if den == 0 {
		return 0
	}
	return min(max(0.5*(a-c)/den, -0.5), 0.5)
}

// level takes from x its mean over one slowest beat around each step, so that a piece that
// begins, ends or swells is no rhythm.
func level(x []float64) []float64 {
	half := envRate * 30 / slowest
	sums := make([]float64, len(x)+1)
	for i, v := range x {
		sums[i+1] = sums[i] + v
	}
	for i := range x {
		from, to := max(i-half, 0), min(i+half+1, len(x))
		x[i] -= (sums[to] - sums[from]) / float64(to-from)
	}
	return x
}

// smooth appends env to dst, smoothed over ±4 steps (Gaussian, 1.5 steps).
func smooth(dst, env []float64) []float64 {
	const half = 4
	var kernel [2*half + 1]float64
	sum := 0.0
	for i := range kernel {
		x := float64(i-half) / 1.5
		kernel[i] = math.Exp(-0.5 * x * x)
		sum += kernel[i]
	}
	for i := range env {
		v := 0.0
		for j, k := range kernel {
			if at := i + j - half; at >= 0 && at < len(env) {
				v += k * env[at]
			}
		}
		dst = append(dst, v/sum)
	}
	return dst
}
