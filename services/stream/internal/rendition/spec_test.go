package rendition

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/audio/eq"
	"github.com/tutti-audio/tutti/audio/pcm"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/timeline"
)

func parse(t testing.TB, format string) pcm.Format {
	t.Helper()
	f, err := pcm.ParseFormat(format)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// made is the whole output of a spec over r, from a frame on.
func made(t *testing.T, r *reel, s Spec, from int64) []int32 {
	t.Helper()
	x, err := New(s, r.epoch, r.store, s.ChunkFrames(100), from)
	if err != nil {
		t.Fatal(err)
	}
	_, out := play(t, x)
	return out
}

func one(f timeline.Format, samples []int32) *reel {
	r := newReel()
	r.item("a", f, samples)
	r.close()
	return r
}

// channel is one of two interleaved channels.
func channel(x []int32, c int) (out []int32) {
	for i := c; i < len(x); i += 2 {
		out = append(out, x[i])
	}
	return out
}

func TestChannelModes(t *testing.T) {
	x := music(cd, 20_000, 1)
	left, right := channel(x, 0), channel(x, 1)
	mix := make([]int32, len(left))
	for i := range mix {
		mix[i] = int32((int64(left[i]) + int64(right[i]) + 1) >> 1)
	}
	want := map[Mode][]int32{Left: left, Right: right, Mono: mix}
	for _, format := range []string{"pcm:44100:16:2", "flac:44100:16:2", "pcm:44100:16:1", "pcm:44100:24:2"} {
		f := parse(t, format)
		for mode, mono := range want {
			got := made(t, one(cd, x), NewSpec(f, &tuttiv1.ClientTuning{Channels: string(mode)}, 0, 100), 0)
			mono := slices.Clone(mono)
			if f.BitDepth == 24 {
				if mode == Mono { // rounded at 24 bits
					for i := range mono {
						mono[i] = int32((int64(left[i])<<8 + int64(right[i])<<8 + 1) >> 1)
					}
				} else {
					for i := range mono {
						mono[i] <<= 8
					}
				}
			}
			if f.Channels == 1 {
				// The converter's own mix to one channel dithers.
				near := func(a, b int32) bool { return a == b || mode == Mono && a-b <= 1 && b-a <= 1 }
				if !slices.EqualFunc(got, mono, near) {
					t.Errorf("%s, %s: not the channel that was asked for", format, mode)
				}
				continue
			}
			if !slices.Equal(channel(got, 0), mono) || !slices.Equal(channel(got, 1), mono) {
				t.Errorf("%s, %s: not the same channel on both sides", format, mode)
			}
		}
	}
}

func TestMonoCannotClip(t *testing.T) {
	loud := []int32{32767, 32767, -32768, -32768, 32767, -32768}
	got := made(t, one(cd, loud), Spec{Format: parse(t, "pcm:44100:16:2"), Mode: Mono}, 0)
	if want := []int32{32767, 32767, -32768, -32768, 0, 0}; !slices.Equal(got, want) {
		t.Errorf("full scale on both sides becomes %v, want %v", got, want)
	}
}

func TestModesOfOtherSources(t *testing.T) {
	f := parse(t, "pcm:48000:24:2")
	single := timeline.Format{SampleRate: 48000, Channels: 1, BitDepth: 16}
	x := music(single, 5000, 2)
	for _, mode := range []Mode{Stereo, Mono, Left, Right} {
		got := made(t, one(single, x), Spec{Format: f, Mode: mode}, 0)
		for i, v := range x {
			if got[2*i] != v<<8 || got[2*i+1] != v<<8 {
				t.Fatalf("%q of a mono source: frame %d is %d, %d, want %d", mode, i, got[2*i], got[2*i+1], v<<8)
			}
		}
	}
	surround := timeline.Format{SampleRate: 48000, Channels: 6, BitDepth: 24}
	y := music(surround, 5000, 3)
	folded := made(t, one(surround, y), Spec{Format: f}, 0)
	got := made(t, one(surround, y), Spec{Format: f, Mode: Right}, 0)
	if want := channel(folded, 1); !slices.Equal(channel(got, 0), want) || !slices.Equal(channel(got, 1), want) {
		t.Error("right of six channels is not the right side of their fold")
	}
}

func bands(b ...eq.Band) eq.Settings {
	s := eq.Settings{Count: len(b)}
	copy(s.Bands[:], b)
	return s
}

// TestProcessingMovesNothing: an equalizer with a limiter that has nothing to do gives the
// samples of the unprocessed rendition, at the same places: the error is 0 samples.
func TestProcessingMovesNothing(t *testing.T) {
	r := newReel()
	r.item("a", cd, music(cd, 30_017, 1))
	r.item("b", dat, music(dat, 20_011, 2))
	r.item("c", hire, music(hire, 30_000, 3))
	r.close()
	for _, format := range []string{"pcm:44100:24:2", "flac:48000:24:2", "pcm:96000:24:1"} {
		plain := Spec{Format: parse(t, format)}
		limited := plain
		limited.EQ = eq.Settings{Limiter: true}
		want := made(t, r, plain, 0)
		if got := made(t, r, limited, 0); !slices.Equal(got, want) {
			t.Errorf("%s: the limited rendition has %d samples that differ from the %d of the plain one", format, len(got), len(want))
		}
		half := int64(plain.ChunkFrames(100) * 7)
		if got := made(t, r, limited, half); !slices.Equal(got, want[half*int64(plain.Format.Channels):]) {
			t.Errorf("%s: a limited rendition that starts late moved", format)
		}
	}
}

// TestEqualizerIsHeard compares with package eq run over the plain rendition as a whole,
// so that neither chunks nor joins of items make a difference.
func TestEqualizerIsHeard(t *testing.T) {
	r := newReel()
	r.item("a", cd, music(cd, 40_000, 1))
	r.item("b", dat, music(dat, 40_000, 2))
	r.close()
	s := Spec{Format: parse(t, "pcm:48000:24:2"), EQ: bands(eq.Band{Kind: eq.Peak, Frequency: 700, GainDB: -9, Q: 2}, eq.Band{Kind: eq.LowShelf, Frequency: 200, GainDB: 5, Q: 0.7})}
	s.EQ.Limiter, s.EQ.CeilingDB = true, -4
	p, err := eq.New(s.EQ, 48000, 2, 24)
	if err != nil {
		t.Fatal(err)
	}
	want := p.Flush(p.Process(nil, made(t, r, Spec{Format: s.Format}, 0)))
	if got := made(t, r, s, 0); !slices.Equal(got, want) {
		t.Error("the equalized rendition is not the plain one through the equalizer")
	}
	s.Mode = Left
	got := made(t, r, s, 0)
	if !slices.Equal(channel(got, 0), channel(got, 1)) || slices.Equal(channel(got, 0), channel(want, 0)) {
		t.Error("left through the equalizer is not one channel on both sides")
	}
}

// TestLateEqualizerRingsLikeOneThatRanAllAlong: a player that is moved to an equalized
// rendition hears no start of filters.
func TestLateEqualizerRingsLikeOneThatRanAllAlong(t *testing.T) {
	r := one(cd, music(cd, 4*44100, 5))
	s := Spec{Format: parse(t, "pcm:44100:24:2"), EQ: bands(eq.Band{Kind: eq.Peak, Frequency: 60, GainDB: 12, Q: 3}, eq.Band{Kind: eq.HighPass, Frequency: 30, Q: 0.7})}
	all := made(t, r, s, 0)
	from := int64(2 * 44100)
	late := made(t, r, s, from)
	for i, v := range late {
		if d := math.Abs(float64(v) - float64(all[2*int(from)+i])); d > 1<<23/20_000 { // 86 dB below full scale
			t.Fatalf("sample %d of the late rendition is %.0f off", i, d)
		}
	}
}

func TestIDs(t *testing.T) {
	f := parse(t, "flac:44100:16:2")
	on := &tuttiv1.Equalizer{Bands: []*tuttiv1.EqualizerBand{{Kind: "peak", Frequency: 1000, GainDb: 3, Q: 1}}}
	for _, c := range []struct {
		tuning   *tuttiv1.ClientTuning
		capacity int64
		want     string
	}{
		{nil, 0, "flac-44100-2-16"},
		{&tuttiv1.ClientTuning{Channels: "stereo", Equalizer: &tuttiv1.Equalizer{}}, 1 << 20, "flac-44100-2-16"},
		{&tuttiv1.ClientTuning{Channels: "left"}, 1 << 20, "flac-44100-2-16-l"},
		{&tuttiv1.ClientTuning{Channels: "right"}, 1 << 20, "flac-44100-2-16-r"},
		{&tuttiv1.ClientTuning{Channels: "mono"}, 1 << 20, "flac-44100-2-16-mono"},
		{&tuttiv1.ClientTuning{Channels: "5.1"}, 1 << 20, "flac-44100-2-16"},
		{&tuttiv1.ClientTuning{Equalizer: on, Channels: "left"}, 1 << 20, "flac-44100-2-16-l-eq" + Equalizer(on).Hash()},
		{nil, 40_000, "flac-44100-2-16-20ms"},
	} {
		if got := NewSpec(f, c.tuning, c.capacity, 100).ID(); got != c.want {
			t.Errorf("%v, %d bytes: %s, want %s", c.tuning, c.capacity, got, c.want)
		}
	}
	if got := NewSpec(parse(t, "pcm:44100:16:1"), &tuttiv1.ClientTuning{Channels: "mono"}, 0, 100).ID(); got != "pcm-44100-1-16" {
		t.Errorf("one channel, mono: %s", got)
	}
	a := NewSpec(f, &tuttiv1.ClientTuning{Equalizer: on}, 0, 100)
	b := NewSpec(f, &tuttiv1.ClientTuning{Equalizer: &tuttiv1.Equalizer{LimiterDb: -3, Bands: append(on.Bands, &tuttiv1.EqualizerBand{Kind: "peak", Frequency: 50, Q: 1})}}, 0, 100)
	if a != b || a.ID() != b.ID() {
		t.Error("two settings that sound equal do not share a rendition")
	}
	if p := a.Proto(); p.GetChannels() != "stereo" || len(p.GetEqualizer().GetBands()) != 1 || Equalizer(p.GetEqualizer()) != a.EQ {
		t.Errorf("shown as %v", p)
	}
}

// TestChunksOfAllRatesMeet: chunks of every usual rate last whole milliseconds, within the
// bounds, and a chunk of each begins with a chunk of 100 ms at least once in 400 ms.
func TestChunksOfAllRatesMeet(t *testing.T) {
	for _, rate := range []int{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000, 176400, 192000} {
		for _, s := range []Spec{{}, {Short: true}} {
			for _, ms := range []int{100, 20} {
				s.Format = pcm.Format{Codec: "pcm", SampleRate: rate, Channels: 2, BitDepth: 16}
				us := s.ChunkFrames(ms) * 1_000_000 / rate
				if us*rate/1_000_000 != s.ChunkFrames(ms) || us%1000 != 0 || us < 15_000 || us > 150_000 || 400_000%us != 0 {
					t.Errorf("%d Hz, %d ms, short %v: chunks of %d µs", rate, ms, s.Short, us)
				}
			}
		}
	}
}

func TestChunksFitTheBuffer(t *testing.T) {
	for _, format := range []string{"pcm:48000:24:2", "flac:44100:16:2", "pcm:22050:16:1"} {
		f := parse(t, format)
		for _, capacity := range []int64{1000, 5000, 20_000, 60_000, 116_000, 1 << 20} {
			s := NewSpec(f, nil, capacity, 100)
			full := int64(13 + s.ChunkFrames(100)*f.BytesPerFrame())
			if !s.Short && fewChunks*full > capacity {
				t.Errorf("%s, %d bytes: chunks of %d bytes", format, capacity, full)
			}
			if us := f.DurationUS(int64(s.ChunkFrames(100))); us > 150_000 || us < 15_000 {
				t.Errorf("%s: chunks of %d µs", format, us)
			}
			if why := s.Starves(capacity); (why != "") != (capacity < 2*largest(f, ShortMS)) || why != "" && !strings.Contains(why, "buffer_capacity") {
				t.Errorf("%s, %d bytes: %q", format, capacity, why)
			}
		}
	}
}
