package client

import (
	"context"
	"fmt"
	"time"

	"github.com/tutti-audio/tutti/sendspin/wire"
)

// staleCapture is how long after its capture a chunk is still sent: after a stall the
// source goes on with what it captures now (section Source Audio Chunks).
const staleCapture = int64(time.Second / time.Microsecond)

// capture is what a session knows of its input stream.
type capture struct {
	authorized bool     // a start came that has opened nothing yet
	open       *Capture // nil without an open input stream
}

// sourceState is the source object of client/state.
func (k *core) sourceState() *wire.SourceState {
	switch {
	case !k.cfg.LineSense:
		return &wire.SourceState{}
	case k.signal:
		return &wire.SourceState{Signal: wire.SignalPresent}
	}
	return &wire.SourceState{Signal: wire.SignalAbsent}
}

func (k *core) setSignal(present bool) {
	if k.signal == present {
		return
	}
	k.signal = present
	if k.cfg.LineSense {
		k.reportAll()
	}
}

// sourceCommand obeys start and stop (section Source command semantics).
func (s *session) sourceCommand(c *wire.SourceCommand) {
	if wire.ActiveFamily(s.roles, wire.RoleSource) == "" {
		return
	}
	if c.Command == wire.SourceStop {
		s.stopCapture(CaptureStoppedByServer)
		return
	}
	// A client that has not reported itself available is not; neither is one beside
	// another server's playback.
	if !s.available() || !s.reported || s.owes || s.inputs == nil {
		return
	}
	if s.capture.authorized || s.capture.open != nil {
		return // it neither restarts the stream nor allows a later opening
	}
	s.capture.authorized = true
	s.publishCapture()
	s.core.cfg.Log.Info("capture requested", "server_id", s.serverID)
	s.tell(CaptureRequested{ServerID: s.serverID, Codecs: s.inputs.Codecs})
}

// publishCapture tells the other goroutines what OpenCapture may do.
func (s *session) publishCapture() {
	k := s.core
	if k.holder != s && k.holder != nil {
		return
	}
	if !s.capture.authorized && s.capture.open == nil {
		k.stats.capture.Store(nil)
		return
	}
	k.stats.capture.Store(&s.inputs.Codecs)
}

// openCapture opens the input stream, or replaces the format of an open one in place.
func (k *core) openCapture(x *Capture) {
	s := k.holder
	if s == nil || !s.capture.authorized && s.capture.open == nil {
		x.ended.Store(true)
		return
	}
	if s.capture.open != nil {
		s.capture.open.ended.Store(true)
	}
	s.capture = capture{open: x}
	s.publishCapture()
	k.cfg.Log.Info("capture opened", "server_id", s.serverID, "format", x.format.String())
	s.send(&wire.ClientStreamStart{Source: wire.InputStream{Format: x.format, CodecHeader: x.header}})
}

// closeCapture ends the input stream for the program.
func (k *core) closeCapture(x *Capture) {
	if s := k.holder; s != nil && s.capture.open == x {
		s.endCapture()
	}
}

// stopCapture obeys what ends capturing. A pending start is forgotten, an open stream
// is ended on the wire.
func (s *session) stopCapture(why CaptureEnd) {
	c := s.capture
	if !c.authorized && c.open == nil {
		return
	}
	s.endCapture()
	s.core.cfg.Log.Info("capture stopped", "server_id", s.serverID, "reason", string(why))
	s.tell(CaptureStopped{ServerID: s.serverID, Reason: why})
}

// endCapture leaves nothing authorized or open.
func (s *session) endCapture() {
	x := s.capture.open
	s.capture = capture{}
	s.publishCapture()
	if x != nil {
		x.ended.Store(true)
		s.send(&wire.ClientStreamEnd{})
	}
}

// sendCaptured stamps a chunk with the server's time of its capture and sends it. The
// time filter's mapping is inverted with offset and drift.
func (k *core) sendCaptured(x *Capture, c captured) {
	s := k.holder
	if s == nil || s.capture.open != x || s.phase == over {
		k.stats.captureDropped.Add(1)
		return
	}
	if k.cfg.Now()-c.at > staleCapture {
		k.stats.captureDropped.Add(1)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	plain := wire.AppendSourceChunk(make([]byte, 0, wire.SourceHeaderLen+len(c.data)), s.timing.filter.ServerTime(c.at), c.data)
	var err error
	if len(plain) <= wire.MaxPlain {
		err = s.conn.WritePlain(ctx, plain)
	} else {
		err = s.conn.WriteMessage(ctx, wire.IDSource, plain[1:])
	}
	if err != nil {
		s.fail(fmt.Errorf("client: send source audio: %w", err))
		return
	}
	k.stats.captured.Add(1)
}
