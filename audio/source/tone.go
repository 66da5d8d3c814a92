package source

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/tutti-audio/tutti/audio/synth"
)

// The format of a tone, and its level: -12 dB, loud enough to hear, too soft to hurt.
const (
	toneRate  = 48000
	toneDepth = 24
	toneLevel = 0.25
)

// tone is an endless sine on both channels. Its phase follows from the frame number in
// integers of 1/1000 Hz, so it does not drift however long it sounds.
type tone struct {
	info    Info
	milliHz int64
	next    int64
}

func openTone(arg string) (Source, error) {
	hz, err := strconv.ParseFloat(strings.TrimSpace(arg), 64)
	if err != nil || !(hz >= 1 && hz <= 20000) {
		return nil, fmt.Errorf("tone:%s: give a frequency of 1 to 20000 Hz, for example tone:440", arg)
	}
	return &tone{milliHz: int64(math.Round(hz * 1000)), info: Info{
		SampleRate: toneRate, Channels: 2, BitDepth: toneDepth, Seekable: true, Codec: "tone",
		Tags: Tags{Title: fmt.Sprintf("Tone %v Hz", hz), Artist: "Tutti"},
	}}, nil
}

func (t *tone) Info() Info { return t.info }

func (t *tone) Read(dst []int32) (int, error) {
	const period = toneRate * 1000 // after so many frames every milliHz repeats
	frames := len(dst) / 2
	for i := range frames {
		turn := (t.next + int64(i)) % period * t.milliHz % period
		v := int32(math.Round(toneLevel * (1<<(toneDepth-1) - 1) * math.Sin(2*math.Pi*float64(turn)/period)))
		dst[2*i], dst[2*i+1] = v, v
	}
	t.next += int64(frames)
	return frames, nil
}

func (t *tone) SeekFrame(frame int64) error {
	t.next = max(frame, 0)
	return nil
}

func (t *tone) Close() error { return nil }

// piece is music of package synth.
type piece struct {
	*synth.Player
}

func openSynth(name string) (Source, error) {
	p, err := synth.Open(name)
	if err != nil {
		return nil, err
	}
	return piece{p}, nil
}

func (p piece) Info() Info {
	t := p.Track()
	return Info{
		SampleRate: synth.SampleRate, Channels: synth.Channels, BitDepth: synth.BitDepth,
		Frames: t.Frames, Seekable: true, Codec: "synth",
		Tags: Tags{Title: t.Title, Artist: t.Artist, AlbumArtist: t.Artist, Album: t.Album, DurationMS: t.Frames * 1000 / synth.SampleRate},
	}
}

func (p piece) Read(dst []int32) (int, error) { return p.Player.Read(dst) }

var (
	_ Source    = piece{}
	_ io.Closer = (*tone)(nil)
)
