// Package mix scales and adds PCM: gain, equal-power crossfades, and a clip over ducked
// music.
//
// Samples are interleaved and right-aligned at their depth. Sums that do not fit are
// bent, not cut: above 0.8 of full scale a smooth curve takes over that never reaches
// full scale. Below that, results are exact to the rounding.
package mix

import "math"

// knee is the part of full scale up to which a value stays as it is.
const knee = 0.8

// fit rounds v into samples of a depth whose full scale is full.
func fit(v, full float64) int32 {
	if a := math.Abs(v); a > knee*full {
		over := (a - knee*full) / ((1 - knee) * full)
		v = math.Copysign((knee+(1-knee)*math.Tanh(over))*full, v)
	}
	return int32(math.Round(min(max(v, -full), full-1)))
}

func full(depth int) float64 { return float64(int64(1) << (depth - 1)) }

// DB is the factor of an amplitude of db decibels.
func DB(db float64) float64 { return math.Pow(10, db/20) }

// Scale multiplies samples of a depth in place. The factor 1 leaves them untouched.
func Scale(samples []int32, factor float64, depth int) {
	if factor == 1 {
		return
	}
	f := full(depth)
	if factor < 1 { // cannot leave the range: no curve
		for i, s := range samples {
			samples[i] = int32(math.Round(float64(s) * factor))
		}
		return
	}
	for i, s := range samples {
		samples[i] = fit(float64(s)*factor, f)
	}
}

// Fade is an equal-power crossfade of Length frames: the powers of what leaves and what
// comes add up to one at every frame.
type Fade struct {
	Length   int64
	Channels int
	Depth    int
	at       int64
}

// Mix adds the next frames of out, which leaves, to in, which comes, in place. out may
// be shorter than in: it is silent then.
func (f *Fade) Mix(in, out []int32) {
	top := full(f.Depth)
	for i := 0; i < len(in); i += f.Channels {
		x := min((float64(f.at)+0.5)/float64(f.Length), 1) * math.Pi / 2
		leave, come := math.Cos(x), math.Sin(x)
		for c := range f.Channels {
			v := float64(in[i+c]) * come
			if i+c < len(out) {
				v += float64(out[i+c]) * leave
			}
			in[i+c] = fit(v, top)
		}
		f.at++
	}
}

// Left is how many frames of the fade are still to come.
func (f *Fade) Left() int64 { return max(f.Length-f.at, 0) }

// Duck lowers music under a clip: the music goes down to Floor within Ramp frames, stays
// there for the clip's Length frames, and comes up again within Ramp frames. The clip
// itself begins after the first ramp.
type Duck struct {
	Floor        float64 // factor of the music, 0-1
	Ramp, Length int64   // frames
	Channels     int
	Depth        int
	At           int64 // frame that comes next; set it to begin in the middle
}

// Music is the factor of the music at frame at.
func (d *Duck) Music(at int64) float64 {
	down, up := at, at-d.Ramp-d.Length
	switch {
	case at < d.Ramp:
		return 1 - (1-d.Floor)*smooth(float64(down)/float64(d.Ramp))
	case up < 0:
		return d.Floor
	case up < d.Ramp:
		return d.Floor + (1-d.Floor)*smooth(float64(up)/float64(d.Ramp))
	}
	return 1
}

// smooth is a raised cosine from 0 to 1.
func smooth(x float64) float64 { return (1 - math.Cos(math.Pi*x)) / 2 }

// Clip is how many frames of the clip sound within the next n frames, and after how many
// of these the first one does.
func (d *Duck) Clip(n int64) (after, frames int64) {
	from, to := max(d.At, d.Ramp), min(d.At+n, d.Ramp+d.Length)
	if to <= from {
		return 0, 0
	}
	return from - d.At, to - from
}

// Mix lowers music and adds clip, which begins `after` frames into it, in place.
func (d *Duck) Mix(music, clip []int32, after int64) {
	top := full(d.Depth)
	skip := int(after) * d.Channels
	for i := 0; i < len(music); i += d.Channels {
		m := d.Music(d.At)
		for c := range d.Channels {
			v := float64(music[i+c]) * m
			if k := i + c - skip; k >= 0 && k < len(clip) {
				v += float64(clip[k])
			}
			music[i+c] = fit(v, top)
		}
		d.At++
	}
}

// Over is true when the music is as it was.
func (d *Duck) Over() bool { return d.At >= 2*d.Ramp+d.Length }
