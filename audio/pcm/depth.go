package pcm

// Rounding says how a Depth converter goes down to fewer bits.
type Rounding int

const (
	// Dither adds triangular (TPDF) noise of ±1 LSB before rounding, which turns the
	// quantisation error into a constant noise floor. The right choice for music.
	Dither Rounding = iota
	// Round rounds half up, without noise. For measurements and tests.
	Round
)

// Depth converts samples from one bit depth to another. Going up is an exact shift
// to the left, so up and Round down again gives the same samples. Going down rounds
// as Rounding says and clips. Dither noise comes from a generator with a fixed seed,
// so equal input always gives equal output. Not safe for concurrent use.
type Depth struct {
	from, to int
	rounding Rounding
	state    uint64
}

// NewDepth returns a converter between depths in 8..32 bits.
func NewDepth(from, to int, r Rounding) *Depth {
	return &Depth{from: from, to: to, rounding: r, state: ditherSeed}
}

// ditherSeed starts every converter's noise; any odd constant would do.
const ditherSeed = 0x9E3779B97F4A7C15

// Convert converts samples in place.
func (d *Depth) Convert(samples []int32) {
	switch shift := d.to - d.from; {
	case shift > 0:
		for i := range samples {
			samples[i] <<= uint(shift)
		}
	case shift < 0:
		d.down(samples, uint(-shift))
	}
}

func (d *Depth) down(samples []int32, shift uint) {
	half := int64(1) << (shift - 1)
	mask := int64(1)<<shift - 1
	hi := int64(1)<<(d.to-1) - 1
	lo := -hi - 1
	for i, s := range samples {
		v := int64(s) + half
		if d.rounding == Dither {
			// Two independent uniform values of [0, 1) LSB, minus one LSB: TPDF.
			r := d.next()
			v += int64(r>>32)&mask + int64(r&0xFFFFFFFF)&mask - mask
		}
		samples[i] = int32(min(max(v>>shift, lo), hi))
	}
}

// next is xorshift64*, whose high and low halves are good enough for noise.
func (d *Depth) next() uint64 {
	x := d.state
	x ^= x >> 12
	x ^= x << 25
	x ^= x >> 27
	d.state = x
	return x * 0x2545F4914F6CDD1D
}
