package speech

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/tutti-audio/tutti/platform/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestVoicesFallBack(t *testing.T) {
	for tag, want := range map[string][]string{
		"de": {"de", "en"}, "pt-BR": {"pt-br", "pt", "en"}, "zh-Hans-CN": {"zh-hans-cn", "zh-hans", "zh", "en"}, "en-GB": {"en-gb", "en"},
		"": {"en"}, "-f": {"en"}, "de; rm": {"en"}, "../de": {"en"},
	} {
		if got := Voices(tag); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", tag, got, want)
		}
	}
}

// seconds says a text and measures how long it sounds, and how loud.
func seconds(t *testing.T, text, language string) (s, peak float64) {
	t.Helper()
	src, err := Say(t.Context(), text, language)
	if err != nil {
		t.Fatalf("%v (the tests need Debian's package espeak-ng)", err)
	}
	defer src.Close() //nolint:errcheck // memory
	buf := make([]int32, 4096)
	n := 0
	for {
		k, err := src.Read(buf)
		for _, v := range buf[:k] {
			peak = max(peak, float64(v)/32768, -float64(v)/32768)
		}
		n += k
		if errors.Is(err, io.EOF) {
			return float64(n) / float64(src.Info().SampleRate), peak
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestTextIsSpoken(t *testing.T) {
	short, peak := seconds(t, "Dinner", "en")
	long, _ := seconds(t, "Das Abendessen ist fertig, bitte kommt alle in die Küche.", "de-AT")
	if short < 0.2 || long < 2*short || peak < 0.05 {
		t.Errorf("%.2f s at %.2f, and %.2f s", short, peak, long)
	}
	// What looks like an option or markup is text.
	if s, _ := seconds(t, "--help -w /tmp/x <b>", "xx"); s < 0.2 {
		t.Errorf("%.2f s", s)
	}
}

func TestMissingProgramSaysWhatToInstall(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Say(t.Context(), "hello", "en")
	if !errors.Is(err, ErrMissing) || fault.CodeOf(err) != fault.Conflict || !strings.Contains(err.Error(), "install Debian's package espeak-ng") {
		t.Errorf("%v", err)
	}
}

// fake puts a program in espeak-ng's place.
func fake(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, Program), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func TestAChildThatMisbehavesIsBounded(t *testing.T) {
	fake(t, "exec cat /dev/zero")
	if _, err := Say(t.Context(), "hello", "en"); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("endless output: %v", err)
	}
	fake(t, "echo no voices here >&2; exit 1")
	if _, err := Say(t.Context(), "hello", "en"); err == nil || !strings.Contains(err.Error(), "no voices here") {
		t.Errorf("a failure: %v", err)
	}
	fake(t, "exec sleep 1000")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { _, err := Say(ctx, "hello", "en"); done <- err }()
	cancel()
	if err := <-done; fault.CodeOf(err) != fault.Timeout {
		t.Errorf("one that hangs: %v", err)
	}
}
