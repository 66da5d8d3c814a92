package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"testing"

	"github.com/tutti-audio/tutti/audio/convert"
	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/audio/source"
	"github.com/tutti-audio/tutti/services/stream/internal/playback"
	"github.com/tutti-audio/tutti/services/stream/internal/timeline"
)

// tone is a stereo sine of 16 bits at a quarter of full scale.
func tone(rate, frames int, hz float64) []int32 {
	out := make([]int32, 0, 2*frames)
	for i := range frames {
		v := int32(8000 * math.Sin(2*math.Pi*hz*float64(i)/float64(rate)))
		out = append(out, v, v)
	}
	return out
}

func shifted(samples []int32) []int32 {
	out := slices.Clone(samples)
	for i := range out {
		out[i] <<= 8
	}
	return out
}

// whole runs a queue to its end and returns what is on the 24 bit tape, and the events.
func whole(t *testing.T, library map[string]*reel, cfg Config, queue ...string) ([]int32, []Event) {
	t.Helper()
	cfg.Renditions, cfg.LeadUS = formats("pcm:44100:24:2"), 600_000
	b := start(t, library, cfg, queue...)
	b.until(func(all tapes, events []Event) string {
		n := len(find[NeedNext](events))
		if n > 0 || len(all["pcm-44100-2-24"]) > 20 {
			b.house.set(50_350_000) // the tape may run further ahead then
		}
		if n < len(queue) {
			return fmt.Sprintf("%d of %d titles read", n, len(queue))
		}
		return ""
	})
	return b.whole()
}

func (b *bench) whole() ([]int32, []Event) {
	b.t.Helper()
	b.until(func(all tapes, events []Event) string {
		for _, chunks := range all { // towards the end, never past what is made
			b.house.set(chunks[len(chunks)-1].TimestampUS - 500_000)
		}
		return drained(all, events)
	})
	all, events := b.snapshot()
	var out []int32
	j := timeline.FrameAt(find[Started](events)[0].T0, all["pcm-44100-2-24"][0].TimestampUS, 44100)
	for i, c := range all["pcm-44100-2-24"] {
		if want := timeline.FrameTime(find[Started](events)[0].T0, j, 44100); c.TimestampUS != want {
			b.t.Fatalf("chunk %d at %d, want %d", i, c.TimestampUS, want)
		}
		j += int64(c.Frames)
		out, _ = pcm.Unpack(out, c.Data, 24)
	}
	return out, events
}

func fading(ms int64) Config { return Config{Processing: Processing{CrossfadeMS: ms}} }

func TestCrossfadeIsTheEqualPowerSum(t *testing.T) {
	a, c := tone(44100, 3*44100, 440), tone(44100, 4*44100+77, 997)
	got, events := whole(t, map[string]*reel{"a": {rate: 44100, samples: a}, "c": {rate: 44100, samples: c}}, fading(1000), "a", "c")
	const n, join = 44100, 2 * 44100
	if len(got)/2 != len(a)/2+len(c)/2-n {
		t.Fatalf("%d frames, want %d", len(got)/2, len(a)/2+len(c)/2-n)
	}
	a24, c24 := shifted(a), shifted(c)
	if !slices.Equal(got[:2*join], a24[:2*join]) || !slices.Equal(got[2*(join+n):], c24[2*n:]) {
		t.Error("outside the crossfade the samples are not the titles' own")
	}
	for i := range n {
		x := (float64(i) + 0.5) / n * math.Pi / 2
		want := float64(a24[2*(join+i)])*math.Cos(x) + float64(c24[2*i])*math.Sin(x)
		if math.Abs(want-float64(got[2*(join+i)])) > 1 {
			t.Fatalf("frame %d of the crossfade is %d, want %.1f", i, got[2*(join+i)], want)
		}
	}
	begun := find[Begun](events)
	t0 := find[Started](events)[0].T0
	if len(begun) != 2 || begun[1].StartUS != t0+2_000_000 || begun[1].MediaMS != 0 {
		t.Errorf("the second title begins at %+v, want the start of the overlap", begun[1:])
	}
	if end := find[Drained](events)[0].EndUS; end != timeline.FrameTime(t0, int64(len(got)/2), 44100) {
		t.Errorf("end at %d", end)
	}
}

func TestCrossfadeOfTwoRates(t *testing.T) {
	a, c := tone(44100, 3*44100, 440), tone(48000, 3*48000, 440)
	got, events := whole(t, map[string]*reel{"a": {rate: 44100, samples: a}, "c": {rate: 48000, samples: c}}, fading(1000), "a", "c")
	conv, err := convert.New(pcm.Format{Codec: "pcm", SampleRate: 48000, Channels: 2, BitDepth: 16}, pcm.Format{Codec: "pcm", SampleRate: 44100, Channels: 2, BitDepth: 24})
	if err != nil {
		t.Fatal(err)
	}
	c24 := conv.Flush(conv.Process(nil, c))
	if want := len(a) + len(c24) - 2*44100; len(got) != want || !slices.Equal(got[6*44100:], c24[2*44100:]) {
		t.Errorf("%d samples, want %d; or the second title is not itself resampled", len(got), want)
	}
	if begun := find[Begun](events); begun[1].StartUS != find[Started](events)[0].T0+2_000_000 || len(begun[1].Segments) != 1 {
		t.Errorf("begun: %+v", begun[1])
	}
}

func TestNoCrossfadeWithinAnAlbum(t *testing.T) {
	a, c := noise(2*44100, 1), noise(2*44100, 2)
	of := func(track int, s []int32) *reel {
		return &reel{rate: 44100, samples: s, tags: source.Tags{Title: "T", Album: "L", AlbumArtist: "Y", Track: track}}
	}
	got, _ := whole(t, map[string]*reel{"a": of(3, a), "c": of(4, c)}, fading(1000), "a", "c")
	if !slices.Equal(got, shifted(slices.Concat(a, c))) {
		t.Errorf("%d samples are not the two tracks joined", len(got))
	}
	if got, _ = whole(t, map[string]*reel{"a": of(4, a), "c": of(3, c)}, fading(1000), "a", "c"); len(got) != len(a)+len(c)-2*44100 {
		t.Errorf("tracks that are not consecutive: %d samples", len(got))
	}
}

func TestCrossfadeAtTheEndAndOverShortTitles(t *testing.T) {
	a, short := noise(2*44100, 1), noise(22050, 2)
	unknown := &reel{rate: 44100, samples: a, unknown: true}
	for name, c := range map[string]struct {
		library map[string]*reel
		queue   []string
		frames  int
	}{
		"the last title is whole":            {map[string]*reel{"a": {rate: 44100, samples: a}}, []string{"a"}, 2 * 44100},
		"the last of unknown length":         {map[string]*reel{"a": unknown}, []string{"a"}, 2 * 44100},
		"at most half of a short title":      {map[string]*reel{"a": {rate: 44100, samples: a}, "s": {rate: 44100, samples: short}}, []string{"a", "s", "a"}, 2*44100 + 22050 + 2*44100 - 2*11025},
		"of unknown length":                  {map[string]*reel{"a": unknown, "b": {rate: 44100, samples: a}}, []string{"a", "b"}, 3 * 44100},
		"a broken one between is left out":   {map[string]*reel{"a": {rate: 44100, samples: a}, "b": {rate: 44100, samples: a}}, []string{"a", "missing", "b"}, 3 * 44100},
		"an empty one between is left out":   {map[string]*reel{"a": {rate: 44100, samples: a}, "e": {rate: 44100}, "b": {rate: 44100, samples: a}}, []string{"a", "e", "b"}, 3 * 44100},
		"a live stream is never kept back":   {map[string]*reel{"a": {rate: 44100, samples: a, unknown: true, fixed: true}, "b": {rate: 44100, samples: a}}, []string{"a", "b"}, 4 * 44100},
		"only unknown and short: half of it": {map[string]*reel{"s": {rate: 44100, samples: noise(79380, 5), unknown: true}, "a": {rate: 44100, samples: a}}, []string{"s", "a"}, 2*44100 + 39690},
	} {
		t.Run(name, func(t *testing.T) {
			if got, _ := whole(t, c.library, fading(1000), c.queue...); len(got)/2 != c.frames {
				t.Errorf("%d frames, want %d", len(got)/2, c.frames)
			}
		})
	}
}

// TestSlowSuccessorCostsTheCrossfadeOnly opens the second title only when the first one's
// end has been let go.
func TestSlowSuccessorCostsTheCrossfadeOnly(t *testing.T) {
	a, c := noise(5*44100, 1), noise(44100, 2)
	gate := make(chan struct{})
	open := func(ctx context.Context, uri string) (source.Source, error) {
		if uri == "c" {
			select {
			case <-gate:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			return &reel{rate: 44100, samples: c}, nil
		}
		return &reel{rate: 44100, samples: a}, nil
	}
	b := startWith(t, open, Config{Processing: Processing{CrossfadeMS: 2000}, Renditions: formats("pcm:44100:24:2")}, "a", "c")
	on := func(frames int) {
		t.Helper()
		b.until(func(all tapes, _ []Event) string {
			if n := len(all["pcm-44100-2-24"]); n < frames/4410 {
				return fmt.Sprintf("%d chunks on the tape", n)
			}
			return ""
		})
	}
	on(3 * 44100)
	b.house.set(50_500_000 + 3_000_000 - 900_000) // what is kept back is needed now
	on(5 * 44100)
	close(gate)
	got, _ := b.whole()
	if want := shifted(slices.Concat(a, c)); !slices.Equal(got, want) {
		t.Errorf("%d samples, want both titles whole: %d", len(got), len(want))
	}
}

func TestGainIsApplied(t *testing.T) {
	a := tone(44100, 44100, 440)
	cfg := Config{Processing: Processing{Gain: func(it playback.Item, i source.Info) float64 {
		if it.URI != "a" || i.SampleRate != 44100 {
			t.Errorf("asked for %v, %v", it, i)
		}
		return -6.0205999
	}}}
	got, _ := whole(t, map[string]*reel{"a": {rate: 44100, samples: a}}, cfg, "a")
	for i, v := range shifted(a) {
		if d := got[i] - v/2; d < -1 || d > 1 {
			t.Fatalf("sample %d is %d, want half of %d", i, got[i], v)
		}
	}
}

// TestOffIsBitExact: without processing, not even the depth of the samples changes.
func TestOffIsBitExact(t *testing.T) {
	a := noise(44100, 1)
	b := start(t, map[string]*reel{"a": {rate: 44100, samples: a}}, Config{Renditions: formats("pcm:44100:16:2"), Processing: Processing{}}, "a")
	b.until(drained)
	all, events := b.snapshot()
	if got := audio(t, all[rend44], 44100, find[Started](events)[0].T0); !slices.Equal(got, a) {
		t.Error("the samples are not the medium's")
	}
	if f := find[Begun](events)[0].Segments[0].Format; f.BitDepth != 16 {
		t.Errorf("the segment has %d bits", f.BitDepth)
	}
}

func clipOf(t *testing.T, r *reel) *Clip {
	t.Helper()
	c, err := ReadClip(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestClipOverDuckedMusic(t *testing.T) {
	const rate, ramp = 44100, 8820
	music := noise(5*rate, 1)
	clip := clipOf(t, &reel{rate: rate, samples: tone(rate, 2*rate, 997)})
	cfg := Config{Overlay: &Overlay{Clip: clip, DuckDB: 18.061799739838872}} // a factor of an eighth
	got, _ := whole(t, map[string]*reel{"a": {rate: rate, samples: music}}, cfg, "a")
	m24, c24 := shifted(music), shifted(tone(rate, 2*rate, 997))
	if len(got) != len(m24) {
		t.Fatalf("%d samples, want %d: the music goes on as long as it is", len(got), len(m24))
	}
	for i := range 2 * rate {
		want := float64(m24[2*(ramp+i)])/8 + float64(c24[2*i])
		if d := math.Abs(float64(got[2*(ramp+i)]) - want); d > 1 {
			t.Fatalf("frame %d of the clip is %d, want %.1f", i, got[2*(ramp+i)], want)
		}
	}
	if !slices.Equal(got[2*(2*ramp+2*rate):], m24[2*(2*ramp+2*rate):]) {
		t.Error("after the clip the music is not as it was")
	}
}

// TestClipOutlivesTheMusicAndItsFormats plays a clip over the ends of titles of different
// rates, and beyond the last of them.
func TestClipOutlivesTheMusicAndItsFormats(t *testing.T) {
	const rate = 44100
	silence := func(frames int) []int32 { return make([]int32, 2*frames) }
	clip := clipOf(t, &reel{rate: 22050, samples: tone(22050, 3*22050, 500)})
	cfg := Config{Overlay: &Overlay{Clip: clip, DuckDB: 18, FromUS: RampUS}}
	got, _ := whole(t, map[string]*reel{"a": {rate: rate, samples: silence(rate)}, "b": {rate: 48000, samples: silence(48000)}}, cfg, "a", "b")
	if s := float64(len(got)) / 2 / rate; s < 3.2 || s > 3.31 {
		t.Fatalf("%.3f s, want the clip's 3 s, a ramp, and no more than a block", s)
	}
	// The tone goes through all of it: every window away from the joins has its level.
	for at := 0.1; at < 2.9; at += 0.1 {
		if at > 0.9 && at < 1.1 || at > 1.9 && at < 2.1 {
			continue
		}
		i := int(at * rate)
		var sum float64
		for _, v := range got[2*i : 2*i+4410] {
			sum += float64(v) * float64(v)
		}
		if db := 10 * math.Log10(sum/4410/(8000*256*8000*256/2)); math.Abs(db) > 0.2 {
			t.Fatalf("at %.1f s the clip is off by %.2f dB", at, db)
		}
	}
}

func TestReadClipRefusesWhatHasNoEnd(t *testing.T) {
	endless := &reel{rate: 8000, samples: tone(8000, 8000, 440), endless: true}
	if _, err := ReadClip(t.Context(), endless); err == nil {
		t.Error("an endless clip was taken")
	}
	if _, err := ReadClip(t.Context(), &reel{rate: 8000}); err == nil {
		t.Error("an empty clip was taken")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ReadClip(ctx, &reel{rate: 8000, samples: tone(8000, 8000, 440), endless: true}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	c := clipOf(t, &reel{rate: 8000, samples: tone(8000, 801, 440)})
	src := c.Source()
	if err := src.SeekFrame(800); err != nil {
		t.Fatal(err)
	}
	buf := make([]int32, 100)
	if n, _ := src.Read(buf); n != 1 {
		t.Errorf("%d frames after 800 of 801", n)
	}
	if _, err := src.Read(buf); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
	if us := c.DurationUS(); us != 100_125 {
		t.Errorf("%d µs", us)
	}
}
