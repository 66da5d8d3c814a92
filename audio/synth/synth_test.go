package synth

import (
	"bytes"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/mewkiz/flac"

	"github.com/tutti-audio/tutti/audio/wav"
)

func readAll(t testing.TB, p interface{ Read([]int32) (int, error) }, step int) []int32 {
	var out []int32
	buf := make([]int32, step*Channels)
	for {
		n, err := p.Read(buf)
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, buf[:n*Channels]...)
	}
}

func TestTracksSound(t *testing.T) {
	if len(Tracks()) < 3 {
		t.Fatal("want three tracks")
	}
	for _, tr := range Tracks() {
		p, err := Open(tr.Name)
		if err != nil {
			t.Fatal(err)
		}
		if s := tr.Frames / SampleRate; s < 60 || s > 90 || tr.Artist != "Tutti" || p.Track() != tr {
			t.Errorf("%+v: want 60..90 s by Tutti", tr)
		}
		var peak int32
		var power float64
		// The first seconds, the middle with everything playing, and the end.
		var x []int32
		for _, from := range []int64{0, 30 * SampleRate, tr.Frames - 4*SampleRate} {
			buf := make([]int32, 4*SampleRate*Channels)
			if err := p.SeekFrame(from); err != nil {
				t.Fatal(err)
			}
			if n, err := p.Read(buf); err != nil || n != 4*SampleRate {
				t.Fatalf("%s at %d: %d frames, %v", tr.Name, from, n, err)
			}
			x = append(x, buf...)
		}
		if n, err := p.Read(make([]int32, 2)); n != 0 || err != io.EOF {
			t.Errorf("%s: after its end: %d, %v", tr.Name, n, err)
		}
		for _, v := range x {
			peak = max(peak, v, -v)
			power += float64(v) * float64(v)
		}
		rms := 20 * math.Log10(math.Sqrt(power/float64(len(x)))/32768)
		t.Logf("%s: peak %.1f dBFS, rms %.1f dBFS", tr.Title, 20*math.Log10(float64(peak)/32768), rms)
		if peak > 32700 || rms < -30 || rms > -12 {
			t.Errorf("%s: peak %d, rms %.1f dBFS", tr.Title, peak, rms)
		}
	}
	if err := WriteFLAC(io.Discard, "nothing"); err == nil {
		t.Error("WriteFLAC of an unknown name: want an error")
	}
	if _, err := Open("nothing"); err == nil {
		t.Error("unknown name: want an error")
	}
}

func TestSeekIsExact(t *testing.T) {
	p := generate(3*SampleRate, 3)
	all := readAll(t, p, 1000)
	for _, f := range []int64{0, 1, 100000, 3*SampleRate - 1} {
		if err := p.SeekFrame(f); err != nil {
			t.Fatal(err)
		}
		if got := readAll(t, p, 777); !slices.Equal(got, all[f*Channels:]) {
			t.Errorf("from frame %d: different samples", f)
		}
	}
}

func TestFilesAreDeterministicAndEqual(t *testing.T) {
	var a, b, other, w bytes.Buffer
	for _, err := range []error{GenerateFLAC(&a, 1.5, 7), GenerateFLAC(&b, 1.5, 7), GenerateFLAC(&other, 1.5, 8), GenerateWAV(&w, 1.5, 7)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) || bytes.Equal(a.Bytes(), other.Bytes()) {
		t.Error("the seed must decide the bytes")
	}
	s, err := flac.New(bytes.NewReader(a.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	var got []int32
	for {
		f, err := s.ParseNext()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range f.Subframes[0].Samples {
			got = append(got, f.Subframes[0].Samples[i], f.Subframes[1].Samples[i])
		}
	}
	r, err := wav.NewReader(bytes.NewReader(w.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if want := readAll(t, r, 100); !slices.Equal(got, want) || len(got) != 66150*2 {
		t.Errorf("FLAC has %d samples, WAV %d", len(got), len(want))
	}
	for _, s := range []float64{0, -1, math.NaN(), 4000} {
		if GenerateFLAC(io.Discard, s, 1) == nil || GenerateWAV(io.Discard, s, 1) == nil {
			t.Errorf("%v seconds: want an error", s)
		}
	}
}

// The reference encoder's default level is the yardstick for ours.
func TestCompressionBesideTheReference(t *testing.T) {
	bin, err := exec.LookPath("flac")
	if err != nil {
		t.Skip("the flac binary is not installed: nothing to compare with")
	}
	dir := t.TempDir()
	for seed := range int64(3) {
		var ours bytes.Buffer
		if err := GenerateFLAC(&ours, 8, seed); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "a.flac")
		if err := os.WriteFile(path, ours.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		wavPath := filepath.Join(dir, "a.wav")
		for _, args := range [][]string{{"-t", "-s", "-w", path}, {"-d", "-f", "-s", "-o", wavPath, path}, {"-5", "-f", "-s", "--no-padding", "--no-seektable", "-o", path, wavPath}} {
			if out, err := exec.Command(bin, args...).CombinedOutput(); err != nil {
				t.Fatalf("flac %v: %v: %s", args, err, out)
			}
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		ratio := float64(ours.Len()) / float64(info.Size())
		t.Logf("seed %d: ours %d bytes, reference %d: %.3f; of PCM %.3f", seed, ours.Len(), info.Size(), ratio, float64(ours.Len())/(8*SampleRate*4))
		if ratio > 1.1 {
			t.Errorf("seed %d: %.3f times the reference, want at most 1.1", seed, ratio)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	p := generate(60*SampleRate, 3)
	buf := make([]int32, 4410*Channels)
	for b.Loop() {
		if _, err := p.Read(buf); err != nil {
			_ = p.SeekFrame(0)
		}
	}
	b.ReportMetric(0.1*float64(b.N)/b.Elapsed().Seconds(), "x-realtime")
}
