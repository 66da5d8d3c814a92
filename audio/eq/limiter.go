package eq

import "math"

const (
	// lookAheadUS is how far the limiter looks ahead: long enough to turn the gain down
	// without a click, short enough to hide behind the sound that causes it.
	lookAheadUS = 1500
	// releaseUS is the time constant with which the gain returns.
	releaseUS = 80_000
)

// limiter finds the gain that holds peaks at a ceiling. The gain that a frame needs is
// turned down over the frames before it: the minimum over a window that reaches ahead,
// returned slowly, and averaged over a window of the same length. Every average that
// meets a frame contains only minima that have seen it, so the gain is never more than
// the frame needs.
type limiter struct {
	ceiling float64
	release float64
	n       int // frames of look-ahead

	at   int       // of the rings; counts 0..n
	sunk []float64 // ring: their minimum, returned slowly
	sum  float64   // of sunk
	last float64   // newest of sunk

	// low is the positions of the running minima: a queue whose values rise.
	low  []lowest
	head int
	tail int
	seen int
}

type lowest struct {
	at   int
	gain float64
}

func newLimiter(ceilingDB float64, rate int) *limiter {
	n := rate * lookAheadUS / 1_000_000
	l := &limiter{ceiling: math.Pow(10, ceilingDB/20), release: 1 - math.Exp(-1e6/(releaseUS*float64(rate))), n: n,
		sunk: make([]float64, n+1), low: make([]lowest, n+3)}
	l.reset()
	return l
}

func (l *limiter) reset() {
	l.at, l.last, l.head, l.tail, l.seen = 0, 1, 0, 0, 0
	l.sum = float64(l.n + 1)
	for i := range l.sunk {
		l.sunk[i] = 1
	}
}

// next takes the peak of one more frame, over all channels, and returns the gain for
// the frame that is n frames older.
func (l *limiter) next(peak float64) float64 {
	gain := 1.0
	if peak > l.ceiling {
		gain = l.ceiling / peak
	}
	l.push(gain)
	// Returns slowly, and sinks at once.
	l.last = min(l.low[l.head].gain, l.last+(1-l.last)*l.release)
	l.sum += l.last - l.sunk[l.at]
	l.sunk[l.at] = l.last
	if l.at++; l.at > l.n {
		l.at = 0
		l.sum = 0 // rounding errors do not gather
		for _, v := range l.sunk {
			l.sum += v
		}
	}
	return min(l.sum/float64(l.n+1), 1)
}

// push adds a gain to the queue of minima, and drops what left the window of n+1.
func (l *limiter) push(gain float64) {
	for l.head != l.tail {
		prev := l.tail - 1
		if prev < 0 {
			prev = len(l.low) - 1
		}
		if l.low[prev].gain < gain {
			break
		}
		l.tail = prev
	}
	l.low[l.tail] = lowest{l.seen, gain}
	if l.tail++; l.tail == len(l.low) {
		l.tail = 0
	}
	if l.low[l.head].at < l.seen-l.n {
		if l.head++; l.head == len(l.low) {
			l.head = 0
		}
	}
	l.seen++
}
