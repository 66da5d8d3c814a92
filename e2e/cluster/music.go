package cluster

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/tutti-audio/tutti/sendspin/wire"
)

// The music: every frame says which one it is. Its 32 bits, left channel first, are the
// number of the title (5 bits, from 1) and of the frame in it (27 bits).
const (
	rate      = 16000
	frameBits = 27
	maxTitles = 31
)

// Format is what all players play: uncompressed, so that the samples arrive as they are.
func Format() wire.AudioFormat {
	return wire.AudioFormat{Codec: wire.CodecPCM, SampleRate: rate, Channels: 2, BitDepth: 16}
}

// frameName is what a frame of the music carries.
func frameName(title int, frame int64) uint32 { return uint32(title)<<frameBits | uint32(frame) }

// parseFrame is its inverse. Title 0 is silence that the server made.
func parseFrame(b []byte) (title int, frame int64) {
	v := uint32(binary.LittleEndian.Uint16(b))<<16 | uint32(binary.LittleEndian.Uint16(b[2:]))
	return int(v >> frameBits), int64(v & (1<<frameBits - 1))
}

// readNumbered takes a frame of the music.
func readNumbered(b []byte, _, _ int64) (title int, frame int64) { return parseFrame(b) }

// WriteMusic writes titles of the given length as dir/title-N.wav.
func WriteMusic(t testing.TB, dir string, titles int, seconds int) []string {
	t.Helper()
	if titles > maxTitles || seconds*rate >= 1<<frameBits {
		t.Fatalf("%d titles of %d s cannot be numbered", titles, seconds)
	}
	var names []string
	for title := 1; title <= titles; title++ {
		name := fmt.Sprintf("title-%02d.wav", title)
		if err := os.WriteFile(filepath.Join(dir, name), wave(title, seconds*rate), 0o600); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

// wave is a WAVE file of 16 bits and two channels.
func wave(title, frames int) []byte {
	var b bytes.Buffer
	size := uint32(frames * 4)
	put := func(v any) { _ = binary.Write(&b, binary.LittleEndian, v) } // a buffer takes everything
	b.WriteString("RIFF")
	put(36 + size)
	b.WriteString("WAVEfmt ")
	put(uint32(16))
	put([]uint16{1, 2})
	put([]uint32{rate, rate * 4})
	put([]uint16{4, 16})
	b.WriteString("data")
	put(size)
	data := make([]byte, 0, size)
	for i := range frames {
		v := frameName(title, int64(i))
		data = binary.LittleEndian.AppendUint16(data, uint16(v>>16))
		data = binary.LittleEndian.AppendUint16(data, uint16(v))
	}
	b.Write(data)
	return b.Bytes()
}
