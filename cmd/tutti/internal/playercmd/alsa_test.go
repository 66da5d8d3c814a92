//go:build alsa && linux

package playercmd

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/audio/pcm"
)

// ALSA's null device takes everything at once: this shows that the calls fit together,
// not how it sounds.
func TestALSANullDevice(t *testing.T) {
	start := time.Now()
	now := func() int64 { return 1_000_000 + time.Since(start).Microseconds() }
	out, err := newALSA("null", now, func(server int64) (int64, bool) { return server, true })
	if err != nil {
		t.Fatal(err)
	}
	out.(controls).SetControls(50, false, 0)
	for _, f := range []pcm.Format{{SampleRate: 48000, Channels: 2, BitDepth: 24}, {SampleRate: 44100, Channels: 1, BitDepth: 16}} {
		if err := errors.Join(out.Segment(f, now()), out.Write(make([]int32, 4800)), out.Silence(10), out.Write(make([]int32, 100)), out.Clear()); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	out, err = newALSA("no such device", now, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := out.Segment(pcm.Format{SampleRate: 48000, Channels: 2, BitDepth: 24}, 0); err == nil || !strings.Contains(err.Error(), "aplay -L") {
		t.Errorf("got %v", err)
	}
}
