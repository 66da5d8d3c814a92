package pipeline

import (
	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/services/stream/internal/rendition"
	"github.com/tutti-audio/tutti/services/stream/internal/timeline"
)

// leads are the send-aheads of a group, and how long before its time captured audio must
// be made, µs.
type leads struct{ buffered, live, floor int64 }

// fadeUS is how long sound takes to go and to come where silence is put into a live
// stream.
const fadeUS = 5_000

// SetLead changes the group's send-ahead, for buffered and for live sources, and with it
// Config.LiveFloorUS, while the epoch runs. All are in µs. It never blocks.
//
// For a buffered source the tape runs far ahead anyway; the lead bounds how far at least,
// and how early the end is made. A live source cannot give more audio than there is, so a
// longer lead puts the difference in as silence: everything after it sounds later, nothing
// is sent twice, and timestamps go on without a hole. A shorter lead counts from the next
// start, and so does a lower floor.
func (p *Pipeline) SetLead(buffered, live, floor int64) {
	p.leads.Store(&leads{buffered, live, floor})
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// followLead takes what was asked for last.
func (p *Pipeline) followLead() {
	l := p.leads.Swap(nil)
	if l == nil {
		return
	}
	p.cfg.LeadUS, p.cfg.LiveFloorUS = l.buffered, l.floor
	p.capture.floorUS = max(p.capture.floorUS, l.floor)
	running := p.epoch != nil && p.isLive && !p.ended
	if running && l.live > p.cfg.LiveLeadUS {
		us := l.live - p.cfg.LiveLeadUS
		p.delay(us)
		p.cfg.Log.Info("live stream is delayed: its players ask for more lead", "delay_ms", us/1000)
	}
	if !running || l.live > p.cfg.LiveLeadUS {
		p.cfg.LiveLeadUS = l.live
	}
}

// delay puts us microseconds of silence, rounded up to a frame, behind what the feed has
// given so far.
func (p *Pipeline) delay(us int64) {
	n := p.epoch.Last()
	s := p.epoch.Segment(n)
	if s == nil {
		return
	}
	f := s.Format
	frames := timeline.Scale(us, int64(f.SampleRate), timeline.Micro) + 1
	m := s.Mark(p.head)
	media := m.MediaFrame + p.head - m.Frame
	p.store.Append(rendition.Block{Seg: n, Frame: p.head, Frames: frames, Data: p.tail(f, int(frames))})
	p.head += frames
	p.capture.at += frames
	p.epoch.Begin(m.ItemID, f, media, p.head) // the silence is not of the medium
	p.fade = int64(f.SampleRate) * fadeUS / timeline.Micro
}

// tail is silence that begins with the last frame, dying away.
func (p *Pipeline) tail(f timeline.Format, frames int) []byte {
	samples := make([]int32, frames*f.Channels)
	last := p.store.Last(f.Channels)
	n := min(f.SampleRate*fadeUS/timeline.Micro, frames)
	for i := range n {
		for c, v := range last {
			samples[i*f.Channels+c] = int32(int64(v) * int64(n-i-1) / int64(n))
		}
	}
	return pcm.Pack(nil, samples, f.BitDepth)
}

// fadeIn lets sound come back slowly after silence was put in.
func (p *Pipeline) fadeIn(data []byte, frames int64) {
	if p.fade == 0 {
		return
	}
	f := p.epoch.Segment(p.epoch.Last()).Format
	full := int64(f.SampleRate) * fadeUS / timeline.Micro
	samples, err := pcm.Unpack(nil, data, f.BitDepth)
	if err != nil {
		return // cannot be: the feed packed them
	}
	for i := range min(frames, p.fade) {
		for c := range f.Channels {
			v := &samples[int(i)*f.Channels+c]
			*v = int32(int64(*v) * (full - p.fade + i) / full)
		}
	}
	p.fade -= min(frames, p.fade)
	pcm.Pack(data[:0], samples, f.BitDepth)
}
