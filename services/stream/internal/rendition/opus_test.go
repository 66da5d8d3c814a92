//go:build opus && cgo

package rendition

import (
	"math"
	"testing"

	"github.com/tutti-audio/tutti/audio/eq"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

func TestOpusIsChosen(t *testing.T) {
	opus := &tuttiv1.AudioFormat{Codec: "opus", SampleRate: 48000, BitDepth: 24, Channels: 2}
	flac := &tuttiv1.AudioFormat{Codec: "flac", SampleRate: 48000, BitDepth: 16, Channels: 2}
	got, ok := Choose([]*tuttiv1.AudioFormat{opus, flac}, nil)
	if s := NewSpec(got, nil, 1000, 100); !ok || s.ID() != "opus-48000-2-16" || s.ChunkFrames(100) != 960 {
		t.Errorf("%v, %v: %s", got, ok, s.ID())
	}
	if got, ok := Choose([]*tuttiv1.AudioFormat{flac, opus}, &tuttiv1.AudioFormat{Codec: "opus", SampleRate: 48000, Channels: 2}); !ok || got.Codec != "opus" {
		t.Errorf("a preference for opus: %v", got)
	}
}

// TestOpusLiesOnTheTimeline: what a player decodes of a chunk lies where the source was at
// the chunk's timestamp, from the first chunk to the last, over a join of items, and when
// the rendition starts in the middle.
func TestOpusLiesOnTheTimeline(t *testing.T) {
	r := newReel()
	r.item("a", cd, music(cd, 44_117, 1))
	r.item("b", dat, music(dat, 60_013, 2))
	r.close()
	pcm48 := parse(t, "pcm:48000:16:2")
	want := made(t, r, Spec{Format: pcm48}, 0)
	for name, c := range map[string]struct {
		spec Spec
		from int64
		cold int // frames at the start that a decoder without history may get wrong
	}{
		"all":             {Spec{}, 0, 0},
		"from the middle": {Spec{}, 960 * 37, 3840}, // 80 ms (RFC 7845)
		"limited":         {Spec{EQ: eq.Settings{Limiter: true}}, 0, 0},
	} {
		c.spec.Format = parse(t, "opus:48000:16:2")
		x, err := New(c.spec, r.epoch, r.store, c.spec.ChunkFrames(100), c.from)
		if err != nil {
			t.Fatal(err)
		}
		chunks, got := play(t, x)
		ref := want[2*c.from:]
		if over := len(got) - len(ref); over < 0 || over >= 2*960 {
			t.Errorf("%s: %d samples of %d", name, len(got), len(ref))
		}
		for i, k := range chunks {
			if k.Frames != 960 || k.DurationUS != 20_000 || len(k.Data) > 1275 {
				t.Fatalf("%s: chunk %d has %d frames in %d bytes", name, i, k.Frames, len(k.Data))
			}
		}
		for at := 2 * c.cold; at+2*4800 <= len(ref); at += 2 * 4800 {
			best, least, power := 0, math.Inf(1), 0.0
			for lag := -3; lag <= 3; lag++ {
				var sum float64
				for i := at; i < at+2*4800; i++ {
					if j := i + 2*lag; j >= 0 && j < len(got) {
						d := float64(got[j] - ref[i])
						sum += d * d
					}
				}
				if sum < least {
					best, least = lag, sum
				}
			}
			for _, v := range ref[at : at+2*4800] {
				power += float64(v) * float64(v)
			}
			if snr := 10 * math.Log10(power/least); best != 0 || snr < 15 {
				t.Errorf("%s: at frame %d it is off by %d samples, %.1f dB", name, at/2, best, snr)
			}
		}
	}
}
