package wav_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/audio/wav"
)

func ramp(n, depth int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(i*7919)<<(32-depth)>>(32-depth) ^ -int32(i&1)
	}
	return out
}

func readAll(t testing.TB, r io.ReadSeeker) (*wav.Reader, []int32) {
	t.Helper()
	w, err := wav.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	var out []int32
	buf := make([]int32, 301*w.Format().Channels)
	for {
		n, err := w.Read(buf)
		if err == io.EOF {
			return w, out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, buf[:n*w.Format().Channels]...)
	}
}

func TestRoundTrip(t *testing.T) {
	for _, depth := range []int{16, 24, 32} {
		for _, channels := range []int{1, 2, 3} {
			f := pcm.Format{Codec: "pcm", SampleRate: 8000, Channels: channels, BitDepth: depth}
			file, err := os.Create(filepath.Join(t.TempDir(), "a.wav"))
			if err != nil {
				t.Fatal(err)
			}
			w, err := wav.NewWriter(file, f)
			if err != nil {
				t.Fatal(err)
			}
			x := ramp(9001*channels, depth)
			for part := range slices.Chunk(x, 100*channels) {
				if err := w.Write(part); err != nil {
					t.Fatal(err)
				}
			}
			// Cut here: the file must be usable already.
			cut, err := os.ReadFile(file.Name())
			if err != nil {
				t.Fatal(err)
			}
			_, got := readAll(t, bytes.NewReader(cut))
			if len(got) < 8000*channels || !slices.Equal(got, x[:len(got)]) {
				t.Errorf("%v before Close: %d samples, want all but the last second", f, len(got))
			}
			if err := errors.Join(w.Close(), file.Sync()); err != nil {
				t.Fatal(err)
			}
			r, got := readAll(t, file)
			if r.Format() != f || !slices.Equal(got, x) || r.Frames() != w.Frames() {
				t.Errorf("%v: read %v, %d samples", f, r.Format(), len(got))
			}
			info, _ := file.Stat()
			var head [8]byte
			if _, err := file.ReadAt(head[:], 0); err != nil {
				t.Fatal(err)
			}
			if riff := int64(binary.LittleEndian.Uint32(head[4:])) + 8; riff != info.Size() {
				t.Errorf("%v: RIFF length %d, file %d", f, riff, info.Size())
			}
			if err := r.SeekFrame(8999); err != nil {
				t.Fatal(err)
			}
			buf := make([]int32, 10*channels)
			if n, err := r.Read(buf); n != 2 || err != nil || !slices.Equal(buf[:2*channels], x[8999*channels:]) {
				t.Errorf("%v: after seek %d, %v", f, n, err)
			}
			if err := file.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestStreamWithoutSeek(t *testing.T) {
	var b bytes.Buffer
	w, err := wav.NewWriter(&b, pcm.Format{SampleRate: 8000, Channels: 1, BitDepth: 16})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Silence(9000), w.Write([]int32{5}), w.Close()); err != nil {
		t.Fatal(err)
	}
	if _, got := readAll(t, bytes.NewReader(b.Bytes())); len(got) != 9001 || got[9000] != 5 {
		t.Errorf("%d samples", len(got))
	}
	if err := w.Write(nil); err != nil {
		t.Errorf("empty write: %v", err)
	}
}

// build assembles a WAVE file from chunks, whose lengths it fills in.
func build(chunks ...string) []byte {
	out := []byte("RIFF\x00\x00\x00\x00WAVE")
	for _, c := range chunks {
		out = append(out, c[:4]...)
		out = binary.LittleEndian.AppendUint32(out, uint32(len(c)-4))
		out = append(out, c[4:]...)
		if len(c)%2 != 0 {
			out = append(out, 0)
		}
	}
	return out
}

const fmt8 = "fmt \x01\x00\x01\x00\x40\x1f\x00\x00\x40\x1f\x00\x00\x01\x00\x08\x00"

func TestReadsWhatOthersWrite(t *testing.T) {
	r, got := readAll(t, bytes.NewReader(build("JUNKabc", fmt8, "LISTINFOINAM\x05\x00\x00\x00Tune\x00\x00IART\xff\xff\xff\xff", "data\x00\x80\xff", "LISTafter")))
	if !slices.Equal(got, []int32{-32768, 0, 32512}) || r.Format().BitDepth != 16 || r.Text("INAM") != "Tune" {
		t.Errorf("got %v, %v, %q", got, r.Format(), r.Text("INAM"))
	}
	cut := build(fmt8, "data1234")
	if _, got := readAll(t, bytes.NewReader(cut[:len(cut)-2])); len(got) != 2 {
		t.Errorf("cut file: %d samples, want 2", len(got))
	}
}

func TestRefusesWithReason(t *testing.T) {
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":      {nil, "not a RIFF/WAVE"},
		"text":       {[]byte("hello world, this is text"), "not a RIFF/WAVE"},
		"no data":    {build(fmt8), "before its data chunk"},
		"no fmt":     {build("dataxxxx"), "without a fmt chunk"},
		"short fmt":  {build("fmt \x01\x00", "dataxx"), "want at least 16"},
		"float":      {build(strings.Replace(fmt8, "fmt \x01", "fmt \x03", 1), "dataxx"), "not integer PCM"},
		"bad align":  {build(strings.Replace(fmt8, "\x01\x00\x08\x00", "\x07\x00\x08\x00", 1), "dataxx"), "do not hold"},
		"12 bits":    {build(strings.Replace(fmt8, "\x01\x00\x08\x00", "\x01\x00\x0c\x00", 1), "dataxx"), "are not 8, 16"},
		"rate":       {build(strings.Replace(fmt8, "\x40\x1f\x00\x00", "\x01\x00\x00\x00", 1), "dataxx"), "sample rate"},
		"long chunk": {append(build(), "LIST\xff\xff\xff\x7fINFO"...), "beyond the end"},
	} {
		if _, err := wav.NewReader(bytes.NewReader(c.data)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	if _, err := wav.NewWriter(io.Discard, pcm.Format{SampleRate: 8000, Channels: 1, BitDepth: 8}); err == nil {
		t.Error("8-bit writer: want an error")
	}
}

type failing struct{ after int }

func (f *failing) Write(p []byte) (int, error) {
	if f.after -= len(p); f.after < 0 {
		return 0, errors.New("disk full")
	}
	return len(p), nil
}

func TestWriteErrorsAreReported(t *testing.T) {
	f := pcm.Format{SampleRate: 8000, Channels: 2, BitDepth: 16}
	if _, err := wav.NewWriter(&failing{after: 10}, f); err == nil {
		t.Error("header: want an error")
	}
	w, err := wav.NewWriter(&failing{after: 100}, f)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Silence(1000); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("got %v", err)
	}
	if err := w.Write(make([]int32, 3)); err == nil {
		t.Error("half a frame: want an error")
	}
}

func FuzzReader(f *testing.F) {
	f.Add(build(fmt8, "LISTINFOINAM\x02\x00\x00\x00ab", "data1234"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := wav.NewReader(bytes.NewReader(data))
		if err != nil {
			return
		}
		buf := make([]int32, 64*8)
		total := 0
		for {
			n, err := r.Read(buf)
			if err != nil {
				break
			}
			if n == 0 {
				t.Fatal("no progress without an error")
			}
			total += n
		}
		if int64(total) != r.Frames() {
			t.Fatalf("read %d of %d frames", total, r.Frames())
		}
	})
}
