package soak

import (
	"hash/maphash"
	"testing"

	"github.com/tutti-audio/tutti/e2e/harness"
)

const (
	rate     = 44100
	channels = 2
	// keyFrames is how many frames tell a place in the music from all others.
	keyFrames = 8
	// every is the distance of the places that the index knows, in frames.
	every = 441
)

// place is a frame of one piece of music.
type place struct{ file, frame int }

// reference is the music, as its files decode independently of any player.
type reference struct {
	names []string
	files [][]int32
	seed  maphash.Seed
	index map[uint64][]place
}

func newReference(t testing.TB, dir string, seconds float64, names ...string) *reference {
	t.Helper()
	r := &reference{names: names, seed: maphash.MakeSeed(), index: map[uint64][]place{}}
	for i, name := range names {
		r.files = append(r.files, harness.MusicFile(t, dir, name, seconds, int64(i)))
		for frame := 0; frame+keyFrames <= r.frames(i); frame += every {
			key := r.key(r.files[i][frame*channels:])
			r.index[key] = append(r.index[key], place{i, frame})
		}
	}
	return r
}

func (r *reference) frames(file int) int { return len(r.files[file]) / channels }

func (r *reference) key(samples []int32) uint64 {
	var h maphash.Hash
	h.SetSeed(r.seed)
	for _, s := range samples[:keyFrames*channels] {
		_, _ = h.Write([]byte{byte(s), byte(s >> 8), byte(s >> 16)})
	}
	return h.Sum64()
}

// find looks for samples anywhere in the music.
func (r *reference) find(samples []int32) (place, bool) {
	for off := 0; off < every && (off+keyFrames)*channels <= len(samples); off++ {
		for _, p := range r.index[r.key(samples[off*channels:])] {
			if at := (place{p.file, p.frame - off}); at.frame >= 0 && r.matches(samples, at) {
				return at, true
			}
		}
	}
	for i := range r.files { // too short for the index, or across two titles
		for frame := range r.frames(i) {
			if r.matches(samples, place{i, frame}) {
				return place{i, frame}, true
			}
		}
	}
	return place{}, false
}

// matches compares samples with the music from a place on. What goes on after the title's
// end has to be the beginning of some title.
func (r *reference) matches(samples []int32, at place) bool {
	file := r.files[at.file][at.frame*channels:]
	n := min(len(samples), len(file))
	for i, s := range samples[:n] {
		if s != file[i] {
			return false
		}
	}
	return n == len(samples) || r.begins(samples[n:]) >= 0
}

// begins is the title whose beginning the samples are, -1 for none.
func (r *reference) begins(samples []int32) int {
	for i := range r.files {
		if r.matches(samples, place{i, 0}) {
			return i
		}
	}
	return -1
}

// after is the place n frames later in the samples that were found at p.
func (r *reference) after(p place, samples []int32) place {
	n := len(samples) / channels
	if left := r.frames(p.file) - p.frame; n >= left {
		if n == left {
			return place{file: -1} // any title may follow
		}
		rest := samples[left*channels:]
		return r.after(place{r.begins(rest), 0}, rest)
	}
	return place{p.file, p.frame + n}
}
