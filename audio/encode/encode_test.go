package encode_test

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"github.com/mewkiz/flac"

	"github.com/tutti-audio/tutti/audio/decode"
	"github.com/tutti-audio/tutti/audio/encode"
	"github.com/tutti-audio/tutti/audio/pcm"
)

func music(frames int, f pcm.Format) []int32 {
	full := float64(int(1)<<(f.BitDepth-1) - 1)
	out := make([]int32, 0, frames*f.Channels)
	for i := range frames {
		for c := range f.Channels {
			t := float64(i) / float64(f.SampleRate)
			out = append(out, int32(full*(0.4*math.Sin(2*math.Pi*440*t)+0.3*math.Sin(2*math.Pi*(660+float64(c))*t))))
		}
	}
	return out
}

// Every chunk must decode on its own, given the header: a late joiner starts anywhere.
func TestChunksRoundTripFromAnywhere(t *testing.T) {
	for _, s := range []string{
		"pcm:44100:16:2", "pcm:48000:24:2", "pcm:48000:32:1", "flac:44100:16:2", "flac:48000:24:2",
		"flac:48000:16:1", "flac:96000:24:2", "flac:192000:24:6", "flac:8000:16:1", "flac:44099:16:2",
	} {
		f, err := pcm.ParseFormat(s)
		if err != nil {
			t.Fatal(err)
		}
		for _, frames := range []int{f.SampleRate / 10, f.SampleRate / 50, encode.ChunkFrames(f.SampleRate, 100)} {
			enc, err := encode.New(f, frames)
			if err != nil {
				t.Fatal(err)
			}
			if (enc.Header() == nil) != (f.Codec == pcm.CodecPCM) || enc.ChunkFrames() != frames {
				t.Fatalf("%v: header of %d bytes, %d frames", f, len(enc.Header()), enc.ChunkFrames())
			}
			x := music(3*frames+frames/3, f)
			for i := 0; len(x) > 0; i++ {
				n := min(len(x), frames*f.Channels)
				chunk, err := enc.Encode([]byte("before"), x[:n])
				if err != nil {
					t.Fatal(err)
				}
				dec, err := decode.New(f, enc.Header())
				if err != nil {
					t.Fatal(err)
				}
				got, err := dec.Decode([]int32{42}, chunk[len("before"):])
				if err != nil || !slices.Equal(got[1:], x[:n]) {
					t.Fatalf("%v, chunk %d: decoded differently (%v)", f, i, err)
				}
				x = x[n:]
			}
		}
	}
}

func TestFLACChunksStayInTheSubset(t *testing.T) {
	for _, c := range [][3]int{{44100, 4410, 4410}, {48000, 4800, 2400}, {48000, 960, 960}, {96000, 9600, 9600}, {192000, 19200, 9600}, {44100, 6615, 2205}} {
		f := pcm.Format{Codec: "flac", SampleRate: c[0], Channels: 2, BitDepth: 16}
		enc, err := encode.New(f, c[1])
		if err != nil {
			t.Fatal(err)
		}
		s, err := flac.New(bytes.NewReader(enc.Header()))
		if err != nil {
			t.Fatal(err)
		}
		if int(s.Info.BlockSizeMax) != c[2] || s.Info.NSamples != 0 || s.Info.MD5sum != [16]byte{} || len(enc.Header()) != 42 {
			t.Errorf("%d frames at %d Hz: header %+v, want block %d and nothing known", c[1], c[0], s.Info, c[2])
		}
	}
}

func TestResetStartsAgain(t *testing.T) {
	f := pcm.Format{Codec: "flac", SampleRate: 44100, Channels: 2, BitDepth: 16}
	enc, err := encode.New(f, 882)
	if err != nil {
		t.Fatal(err)
	}
	x := music(882, f)
	first, _ := enc.Encode(nil, x)
	second, _ := enc.Encode(nil, x)
	enc.Reset()
	again, _ := enc.Encode(nil, x)
	if bytes.Equal(first, second) || !bytes.Equal(first, again) {
		t.Error("Reset must restart frame numbers, and only Reset")
	}
}

func TestRefusals(t *testing.T) {
	stereo := pcm.Format{Codec: "pcm", SampleRate: 44100, Channels: 2, BitDepth: 16}
	for _, n := range []int{0, -1, 44100 * 151 / 1000} {
		if _, err := encode.New(stereo, n); err == nil {
			t.Errorf("chunk of %d frames: want an error", n)
		}
	}
	if _, err := encode.New(pcm.Format{Codec: "pcm"}, 100); err == nil {
		t.Error("empty format: want an error")
	}
	enc, err := encode.New(stereo, 441)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 3, 884} {
		if out, err := enc.Encode([]byte{1}, make([]int32, n)); err == nil || len(out) != 1 {
			t.Errorf("%d samples: want an error and dst unchanged", n)
		}
	}
}

func TestChunkFrames(t *testing.T) {
	for _, c := range [][3]int{{44100, 100, 4416}, {48000, 100, 4800}, {44100, 20, 896}, {8000, 150, 1152}, {8000, 1, 64}} {
		if got := encode.ChunkFrames(c[0], c[1]); got != c[2] {
			t.Errorf("ChunkFrames(%d, %d) = %d, want %d", c[0], c[1], got, c[2])
		}
	}
}
