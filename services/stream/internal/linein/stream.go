package linein

import (
	"github.com/tutti-audio/tutti/audio/asrc"
	"github.com/tutti-audio/tutti/audio/decode"
	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/capture"
	"github.com/tutti-audio/tutti/services/stream/internal/pipeline"
)

const (
	// warmUp is how many chunks are heard before the first is given out, to know how
	// late they come.
	warmUp = 5
	// lateMost bounds what a source's lateness can cost in latency, µs.
	lateMost = 1_000_000
)

// Bounds of a credible timestamp against its arrival, µs.
const (
	mostEarly = 100_000
	mostOld   = 10_000_000
)

// stream is the input stream of a source across its starts, ends and sessions. It is
// pure: messages in, blocks on the house clock out.
type stream struct {
	session uint64
	seq     uint64
	open    bool
	is      capture.Format
	dec     decode.Decoder
	align   *asrc.Aligner
	out     format
	late    lateness
	chunks  int // heard so far
	bad     int // chunks that could not be decoded, in a row

	hole, step int64 // of the last chunk, µs: for the log

	raw, mapped []int32 // scratch
}

// badLimit is how many chunks in a row may be undecodable.
const badLimit = 50

// ready reports whether blocks can be given out.
func (s *stream) ready() bool { return s.chunks >= warmUp }

// take handles one message. A nil block says that it brought no audio; an error that the
// stream cannot be used.
func (s *stream) take(m message) (*block, error) {
	msg, err := capture.Parse(m.data)
	if err != nil || msg.Session < s.session {
		return nil, nil // not ours, or of a session that is over
	}
	if msg.Session > s.session {
		s.session, s.seq, s.open = msg.Session, 0, false
	}
	fresh := msg.Seq > s.seq
	s.seq = max(s.seq, msg.Seq)
	switch msg.Kind {
	case capture.Start:
		if s.open && !fresh {
			return nil, nil // said again
		}
		return nil, s.begin(msg.Format)
	case capture.End:
		s.open = false
	case capture.Audio:
		if s.open {
			return s.audio(msg, m.at)
		}
	}
	return nil, nil
}

// begin takes a format. Audio that follows goes on behind what was, in the format that
// was given out first.
func (s *stream) begin(f capture.Format) error {
	s.open = false
	is := pcm.Format{Codec: f.Codec, SampleRate: f.SampleRate, Channels: f.Channels, BitDepth: f.BitDepth}
	if is.Codec == pcm.CodecOpus {
		is.BitDepth = 16
	}
	dec, err := decode.New(is, f.Header)
	if err != nil {
		return fault.Wrap(fault.Conflict, err, "its format %s cannot be used: choose pcm or flac, %d to %d Hz, up to %d channels, 16 or 24 bit",
			is, pcm.MinSampleRate, pcm.MaxSampleRate, pcm.MaxChannels)
	}
	f.BitDepth = is.BitDepth
	if err := s.place(f); err != nil {
		return err
	}
	s.dec, s.is, s.open = dec, f, true
	s.is.Header = nil
	return nil
}

// place makes the aligner fit for a format.
func (s *stream) place(f capture.Format) (err error) {
	switch {
	case s.align == nil:
		s.out = format{f.SampleRate, f.Channels}
		s.align, err = asrc.NewAligner(asrc.Config{InRate: f.SampleRate, InDepth: f.BitDepth, OutRate: f.SampleRate, OutDepth: OutDepth, Channels: f.Channels})
	case !pcm.CanMap(f.Channels, s.out.channels):
		return fault.New(fault.Conflict, "it changed from %d to %d channels, which cannot be joined: play it again", s.out.channels, f.Channels)
	case f.SampleRate != s.is.SampleRate || f.BitDepth != s.is.BitDepth:
		err = s.align.Reformat(f.SampleRate, f.BitDepth)
	}
	if err != nil {
		return fault.Wrap(fault.Conflict, err, "its audio cannot be resampled")
	}
	return nil
}

// audio decodes a chunk and puts it on the house clock.
func (s *stream) audio(msg capture.Message, at int64) (*block, error) {
	raw, err := s.dec.Decode(s.raw[:0], msg.Data)
	if err != nil {
		if s.bad++; s.bad >= badLimit {
			return nil, fault.Wrap(fault.Conflict, err, "its audio cannot be decoded")
		}
		return nil, nil // a hole
	}
	s.raw, s.bad = raw, 0
	if s.is.Channels != s.out.channels {
		if s.mapped, err = pcm.MapChannels(s.mapped[:0], raw, s.is.Channels, s.out.channels); err != nil {
			return nil, fault.Wrap(fault.Conflict, err, "its channels cannot be mapped")
		}
		raw = s.mapped
	}
	stamp := msg.TimestampUS
	if stamp > at+mostEarly || stamp < at-mostOld {
		// Nobody captures in the future, or sends what is that old: its clock is wrong, and
		// the arrival says more.
		stamp = at - int64(len(raw)/s.out.channels)*1_000_000/int64(s.is.SampleRate)
	}
	r := s.align.Push(nil, stamp, at, raw)
	s.chunks++
	s.hole, s.step = r.HoleUS, r.StepUS
	s.late.add(at-r.CaptureUS, at, r.HoleUS != 0)
	return &block{pipeline.Captured{Frame: r.Frame, CaptureUS: r.CaptureUS, LateUS: min(max(s.late.us(), 0), lateMost), Samples: r.Samples}}, nil
}

// lateness remembers how late blocks came: the most of the last ten to twenty seconds,
// without those behind a hole and without stalls.
type lateness struct {
	now, before int64
	began       int64
	some        bool
}

const (
	lateWindow = 10_000_000
	stallUS    = 400_000 // what comes so much later than usual does not come regularly so
)

func (l *lateness) add(age, now int64, hole bool) {
	switch {
	case hole, l.some && age > l.us()+stallUS:
	case !l.some:
		*l = lateness{now: age, before: age, began: now, some: true}
	case now-l.began >= lateWindow:
		l.before, l.now, l.began = l.now, age, now
	default:
		l.now = max(l.now, age)
	}
}

func (l *lateness) us() int64 { return max(l.now, l.before) }
