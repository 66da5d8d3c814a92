package client

import (
	"time"

	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Event is something that happened, as told to [Config.OnEvent]. It is one of the
// types of this file, of eventpairing.go and of visualizerrole.go.
type Event interface{ event() }

// Connected tells that the handshake with a server is complete. It comes first for each
// connection, and [Disconnected] last.
type Connected struct {
	ServerID string
	// Paired is true when a long-term PSK keys the session.
	Paired bool
	// Category is that of the PSK that matched.
	Category noise.Category
}

// ServerInfo tells that server/hello arrived.
type ServerInfo struct {
	ServerID, Name string
	Languages      []string
}

// Activated tells that a server/activate was applied.
type Activated struct {
	ServerID   string
	Activities []string
	Roles      []string // all that are active now
	Removed    []string // roles that were active before and are not any more
}

// Synced tells that the time filter took a measurement.
type Synced struct {
	OffsetUS float64 // server clock minus client clock
	DriftPPM float64 // as conversions apply it
	StdDevUS float64
	MaxErrUS int64 // half the round trip of the measurement
	Ready    bool  // playback can be scheduled
}

// PlayerChanged tells that a setting of the player changed, by the server or locally.
type PlayerChanged struct {
	Volume        int
	Muted         bool
	OutputDelayMS int
	ByServer      bool
}

// StreamStarted tells that the player stream started, or changed its format in place. Chunks
// that follow are in this format; those before keep theirs.
type StreamStarted struct {
	Format            wire.AudioFormat
	CodecHeader       []byte
	ServerTransmitted int64
	InPlace           bool
}

// StreamCleared tells to drop all audio that is buffered and to go on with the next
// chunk.
type StreamCleared struct{ ServerTransmitted int64 }

// StreamEnded tells to stop the output and to drop what is buffered, unless the stream is
// Lost: its connection is gone, and the server did not say that the stream ends. Then what
// is buffered may play out. If the server, or another one of the same identity, begins
// again on a new connection, its chunks take the place of what is buffered from the
// timestamp of the first one on; so a short loss, or a server that hands its clients over,
// is not heard. ClientTime goes on with the former time filter until the new one has
// converged. A StreamEnded that is not Lost follows when another server has the client.
type StreamEnded struct{ Lost bool }

// MetadataChanged tells that the current metadata changed. Nil: there is none any more.
type MetadataChanged struct{ Metadata *wire.Metadata }

// MetadataPending tells that the pending metadata changed. Nil: nothing is scheduled any more.
type MetadataPending struct{ Metadata *wire.Metadata }

// ColorChanged tells that the current colors changed. Nil: there are none any more.
type ColorChanged struct{ Color *wire.Color }

// ColorPending tells that the pending colors changed. Nil: nothing is scheduled any more.
type ColorPending struct{ Color *wire.Color }

// ArtworkStarted tells that the artwork stream started, or changed its configuration in
// place. The index is the channel; one that the list does not cover has no pictures.
type ArtworkStarted struct {
	Channels          []wire.ArtworkChannel
	ServerTransmitted int64
	InPlace           bool
}

// ArtworkEnded tells that the artwork stream is over. Nothing is shown any more.
type ArtworkEnded struct{}

// ArtworkChanged tells that a channel shows another image now. Nil: it shows nothing.
type ArtworkChanged struct {
	Channel int
	Image   *Image
}

// ArtworkPending tells that a channel has received an image that is shown later, or with
// empty Data is cleared later. Nil: nothing is scheduled any more.
type ArtworkPending struct {
	Channel int
	Image   *Image
}

// ControllerChanged tells that the group's controller state changed. Nil: there is
// none any more.
type ControllerChanged struct{ State *wire.ControllerState }

// GroupChanged tells the state of the client's group.
type GroupChanged struct{ Group wire.GroupUpdate }

// Violation tells that the server broke a rule of the specification (Strict only).
type Violation struct {
	ServerID string
	// Rule names the section, as in "Player Buffer Accounting".
	Rule string
	// Detail says what happened.
	Detail string
}

// String is rule and detail.
func (v Violation) String() string { return v.Rule + ": " + v.Detail }

// Disconnected tells that the connection is over.
type Disconnected struct {
	ServerID string
	// Goodbye is the reason of the client/goodbye that was sent, "" without one.
	Goodbye string
	// Err is what ended the connection.
	Err error
}

// Retrying tells that [Client.Dial] has no connection and waits before its next attempt:
// the server cannot be reached, refused the handshake, or ended the connection.
type Retrying struct {
	URL string
	// Err is what the last attempt or connection ended with.
	Err error
	In  time.Duration
}

func (Connected) event()         {}
func (ServerInfo) event()        {}
func (Activated) event()         {}
func (Synced) event()            {}
func (PlayerChanged) event()     {}
func (StreamStarted) event()     {}
func (StreamCleared) event()     {}
func (StreamEnded) event()       {}
func (MetadataChanged) event()   {}
func (MetadataPending) event()   {}
func (ColorChanged) event()      {}
func (ColorPending) event()      {}
func (ArtworkStarted) event()    {}
func (ArtworkEnded) event()      {}
func (ArtworkChanged) event()    {}
func (ArtworkPending) event()    {}
func (ControllerChanged) event() {}
func (GroupChanged) event()      {}
func (Violation) event()         {}
func (Disconnected) event()      {}
func (Retrying) event()          {}

// Chunk is one audio chunk, as told to [Config.OnChunk].
type Chunk struct {
	// Format and CodecHeader are those of the stream when the chunk arrived.
	// CodecHeader is shared: do not change it.
	Format      wire.AudioFormat
	CodecHeader []byte
	// Timestamp is when the first sample should be heard, in server microseconds.
	Timestamp int64
	// PlayAt is that moment on the client's clock, with the output delay subtracted,
	// by the best estimate of now. Translate Timestamp again when it is played. It is
	// Timestamp itself as long as nothing is known of the server's clock.
	PlayAt int64
	// ArrivedAt is the client's clock when the chunk was decrypted.
	ArrivedAt int64
	// SendAhead is the lead that the server had; see [wire.SendAheadMeasured].
	SendAhead uint32
	// Stream counts starts, clears and ends: chunks with different values do not
	// belong to one continuous piece of audio.
	Stream uint64
	// Data is the encoded audio; it is valid until OnChunk returns.
	Data []byte
}
