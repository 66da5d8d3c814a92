package client

import (
	"testing"

	"github.com/tutti-audio/tutti/sendspin/wire"
)

// flacFrame makes a mono 16-bit frame of silence: one constant subframe.
func flacFrame(samples, number int) []byte {
	b := []byte{0xff, 0xf8, 0x7a, 0x08} // block size in 16 bits, rate of STREAMINFO+mono, 16 bit
	b[2] = 0x70                         // 16-bit size, rate from STREAMINFO
	b = append(b, byte(number&0x7f), byte((samples-1)>>8), byte(samples-1))
	b = append(b, crc8(b))
	b = append(b, 0x00, 0x00, 0x00) // constant subframe, value 0
	var crc uint16
	for _, v := range b {
		crc = crc16(crc, v)
	}
	return append(b, byte(crc>>8), byte(crc))
}

func TestFlacSamples(t *testing.T) {
	one := flacFrame(960, 1)
	if n, err := flacSamples(one); err != nil || n != 960 {
		t.Errorf("one frame: %d, %v", n, err)
	}
	var three []byte
	for i, n := range []int{4096, 960, 17} {
		three = append(three, flacFrame(n, i)...)
	}
	if n, err := flacSamples(three); err != nil || n != 4096+960+17 {
		t.Errorf("three frames: %d, %v", n, err)
	}
	for name, bad := range map[string][]byte{
		"empty": {}, "cut": one[:len(one)-1], "two, second cut": three[:len(three)-1], "leading byte": append([]byte{0}, one...),
		"trailing byte": append(append([]byte{}, one...), 7), "header only": one[:8],
		"damaged": append(append([]byte{}, one[:9]...), append([]byte{1}, one[10:]...)...),
	} {
		if n, err := flacSamples(bad); err == nil {
			t.Errorf("%s: %d samples", name, n)
		}
	}
}

func TestFlacHeaderForms(t *testing.T) {
	for _, c := range []struct {
		head []byte
		want int
	}{
		{[]byte{0xff, 0xf8, 0x19, 0x18, 0x00}, 192},
		{[]byte{0xff, 0xf8, 0x59, 0x18, 0x05}, 4608},
		{[]byte{0xff, 0xf9, 0xc9, 0x18, 0xc2, 0x80}, 4096},        // variable block size, two-byte number
		{[]byte{0xff, 0xf8, 0x6c, 0x18, 0x00, 99, 48}, 100},       // 8-bit size, 8-bit rate
		{[]byte{0xff, 0xf8, 0x7d, 0x18, 0x00, 3, 191, 1, 2}, 960}, // 16-bit size, 16-bit rate
	} {
		b := append(c.head, crc8(c.head), 0, 0, 0)
		n, length, ok := flacHeader(b)
		if !ok || n != c.want || length != len(c.head)+1 {
			t.Errorf("%x: %d samples, %d bytes, %v; want %d", c.head, n, length, ok, c.want)
		}
	}
	for _, bad := range [][]byte{{0xff, 0xf8, 0x09, 0x18, 0}, {0xff, 0xf8, 0x1f, 0x18, 0}, {0xff, 0xfa, 0x19, 0x18, 0}, {0xff, 0xf8, 0x19, 0x18, 0xff}, {0xff, 0xf8, 0x19, 0x18, 0x80}} {
		b := append(bad, crc8(bad), 0, 0, 0)
		if _, _, ok := flacHeader(b); ok {
			t.Errorf("%x was taken for a header", bad)
		}
	}
}

func TestOpusSamples(t *testing.T) {
	for _, c := range []struct {
		p    []byte
		want int
	}{
		{[]byte{0 << 3}, 480}, {[]byte{3 << 3}, 2880}, {[]byte{12 << 3}, 480}, {[]byte{13<<3 | 1}, 1920},
		{[]byte{16 << 3}, 120}, {[]byte{31 << 3}, 960}, {[]byte{31<<3 | 2}, 1920}, {[]byte{31<<3 | 3, 5}, 4800}, {[]byte{31<<3 | 3, 0xc6}, 5760},
	} {
		if n, err := opusSamples(c.p); err != nil || n != c.want {
			t.Errorf("%x: %d, %v; want %d", c.p, n, err, c.want)
		}
	}
	for _, bad := range [][]byte{{}, {3}, {3, 0}, {31<<3 | 3, 7}} {
		if n, err := opusSamples(bad); err == nil {
			t.Errorf("%x: %d samples", bad, n)
		}
	}
}

func TestChunkSamples(t *testing.T) {
	pcm24 := wire.AudioFormat{Codec: wire.CodecPCM, Channels: 2, SampleRate: 48000, BitDepth: 24}
	if n, err := chunkSamples(pcm24, make([]byte, 960*6)); err != nil || n != 960 {
		t.Errorf("%d, %v", n, err)
	}
	for _, n := range []int{0, 5, 7} {
		if _, err := chunkSamples(pcm24, make([]byte, n)); err == nil {
			t.Errorf("%d bytes are whole frames", n)
		}
	}
}

func FuzzChunkSamples(f *testing.F) {
	f.Add([]byte{31<<3 | 3, 5}, 0)
	f.Add(flacFrame(960, 1), 1)
	f.Add(append(flacFrame(960, 1), flacFrame(17, 2)...), 1)
	f.Fuzz(func(t *testing.T, data []byte, codec int) {
		format := wire.AudioFormat{Codec: []string{wire.CodecOpus, wire.CodecFLAC, wire.CodecPCM}[uint(codec)%3], Channels: 2, SampleRate: 44100, BitDepth: 16}
		n, err := chunkSamples(format, data)
		if n < 0 || err == nil && n == 0 && format.Codec != wire.CodecOpus {
			t.Fatalf("%d samples, %v", n, err)
		}
	})
}
