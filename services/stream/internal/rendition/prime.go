package rendition

import "fmt"

// Some encoders (Opus) look ahead: what a player decodes comes Delay frames later than
// what the encoder was given. A rendition makes that good by giving the encoder each
// frame Delay frames early, so that the first sample of a decoded chunk is the one that
// belongs at the chunk's timestamp. Where an encoder starts in the middle, the chunks
// before are encoded and thrown away, so that the first one that counts holds what the
// encoder looked back at.

// encoderWarm is how many chunks such an encoder hears before the first that counts: 80 ms
// of Opus (RFC 7845, section 4.6).
const encoderWarm = 4

// warmEncoder arranges for the chunks that warm the encoder up. What the source does not
// have before them is silence.
func (r *Rendition) warmEncoder() {
	if r.enc.Delay() == 0 {
		return
	}
	r.enc.Reset()
	r.primes = encoderWarm
	want := int64(encoderWarm * r.chunkFrames)
	have := min(want, r.skip) // frames before the first that counts
	r.skip -= have
	r.pending = append(r.pending[:0], make([]int32, int(want-have)*r.Format.Channels)...)
}

// prime encodes those chunks, and forgets them.
func (r *Rendition) prime() error {
	n := r.chunkFrames * r.Format.Channels
	for ; r.primes > 0; r.primes-- {
		if len(r.pending) < n { // the medium ends here
			r.pending, r.primes = r.pending[:0], 0
			return nil
		}
		scrap, err := r.enc.Encode(nil, r.pending[:n])
		if err != nil {
			return fmt.Errorf("encode %s: %w (after %d bytes)", r.ID, err, len(scrap))
		}
		r.pending = r.pending[:copy(r.pending, r.pending[n:])]
	}
	return nil
}
