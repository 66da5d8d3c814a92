package playercmd

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/audio/decode"
	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/audio/wav"
	"github.com/tutti-audio/tutti/sendspin/sendspintest"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// source runs `tutti source` against a server of the test, up to its first state.
func source(t *testing.T, stdin io.Reader, args ...string) (*command, *sendspintest.Server) {
	t.Helper()
	url, accepted := server(t)
	p := startCommand(t, NewSource(), stdin, append([]string{"--connect", url, "--unpaired-access=true"}, args...)...)
	srv := sendspintest.NewServer(t, <-accepted, sendspintest.ServerOptions{})
	hello := srv.GreetWith(&wire.ServerHello{Name: "test", Source: &wire.ServerSourceSupport{Codecs: []string{"flac", "pcm"}}})
	if hello.Source == nil || !*hello.Source.LineSense || len(hello.SupportedRoles) < 1 || hello.SupportedRoles[0] != "source@v1" {
		t.Errorf("hello %+v", hello)
	}
	srv.Activate([]string{wire.ActivityPlayback}, wire.RoleSourceV1)
	srv.Send(&wire.GroupUpdate{PlaybackState: wire.PlaybackStopped, GroupID: "g"})
	if s := sendspintest.Expect[*wire.ClientState](srv); !s.Available || s.Source.Signal == "" {
		t.Errorf("state %+v", s.Source)
	}
	return p, srv
}

// opened lets the source start and returns its format and header.
func opened(srv *sendspintest.Server) wire.InputStream {
	srv.Send(&wire.ServerCommand{Source: &wire.SourceCommand{Command: wire.SourceStart}})
	for {
		if m, ok := srv.Next().(*wire.ClientStreamStart); ok {
			return m.Source
		}
	}
}

// heard decodes n chunks and returns their samples and the time between their stamps.
func heard(t *testing.T, srv *sendspintest.Server, s wire.InputStream, n int) (samples []int32, stamps []int64) {
	t.Helper()
	f := pcm.Format{Codec: s.Format.Codec, Channels: s.Format.Channels, SampleRate: s.Format.SampleRate, BitDepth: s.Format.BitDepth}
	dec, err := decode.New(f, s.CodecHeader)
	if err != nil {
		t.Fatal(err)
	}
	for len(stamps) < n {
		a, ok := srv.Next().(*sendspintest.SourceAudio)
		if !ok {
			continue
		}
		c, err := wire.ParseSourceChunk(a.Payload)
		if err != nil {
			t.Fatal(err)
		}
		stamps = append(stamps, c.Timestamp)
		if samples, err = dec.Decode(samples, c.Data); err != nil {
			t.Fatal(err)
		}
	}
	return samples, stamps
}

func TestSourceSendsATone(t *testing.T) {
	p, srv := source(t, strings.NewReader(""), "--input", "tone:440", "--format", "flac:48000:24:1")
	if e := p.wait("signal"); e["present"] != true {
		t.Errorf("%v", e)
	}
	s := opened(srv)
	// After a stall a source drops what nobody wants any more: ten that follow each other
	// come soon enough.
	var samples []int32
	var stamps []int64
	for tries := 0; ; tries++ {
		samples, stamps = heard(t, srv, s, 10)
		if len(samples) != 9600 {
			t.Fatalf("%d samples in ten chunks", len(samples))
		}
		if inStep(stamps) {
			break
		}
		if tries == 50 {
			t.Fatalf("no ten chunks are stamped 20 ms apart; the last are at %d", stamps)
		}
	}
	crossings := 0
	for i := 1; i < len(samples); i++ {
		if samples[i-1] < 0 && samples[i] >= 0 {
			crossings++
		}
	}
	if crossings < 87 || crossings > 89 { // 440 Hz for 0.2 s
		t.Errorf("%d periods", crossings)
	}
	srv.Send(&wire.ServerCommand{Source: &wire.SourceCommand{Command: wire.SourceStop}})
	if e := p.wait("capture_stopped"); e["reason"] != "stop" {
		t.Errorf("%v", e)
	}
	if err := p.end(); err != nil {
		t.Error(err)
	}
}

// inStep reports whether chunks follow each other: 20 ms, and what the time filter learns.
func inStep(stamps []int64) bool {
	for i := 1; i < len(stamps); i++ {
		if d := stamps[i] - stamps[i-1]; d < 15_000 || d > 25_000 {
			return false
		}
	}
	return true
}

func TestSourceReadsStdin(t *testing.T) {
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		block := make([]byte, 0, 2*960*2)
		for i := range 960 {
			for range 2 {
				block = binary.LittleEndian.AppendUint16(block, uint16(int16(1000+i)))
			}
		}
		for {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}()
	p, srv := source(t, r, "--input", "-", "--format", "pcm:48000:16:2")
	samples, _ := heard(t, srv, opened(srv), 3)
	if len(samples) != 3*1920 || samples[0] != 1000 || samples[1919] != 1959 {
		t.Errorf("%d samples from %d to %d", len(samples), samples[0], samples[1919])
	}
	p.stop()
	_ = r.Close()
	<-done
	if err := p.end(); err != nil {
		t.Error(err)
	}
}

// A file plays in real time and ends the source. It begins to play before there is a server,
// so it is long enough for any machine, and cut off once it is heard.
func TestSourcePlaysAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "in.wav")
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	w, err := wav.NewWriter(out, pcm.Format{Codec: pcm.CodecPCM, SampleRate: 44100, Channels: 2, BitDepth: 16})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Silence(60*44100), w.Close(), out.Close()); err != nil {
		t.Fatal(err)
	}
	p, srv := source(t, strings.NewReader(""), "--input", "wav:"+file, "--format", "pcm:8000:16:1")
	s := opened(srv)
	if s.Format.SampleRate != 44100 || s.Format.Channels != 2 {
		t.Errorf("format %v: a file has its own", s.Format)
	}
	heard(t, srv, s, 1)
	if err := os.Truncate(file, 44); err != nil {
		t.Fatal(err)
	}
	for {
		if m, ok := srv.Next().(*wire.ClientGoodbye); ok {
			if m.Reason != wire.GoodbyeShutdown {
				t.Errorf("%+v", m)
			}
			break
		}
	}
	if err := p.end(); err != nil {
		t.Error(err)
	}
}

func TestSourceUsage(t *testing.T) {
	for name, args := range map[string][]string{
		"no such input": {"--input", "radio"}, "tone too high": {"--input", "tone:40000"}, "opus": {"--format", "opus:48000:16:2"},
		"bad format": {"--format", "flac"}, "both directions": {"--connect", "x", "--listen", ":1"}, "level": {"--sense-db", "3"},
	} {
		c := NewSource()
		c.SetArgs(append([]string{"--identity", filepath.Join(t.TempDir(), "id")}, args...))
		c.SetIn(strings.NewReader(""))
		c.SetOut(io.Discard)
		c.SilenceErrors, c.SilenceUsage = true, true
		if err := c.ExecuteContext(t.Context()); exitCode(err) != 2 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSense(t *testing.T) {
	s := sense{threshold: -50}
	said := ""
	feed := func(db float64, blocks int) {
		for range blocks {
			if changed, present := s.take(db, 20_000); changed {
				said += map[bool]string{true: "P", false: "A"}[present]
			}
		}
	}
	feed(-20, 9) // a click is no signal
	feed(-90, 5)
	feed(-20, 10)
	feed(-90, 249) // nor is a pause between titles its end
	feed(-20, 1)
	feed(-90, 250)
	if said != "PA" {
		t.Errorf("sensed %q, want present, then absent", said)
	}
	if db := level([]int32{16384, -16384}, 16); math.Abs(db+6.02) > 0.01 {
		t.Errorf("half of full scale is %.2f dB", db)
	}
	if db := level(make([]int32, 10), 16); db != -120 {
		t.Errorf("silence is %.0f dB", db)
	}
}

// Bursts and pauses of the other program do not show in the times of capture.
func TestTimesOfAPipe(t *testing.T) {
	now := 0.0
	s := &stream{now: func() int64 { return int64(now) }}
	var worst float64
	for i := 1; i <= 3000; i++ { // a minute, handed over in pieces of 125 ms by a clock that is 80 ppm slow
		captured := float64(i) * 20_000 * 1.00008
		now = math.Ceil(captured/125_000) * 125_000
		got := s.arrived(20_000)
		if i > 100 {
			worst = max(worst, math.Abs(got-captured))
		}
	}
	if worst > 15_000 {
		t.Errorf("times are up to %.0f µs off", worst)
	}
	now += 5_000_000
	if got := s.arrived(20_000); got != now {
		t.Errorf("after a pause: %.0f, want %.0f", got, now)
	}
}

func TestInputEnds(t *testing.T) {
	f := pcm.Format{Codec: "pcm", Channels: 1, SampleRate: 8000, BitDepth: 16}
	in := newStream(bytes.NewReader(make([]byte, 320+7)), f, func() int64 { return 1 })
	for _, want := range []int{160, 3} {
		samples, _, err := in.Next(context.Background())
		if err != nil || len(samples) != want {
			t.Errorf("%d samples, %v; want %d", len(samples), err, want)
		}
	}
	if _, _, err := in.Next(context.Background()); !errors.Is(err, io.EOF) {
		t.Errorf("the end is %v", err)
	}
}
