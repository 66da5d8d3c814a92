package cluster

import (
	"cmp"
	"slices"
)

// Heard is what a player heard in a stretch of time. Times in µs, samples per channel.
type Heard struct {
	// Silence is the longest gap of a player that plays on what it holds when it loses
	// its connection, and Total the sum of its gaps. Strict is the longest of one that
	// stops at once.
	Silence, Total, Strict int64
	// StrictAt is when Strict began, after the beginning of the stretch.
	StrictAt int64
	// Lost samples were skipped without silence in their place; Repeated ones were heard again.
	// Music that passes during a silence is neither.
	Lost, Repeated int64
}

// span is a piece as far as it was played: house times from and to, and the number of
// the frame at from, counted through all titles.
type span struct{ from, to, frame int64 }

// sheet says how the music runs.
type sheet struct{ perTitle int64 } // frames

// frame counts through all titles.
func (s sheet) frame(p Piece) int64 { return int64(p.Title-1)*s.perTitle + p.First }

// played are the parts of pieces that were heard, in the order of time and without
// overlap. offset is house time minus the clock of Came, Gone and Lost; keep says that the
// player plays on when its connection ends.
func (s sheet) played(pieces []Piece, offset int64, keep bool) []span {
	pieces = slices.Clone(pieces)
	slices.SortStableFunc(pieces, func(a, b Piece) int { return cmp.Compare(a.At, b.At) })
	var out []span
	end := int64(-1 << 62)
	for _, p := range pieces {
		from, to := max(p.At, p.Came+offset, end), p.At+p.Frames*1_000_000/rate
		if p.Gone != 0 {
			to = min(to, p.Gone+offset)
		}
		if p.Lost != 0 && !keep {
			to = min(to, p.Lost+offset)
		}
		if p.Title == 0 || to <= from {
			continue
		}
		out = append(out, span{from, to, s.frame(p) + samples(from-p.At)})
		end = to
	}
	return out
}

// samples in a time, to the nearest.
func samples(us int64) int64 {
	n := us * rate
	if n < 0 {
		return (n - 500_000) / 1_000_000
	}
	return (n + 500_000) / 1_000_000
}

// rounding is what two roundings of a timestamp to µs may differ by, in samples.
const rounding = 1

// hear judges one player between two house times.
func (s sheet) hear(pieces []Piece, offset, from, to int64) Heard {
	var h Heard
	spans := s.played(pieces, offset, true)
	h.Silence, h.Total, _ = gaps(spans, from, to)
	h.Strict, _, h.StrictAt = gaps(s.played(pieces, offset, false), from, to)
	h.StrictAt -= from
	var prev *span
	for i := range spans {
		x := &spans[i]
		if x.to <= from {
			prev = x
			continue
		}
		if x.from >= to {
			break
		}
		if prev != nil {
			d := x.frame - prev.frame - samples(x.from-prev.from)
			switch {
			case d > rounding:
				h.Lost += d
			case d < -rounding:
				h.Repeated -= d
			}
		}
		prev = x
	}
	return h
}

// gap is the least silence that counts, in µs: chunks follow each other to a µs.
const gap = 1000

// gaps finds the silences between from and to: the longest, their sum, and when the
// longest began (from when there is none).
func gaps(spans []span, from, to int64) (longest, sum, began int64) {
	at := from
	began = from
	note := func(until int64) {
		if d := until - at; d > gap {
			if sum += d; d > longest {
				longest, began = d, at
			}
		}
	}
	for _, x := range spans {
		if x.to <= at {
			continue
		}
		if x.from >= to {
			break
		}
		note(x.from)
		at = x.to
	}
	if at < to {
		note(to)
	}
	return longest, sum, began
}

// slot is the grain of conflicts, in µs.
const slot = 50_000

// conflicts counts the slots in which players of one group heard different music at the
// same house time: two owners were believed at once, or somebody is out of step. heard
// is each player's played.
func conflicts(heard [][]span, from, to int64) int {
	type key struct {
		slot, origin int64 // origin: the house time of frame 0, in ms
	}
	reach := map[key]span{}
	for _, spans := range heard {
		for _, x := range spans {
			a, b := max(x.from, from), min(x.to, to)
			if a >= b {
				continue
			}
			origin := (x.from - x.frame*1_000_000/rate + 500) / 1000
			for t := a / slot; t <= (b-1)/slot; t++ {
				k := key{t, origin}
				r, ok := reach[k]
				s, e := max(a, t*slot), min(b, (t+1)*slot)
				if ok {
					s, e = min(s, r.from), max(e, r.to)
				}
				reach[k] = span{from: s, to: e}
			}
		}
	}
	bySlot := map[int64][]key{}
	for k := range reach {
		bySlot[k.slot] = append(bySlot[k.slot], k)
	}
	n := 0
	for _, keys := range bySlot {
		if clash(keys, func(k key) (int64, span) { return k.origin, reach[k] }) {
			n++
		}
	}
	return n
}

// clash tells whether two origins more than 2 ms apart were heard in times that overlap.
func clash[K any](keys []K, at func(K) (int64, span)) bool {
	for i := range keys {
		for j := range i {
			a, x := at(keys[i])
			b, y := at(keys[j])
			far := a-b > 2 || b-a > 2
			if far && min(x.to, y.to)-max(x.from, y.from) > gap {
				return true
			}
		}
	}
	return false
}
