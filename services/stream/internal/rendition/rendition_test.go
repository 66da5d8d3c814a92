package rendition

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tutti-audio/tutti/audio/convert"
	"github.com/tutti-audio/tutti/audio/decode"
	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/proto/tape"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/timeline"
)

var (
	cd   = timeline.Format{SampleRate: 44100, Channels: 2, BitDepth: 16}
	dat  = timeline.Format{SampleRate: 48000, Channels: 2, BitDepth: 16}
	hire = timeline.Format{SampleRate: 96000, Channels: 2, BitDepth: 24}
)

// music is a chirp with noise, so that a shift by one sample shows.
func music(f timeline.Format, frames int, seed uint64) []int32 {
	rng := rand.New(rand.NewPCG(seed, 1))
	amp := float64(int64(1)<<(f.BitDepth-1)) * 0.5
	out := make([]int32, 0, frames*f.Channels)
	for i := range frames {
		t := float64(i) / float64(f.SampleRate)
		for c := range f.Channels {
			out = append(out, int32(amp*math.Sin(2*math.Pi*(200+900*t)*t+float64(c)))+int32(rng.IntN(64)))
		}
	}
	return out
}

// reel is an epoch with its source audio, as a feed would have given it.
type reel struct {
	epoch *timeline.Epoch
	store *Store
	head  int64
}

func newReel() *reel {
	e := timeline.New(9, 1_000_000)
	return &reel{epoch: e, store: NewStore(e)}
}

// item adds an item in blocks of random length.
func (r *reel) item(id string, f timeline.Format, samples []int32) {
	seg, at, _ := r.epoch.Begin(id, f, 0, r.head)
	r.head = at
	rng := rand.New(rand.NewPCG(uint64(len(samples)), 2))
	for len(samples) > 0 {
		n := min(1+rng.IntN(5000), len(samples)/f.Channels)
		r.store.Append(Block{Seg: seg, Frame: r.head, Frames: int64(n), Data: pcm.Pack(nil, samples[:n*f.Channels], f.BitDepth)})
		samples = samples[n*f.Channels:]
		r.head += int64(n)
	}
}

func (r *reel) close() { r.epoch.Close(r.head) }

// play drains a rendition and checks that its chunks follow each other exactly.
func play(t *testing.T, r *Rendition) (chunks []tape.Chunk, samples []int32) {
	t.Helper()
	header, err := Header(Spec{Format: r.Format}, r.chunkFrames)
	if err != nil {
		t.Fatal(err)
	}
	dec, err := decode.New(r.Format, header)
	if err != nil {
		t.Fatal(err)
	}
	for {
		at, want := r.Next(), r.Time()
		data, _, st, err := r.Chunk(nil)
		if err != nil {
			t.Fatal(err)
		}
		if st != Ready {
			return chunks, samples
		}
		c, err := tape.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		if c.TimestampUS != want || r.Next() != at+int64(c.Frames) {
			t.Fatalf("chunk at %d has timestamp %d, want %d; %d frames", at, c.TimestampUS, want, c.Frames)
		}
		if samples, err = dec.Decode(samples, c.Data); err != nil {
			t.Fatal(err)
		}
		chunks = append(chunks, c)
	}
}

func rend(t *testing.T, r *reel, format string, from int64) *Rendition {
	t.Helper()
	f, err := pcm.ParseFormat(format)
	if err != nil {
		t.Fatal(err)
	}
	x, err := New(Spec{Format: f}, r.epoch, r.store, Spec{Format: f}.ChunkFrames(100), from)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestSameRateIsBitExactAcrossItems(t *testing.T) {
	a, b := music(cd, 44100+17, 1), music(cd, 30001, 2)
	for _, format := range []string{"pcm:44100:16:2", "flac:44100:16:2", "flac:44100:24:2", "pcm:44100:24:2"} {
		r := newReel()
		r.item("a", cd, a)
		r.item("b", cd, b)
		r.close()
		x := rend(t, r, format, 0)
		chunks, got := play(t, x)
		want := slices.Concat(a, b)
		if x.Format.BitDepth == 24 {
			for i := range want {
				want[i] <<= 8
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d samples differ from the %d of the source", format, len(got), len(want))
		}
		for i, c := range chunks {
			last := i == len(chunks)-1
			if (c.Flags&tape.FlagLast != 0) != last || c.Epoch != 9 || c.DurationUS > 150_000 || !last && c.Frames != 4410 {
				t.Errorf("%s: chunk %d: %+v", format, i, c)
			}
		}
		if c := chunks[9]; c.ItemID != "a" || c.MediaEndMS != 1000 {
			t.Errorf("chunk 9 ends in %s at %d ms", c.ItemID, c.MediaEndMS)
		}
		if c := chunks[10]; c.ItemID != "b" || c.MediaEndMS != 99 {
			t.Errorf("chunk 10 ends in %s at %d ms", c.ItemID, c.MediaEndMS)
		}
	}
}

func TestResampledRenditionRunsOverItemJoins(t *testing.T) {
	a, b := music(cd, 44100+17, 1), music(cd, 30001, 2)
	r := newReel()
	r.item("a", cd, a)
	r.item("b", cd, b)
	r.close()
	_, got := play(t, rend(t, r, "pcm:48000:24:2", 0))
	conv, err := convert.New(pcm.Format{SampleRate: 44100, Channels: 2, BitDepth: 16, Codec: "pcm"}, pcm.Format{SampleRate: 48000, Channels: 2, BitDepth: 24, Codec: "pcm"})
	if err != nil {
		t.Fatal(err)
	}
	want := conv.Flush(conv.Process(nil, slices.Concat(a, b)))
	if !slices.Equal(got, want) {
		t.Errorf("%d samples differ from one conversion of both items (%d)", len(got), len(want))
	}
}

func TestLateRenditionIsTheSame(t *testing.T) {
	r := newReel()
	r.item("a", cd, music(cd, 30_000, 3))
	r.item("b", dat, music(dat, 30_000, 4))
	r.item("c", hire, music(hire, 40_000, 5))
	r.close()
	for _, format := range []string{"pcm:44100:24:2", "pcm:48000:24:2", "flac:96000:24:2", "pcm:22050:24:1"} {
		all, samples := play(t, rend(t, r, format, 0))
		var frames int64
		for i, c := range all {
			if i%6 == 2 {
				chunks, late := play(t, rend(t, r, format, frames))
				if len(chunks) != len(all)-i || chunks[0].TimestampUS != c.TimestampUS {
					t.Fatalf("%s from chunk %d: %d chunks of %d", format, i, len(chunks), len(all))
				}
				if tail := samples[len(samples)-len(late):]; !slices.Equal(late, tail) {
					t.Fatalf("%s from chunk %d: samples differ from the rendition that ran all along", format, i)
				}
			}
			frames += int64(c.Frames)
		}
		f, _ := pcm.ParseFormat(format)
		end := timeline.Zero().Add(30_000, 44100).Add(30_000, 48000).Add(40_000, 96000).Ceil(int64(f.SampleRate))
		if frames != end {
			t.Errorf("%s has %d frames, want %d", format, frames, end)
		}
	}
}

// TestRenditionsAgreeWithinOneSample puts a click into the source and looks for it.
func TestRenditionsAgreeWithinOneSample(t *testing.T) {
	pad := make([]int32, 2*50_001)
	click := make([]int32, 2*60_000)
	for i := range 200 { // a smooth pulse whose centre a resampler keeps
		v := int32(20000 * math.Pow(math.Sin(math.Pi*float64(i)/200), 2))
		click[2*(30_000+i)], click[2*(30_000+i)+1] = v, v
	}
	r := newReel()
	r.item("pad", cd, pad)
	r.item("click", dat, click)
	r.close()
	exact := 1e6 * (50_001.0/44100 + 30_100.0/48000)
	for _, format := range []string{"pcm:44100:24:2", "pcm:48000:24:2", "pcm:96000:24:2", "pcm:88200:24:2"} {
		x := rend(t, r, format, 0)
		rate := float64(x.Format.SampleRate)
		_, s := play(t, x)
		var sum, moment float64
		for i := 0; i < len(s); i += 2 {
			sum += float64(s[i])
			moment += float64(s[i]) * float64(i/2) / rate * 1e6
		}
		if off := moment/sum - exact; math.Abs(off) > 1e6/rate+0.5 {
			t.Errorf("%s: the click is %.1f µs off, one sample is %.1f µs", format, off, 1e6/rate)
		}
	}
}

func TestTrimmedStoreMakesAHole(t *testing.T) {
	r := newReel()
	r.item("a", cd, music(cd, 441_000, 3))
	r.close()
	r.store.Trim(1_000_000 + 5_000_000)
	x := rend(t, r, "pcm:44100:16:2", 0)
	if _, _, st, _ := x.Chunk(nil); st != Lost {
		t.Fatalf("status %v, want Lost", st)
	}
	x.Jump(4410 * 51)
	data, _, st, err := x.Chunk(nil)
	if st != Ready || err != nil {
		t.Fatalf("after the jump: %v, %v", st, err)
	}
	if c, _ := tape.Parse(data); c.Flags&tape.FlagDiscontinuity == 0 || c.TimestampUS != 1_000_000+5_100_000 {
		t.Errorf("first chunk after the hole: %+v", c)
	}
	if r.store.Bytes() > 441_000*4*6/10 {
		t.Errorf("trimmed store holds %d bytes", r.store.Bytes())
	}
}

func TestChoose(t *testing.T) {
	f := func(codec string, rate, depth, ch int32) *tuttiv1.AudioFormat {
		return &tuttiv1.AudioFormat{Codec: codec, SampleRate: rate, BitDepth: depth, Channels: ch}
	}
	odd, flac, wide, surround := f("opus", 44100, 16, 2), f("flac", 44100, 16, 2), f("pcm", 48000, 24, 2), f("pcm", 48000, 24, 6)
	for name, c := range map[string]struct {
		supported []*tuttiv1.AudioFormat
		preferred *tuttiv1.AudioFormat
		want      string
	}{
		"first of the list":            {[]*tuttiv1.AudioFormat{flac, wide}, nil, "flac-44100-2-16"},
		"first that can be produced":   {[]*tuttiv1.AudioFormat{odd, surround, wide, flac}, nil, "pcm-48000-2-24"},
		"the preferred one":            {[]*tuttiv1.AudioFormat{flac, wide}, wide, "pcm-48000-2-24"},
		"opus at a rate it lacks":      {[]*tuttiv1.AudioFormat{odd, flac}, odd, "flac-44100-2-16"},
		"a preference that is unknown": {[]*tuttiv1.AudioFormat{flac}, wide, "flac-44100-2-16"},
		"nothing":                      {[]*tuttiv1.AudioFormat{odd, surround}, nil, ""},
	} {
		got, ok := Choose(c.supported, c.preferred)
		if ok != (c.want != "") || ok && (Spec{Format: got}).ID() != c.want {
			t.Errorf("%s: %v, %v, want %s", name, got, ok, c.want)
		}
	}
}

func BenchmarkChunk(b *testing.B) {
	for _, format := range []string{"pcm:44100:16:2", "flac:44100:16:2", "pcm:48000:24:2", "flac:48000:24:2"} {
		b.Run(format, func(b *testing.B) {
			f, _ := pcm.ParseFormat(format)
			r := newReel()
			r.item("a", cd, music(cd, 44100*20, 1))
			x, err := New(Spec{Format: f}, r.epoch, r.store, Spec{Format: f}.ChunkFrames(100), 0)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, _, st, _ := x.Chunk(nil); st != Ready {
					x, _ = New(Spec{Format: f}, r.epoch, r.store, Spec{Format: f}.ChunkFrames(100), 0)
				}
			}
		})
	}
}
