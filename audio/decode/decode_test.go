package decode_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/audio/decode"
	"github.com/tutti-audio/tutti/audio/encode"
	"github.com/tutti-audio/tutti/audio/pcm"
)

var flac16 = pcm.Format{Codec: "flac", SampleRate: 44100, Channels: 2, BitDepth: 16}

func chunk(t testing.TB, f pcm.Format, frames int) (header, data []byte) {
	enc, err := encode.New(f, frames)
	if err != nil {
		t.Fatal(err)
	}
	x := make([]int32, frames*f.Channels)
	for i := range x {
		x[i] = int32(i*i%2001 - 1000)
	}
	if data, err = enc.Encode(nil, x); err != nil {
		t.Fatal(err)
	}
	return enc.Header(), data
}

func TestHeaderMustFitTheStream(t *testing.T) {
	header, _ := chunk(t, flac16, 882)
	if _, err := decode.New(flac16, header); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		f      pcm.Format
		header []byte
		want   string
	}{
		"none":         {flac16, nil, "at least 42"},
		"cut":          {flac16, header[:41], "at least 42"},
		"no marker":    {flac16, append([]byte("OggS"), header[4:]...), "codec_header"},
		"other rate":   {pcm.Format{Codec: "flac", SampleRate: 48000, Channels: 2, BitDepth: 16}, header, "but the stream is"},
		"other depth":  {pcm.Format{Codec: "flac", SampleRate: 44100, Channels: 2, BitDepth: 24}, header, "but the stream is"},
		"wrong block":  {flac16, append([]byte("fLaC\x84"), header[5:]...), "codec_header"},
		"empty format": {pcm.Format{}, nil, "codec"},
	} {
		if _, err := decode.New(c.f, c.header); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestBadChunksAreErrorsAndDoNotStick(t *testing.T) {
	header, good := chunk(t, flac16, 882)
	dec, err := decode.New(flac16, header)
	if err != nil {
		t.Fatal(err)
	}
	_, mono := chunk(t, pcm.Format{Codec: "flac", SampleRate: 44100, Channels: 1, BitDepth: 16}, 882)
	bad := map[string][]byte{
		"empty": {}, "cut": good[:len(good)-1], "trailing": append(bytes.Clone(good), 0), "text": []byte("hello, world"), "mono": mono,
		"too long": bytes.Repeat(good, 30),
	}
	for i := range good {
		b := bytes.Clone(good)
		b[i] ^= 0x10
		bad["bit "+string(rune('0'+i%10))+strings.Repeat("x", i/10)] = b
	}
	for name, b := range bad {
		if out, err := dec.Decode([]int32{1, 2}, b); err == nil || len(out) != 2 {
			t.Errorf("%s: %d samples, %v; want an error and dst as it was", name, len(out), err)
		}
	}
	if out, err := dec.Decode(nil, good); err != nil || len(out) != 2*882 {
		t.Errorf("good chunk after bad ones: %d samples, %v", len(out), err)
	}
	if out, err := dec.Decode(nil, bytes.Repeat(good, 2)); err != nil || len(out) != 4*882 {
		t.Errorf("two frames in a chunk: %d samples, %v", len(out), err)
	}
}

func TestPCMChunks(t *testing.T) {
	f := pcm.Format{Codec: "pcm", SampleRate: 48000, Channels: 2, BitDepth: 24}
	dec, err := decode.New(f, []byte("ignored"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := dec.Decode(nil, []byte{0, 0, 0x80, 0xFF, 0xFF, 0x7F})
	if err != nil || len(out) != 2 || out[0] != -1<<23 || out[1] != 1<<23-1 {
		t.Errorf("got %v, %v", out, err)
	}
	for _, n := range []int{0, 5, 7, 24001 * 6} {
		if _, err := dec.Decode(nil, make([]byte, n)); err == nil {
			t.Errorf("%d bytes: want an error", n)
		}
	}
}

func FuzzDecode(f *testing.F) {
	header, data := chunk(f, flac16, 100)
	f.Add(header, data, uint8(0))
	f.Add(header, data[:20], uint8(1))
	f.Fuzz(func(t *testing.T, header, data []byte, which uint8) {
		formats := []pcm.Format{flac16, {Codec: "flac", SampleRate: 48000, Channels: 1, BitDepth: 24}, {Codec: "pcm", SampleRate: 8000, Channels: 3, BitDepth: 16}}
		f := formats[int(which)%len(formats)]
		if good, _ := chunk(t, flac16, 100); len(header) == 0 && f == flac16 {
			header = good
		}
		dec, err := decode.New(f, header)
		if err != nil {
			return
		}
		out, err := dec.Decode(nil, data)
		if err == nil && len(out)%f.Channels != 0 || len(out) > f.SampleRate*f.Channels {
			t.Fatalf("%d samples, %v", len(out), err)
		}
	})
}

func BenchmarkDecodeFLAC(b *testing.B) {
	header, data := chunk(b, flac16, 4410)
	dec, err := decode.New(flac16, header)
	if err != nil {
		b.Fatal(err)
	}
	var out []int32
	b.ReportAllocs()
	for b.Loop() {
		if out, err = dec.Decode(out[:0], data); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(0.1*float64(b.N)/b.Elapsed().Seconds(), "x-realtime")
}
