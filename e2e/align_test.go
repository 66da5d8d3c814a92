package e2e

import (
	"fmt"
	"math"
	"testing"

	"github.com/tutti-audio/tutti/e2e/harness"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// twenty are the formats of twenty players: all rates, depths, codecs, one and two
// channels, most of them twice.
func twenty() []wire.AudioFormat {
	f := func(codec string, rate, channels, depth int) wire.AudioFormat {
		return wire.AudioFormat{Codec: codec, SampleRate: rate, Channels: channels, BitDepth: depth}
	}
	distinct := []wire.AudioFormat{
		f(wire.CodecFLAC, 44100, 2, 16), f(wire.CodecPCM, 44100, 2, 16), f(wire.CodecPCM, 44100, 2, 24), f(wire.CodecFLAC, 44100, 1, 16),
		f(wire.CodecFLAC, 48000, 2, 24), f(wire.CodecPCM, 48000, 2, 16), f(wire.CodecPCM, 48000, 1, 24),
		f(wire.CodecFLAC, 88200, 2, 24), f(wire.CodecPCM, 88200, 2, 16),
		f(wire.CodecFLAC, 96000, 2, 24), f(wire.CodecPCM, 96000, 2, 24), f(wire.CodecFLAC, 96000, 1, 16),
	}
	return append(distinct, distinct[:8]...)
}

// Twenty players with mixed formats and output delays in one group: the sample that each
// was told to play at a house time is the file's sample of that time. At the file's own
// rate it is that very sample; at others the signal is less than one sample early or
// late (a small part of one, in fact).
func TestTwentyPlayersAlign(t *testing.T) {
	eachMode(t, func(t *testing.T, mode string) {
		music := t.TempDir()
		want := harness.MusicFile(t, music, "song.flac", 6.4, 42)
		s := harness.StartServer(t, mode, harness.Options{Music: music})
		var devices []*harness.Device
		for i, f := range twenty() {
			d := harness.NewDevice(t, fmt.Sprintf("Player %d", i), f, harness.DeviceOptions{Buffer: 4 << 20})
			if err := d.Client.SetOutputDelay(i * 20); err != nil {
				t.Fatal(err)
			}
			d.Connect(t, s.Sendspin)
			devices = append(devices, d)
		}
		var ids []string
		for _, d := range devices {
			ids = append(ids, approve(t, s, d.Name))
		}
		g := group(t, s, "Hall", ids...)
		s.Must(t, "POST", "/api/v1/groups/"+g+"/play", map[string]any{"uri": "song.flac"}, nil)
		for _, d := range devices {
			waitEnded(t, d)
		}
		t0 := beginning(t, devices[0], want)
		for _, d := range devices {
			checkAlignment(t, d, t0, want)
		}
	})
}

func waitEnded(t *testing.T, d *harness.Device) {
	t.Helper()
	harness.Eventually(t, patience, d.Name+" heard the whole file", func() string {
		if d.Ended() == 0 {
			return "no stream/end yet"
		}
		return ""
	})
}

// beginning is the house time of the file's first sample, by a player that has the file's
// own samples.
func beginning(t *testing.T, d *harness.Device, file []int32) int64 {
	t.Helper()
	first := d.Spans()[0]
	for frame := 0; frame*2+len(first.Samples) <= len(file); frame++ {
		if harness.FirstDifference(first.Samples, file[frame*2:]) < 0 {
			return first.TimestampUS - int64(math.Round(float64(frame)*1e6/44100))
		}
	}
	t.Fatalf("%s: its first chunk is nowhere in the file", d.Name)
	return 0
}

// checkAlignment checks every span of a player against the file.
func checkAlignment(t *testing.T, d *harness.Device, t0 int64, file []int32) {
	t.Helper()
	rate, frames := d.Format.SampleRate, 0
	var joined []int32
	for _, sp := range d.Spans() {
		at := float64(sp.TimestampUS-t0) * float64(rate) / 1e6
		frame := int(math.Round(at))
		if off := math.Abs(at-float64(frame)) * 1e6 / float64(rate); off > 1.01 {
			t.Fatalf("%s (%s): a chunk is %.1f µs off the grid of its samples", d.Name, d.Format, off)
		}
		if rate == 44100 {
			checkEqual(t, d, sp, frame, file)
		}
		if frame == frames { // no hole: the next part of one signal
			joined = append(joined, sp.Samples...)
			frames += sp.Frames
		}
	}
	if least := 6 * rate; frames < least {
		t.Errorf("%s (%s): %d frames without a hole, want at least %d", d.Name, d.Format, frames, least)
		return
	}
	lag := worstLag(d.Format, joined, file)
	t.Logf("%s (%s): %.3f µs, one sample is %.1f µs", d.Name, d.Format, lag, 1e6/float64(rate))
	if math.Abs(lag) >= 1e6/float64(rate) {
		t.Errorf("%s (%s): the signal is %.3f µs late, one sample is %.1f µs", d.Name, d.Format, lag, 1e6/float64(rate))
	}
}

// dither is how far the mean of two channels is from exact: half of it is rounding, the
// rest the dither of a signal that was processed, in units of 16 bits.
const dither = 3

// checkEqual checks that a span at the file's own rate has the file's samples.
func checkEqual(t *testing.T, d *harness.Device, sp harness.Span, frame int, file []int32) {
	t.Helper()
	for i := range sp.Frames {
		k := 2 * (frame + i)
		if k+1 >= len(file) {
			t.Fatalf("%s (%s): plays on after the file's end", d.Name, d.Format)
		}
		for c := range d.Format.Channels {
			got, want := sp.Samples[i*d.Format.Channels+c], file[k+c]<<(d.Format.BitDepth-16)
			if d.Format.Channels == 1 {
				want = (file[k] + file[k+1]) / 2
				if off := got - want; off > dither || off < -dither {
					t.Fatalf("%s (%s): frame %d is %d, the file's channels have a mean of %d", d.Name, d.Format, frame+i, got, want)
				}
			} else if got != want {
				t.Fatalf("%s (%s): frame %d, channel %d is %d, the file has %d", d.Name, d.Format, frame+i, c, got, want)
			}
		}
	}
}

// worstLag is the largest of the lags of six seconds, each measured by itself.
func worstLag(f wire.AudioFormat, samples, file []int32) (us float64) {
	for c := range f.Channels {
		side := c
		if f.Channels == 1 {
			side = -1
		}
		got, ref := harness.Channel(samples, f.Channels, c), harness.Channel(file, 2, side)
		for second := range 6 {
			from := second * f.SampleRate
			lag := harness.Lag(got[from:from+f.SampleRate], float64(from)*1e6/float64(f.SampleRate), f.SampleRate, ref, 44100, 3)
			if math.Abs(lag) > math.Abs(us) {
				us = lag
			}
		}
	}
	return us
}
