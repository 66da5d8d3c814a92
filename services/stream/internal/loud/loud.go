// Package loud says how much louder or quieter a title is to be played, so that all
// titles are heard alike: from the medium's tags (ReplayGain, R128), or from a
// measurement in the background.
package loud

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"slices"
	"sync"

	"github.com/tutti-audio/tutti/audio/loudness"
	"github.com/tutti-audio/tutti/audio/source"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/services/stream/internal/playback"
)

// Modes of normalization.
const (
	Off   = "off"
	Track = "track" // every title alike
	Album = "album" // an album's titles keep their differences, where its tags say so
)

// Levels.
const (
	// Target is the loudness that titles are brought to, in LUFS: the reference of
	// ReplayGain 2.
	Target = -18
	// Unknown is the gain of a medium without tags that was not measured yet, in dB: most
	// of today's music needs more, and what is a little too quiet startles nobody.
	Unknown = -6
	// maxUp and maxDown bound what is done to a medium, in dB.
	maxUp, maxDown = 12, 24
	// headroom is kept above the largest sample of a measured title, in dB, for what lies
	// between the samples.
	headroom = 1
)

// Bounds of the worker.
const (
	maxWaiting = 64
	maxKnown   = 20_000
)

// Deps are what a Meter works with.
type Deps struct {
	Open func(ctx context.Context, uri string) (source.Source, error)
	// Version names the content of a medium that may be measured, e.g. by its path and
	// time of change; ok is false for what is not a file here.
	Version func(uri string) (key string, ok bool)
	Log     *slog.Logger
}

// Meter measures titles, one after the other, and remembers the results by content. Its
// methods are safe for concurrent use.
type Meter struct {
	d    Deps
	mu   sync.Mutex // guards what follows: feeds ask from their goroutines
	todo []string   // addresses
	seen map[string]result
	wake chan struct{}
}

type result struct {
	lufs, peak float64
	ok         bool // false: it cannot be measured, or its tags say it
}

// New returns a meter that measures nothing until Run.
func New(d Deps) *Meter { return &Meter{d: d, seen: map[string]result{}, wake: make(chan struct{}, 1)} }

// Want has titles measured that have not been. It waits for nothing. When too many wait,
// a wish is forgotten: it comes again when the title is nearer.
func (m *Meter) Want(items ...playback.Item) {
	m.mu.Lock()
	for _, it := range items {
		if len(m.todo) < maxWaiting && !slices.Contains(m.todo, it.URI) {
			m.todo = append(m.todo, it.URI)
		}
	}
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// Run measures what is wanted until ctx ends.
func (m *Meter) Run(ctx context.Context) {
	for {
		uri, ok := m.next()
		if !ok {
			select {
			case <-m.wake:
			case <-ctx.Done():
				return
			}
			continue
		}
		m.learn(ctx, uri)
	}
}

func (m *Meter) next() (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.todo) == 0 {
		return "", false
	}
	uri := m.todo[0]
	m.todo = m.todo[1:]
	return uri, true
}

// learn measures one medium unless it was.
func (m *Meter) learn(ctx context.Context, uri string) {
	key, ok := m.d.Version(uri)
	if _, known := m.get(key); !ok || known {
		return
	}
	r, err := m.measure(ctx, uri)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		m.d.Log.Info("loudness cannot be measured", "item", (playback.Item{URI: uri}).Label(), obs.KeyErr, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.seen) >= maxKnown {
		clear(m.seen) // so seldom that what is measured again costs little
	}
	m.seen[key] = r
}

func (m *Meter) get(key string) (result, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.seen[key]
	return r, ok
}

func (m *Meter) measure(ctx context.Context, uri string) (result, error) {
	src, err := m.d.Open(ctx, uri)
	if err != nil {
		return result{}, err
	}
	defer src.Close() //nolint:errcheck // read only: nothing can be lost
	i := src.Info()
	if i.Tags.Gain.HasTrackDB { // its tags will do
		return result{}, nil
	}
	meter, err := loudness.NewMeter(i.SampleRate, i.Channels, i.BitDepth)
	if err != nil {
		return result{}, err
	}
	buf := make([]int32, max(i.SampleRate/10, 1)*i.Channels)
	for ctx.Err() == nil {
		n, err := src.Read(buf)
		meter.Write(buf[:n*i.Channels])
		if errors.Is(err, io.EOF) {
			return result{meter.Integrated(), meter.Peak(), true}, nil
		}
		if err != nil {
			return result{}, err
		}
	}
	return result{}, ctx.Err()
}

// Gain is by how many dB a title is made louder in a mode other than Off.
func (m *Meter) Gain(mode string, it playback.Item, i source.Info) float64 {
	if i.Live || i.Codec == "tone" || i.Codec == "synth" {
		return 0 // a microphone, a signal for set-up, our own music
	}
	t := i.Tags.Gain
	switch {
	case mode == Album && t.HasAlbumDB:
		return bounded(t.AlbumDB, t.AlbumPeak)
	case t.HasTrackDB:
		return bounded(t.TrackDB, t.TrackPeak)
	}
	if key, ok := m.d.Version(it.URI); ok {
		if r, _ := m.get(key); r.ok && r.lufs > loudness.Silence {
			return bounded(Target-r.lufs, r.peak*math.Pow(10, headroom/20.0))
		}
	}
	return Unknown
}

// bounded is a gain that clips nothing where the peak is known (1 is full scale).
func bounded(db, peak float64) float64 {
	if peak > 0 {
		db = min(db, -20*math.Log10(peak))
	}
	return min(max(db, -maxDown), maxUp)
}
