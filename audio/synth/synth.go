// Package synth makes music without a file, for `tutti serve --demo` and for tests:
// chords, bass, a melody and light percussion, computed from a small score.
//
// A sample is a function of the score and its position alone, so any frame can be
// reached directly and equal arguments always give equal samples (on one processor
// architecture: the last bit may differ between them).
package synth

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
)

// The format of everything in this package.
const (
	SampleRate = 44100
	Channels   = 2
	BitDepth   = 16
)

// Track names a piece that Tutti can play.
type Track struct {
	Name   string // what Open takes
	Title  string
	Artist string
	Album  string
	Frames int64 // at SampleRate
}

// piece is a track and how it is composed.
type piece struct {
	Track
	plan plan
}

func pieces() []piece {
	p := []piece{
		{Track{Name: "morning", Title: "Morning in Three Rooms", Frames: 75 * SampleRate}, plan{
			bpm: 96, root: 60, scale: major, chords: [][]int{{0, 2, 4, 8}, {5, 7, 9, 12}, {3, 5, 7, 12}, {4, 6, 8, 11}}, swing: 0.08, seed: 11}},
		{Track{Name: "corridor", Title: "Quiet Corridor", Frames: 90 * SampleRate}, plan{
			bpm: 72, root: 62, scale: dorian, chords: [][]int{{0, 2, 4, 6}, {3, 5, 7, 9}, {5, 7, 9, 11}, {4, 6, 8, 10}}, swing: 0.16, seed: 23}},
		{Track{Name: "together", Title: "All Together", Frames: 66 * SampleRate}, plan{
			bpm: 118, root: 55, scale: major, chords: [][]int{{0, 4, 7, 9}, {4, 6, 8, 11}, {5, 7, 9, 11}, {3, 7, 9, 12}}, seed: 42}},
	}
	for i := range p {
		p[i].Artist, p[i].Album = "Tutti", "House Music, Literally"
	}
	return p
}

// Tracks lists the pieces, in order.
func Tracks() []Track {
	var out []Track
	for _, p := range pieces() {
		out = append(out, p.Track)
	}
	return out
}

// Player plays one piece. Not safe for concurrent use.
type Player struct {
	track Track
	score *score
	next  int64
	mix   []float64
}

// Open returns the piece of that name at its beginning; the error lists the names.
func Open(name string) (*Player, error) {
	var names []string
	for _, p := range pieces() {
		if p.Name == name {
			return &Player{track: p.Track, score: compose(p.plan, p.Frames)}, nil
		}
		names = append(names, p.Name)
	}
	return nil, fmt.Errorf("synth: no piece %q: choose one of %s", name, strings.Join(names, ", "))
}

// generate returns a piece of the given length whose composition follows from seed.
func generate(frames int64, seed int64) *Player {
	rng := rand.New(rand.NewPCG(uint64(seed), 0x7475747469))
	all := pieces()
	pl := all[rng.IntN(len(all))].plan
	pl.seed = uint64(seed)
	pl.root += rng.IntN(7) - 3
	pl.bpm += float64(rng.IntN(20) - 10)
	t := Track{Name: "generated", Title: fmt.Sprintf("Test Music %d", seed), Artist: "Tutti", Album: "Generated", Frames: frames}
	return &Player{track: t, score: compose(pl, frames)}
}

// Track describes what plays.
func (p *Player) Track() Track { return p.track }

// Read fills dst with whole frames of interleaved stereo and returns their number; at
// the end it returns 0, io.EOF.
func (p *Player) Read(dst []int32) (int, error) {
	n := min(int64(len(dst)/Channels), p.track.Frames-p.next)
	if n <= 0 {
		return 0, io.EOF
	}
	p.mix = append(p.mix[:0], make([]float64, n*Channels)...)
	p.score.render(p.mix, p.next)
	for i, v := range p.mix {
		dst[i] = toSample(v)
	}
	p.next += n
	return int(n), nil
}

// SeekFrame makes the next Read start at frame.
func (p *Player) SeekFrame(frame int64) error {
	p.next = max(frame, 0)
	return nil
}

// Close does nothing; it is there so that a Player can stand for a file.
func (p *Player) Close() error { return nil }
