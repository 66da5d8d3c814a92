package source

import (
	"strconv"

	"github.com/tutti-audio/tutti/audio/wav"
)

type wavSource struct {
	m    media
	r    *wav.Reader
	info Info
}

func openWAV(m media) (Source, error) {
	r, err := wav.NewReader(m)
	if err != nil {
		return nil, err
	}
	f := r.Format()
	s := &wavSource{m: m, r: r, info: Info{
		SampleRate: f.SampleRate, Channels: f.Channels, BitDepth: f.BitDepth, Frames: r.Frames(), Seekable: true, Codec: "wav",
		Tags: Tags{Title: r.Text("INAM"), Artist: r.Text("IART"), Album: r.Text("IPRD"), DurationMS: r.Frames() * 1000 / int64(f.SampleRate)},
	}}
	s.info.Tags.Track, _ = strconv.Atoi(r.Text("ITRK"))
	if y := r.Text("ICRD"); len(y) >= 4 {
		s.info.Tags.Year, _ = strconv.Atoi(y[:4])
	}
	return s, nil
}

func (s *wavSource) Info() Info                    { return s.info }
func (s *wavSource) Read(dst []int32) (int, error) { return s.r.Read(dst) }
func (s *wavSource) SeekFrame(frame int64) error   { return s.r.SeekFrame(frame) }
func (s *wavSource) Close() error                  { return s.m.Close() }
