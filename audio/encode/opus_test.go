//go:build opus && cgo

package encode_test

import (
	"math"
	"slices"
	"testing"

	"github.com/tutti-audio/tutti/audio/decode"
	"github.com/tutti-audio/tutti/audio/encode"
	"github.com/tutti-audio/tutti/audio/pcm"
)

// TestOpusComesBackInTime: fed Delay frames early, an encoder gives packets whose decoded
// samples lie where they were.
func TestOpusComesBackInTime(t *testing.T) {
	for _, rate := range []int{8000, 12000, 16000, 24000, 48000} {
		for channels := 1; channels <= 2; channels++ {
			f := pcm.Format{Codec: "opus", SampleRate: rate, Channels: channels, BitDepth: 24}
			frames := rate / 50
			enc, err := encode.New(f, frames)
			if err != nil {
				t.Fatal(err)
			}
			dec, err := decode.New(f, nil)
			if err != nil {
				t.Fatal(err)
			}
			x := music(40*frames, f)
			var got []int32
			for at := enc.Delay() * channels; at+frames*channels <= len(x); at += frames * channels {
				chunk, err := enc.Encode(nil, x[at:at+frames*channels])
				if err != nil || len(chunk) > 1275 {
					t.Fatalf("%v: %d bytes, %v", f, len(chunk), err)
				}
				if got, err = dec.Decode(got, chunk); err != nil {
					t.Fatal(err)
				}
			}
			lo, hi := 10*frames*channels, 35*frames*channels
			best, least := 0, math.Inf(1)
			for lag := -40; lag <= 40; lag++ {
				var sum float64
				for i := lo; i < hi; i += channels {
					d := float64(got[i+lag*channels] - x[i])
					sum += d * d
				}
				if sum < least {
					best, least = lag, sum
				}
			}
			var power float64
			for i := lo; i < hi; i += channels {
				power += float64(x[i]) * float64(x[i])
			}
			if snr := 10 * math.Log10(power/least); best != 0 || snr < 15 {
				t.Errorf("%v: moved by %d samples, %.1f dB", f, best, snr)
			}
		}
	}
}

func TestOpusIsBuiltIn(t *testing.T) {
	want := []string{"pcm", "flac", "opus"}
	if !slices.Equal(encode.Codecs(), want) || !slices.Equal(decode.Codecs(), want) {
		t.Errorf("encoders %v, decoders %v", encode.Codecs(), decode.Codecs())
	}
	f := pcm.Format{Codec: "opus", SampleRate: 48000, Channels: 2, BitDepth: 16}
	for _, frames := range []int{0, 480, 961, 4800} {
		if _, err := encode.New(f, frames); err == nil {
			t.Errorf("a packet of %d frames", frames)
		}
	}
	if _, err := encode.New(pcm.Format{Codec: "opus", SampleRate: 44100, Channels: 2, BitDepth: 16}, 882); err == nil {
		t.Error("44.1 kHz is no rate of Opus")
	}
	enc, err := encode.New(f, 960)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := enc.Encode(nil, make([]int32, 100)); err == nil {
		t.Error("a short packet")
	}
	if enc.Header() != nil || enc.ChunkFrames() != 960 {
		t.Errorf("header %x, %d frames", enc.Header(), enc.ChunkFrames())
	}
	dec, err := decode.New(f, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range [][]byte{nil, {0xff}, {0x0b, 0xff, 0xff, 1}} {
		if out, err := dec.Decode([]int32{7}, bad); err == nil || len(out) != 1 {
			t.Errorf("packet %x: %d samples, %v", bad, len(out), err)
		}
	}
	buf := make([]byte, 0, 8192)
	x := make([]int32, 2*960)
	if n := testing.AllocsPerRun(20, func() { _, _ = enc.Encode(buf, x) }); n != 0 {
		t.Errorf("%v allocations per packet", n)
	}
}

func FuzzOpusDecode(f *testing.F) {
	format := pcm.Format{Codec: "opus", SampleRate: 48000, Channels: 2, BitDepth: 16}
	enc, err := encode.New(format, 960)
	if err != nil {
		f.Fatal(err)
	}
	good, err := enc.Encode(nil, music(960, pcm.Format{SampleRate: 48000, Channels: 2, BitDepth: 24}))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte{0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		dec, err := decode.New(format, nil)
		if err != nil {
			t.Fatal(err)
		}
		out, err := dec.Decode(nil, b)
		if err == nil && (len(out) == 0 || len(out) > 2*5760) || err != nil && len(out) != 0 {
			t.Fatalf("%d samples, %v", len(out), err)
		}
	})
}
