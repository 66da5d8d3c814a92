package client

import (
	"slices"

	"github.com/tutti-audio/tutti/sendspin/wire"
)

const (
	visualRule = "Visualization Data (Binary)"
	// rateSlack allows for timestamps that are rounded to whole microseconds.
	rateSlack = int64(2)
	// fastestChecked bounds what is kept to check a rate, in frames.
	fastestChecked = 1024
)

// visualTrack is what the referee knows of the visualizer role.
type visualTrack struct {
	asked    []askedVisual // that the server may go by, oldest first; empty until reported
	last     int64         // timestamp of the last frame
	started  bool          // last holds
	buffered []heldFrame   // with timestamps in the future, oldest first
	held     int           // bytes of buffered
	recent   map[byte][]int64
	overdue  int64 // by when the stream must follow a changed client/state
}

// askedVisual is a visualizer object of client/state and when it was sent.
type askedVisual struct {
	state wire.VisualizerState
	at    int64 // client's clock
}

// heldFrame is a frame that counts for buffer_capacity.
type heldFrame struct {
	timestamp int64
	size      int
}

func newVisualTrack() visualTrack {
	return visualTrack{recent: map[byte][]int64{}, overdue: never}
}

// restart forgets the frames, after a clear or an end.
func (v *visualTrack) restart() {
	v.started, v.held = false, 0
	v.buffered = v.buffered[:0]
	clear(v.recent)
}

// grants reports whether a client/state allows a stream configuration, or names what
// does not fit.
func grants(s *wire.VisualizerState, c *wire.VisualizerStream) (fault string) {
	for _, kind := range c.Types {
		if !slices.Contains(s.Types, kind) {
			return "type " + kind + " was not requested"
		}
	}
	if c.RateMax > s.RateMax {
		return "rate_max is above the requested one"
	}
	if c.Spectrum != nil && (s.Spectrum == nil || *c.Spectrum != *s.Spectrum) {
		return "the spectrum is not the requested one"
	}
	return ""
}

// visualReported notes the visualizer object of a client/state.
func (r *referee) visualReported(s *wire.VisualizerState, now int64) {
	v := &r.visual
	v.asked = append(v.asked, askedVisual{state: copyVisual(*s), at: now})
	if r.s.visual != nil && v.overdue == never && grants(s, &r.s.visual.config) != "" {
		v.overdue = now + crossing + promptly
	}
}

// visualStart checks the visualizer object of a stream/start.
func (r *referee) visualStart(c *wire.VisualizerStream, at int64) {
	const rule = "stream/start visualizer"
	v := &r.visual
	r.check(wire.ActiveFamily(r.s.roles, wire.RoleVisualizer) != "", rule, "the visualizer role is not active")
	r.check((c.TracksDownbeats != nil) == slices.Contains(c.Types, wire.VisualBeat), rule, "tracks_downbeats must be present exactly with beat")
	r.check((c.Spectrum != nil) == slices.Contains(c.Types, wire.VisualSpectrum), rule, "spectrum must be present exactly with the type")
	for len(v.asked) > 1 && at > v.asked[1].at+crossing {
		v.asked = v.asked[1:]
	}
	if len(v.asked) == 0 {
		r.s.broken(rule, "no visualizer object was sent since the role became active")
		return
	}
	fault := ""
	for i := range v.asked {
		if fault = grants(&v.asked[i].state, c); fault == "" {
			break
		}
	}
	r.check(fault == "", rule, "%s", fault)
	switch newest := &v.asked[len(v.asked)-1]; {
	case grants(&newest.state, c) == "":
		v.overdue = never
	case v.overdue == never:
		v.overdue = newest.at + crossing + promptly
	}
	clear(v.recent)
	if r.s.visual == nil {
		v.restart()
	}
}

// visualEnded notes the end of the stream, or of the role.
func (r *referee) visualEnded() {
	r.visual.restart()
	r.visual.overdue = never
}

// kindOf is the type of a message ID, "" for another ID.
func kindOf(id byte) string {
	if id < wire.IDLoudness || id > wire.IDPeak {
		return ""
	}
	return [...]string{wire.VisualLoudness, wire.VisualBeat, wire.VisualFPeak, wire.VisualSpectrum, wire.VisualPeak}[id-wire.IDLoudness]
}

// frame checks a visualizer message; err is what its parser said.
func (r *referee) frame(id byte, payload []byte, f wire.VisualFrame, err error, at int64) {
	st := r.s.visual
	if st == nil {
		r.s.broken(visualRule, "message %d outside of an active visualizer stream", id)
		return
	}
	r.check(len(r.visual.asked) > 0, visualRule, "a frame before the visualizer object of client/state")
	r.check(r.mayStart(at), visualRule, "a frame while the client is not available")
	r.check(slices.Contains(st.config.Types, kindOf(id)), visualRule, "type %s is not in stream/start", kindOf(id))
	if err != nil {
		r.s.broken(visualRule, "%v", err)
		return
	}
	if id == wire.IDBeat {
		flags := payload[8]
		r.check(flags&^1 == 0, visualRule, "reserved bits of a beat are set: %#x", flags)
		tracks := st.config.TracksDownbeats
		r.check(flags&1 == 0 || tracks != nil && *tracks, visualRule, "a downbeat, while tracks_downbeats is false")
	}
	r.frameOrder(f.Timestamp)
	r.frameRate(id, f.Timestamp, st.config.RateMax)
	r.frameCapacity(f.Timestamp, 1+len(payload), at)
}

// frameOrder checks that timestamps do not decrease.
func (r *referee) frameOrder(timestamp int64) {
	v := &r.visual
	r.check(!v.started || timestamp >= v.last, "Visualizer messages", "a frame is %d µs before the one that came before it", v.last-timestamp)
	v.last, v.started = timestamp, true
}

// frameRate checks that no second has more frames of a periodic type than announced.
func (r *referee) frameRate(id byte, timestamp int64, rate int) {
	if id == wire.IDBeat || id == wire.IDPeak || rate < 1 || rate > fastestChecked {
		return
	}
	recent := r.visual.recent[id]
	if len(recent) == rate {
		span := timestamp - recent[0]
		r.check(span >= 1_000_000-rateSlack, "stream/start visualizer", "%d frames of %s within %d µs, rate_max is %d", rate+1, kindOf(id), span, rate)
		recent = slices.Delete(recent, 0, 1)
	}
	r.visual.recent[id] = append(recent, timestamp)
}

// frameCapacity checks buffer_capacity. The frame was sent before it came, when no fewer
// of the earlier ones were in the future, so what counts at its arrival is lenient.
func (r *referee) frameCapacity(timestamp int64, size int, at int64) {
	v, f := &r.visual, r.s.timing.filter
	if !f.Converged() {
		return
	}
	now := f.ServerTime(at) + r.slack()
	v.buffered = slices.DeleteFunc(v.buffered, func(h heldFrame) bool {
		past := h.timestamp <= now
		if past {
			v.held -= h.size
		}
		return past
	})
	capacity := r.s.core.cfg.VisualCapacity
	r.check(v.held+size <= capacity, "visualizer buffer_capacity", "a frame of %d bytes on top of %d outstanding ones, buffer_capacity is %d", size, v.held, capacity)
	v.buffered, v.held = append(v.buffered, heldFrame{timestamp: timestamp, size: size}), v.held+size
}

// visualTick reports a stream that does not follow the client's state.
func (r *referee) visualTick(now int64) {
	if now >= r.visual.overdue {
		r.visual.overdue = never
		r.s.broken("client/state visualizer", "the stream was not changed after what the client asks for had changed")
	}
}
