package loud

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tutti-audio/tutti/audio/source"
	"github.com/tutti-audio/tutti/services/stream/internal/playback"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sine is five seconds of 1 kHz at a level.
type sine struct {
	dbfs float64
	at   int
	tags source.Tags
}

func (s *sine) Info() source.Info {
	return source.Info{SampleRate: 44100, Channels: 2, BitDepth: 16, Frames: 5 * 44100, Codec: "flac", Tags: s.tags}
}

func (s *sine) Read(dst []int32) (int, error) {
	n := min(len(dst)/2, 5*44100-s.at)
	if n == 0 {
		return 0, io.EOF
	}
	for i := range n {
		v := int32(32768 * math.Pow(10, s.dbfs/20) * math.Sin(2*math.Pi*1000*float64(s.at+i)/44100))
		dst[2*i], dst[2*i+1] = v, v
	}
	s.at += n
	return n, nil
}
func (s *sine) SeekFrame(int64) error { return nil }
func (s *sine) Close() error          { return nil }

func TestGainOfTags(t *testing.T) {
	m := New(Deps{Version: func(string) (string, bool) { return "", false }})
	tags := source.Gain{TrackDB: -7, AlbumDB: -5, TrackPeak: 0.9, AlbumPeak: 1, HasTrackDB: true, HasAlbumDB: true}
	for name, c := range map[string]struct {
		mode string
		gain source.Gain
		want float64
	}{
		"track":             {Track, tags, -7},
		"album":             {Album, tags, -5},
		"album without one": {Album, source.Gain{TrackDB: -7, HasTrackDB: true}, -7},
		"nothing clips":     {Track, source.Gain{TrackDB: 6, TrackPeak: 0.5, HasTrackDB: true}, 6},
		"the peak bounds":   {Track, source.Gain{TrackDB: 6, TrackPeak: 0.8, HasTrackDB: true}, 1.938},
		"not too much":      {Track, source.Gain{TrackDB: 40, HasTrackDB: true}, maxUp},
		"no tags":           {Track, source.Gain{}, Unknown},
	} {
		if got := m.Gain(c.mode, playback.Item{}, source.Info{Codec: "flac", Tags: source.Tags{Gain: c.gain}}); math.Abs(got-c.want) > 0.001 {
			t.Errorf("%s: %.3f dB, want %.3f", name, got, c.want)
		}
	}
	if got := m.Gain(Track, playback.Item{}, source.Info{Live: true}); got != 0 {
		t.Errorf("a live source: %f dB", got)
	}
}

// TestMeasuredOncePerContent measures in the background, and again when the file changed.
func TestMeasuredOncePerContent(t *testing.T) {
	var opened atomic.Int32
	var version atomic.Value
	version.Store("1")
	m := New(Deps{
		Open: func(_ context.Context, uri string) (source.Source, error) {
			opened.Add(1)
			if uri == "broken" {
				return nil, errors.New("broken")
			}
			return &sine{dbfs: -10}, nil
		},
		Version: func(uri string) (string, bool) { return uri + version.Load().(string), uri != "http://h/x" },
		Log:     slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); m.Run(ctx) }()
	defer func() { cancel(); <-done }()
	gain := func() float64 { return m.Gain(Track, playback.Item{URI: "a"}, source.Info{Codec: "flac"}) }
	until := func(want float64) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); math.Abs(gain()-want) > 0.1; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%.2f dB, want %.2f", gain(), want)
			}
		}
	}
	if gain() != Unknown {
		t.Errorf("before it was measured: %f dB", gain())
	}
	m.Want(playback.Item{URI: "broken"}, playback.Item{URI: "http://h/x"}, playback.Item{URI: "a"}, playback.Item{URI: "a"})
	until(-8) // -10 LUFS to -18
	m.Want(playback.Item{URI: "a"}, playback.Item{URI: "broken"})
	if n := opened.Load(); n != 2 {
		t.Errorf("opened %d times, want once each", n)
	}
	version.Store("2")
	if gain() != Unknown {
		t.Error("the changed file has the old one's gain")
	}
	m.Want(playback.Item{URI: "a"})
	until(-8)
}

func TestTheListOfWishesIsBounded(t *testing.T) {
	m := New(Deps{Version: func(uri string) (string, bool) { return uri, true }})
	for i := range 3 * maxWaiting {
		m.Want(playback.Item{URI: string(rune('a' + i))})
	}
	if len(m.todo) != maxWaiting {
		t.Errorf("%d wait", len(m.todo))
	}
}
