package cluster

import "testing"

// chunksOf is a player's pieces of 100 ms each, the first frame at house time 0, all
// there long before they are due.
func chunksOf(n int) []Piece {
	var out []Piece
	for i := range n {
		out = append(out, Piece{At: int64(i) * 100_000, Frames: 1600, Title: 1, First: int64(i) * 1600, Came: -1_000_000})
	}
	return out
}

func TestWhatAPlayerHeard(t *testing.T) {
	s := sheet{perTitle: 16000}
	for name, c := range map[string]struct {
		change func([]Piece) []Piece
		want   Heard
	}{
		"all of it":     {func(p []Piece) []Piece { return p }, Heard{}},
		"a chunk lacks": {func(p []Piece) []Piece { return append(p[:4], p[5:]...) }, Heard{Silence: 100_000, Total: 100_000, Strict: 100_000, StrictAt: 400_000}},
		"a chunk comes 30 ms late": {func(p []Piece) []Piece { p[4].Came = 430_000; return p },
			Heard{Silence: 30_000, Total: 30_000, Strict: 30_000, StrictAt: 400_000}},
		"skipped without silence": {func(p []Piece) []Piece {
			for i := 5; i < len(p); i++ {
				p[i].First += 800
			}
			return p
		}, Heard{Lost: 800}},
		"heard again": {func(p []Piece) []Piece {
			for i := 5; i < len(p); i++ {
				p[i].First -= 1600
			}
			return p
		}, Heard{Repeated: 1600}},
		"sent twice, played once": {func(p []Piece) []Piece { return append(p, p[3], p[4]) }, Heard{}},
		"told to drop at 550 ms, new from 800 ms": {func(p []Piece) []Piece {
			for i := range p[:8] {
				p[i].Gone = 550_000
			}
			return p
		}, Heard{Silence: 250_000, Total: 250_000, Strict: 250_000, StrictAt: 550_000}},
		"cut off at 550 ms, new from 800 ms": {func(p []Piece) []Piece {
			for i := range p[:8] {
				p[i].Lost = 550_000
			}
			return p
		}, Heard{Strict: 250_000, StrictAt: 550_000}},
		"silence from the server": {func(p []Piece) []Piece { p[4].Title, p[4].First = 0, 0; return p },
			Heard{Silence: 100_000, Total: 100_000, Strict: 100_000, StrictAt: 400_000}},
		"the next title": {func(p []Piece) []Piece {
			for i := range p {
				if f := p[i].First; f >= 16000 {
					p[i].Title, p[i].First = 2, f-16000
				}
			}
			return p
		}, Heard{}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := s.hear(c.change(chunksOf(20)), 0, 0, 2_000_000); got != c.want {
				t.Errorf("heard %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestMusicThatEndsIsSilence(t *testing.T) {
	if got := (sheet{perTitle: 1 << 20}).hear(chunksOf(10), 0, 0, 1_500_000); got.Silence != 500_000 {
		t.Errorf("silence is %d µs, want 500000", got.Silence)
	}
}

func TestTwoOwnersHeardAtOnce(t *testing.T) {
	s := sheet{perTitle: 1 << 20}
	a := s.played(chunksOf(20), 0, true)
	shifted := chunksOf(20)
	for i := 10; i < 20; i++ {
		shifted[i].First += 480 // 30 ms
	}
	b := s.played(shifted, 0, true)
	if n := conflicts([][]span{a, a}, 0, 2_000_000); n != 0 {
		t.Errorf("two players in step: %d conflicts", n)
	}
	if n := conflicts([][]span{b, b}, 0, 2_000_000); n != 0 {
		t.Errorf("two players that change at the same time: %d conflicts", n)
	}
	if n := conflicts([][]span{a, b}, 0, 2_000_000); n != 20 {
		t.Errorf("one second of different music in slots of 50 ms: %d conflicts, want 20", n)
	}
}

func TestFramesSayWhichTheyAre(t *testing.T) {
	w := wave(31, 70_000)
	for _, i := range []int{0, 1, 65_535, 65_536, 69_999} {
		if title, frame := parseFrame(w[44+4*i:]); title != 31 || frame != int64(i) {
			t.Errorf("frame %d reads as frame %d of title %d", i, frame, title)
		}
	}
}

func TestLostRecordsAreCounted(t *testing.T) {
	before := map[string]string{"approval a": "1", "pairing a": "2", "identity s": "3"}
	for _, c := range []struct {
		name  string
		after map[string]string
		want  int
	}{
		{"all there, and one more", map[string]string{"approval a": "1", "pairing a": "2", "identity s": "3", "approval b": "4"}, 0},
		{"another key in the place of one", map[string]string{"approval a": "1", "pairing a": "9", "identity s": "3"}, 1},
		{"an empty database", nil, 3},
	} {
		if got := lost(before, c.after); got != c.want {
			t.Errorf("%s: %d lost, want %d", c.name, got, c.want)
		}
	}
}
