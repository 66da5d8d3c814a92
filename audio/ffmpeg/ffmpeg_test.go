package ffmpeg_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tutti-audio/tutti/audio/ffmpeg"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], "standin=") {
		standIn(strings.TrimPrefix(os.Args[1], "standin="))
		return
	}
	goleak.VerifyTestMain(m)
}

// standIn is a child that does not behave.
func standIn(how string) {
	header := binary.BigEndian.AppendUint32([]byte(".snd"), 24)
	for _, w := range []uint32{0xFFFFFFFF, 3, 44100, 2} {
		header = binary.BigEndian.AppendUint32(header, w)
	}
	say := func(b []byte) { _, _ = os.Stdout.Write(b) }
	switch how {
	case "mute": // says nothing and does not end
		select {}
	case "stall": // some audio, then nothing
		say(append(header, make([]byte, 4000)...))
		select {}
	case "crash":
		say(append(header, make([]byte, 4001)...)) // half a sample, too
		fmt.Fprintln(os.Stderr, "something\nInvalid data \x1b[31mfound\xff")
		os.Exit(69)
	case "killed":
		say(append(header, make([]byte, 400)...))
		p, _ := os.FindProcess(os.Getpid())
		_ = p.Kill()
		select {}
	case "garbage":
		say(bytes.Repeat([]byte("garbage "), 1<<16))
	case "absurd": // a header of a million channels
		binary.BigEndian.PutUint32(header[20:], 1_000_000)
		say(header)
	case "flood": // audio and words without end
		say(header)
		go func() {
			for {
				_, _ = os.Stderr.Write(bytes.Repeat([]byte("words "), 10_000))
			}
		}()
		for {
			say(make([]byte, 1<<16))
		}
	case "family": // leaves a grandchild that holds the pipes
		p, err := os.StartProcess("/bin/sleep", []string{"sleep", "1000"}, &os.ProcAttr{Files: []*os.File{nil, os.Stdout, os.Stderr}})
		if err != nil {
			panic(err)
		}
		say(append(header, make([]byte, 4000)...))
		fmt.Fprintln(os.Stderr, p.Pid)
		select {}
	case "glutton":
		say(header)
		var hoard [][]byte
		for range 64 { // 4 GiB
			b := make([]byte, 64<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			hoard = append(hoard, b)
		}
		say(hoard[0])
	case "writer": // tries to leave a file, once it has its limits: they come a moment after the start
		for end := time.Now().Add(20 * time.Second); !mayWriteNothing() && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond)
		}
		name := os.Args[len(os.Args)-1]
		err := os.WriteFile(filepath.Join(filepath.Dir(name), "left"), []byte(name), 0o600)
		fmt.Fprintln(os.Stderr, "write:", err)
		os.Exit(1)
	case "environment":
		fmt.Fprintf(os.Stderr, "LC_ALL=%s %s%s\n", os.Getenv("LC_ALL"), os.Getenv("TUTTI_ADMIN_TOKEN"), os.Getenv("http_proxy"))
		os.Exit(1)
	}
}

// mayWriteNothing tells whether files of this process may have no bytes.
func mayWriteNothing() bool {
	b, _ := os.ReadFile("/proc/self/limits")
	_, rest, _ := strings.Cut(string(b), "Max file size")
	f := strings.Fields(rest)
	return len(f) > 0 && f[0] == "0"
}

// tool is a program of the given behaviour under ffmpeg's name.
func tool(t *testing.T, how string) ffmpeg.Tool {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "ffmpeg")
	script := fmt.Sprintf("#!/bin/sh\nexec '%s' standin=%s \"$@\" \"$0\"\n", self, how)
	if err := os.WriteFile(name, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return ffmpeg.Tool{FFmpeg: name, FFprobe: name}
}

func input(t *testing.T) ffmpeg.Input {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return ffmpeg.Input{Format: "mov", File: f}
}

// short limits make waiting for a mute child short; generous ones are for the others.
var (
	short    = ffmpeg.Limits{FirstByte: 500 * time.Millisecond, Stall: 500 * time.Millisecond}
	generous = ffmpeg.Limits{FirstByte: time.Minute, Stall: time.Minute}
)

func TestMisbehavingChildrenEndWithAReason(t *testing.T) {
	for how, c := range map[string]struct {
		limits ffmpeg.Limits
		frames int
		want   string
	}{
		"mute":    {short, 0, "gave nothing for 500ms"},
		"crash":   {generous, 1000, "cannot decode it: it gave up: Invalid data [31mfound"},
		"killed":  {generous, 100, "ended by the system (signal: killed)"},
		"garbage": {generous, 0, "gave no audio header"},
		"absurd":  {generous, 0, "gave no audio header"},
	} {
		t.Run(how, func(t *testing.T) {
			frames, err := drain(t, t.Context(), tool(t, how), c.limits)
			if err == nil || !strings.Contains(err.Error(), c.want) || frames != c.frames {
				t.Errorf("%d frames, %v; want %d, %q", frames, err, c.frames, c.want)
			}
			noChildren(t)
		})
	}
}

// A stall is noticed after the limit, and what came before is heard. The first byte has a
// limit of its own, so that a slow start of the stand-in is none.
func TestStallIsNoticed(t *testing.T) {
	frames, err := drain(t, t.Context(), tool(t, "stall"), ffmpeg.Limits{FirstByte: time.Minute, Stall: 500 * time.Millisecond})
	if frames != 1000 || err == nil || !strings.Contains(err.Error(), "gave nothing for 500ms") {
		t.Errorf("%d frames, %v", frames, err)
	}
	noChildren(t)
}

func drain(t *testing.T, ctx context.Context, tl ffmpeg.Tool, l ffmpeg.Limits) (frames int, err error) {
	t.Helper()
	d, err := ffmpeg.Start(ctx, tl, input(t), ffmpeg.Output{}, l)
	if err != nil {
		return 0, err
	}
	defer d.Close()
	buf := make([]int32, 2000)
	for {
		n, err := d.Read(buf)
		frames += n
		if err != nil {
			return frames, err
		}
	}
}

// noChildren checks that no process of ours is left, not even as a zombie.
func noChildren(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		left := children(t)
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("processes are left: %v", left)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func children(t *testing.T) (out []string) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		t.Skip("no /proc on this system")
	}
	for _, name := range stats {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(b), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[1] == strconv.Itoa(os.Getpid()) {
			out = append(out, string(b[:min(len(b), 60)]))
		}
	}
	return out
}

// Back-pressure bounds a child that gives without end, and what it says is bounded.
func TestFloodIsBounded(t *testing.T) {
	d, err := ffmpeg.Start(t.Context(), tool(t, "flood"), input(t), ffmpeg.Output{}, generous)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]int32, 4096)
	for range 100 {
		if n, err := d.Read(buf); n == 0 || err != nil {
			t.Fatal(n, err)
		}
	}
	d.Close()
	noChildren(t)
}

func TestTheWholeGroupEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	d, err := ffmpeg.Start(ctx, tool(t, "family"), input(t), ffmpeg.Output{}, generous)
	if err != nil {
		t.Fatal(err)
	}
	gone := errors.New("gone")
	cancel(gone)
	buf := make([]int32, 4000)
	for err == nil {
		_, err = d.Read(buf)
	}
	if !errors.Is(err, gone) && !errors.Is(err, io.EOF) {
		t.Errorf("read after the end: %v", err)
	}
	d.Close()
	noChildren(t)
	noSleepers(t)
}

// noSleepers looks for the grandchild, which belongs to nobody now.
func noSleepers(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		left := 0
		cmds, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, name := range cmds {
			b, _ := os.ReadFile(name)
			if string(b) == "sleep\x001000\x00" && ours(filepath.Dir(name)) {
				left++
			}
		}
		if left == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("a grandchild is left")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// ours tells a grandchild by the place where it runs: that of this test.
func ours(proc string) bool {
	cwd, _ := os.Getwd()
	where, err := os.Readlink(filepath.Join(proc, "cwd"))
	return err == nil && where == cwd
}

func TestMemoryFilesAndEnvironmentAreBounded(t *testing.T) {
	if _, err := os.Stat("/proc/self/limits"); err != nil {
		t.Skip("limits of other processes cannot be set on this system")
	}
	if frames, err := drain(t, t.Context(), tool(t, "glutton"), ffmpeg.Limits{FirstByte: time.Minute, Stall: time.Minute, Memory: 512 << 20}); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("4 GiB were taken: %d frames, %v", frames, err)
	}
	tl := tool(t, "writer")
	_, err := drain(t, t.Context(), tl, generous)
	if b, rerr := os.ReadFile(filepath.Join(filepath.Dir(tl.FFmpeg), "left")); rerr == nil && len(b) > 0 || err == nil {
		t.Errorf("a file was written: %q %v", b, err)
	}
	t.Setenv("TUTTI_ADMIN_TOKEN", "hush")
	t.Setenv("http_proxy", "http://192.0.2.1:1")
	if _, err := drain(t, t.Context(), tool(t, "environment"), generous); err == nil || strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "192.0.2.1") || !strings.Contains(err.Error(), "LC_ALL=C") {
		t.Errorf("environment of the child: %v", err)
	}
	noChildren(t)
}

// A stream that never ends does not hold up the end of its decoder.
func TestStreamInputIsReleased(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	in := ffmpeg.Input{Format: "aac", Stream: r}
	d, err := ffmpeg.Start(t.Context(), tool(t, "stall"), in, ffmpeg.Output{}, generous)
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
	if _, err := w.Write([]byte("x")); err == nil {
		t.Error("the stream is still read")
	}
	noChildren(t)
}

func TestMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := ffmpeg.Find(); !errors.Is(err, ffmpeg.ErrMissing) || !strings.Contains(err.Error(), "install Debian's package ffmpeg") {
		t.Error(err)
	}
}

func TestServeGivesRangesToWhoKnowsTheAddress(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789"), 1000)
	s, err := ffmpeg.Serve(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if code, _ := get(t, s.URL+"x", ""); code != 404 {
		t.Errorf("another address: %d", code)
	}
	if code, b := get(t, s.URL, "bytes=9990-"); code != 206 || string(b) != "0123456789" {
		t.Errorf("range: %d %q", code, b)
	}
}
