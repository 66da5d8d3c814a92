package group

import (
	"google.golang.org/protobuf/proto"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// want is what one session should have been told. A group computes it anew whenever
// something changes; the member's courier sends what is missing. Nothing that a want
// points to is ever changed.
type want struct {
	sessionID   string // empty: there is no session with roles, so nothing to tell
	group       *tuttiv1.GroupInfo
	metadata    *tuttiv1.MetadataState
	coming      *tuttiv1.MetadataState // scheduled; nil: none
	controller  *tuttiv1.ControllerState
	color       *tuttiv1.ColorState  // nil: it does not show colors
	comingColor *tuttiv1.ColorState  // scheduled; nil: none
	artwork     *tuttiv1.ArtworkShow // nil: it shows no pictures
	stream      *tuttiv1.StreamStart // nil: no stream
	visual      *tuttiv1.VisualStart // nil: no visualizer stream
	endAt       int64                // when the stream, or without one the last, ends by itself; 0: not known, or now
	volume      order
	mute        order
	trace       string // id of the order that changed it; "": nobody ordered what is new
	last        bool   // tell the session that its stream ends, and nothing more
}

// order is a player command. It is sent once; a newer one replaces it. It is meant for
// the session that it was given for: a player that comes back later is not set to what
// somebody wanted then.
type order struct {
	seq     uint64
	value   int32
	session string
}

// due reports whether the order must be sent to a session that was told orders up to
// seq.
func (o order) due(seq uint64, session string) bool { return o.seq > seq && o.session == session }

// told is what a session was told.
type told struct {
	sessionID   string
	group       *tuttiv1.GroupInfo
	metadata    *tuttiv1.MetadataState
	coming      *tuttiv1.MetadataState
	controller  *tuttiv1.ControllerState
	color       *tuttiv1.ColorState
	comingColor *tuttiv1.ColorState
	artwork     *tuttiv1.ArtworkShow
	stream      *tuttiv1.StreamStart
	endAt       int64 // the stream was told to end then
	visual      *tuttiv1.VisualStart
	visualEnd   int64 // likewise
	volume      uint64
	mute        uint64
}

// next is the next command that brings a session from t to w at house time now, and
// what it has been told once that command was taken. It is nil when nothing is
// missing. It is a pure function; the order is the specification's: an end before the
// news of another group, the group before its stream, the stream before its titles.
func next(t told, w want, now int64) (*tuttiv1.SessionCommand, told) {
	if t.sessionID != w.sessionID {
		t = told{sessionID: w.sessionID, volume: t.volume, mute: t.mute}
	}
	if w.sessionID == "" {
		return nil, t
	}
	t.metadata, t.coming = due(t.metadata, t.coming, now)
	w.metadata, w.coming = due(w.metadata, w.coming, now)
	t.color, t.comingColor = due(t.color, t.comingColor, now)
	w.color, w.comingColor = due(w.color, w.comingColor, now)
	if t.stream != nil && t.endAt != 0 && now >= t.endAt {
		t.stream, t.endAt = nil, 0 // it has ended by itself
	}
	if w.endAt != 0 && now >= w.endAt {
		w.stream = nil // likewise
	}
	if w.stream == nil && t.stream != nil && (t.endAt == 0 || w.endAt == 0) {
		return endCommand(t, w)
	}
	c, t := nextVisualEnd(t, w, now)
	if c != nil {
		return c, t
	}
	if t.artwork.GetActive() && (w.last || w.artwork != nil && !w.artwork.GetActive()) {
		return artworkCommand(t, &tuttiv1.ArtworkShow{})
	}
	if w.last {
		return nil, t
	}
	if !proto.Equal(t.group, w.group) {
		t.group = w.group
		return &tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_Group{Group: w.group}}, t
	}
	switch {
	case w.stream == nil:
	case !proto.Equal(t.stream, w.stream), t.endAt != 0 && w.endAt == 0:
		return streamCommand(t, w.stream)
	case t.endAt != w.endAt:
		return endCommand(t, w)
	}
	if c, after := nextVisual(t, w); c != nil {
		return c, after
	}
	if u := stateUpdate(t, w); u != nil {
		if u.GetMetadata() != nil {
			t.coming = nil // a present state discards the scheduled one
		}
		if u.GetColor() != nil {
			t.comingColor = nil
		}
		t.metadata, t.controller, t.color = w.metadata, w.controller, w.color
		return &tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_State{State: u}}, t
	}
	if w.coming != nil && !proto.Equal(t.coming, w.coming) {
		t.coming = w.coming
		return &tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_State{State: &tuttiv1.StateUpdate{Metadata: w.coming}}}, t
	}
	if w.comingColor != nil && !proto.Equal(t.comingColor, w.comingColor) {
		t.comingColor = w.comingColor
		return &tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_State{State: &tuttiv1.StateUpdate{Color: w.comingColor}}}, t
	}
	switch {
	case w.artwork == nil:
		t.artwork = nil // the role went, and its stream with it
	case w.artwork.GetActive() && !proto.Equal(t.artwork, w.artwork):
		return artworkCommand(t, w.artwork)
	}
	if w.volume.due(t.volume, w.sessionID) {
		t.volume = w.volume.seq
		return playerCommand(&tuttiv1.PlayerCommand{Command: &tuttiv1.PlayerCommand_Volume{Volume: w.volume.value}}), t
	}
	if w.mute.due(t.mute, w.sessionID) {
		t.mute = w.mute.seq
		return playerCommand(&tuttiv1.PlayerCommand{Command: &tuttiv1.PlayerCommand_Mute{Mute: w.mute.value != 0}}), t
	}
	return nil, t
}

func artworkCommand(t told, a *tuttiv1.ArtworkShow) (*tuttiv1.SessionCommand, told) {
	t.artwork = a
	return &tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_Artwork{Artwork: a}}, t
}

func playerCommand(p *tuttiv1.PlayerCommand) *tuttiv1.SessionCommand {
	return &tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_Player{Player: p}}
}

// endCommand ends the stream now, or when its last sample has sounded.
func endCommand(t told, w want) (*tuttiv1.SessionCommand, told) {
	end := &tuttiv1.StreamEnd{AtUs: w.endAt}
	if t.endAt = w.endAt; t.endAt == 0 {
		t.stream = nil
	}
	return &tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_StreamEnd{StreamEnd: end}}, t
}

// streamCommand starts a stream, clears it for a new epoch, or changes its rendition in
// place. A new epoch in another rendition takes both, one after the other.
func streamCommand(t told, s *tuttiv1.StreamStart) (*tuttiv1.SessionCommand, told) {
	if t.stream == nil || t.stream.GetEpoch() == s.GetEpoch() {
		t.stream, t.endAt = s, 0
		return &tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_StreamStart{StreamStart: s}}, t
	}
	cleared := proto.CloneOf(s)
	cleared.RenditionId, cleared.Format, cleared.CodecHeader = t.stream.GetRenditionId(), t.stream.GetFormat(), t.stream.GetCodecHeader()
	t.stream, t.endAt = cleared, 0
	return &tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_StreamClear{
		StreamClear: &tuttiv1.StreamClear{Epoch: s.GetEpoch(), NotBeforeUs: s.GetNotBeforeUs()}}}, t
}

// due applies a scheduled update whose time has come, as the client does by itself
// (specification, Scheduled metadata updates and Scheduled color updates).
func due[T interface {
	comparable
	GetTimestampUs() int64
}](current, coming T, now int64) (T, T) {
	var none T
	if coming != none && coming.GetTimestampUs() <= now {
		return coming, none
	}
	return current, coming
}

// stateUpdate holds the objects that changed; nil when none did. The present metadata and
// colors are sent again to cancel a scheduled update that is not wanted any more.
func stateUpdate(t told, w want) *tuttiv1.StateUpdate {
	u := &tuttiv1.StateUpdate{}
	if !proto.Equal(t.metadata, w.metadata) || t.coming != nil && w.coming == nil {
		u.Metadata = w.metadata
	}
	if !proto.Equal(t.controller, w.controller) {
		u.Controller = w.controller
	}
	if w.color != nil && (!proto.Equal(t.color, w.color) || t.comingColor != nil && w.comingColor == nil) {
		u.Color = w.color
	}
	if u.Metadata == nil && u.Controller == nil && u.Color == nil {
		return nil
	}
	return u
}
