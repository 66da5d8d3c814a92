package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/tutti-audio/tutti/audio/ffmpeg"
	"github.com/tutti-audio/tutti/audio/pcm"
)

// seekPreroll is decoded and thrown away before the target of a seek: the transforms of
// lossy codecs overlap, and Opus asks for 80 ms (RFC 7845 section 4.6).
const seekPreroll = 500_000 // µs

// ffSource plays a medium through a child. The child runs from the first Read after
// opening or a seek.
type ffSource struct {
	ctx    context.Context
	cancel context.CancelFunc
	m      media
	served *ffmpeg.Served // nil for files
	tool   ffmpeg.Tool
	in     ffmpeg.Input
	info   Info
	dec    *ffmpeg.Decoder
	pos    int64 // frame of the next Read
	exact  bool  // the demuxer seeks to the sample
}

// exactSeek are the demuxers whose seeks hit the very sample. Others are decoded from the
// beginning for as long as that takes little time: patience.
var exactSeek = map[string]bool{"mov": true, "ogg": true, "wav": true, "aiff": true, "flac": true, "wv": true, "ape": true, "tta": true, "caf": true, "au": true, "w64": true}

// patience is the position, in seconds, up to which a seek in other formats decodes
// everything before it. ffmpeg decodes an hour in half a minute.
const patience = 600

func (o Options) tool() (ffmpeg.Tool, error) {
	if o.Tool != nil {
		return o.Tool()
	}
	return ffmpeg.Find()
}

// openFFmpeg opens what only ffmpeg decodes. quick is content with what the container
// says by itself, where it is one that we can read.
func openFFmpeg(ctx context.Context, m media, k kind, o Options, quick bool) (Source, error) {
	info, known := headInfo(m, k)
	if known {
		k.label = label(info.Codec, k.label)
	}
	tool, err := o.tool()
	if err != nil {
		return nil, fmt.Errorf("it is %s, which needs ffmpeg: %w", k.label, err)
	}
	if quick && known {
		return &ffSource{m: m, info: info, cancel: func() {}}, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &ffSource{ctx: ctx, cancel: cancel, m: m, tool: tool}
	if err := s.open(k, info); err != nil {
		s.end()
		return nil, err // the caller closes m
	}
	return s, nil
}

// tryFFmpeg opens what our own decoder has refused with the error why; without ffmpeg
// that error stays.
func tryFFmpeg(ctx context.Context, m media, k kind, o Options, quick bool, why error) (Source, error) {
	s, err := openFFmpeg(ctx, m, k, o, quick)
	if errors.Is(err, ffmpeg.ErrMissing) {
		return nil, fmt.Errorf("%w; ffmpeg may decode it: %w", why, err)
	}
	if errors.Is(err, ffmpeg.ErrNoAudio) {
		return nil, why
	}
	return s, err
}

// label is the codec's name for people.
func label(codec, container string) string {
	switch codec {
	case "aac", "alac", "opus":
		return strings.ToUpper(codec[:1]) + map[string]string{"aac": "AC", "alac": "LAC", "opus": "pus"}[codec]
	case "vorbis":
		return "Vorbis"
	}
	return container
}

// open asks ffprobe and makes the source's Info. what the container's own head says
// fills gaps.
func (s *ffSource) open(k kind, head Info) error {
	s.in, s.exact = ffmpeg.Input{Format: k.demuxer}, exactSeek[k.demuxer]
	if f, ok := s.m.(*file); ok {
		s.in.File = f.File
	} else {
		size, err := s.m.Seek(0, io.SeekEnd)
		if err != nil {
			return fmt.Errorf("find its length: %w", err)
		}
		if s.served, err = ffmpeg.Serve(s.m, size); err != nil {
			return err
		}
		s.in.URL = s.served.URL
	}
	p, err := ffmpeg.Inspect(s.ctx, s.tool, s.in)
	if err != nil {
		return err
	}
	s.info = Info{SampleRate: rateFor(p.SampleRate), Channels: channelsFor(p.Channels), BitDepth: depthFor(p.BitDepth), Seekable: true, Codec: p.Codec, Tags: head.Tags}
	fillTags(&s.info.Tags, p.Tags)
	if s.info.Tags.DurationMS == 0 || p.BitDepth > 0 {
		s.info.Tags.DurationMS = p.DurationUS / 1000
	}
	if p.BitDepth > 0 && s.exact && s.info.SampleRate == p.SampleRate { // of lossless codecs the length is exact
		s.info.Frames = (p.DurationUS*int64(p.SampleRate) + 500_000) / 1_000_000
	} else if p.SampleRate == head.SampleRate { // of AAC in MP4
		s.info.Frames = head.Frames
	}
	return nil
}

// rateFor is the rate that a medium is decoded to: its own, within our bounds. DSD has
// rates of megahertz.
func rateFor(rate int) int {
	switch {
	case rate <= pcm.MaxSampleRate:
		return max(rate, pcm.MinSampleRate)
	case rate%44100 == 0:
		return 176400
	}
	return pcm.MaxSampleRate
}

func channelsFor(n int) int {
	if n > pcm.MaxChannels {
		return 2
	}
	return n
}

// depthFor keeps what a lossless medium holds. Of a lossy one 16 bits are taken, as of MP3.
func depthFor(bits int) int {
	switch {
	case bits <= 16:
		return 16
	case bits <= 24:
		return 24
	}
	return 32
}

func fillTags(t *Tags, m map[string]string) {
	for dst, names := range map[*string]string{&t.Title: "title", &t.Artist: "artist", &t.AlbumArtist: "album_artist", &t.Album: "album"} {
		if *dst == "" {
			*dst = m[names]
		}
	}
	for dst, names := range map[*int][]string{&t.Year: {"date", "year"}, &t.Track: {"track", "tracknumber"}, &t.Disc: {"disc", "discnumber"}} {
		for _, name := range names {
			if *dst == 0 {
				*dst = leadingNumber(m[name])
			}
		}
	}
	for name, value := range m {
		t.Gain.set(strings.ToUpper(name), value)
	}
}

// leadingNumber reads "3" of "3/12" and 1959 of "1959-08-17".
func leadingNumber(s string) int {
	s = strings.TrimSpace(s)
	end := 0
	for end < len(s) && end < 4 && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	n, _ := strconv.Atoi(s[:end])
	return n
}

func (s *ffSource) Info() Info { return s.info }

func (s *ffSource) Read(dst []int32) (int, error) {
	if s.info.Frames > 0 { // what follows is the encoder's padding
		if s.pos >= s.info.Frames {
			return 0, io.EOF
		}
		dst = dst[:min(int64(len(dst)), (s.info.Frames-s.pos)*int64(s.info.Channels))]
	}
	if s.dec == nil {
		if err := s.start(); err != nil {
			return 0, err
		}
	}
	n, err := s.dec.Read(dst)
	s.pos += int64(n)
	return n, err
}

// start runs a child that begins at pos.
func (s *ffSource) start() error {
	if s.ctx == nil {
		return errors.New("it was opened for its tags only")
	}
	rate := int64(s.info.SampleRate)
	micros := s.pos*1_000_000/rate - seekPreroll
	drop := s.pos
	out := ffmpeg.Output{SampleRate: s.info.SampleRate, Channels: s.info.Channels, BitDepth: s.info.BitDepth}
	if micros > 0 && (s.exact || s.pos/rate > patience) { // from a whole second on, which is a whole number of frames at every rate
		sec := micros / 1_000_000
		out.SkipMicros, drop = sec*1_000_000, s.pos-sec*rate
	}
	dec, err := ffmpeg.Start(s.ctx, s.tool, s.in, out, ffmpeg.Limits{})
	if err != nil {
		return err
	}
	s.dec = dec
	return s.drop(drop)
}

// drop reads frames away. The end of the medium is left for Read to find.
func (s *ffSource) drop(frames int64) error {
	buf := make([]int32, 4096*s.info.Channels)
	for frames > 0 {
		n, err := s.dec.Read(buf[:min(frames, 4096)*int64(s.info.Channels)])
		frames -= int64(n)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *ffSource) SeekFrame(frame int64) error {
	s.stop()
	s.pos = frame
	return nil
}

func (s *ffSource) stop() {
	if s.dec != nil {
		s.dec.Close()
		s.dec = nil
	}
}

// end ends the child and what served it. Nobody reads m afterwards.
func (s *ffSource) end() {
	s.cancel()
	s.stop()
	if s.served != nil {
		if r, ok := s.m.(interface{ Interrupt() }); ok {
			r.Interrupt()
		}
		s.served.Close()
	}
}

func (s *ffSource) Close() error {
	s.end()
	return s.m.Close()
}
