package source_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/audio/source"
)

// ramp is n frames of 16-bit stereo whose samples count up from first, never 0.
func ramp(first, n int) []byte {
	var b []byte
	for i := range n {
		v := uint16((first+i)%20000 + 1)
		b = binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(b, v), v)
	}
	return b
}

// listener reads a live source as a pipeline does, as fast as it gives.
type listener struct {
	t *testing.T
	s source.Source
}

// until reads until ok says that it has heard enough; it gets left samples.
func (l *listener) until(what string, ok func(heard []int32) bool) {
	l.t.Helper()
	ch := l.s.Info().Channels
	buf := make([]int32, 441*ch)
	for deadline := time.Now().Add(time.Minute); ; {
		n, err := l.s.Read(buf)
		if err != nil {
			l.t.Fatalf("%s: %v", what, err)
		}
		left := make([]int32, n)
		for i := range left {
			left[i] = buf[i*ch]
		}
		if ok(left) {
			return
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("%s: not heard within a minute", what)
		}
	}
}

func silent(s []int32) bool {
	for _, v := range s {
		if v != 0 {
			return false
		}
	}
	return true
}

// ramped collects count frames of sound and checks that they count up without a hole.
func (l *listener) ramped(what string, first, count int) {
	l.t.Helper()
	want, got := first, 0
	l.until(what, func(heard []int32) bool {
		for _, v := range heard {
			if v == 0 {
				continue
			}
			if int(v) != want%20000+1 {
				l.t.Fatalf("%s: frame %d is %d, want %d", what, want, v, want%20000+1)
			}
			want++
			got++
		}
		return got >= count
	})
}

func (l *listener) silence(what string) {
	l.t.Helper()
	run := 0
	l.until(what, func(heard []int32) bool {
		if !silent(heard) {
			run = 0
			return false
		}
		run += len(heard)
		return run > 4410
	})
}

// A pipe's item stays while writers come and go; between them there is silence.
func TestPipePlaysWhatWritersWriteAndStays(t *testing.T) {
	p := filepath.Join(t.TempDir(), "music.pcm")
	if err := syscall.Mkfifo(p, 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, "pipe:"+p, "")
	if i := s.Info(); !i.Live || i.Seekable || i.SampleRate != 44100 || i.Channels != 2 || i.BitDepth != 16 || i.Tags.Title != "music.pcm" {
		t.Errorf("info %+v", i)
	}
	l := &listener{t, s}
	l.silence("before there is a writer")
	for round := range 2 {
		done := make(chan error, 1)
		go func() {
			w, err := os.OpenFile(p, os.O_WRONLY, 0)
			if err == nil {
				_, err = w.Write(ramp(round*1000, 20_001))
				// A writer that dies in the middle of a frame must not turn the channels around.
				_, _ = w.Write([]byte{0x55})
				err = errors.Join(err, w.Close())
			}
			done <- err
		}()
		l.ramped(fmt.Sprintf("writer %d", round), round*1000, 20_001)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		l.silence("after the writer has gone")
	}
	// Another program may make the pipe anew.
	if err := errors.Join(os.Remove(p), syscall.Mkfifo(p, 0o600)); err != nil {
		t.Fatal(err)
	}
	go func() {
		if w, err := os.OpenFile(p, os.O_WRONLY, 0); err == nil {
			_, _ = w.Write(ramp(7, 5000))
			_ = w.Close()
		}
	}()
	l.ramped("the new pipe", 7, 5000)
	if err := s.SeekFrame(0); err == nil {
		t.Error("a pipe was sought in")
	}
}

// What a pipe gives runs a second ahead of real time at most, however fast it is written.
func TestPipeIsPacedByTheClock(t *testing.T) {
	p := filepath.Join(t.TempDir(), "p")
	if err := syscall.Mkfifo(p, 0o600); err != nil {
		t.Fatal(err)
	}
	var now atomic.Int64
	s, err := source.Open(t.Context(), "pipe:"+p+"?format=s16le:8000:1", source.Options{House: now.Load})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w, err := os.OpenFile(p, os.O_RDWR, 0) // reading, too: opening never waits
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	go func() {
		for ctx.Err() == nil {
			if _, err := w.Write(bytes.Repeat([]byte{1, 0}, 800)); err != nil {
				return
			}
		}
	}()
	frames := make(chan int, 1000)
	go func() {
		buf := make([]int32, 160)
		for {
			n, err := s.Read(buf)
			if err != nil {
				close(frames)
				return
			}
			frames <- n
		}
	}()
	take := func(want int) {
		t.Helper()
		total := 0
		for quiet := false; !quiet; {
			select {
			case n := <-frames:
				total += n
			case <-time.After(time.Second):
				quiet = total >= want
			}
			if total > want+160 {
				t.Fatalf("%d frames, want %d", total, want)
			}
		}
	}
	take(8000) // the clock stands: a second, and no more
	now.Add(500_000)
	take(4000)
	_ = s.Close()
	for range frames {
	}
}

func TestPipesAreOnlyPipes(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file"), []byte("secret"))
	if err := os.Symlink("/proc/self/environ", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"/proc/self/environ", "/dev/zero", "/dev/stdin", "/sys/kernel/uevent_seqnum", dir, filepath.Join(dir, "file"), filepath.Join(dir, "link"),
		dir + "/../../proc/self/environ", "%2Fproc%2Fself%2Fenviron", "../x", ""} {
		if s, err := source.Open(t.Context(), "pipe:"+p, source.Options{MusicDir: dir}); err == nil {
			t.Errorf("pipe:%s was opened", p)
			_ = s.Close()
		}
	}
}

func TestRawFormats(t *testing.T) {
	f32 := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, math.Float32bits(-0.5)), math.Float32bits(2))
	for format, c := range map[string]struct {
		frame []byte
		depth int
		want  int32
	}{
		"s16le:48000:1": {[]byte{0x01, 0x80}, 16, -32767},
		"s24le:44100:2": {[]byte{0x01, 0x00, 0x80, 1, 2, 3}, 24, -8388607},
		"s32le:96000:1": {[]byte{0xFF, 0xFF, 0xFF, 0x7F}, 32, math.MaxInt32},
		"f32le:44100:2": {f32, 24, -4194304},
	} {
		t.Run(format, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0") // its own: the source of another format connects anew
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			s := open(t, "tcp://"+l.Addr().String()+"?format="+format, "")
			c2, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer c2.Close()
			if _, err := c2.Write(bytes.Repeat(c.frame, 2000)); err != nil {
				t.Fatal(err)
			}
			if i := s.Info(); i.BitDepth != c.depth || fmt.Sprint(i.SampleRate) != strings.Split(format, ":")[1] {
				t.Errorf("%+v", i)
			}
			(&listener{t, s}).until("sound", func(heard []int32) bool {
				for _, v := range heard {
					if v != 0 && v != c.want {
						t.Fatalf("%d, want %d", v, c.want)
					}
				}
				return !silent(heard)
			})
		})
	}
}

// freeAddr is an address that was free a moment ago, with a port that neither the system
// gives to whoever asks for port 0 nor platform/nettest to other tests.
func freeAddr(t *testing.T) string {
	t.Helper()
	for range 1000 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 32_000+rand.IntN(768)))
		if err == nil {
			_ = l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no free port")
	return ""
}

// A program connects, goes and comes again; a server that restarts is connected to anew.
func TestTCPBothWays(t *testing.T) {
	addr := freeAddr(t)
	s := open(t, "tcp-listen:"+addr, "")
	ear := &listener{t, s}
	for round := range 2 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = c.Write(ramp(100*round, 5000)); _ = c.Close() }()
		ear.ramped("a program that connects", 100*round, 5000)
		ear.silence("after it has gone")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s = open(t, "tcp://"+l.Addr().String(), "")
	ear = &listener{t, s}
	for round := range 2 {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = c.Write(ramp(100*round, 5000)); _ = c.Close() }()
		ear.ramped("a server", 100*round, 5000)
	}
}

func TestSetUpSignals(t *testing.T) {
	rms := func(uri string, ch int) float64 {
		s := open(t, uri, "")
		buf := make([]int32, 2*48000)
		if n, err := s.Read(buf); n != 48000 || err != nil {
			t.Fatal(uri, n, err)
		}
		sum := 0.0
		for i := ch; i < len(buf); i += 2 {
			sum += math.Pow(float64(buf[i])/(1<<23), 2)
		}
		return 20 * math.Log10(math.Sqrt(sum/48000)+1e-9)
	}
	for _, uri := range []string{"noise:white", "noise:pink"} {
		for ch := range 2 {
			if l := rms(uri, ch); l < -21 || l > -19 {
				t.Errorf("%s has %.1f dBFS, want -20", uri, l)
			}
		}
	}
	if l, r := rms("channels:", 0), rms("channels:", 1); l < -40 || r > -100 {
		t.Errorf("the first ping is on the left: %.1f, %.1f dB", l, r)
	}
	if l := rms("sweep:20-20000", 0); l < -16 || l > -14 {
		t.Errorf("sweep has %.1f dBFS", l)
	}
	// Pink noise loses 3 dB per octave: equal power per octave.
	s := open(t, "noise:pink", "")
	buf := make([]int32, 2*(1<<17))
	if _, err := fill(s, buf); err != nil {
		t.Fatal(err)
	}
	low, high := band(buf, 200, 400), band(buf, 6400, 12800)
	if d := 10 * math.Log10(low/high); math.Abs(d) > 1.5 {
		t.Errorf("octaves of pink noise differ by %.1f dB", d)
	}
	// A seek is exact.
	if err := s.SeekFrame(1000); err != nil {
		t.Fatal(err)
	}
	again := make([]int32, 200)
	if _, err := fill(s, again); err != nil || again[0] != buf[2000] || again[199] != buf[2199] {
		t.Errorf("after a seek: %v", err)
	}
}

// band is the power between two frequencies, by a few Goertzel filters.
func band(samples []int32, from, to float64) (power float64) {
	const n = 1 << 17
	for k := range 400 {
		hz := from + (to-from)*float64(k)/400
		hz = math.Round(hz*n/48000) * 48000 / n
		w := 2 * math.Cos(2*math.Pi*hz/48000)
		var a, b float64
		for i := range n {
			a, b = float64(samples[2*i])+w*a-b, a
		}
		power += (a*a + b*b - w*a*b) * (to - from) / 400
	}
	return power
}

var _ io.Closer = (source.Source)(nil)
