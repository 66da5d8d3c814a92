package source

import (
	"errors"
	"fmt"
	"io"

	"github.com/tutti-audio/tutti/audio/internal/flacdec"
)

// closeEnough is how near, in bytes, a search stops: decoding so much is cheaper than
// another probe.
const closeEnough = 128 << 10

// SeekFrame finds a frame that begins at or before the target by its number, and
// decodes from there.
func (s *flacSource) SeekFrame(target int64) error {
	if s.head.total > 0 && target >= s.head.total {
		s.pending, s.pos = nil, s.head.total
		return nil
	}
	offset, err := s.locate(target)
	if err != nil {
		return err
	}
	err = s.decodeTo(offset, target)
	if err != nil && !errors.Is(err, io.EOF) && offset != s.head.data {
		// What looked like a frame may not have been one: take the long way.
		err = s.decodeTo(s.head.data, target)
	}
	if errors.Is(err, io.EOF) { // beyond the end: the next Read says so
		s.pending, s.pos = nil, target
		return nil
	}
	return err
}

// decodeTo decodes from the FLAC frame at offset until the target is pending.
func (s *flacSource) decodeTo(offset, target int64) error {
	if err := s.restart(offset); err != nil {
		return err
	}
	for {
		first, err := s.decode()
		if err != nil {
			return err
		}
		if first > target {
			return fmt.Errorf("no FLAC frame holds sample %d", target)
		}
		if skip := (target - first) * int64(s.head.channels); skip < int64(len(s.pending)) {
			s.pending = s.pending[skip:]
			s.pos = target
			return nil
		}
	}
}

// locate searches for the offset of a frame that begins at or before target, near it.
func (s *flacSource) locate(target int64) (int64, error) {
	lo, loSample := s.head.data, int64(0)
	hi := s.m.Size()
	for i := 0; i < 40 && hi-lo > closeEnough; i++ {
		at := lo + (hi-lo)/2
		if s.head.total > loSample && i%2 == 0 {
			// Where the target would be if every second took the same space.
			at = lo + int64(float64(hi-lo)*float64(target-loSample)/float64(s.head.total-loSample)) - closeEnough/2
			at = min(max(at, lo+closeEnough/4), hi-closeEnough/4)
		}
		offset, sample, err := s.findFrame(at, min(hi, at+maxFLACFrame))
		switch {
		case err != nil:
			return 0, err
		case offset < 0 || sample > target:
			hi = at
		default:
			lo, loSample = offset, sample
		}
	}
	return lo, nil
}

// findFrame looks for a frame header in [from, to); offset is -1 when there is none.
func (s *flacSource) findFrame(from, to int64) (offset, sample int64, err error) {
	if _, err := s.m.Seek(from, io.SeekStart); err != nil {
		return 0, 0, fmt.Errorf("seek: %w", err)
	}
	const step = 32 << 10
	var b []byte
	for at := from; at < to; {
		old := len(b)
		b = append(b, make([]byte, step)...)
		n, err := io.ReadFull(s.m, b[old:])
		b = b[:old+n]
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, 0, fmt.Errorf("seek: %w", err)
		}
		for i := 0; i+1 < len(b); i++ {
			if b[i] == 0xFF && b[i+1]&0xFE == 0xF8 {
				if h, err := flacdec.ParseHeader(b[i:]); err == nil && h.Fits(s.fixed) == nil && (s.head.total == 0 || s.number(h) < s.head.total) {
					return at + int64(i), s.number(h), nil
				}
			}
		}
		if err != nil { // the end
			return -1, 0, nil
		}
		// A header is at most 16 bytes: keep that much of what was looked through.
		keep := min(16, len(b))
		at += int64(len(b) - keep)
		b = append(b[:0], b[len(b)-keep:]...)
	}
	return -1, 0, nil
}
