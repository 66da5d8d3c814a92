package machine

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/tutti-audio/tutti/platform/fault"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// This file is the source role: when a client is asked to capture, and what of its
// input stream is an answer to that (specification, Source command semantics).

const (
	// voidFor is how long a 'start' that was taken back may still be answered: the answer
	// was under way. A connection that takes longer than that to bring it is found dead by
	// the ping.
	voidFor = int64(30 * time.Second / time.Microsecond)
	// maxGrants bounds the starts whose answers are open. More are never outstanding
	// unless a client answers none of them.
	maxGrants = 8
	// Bounds of SourceCommand.
	maxUsers, maxUser      = 64, 128
	minSourceTTL, maxTTLMS = 1000, 60_000
)

// WatchSource asks for a call of SourceTick at the time that SourceDeadline tells.
type WatchSource struct{}

// Listen says whether the audio of the input stream is wanted, and with Wanted that somebody new
// wants it, who has to be told its format. What comes unwanted is counted and dropped.
type Listen struct{ Wanted bool }

func (WatchSource) effect() {}
func (Listen) effect()      {}

// grant is a 'start' that was sent and has opened nothing yet.
type grant struct {
	void    bool  // taken back or of no effect; an answer may be under way all the same
	expires int64 // when void: house µs; 0: SourceDeadline sets it
}

// source is the state of the source role.
type source struct {
	codecs []string // that are accepted
	// state is what the client reported; nil until it did since the role became active.
	state   *wire.SourceState
	users   map[string]int64 // until when, house µs
	grants  []grant
	open    *wire.InputStream // nil without an open input stream
	asked   bool              // the last command was 'start', and nothing has taken it back
	problem string            // why what comes cannot be used
}

// Closes reports whether effects end the session.
func Closes(effects []Effect) bool {
	return slices.ContainsFunc(effects, func(e Effect) bool { _, ok := e.(Close); return ok })
}

// InputOpen returns the open input stream; nil when there is none.
func (m *Machine) InputOpen() *wire.InputStream { return m.source.open }

// sourceWanted reports whether the connection serves a capture.
func (m *Machine) sourceWanted() bool { return len(m.source.users) > 0 || m.source.open != nil }

// sourceCommand handles the wish of a user.
func (m *Machine) sourceCommand(c *tuttiv1.SourceCommand, now int64) ([]Effect, error) {
	s := &m.source
	if u := c.GetUser(); u == "" || len(u) > maxUser {
		return nil, fault.New(fault.Invalid, "source command for client %s: the user's name is empty or longer than %d bytes", m.cfg.ClientID, maxUser)
	}
	if !c.GetStart() {
		if _, ok := s.users[c.GetUser()]; !ok {
			return nil, nil
		}
		delete(s.users, c.GetUser())
		return m.settleSource(), nil
	}
	if err := m.mayCapture(c); err != nil {
		return nil, err
	}
	if s.users == nil {
		s.users = map[string]int64{}
	}
	_, known := s.users[c.GetUser()]
	s.users[c.GetUser()] = now + c.GetTtlMs()*1000
	out := m.settleSource()
	switch {
	case len(out) > 0:
	case known && s.open == nil:
		// Still no answer. A 'start' that the client has already does nothing; one that
		// it lost to a 'stop' that crossed its answer does.
		out = []Effect{m.startSource(), WatchSource{}}
	case known:
		out = []Effect{WatchSource{}}
	default:
		// It hears a stream that is open already.
		out = []Effect{Listen{Wanted: true}, WatchSource{}, Changed{}}
	}
	return out, nil
}

// startSource sends 'start'.
func (m *Machine) startSource() Effect {
	s := &m.source
	s.asked = true
	if len(s.grants) >= maxGrants {
		s.grants = s.grants[1:]
	}
	s.grants = append(s.grants, grant{expires: math.MaxInt64})
	return Send{&wire.ServerCommand{Source: &wire.SourceCommand{Command: wire.SourceStart}}}
}

// mayCapture applies the conditions of 'start'.
func (m *Machine) mayCapture(c *tuttiv1.SourceCommand) error {
	s := &m.source
	_, known := s.users[c.GetUser()]
	switch {
	case c.GetTtlMs() < minSourceTTL || c.GetTtlMs() > maxTTLMS:
		return fault.New(fault.OutOfRange, "source command for client %s: ttl_ms %d is not in %d-%d", m.cfg.ClientID, c.GetTtlMs(), minSourceTTL, maxTTLMS)
	case !m.has(wire.RoleSource):
		return m.conflict("its source role is not active: it must have a source, and be paired or approved for it")
	case s.state == nil:
		return m.conflict("it has not reported its source state yet")
	case m.available == nil || !*m.available:
		return m.conflict("it is not available: another system uses it")
	case s.problem != "":
		return m.conflict(s.problem)
	case !known && len(s.users) >= maxUsers:
		return m.conflict("too many ask for its audio at once")
	}
	return nil
}

// settleSource sends what the users' wishes come to: 'start' when somebody wants the
// audio, 'stop' when nobody does any more.
func (m *Machine) settleSource() []Effect {
	s := &m.source
	var out []Effect
	switch {
	case len(s.users) == 0:
		if s.asked {
			s.revoke()
			out = append(out, Send{&wire.ServerCommand{Source: &wire.SourceCommand{Command: wire.SourceStop}}})
		}
		out = append(out, Listen{})
		if m.setActivities() { // nothing was open
			out = append(out, m.activate())
		}
	case s.asked:
		return nil
	default:
		if m.setActivities() {
			out = append(out, m.activate())
		}
		out = append(out, m.startSource(), Listen{Wanted: true})
	}
	return append(out, WatchSource{}, Changed{})
}

// revoke notes that nothing is asked for any more. Answers that are under way are still
// good (specification, Source Audio Chunks).
func (s *source) revoke() {
	s.asked = false
	s.void()
}

// void marks what has not been answered yet.
func (s *source) void() {
	for i := range s.grants {
		if !s.grants[i].void {
			s.grants[i] = grant{void: true}
		}
	}
}

// endSource is the implicit 'stop' of a client that becomes unavailable or loses the
// role.
func (m *Machine) endSource() []Effect {
	s := &m.source
	if len(s.users) == 0 && s.open == nil && !s.asked {
		return nil
	}
	clear(s.users)
	s.revoke()
	return []Effect{Listen{}, WatchSource{}}
}

// sourceState takes the source object and the availability of a client/state.
func (m *Machine) sourceState(c *wire.ClientState) []Effect {
	s := &m.source
	if c.Source != nil && m.has(wire.RoleSource) {
		s.state = c.Source
	}
	if c.Available {
		return nil
	}
	// The client has ended its stream before it said so; if it has not, its audio is an
	// error from here on (specification, Source Audio Chunks).
	out := m.endSource()
	s.open = nil
	if len(out) > 0 && m.setActivities() {
		out = append(out, m.activate())
	}
	return out
}

// streamOpened handles client-stream/start.
func (m *Machine) streamOpened(c *wire.ClientStreamStart) []Effect {
	s := &m.source
	if !slices.Contains(s.codecs, c.Source.Format.Codec) {
		return protocolError(fmt.Sprintf("client-stream/start announces %s, and server/hello lists %v", c.Source.Format.Codec, s.codecs))
	}
	if s.open == nil {
		if m.available != nil && !*m.available || len(s.grants) == 0 {
			// Specification, Default streaming behavior.
			return protocolError("unsolicited client-stream/start")
		}
		// A 'start' that was repeated meanwhile did nothing, unless it crosses an end of
		// this stream.
		s.grants = s.grants[1:]
		s.void()
	}
	s.open = &c.Source
	s.problem = unusable(c.Source.Format)
	if s.problem == "" {
		return []Effect{WatchSource{}, Changed{}}
	}
	clear(s.users)
	return m.settleSource()
}

// unusable says why a format is beyond what can be passed on.
func unusable(f wire.AudioFormat) string {
	if f.Channels > math.MaxUint8 || f.BitDepth > math.MaxUint8 || int64(f.SampleRate) > math.MaxUint32 {
		return fmt.Sprintf("%s cannot be used: choose up to 8 channels of 16 or 24 bit", f)
	}
	return ""
}

// streamClosed handles client-stream/end.
func (m *Machine) streamClosed() []Effect {
	s := &m.source
	if s.open == nil {
		return nil // ending what is not open has no effect
	}
	s.open = nil
	return m.stopped()
}

// SourceDeadline is when SourceTick has something to do next, house µs; 0: never.
func (m *Machine) SourceDeadline(now int64) int64 {
	s := &m.source
	next := int64(math.MaxInt64)
	for i := range s.grants {
		if g := &s.grants[i]; g.void && g.expires == 0 {
			g.expires = now + voidFor
		}
		next = min(next, s.grants[i].expires)
	}
	for _, until := range s.users {
		next = min(next, until)
	}
	if next == math.MaxInt64 {
		return 0
	}
	return next
}

// SourceTick drops users that have not repeated their wish, and starts that nobody will
// answer any more.
func (m *Machine) SourceTick(now int64) []Effect {
	s := &m.source
	s.grants = slices.DeleteFunc(s.grants, func(g grant) bool { return g.void && g.expires != 0 && g.expires <= now })
	before := len(s.users)
	maps.DeleteFunc(s.users, func(_ string, until int64) bool { return until <= now })
	switch {
	case len(s.users) == before:
		return []Effect{WatchSource{}}
	case len(s.users) > 0:
		return []Effect{WatchSource{}, Changed{}}
	}
	return m.settleSource()
}

// fillSource writes the source's part of a presence record.
func (m *Machine) fillSource(p *tuttiv1.ClientPresence) {
	s := &m.source
	if !m.has(wire.RoleSource) {
		return
	}
	if s.state != nil && s.state.Signal != "" {
		p.SourceSignal = &s.state.Signal
	}
	p.Source = &tuttiv1.SourceStatus{Users: slices.Sorted(maps.Keys(s.users)), Error: s.problem}
	if s.open != nil {
		p.Source.Streaming, p.Source.Format = true, audioFormat(s.open.Format)
	}
}
