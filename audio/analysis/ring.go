package analysis

// ring holds the newest samples of each channel in -1..1, from frame first on. What was
// before the first frame ever is silence.
type ring struct {
	channels [][]float64
	first    int64 // frame of channels[c][0]
	keep     int   // frames before the end that are needed
}

func newRing(channels, keep int) *ring {
	return &ring{channels: make([][]float64, channels), keep: keep}
}

// reset empties the ring; frame comes next, after silence.
func (r *ring) reset(frame int64) {
	r.first = frame - int64(r.keep)
	for c := range r.channels {
		r.channels[c] = append(r.channels[c][:0], make([]float64, r.keep)...)
	}
}

// end is the frame after the last one.
func (r *ring) end() int64 { return r.first + int64(len(r.channels[0])) }

// write appends whole interleaved frames, scaled.
func (r *ring) write(samples []int32, scale float64) {
	n := len(r.channels)
	for c := range r.channels {
		x := r.channels[c]
		for i := c; i < len(samples); i += n {
			x = append(x, float64(samples[i])*scale)
		}
		r.channels[c] = x
	}
}

// trim drops what is not needed any more, now and then.
func (r *ring) trim() {
	if len(r.channels[0]) < 4*r.keep {
		return
	}
	drop := len(r.channels[0]) - r.keep
	for c, x := range r.channels {
		r.channels[c] = x[:copy(x, x[drop:])]
	}
	r.first += int64(drop)
}

// slice is n samples of a channel from frame on; they must be held.
func (r *ring) slice(c int, frame int64, n int) []float64 {
	i := int(frame - r.first)
	return r.channels[c][i : i+n]
}
