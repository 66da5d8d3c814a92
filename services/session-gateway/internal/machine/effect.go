package machine

import (
	"time"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/pump"
)

// Effect is something the session has to do.
type Effect interface{ effect() }

// Send puts a message in the control lane.
type Send struct{ Msg wire.Message }

// StartStream opens a player stream, or moves the active one in place.
type StartStream struct {
	Gen                uint64
	GroupID, Rendition string
	Player             wire.PlayerStream
	Epoch              uint64
	NotBefore          int64
	Live               bool
}

// ClearStream sends stream/clear and goes on with a new epoch. Stream is the whole
// stream, for the case that it ended by itself a moment ago.
type ClearStream struct{ Stream StartStream }

// EndStream sends stream/end: at once, or when the house clock reaches At (then a
// StreamEnded input follows). With Drain a Drained input follows when what was sent
// has played out.
type EndStream struct {
	Gen   uint64
	At    int64
	Drain bool
}

// Report tells the writer what the player reported last.
type Report struct {
	Timing    pump.Timing
	Available bool
}

// Forward hands a client's command to its group.
type Forward struct{ Command *tuttiv1.ClientCommand }

// Changed asks for a presence write without delay.
type Changed struct{}

// AskAdmission asks pairing again what this client may do.
type AskAdmission struct{}

// Rekey re-handshakes to a PSK of Category; Activate is the first message under the
// new keys. The PSK itself never comes here.
type Rekey struct {
	Category string
	Activate *wire.ServerActivate
}

// Restore asks pairing for the client's credential, so that a session whose attempt
// went nowhere can go back to its long-term PSK.
type Restore struct{}

// Relay hands a client's pairing message to its attempt.
type Relay struct {
	AttemptID string
	Msg       wire.Message
}

// LimitAttempt asks for AttemptLost after this time.
type LimitAttempt struct {
	AttemptID string
	After     time.Duration
}

// AttemptGone tells an attempt that the session left pairing by itself.
type AttemptGone struct{ AttemptID, Detail string }

// Unpairing says that server/unpair is on its way: the session ends with the client's
// goodbye, or without it a moment later.
type Unpairing struct{}

// RosterSent says that the roster of this number is on its way.
type RosterSent struct{ Seq uint64 }

// Close ends the session.
type Close struct {
	// Reason is for the log, the metrics and the operator.
	Reason Reason
	// Detail says more about it.
	Detail string
	// Goodbye is the client's own reason, if it gave one.
	Goodbye string
	// NoRedial keeps the dialer from dialling again by itself.
	NoRedial bool
}

// Reason is why a session ended: a metric label, so a closed set.
type Reason string

// The reasons of a closed session.
const (
	ReasonGoodbye       Reason = "goodbye"
	ReasonPeerClosed    Reason = "peer_closed"
	ReasonProtocolError Reason = "protocol_error"
	ReasonWriteDeadline Reason = "write_deadline"
	ReasonPingTimeout   Reason = "ping_timeout"
	ReasonOutboxFull    Reason = "outbox_full"
	ReasonReplaced      Reason = "replaced"
	ReasonTrust         Reason = "trust"
	ReasonOperator      Reason = "operator"
	ReasonShutdown      Reason = "shutdown"
	ReasonInternal      Reason = "internal"
	ReasonRehandshake   Reason = "rehandshake"
	ReasonPairing       Reason = "pairing"
)

func (Send) effect()         {}
func (StartStream) effect()  {}
func (ClearStream) effect()  {}
func (EndStream) effect()    {}
func (Report) effect()       {}
func (Forward) effect()      {}
func (Changed) effect()      {}
func (AskAdmission) effect() {}
func (Rekey) effect()        {}
func (Restore) effect()      {}
func (Relay) effect()        {}
func (LimitAttempt) effect() {}
func (AttemptGone) effect()  {}
func (Unpairing) effect()    {}
func (RosterSent) effect()   {}
func (Close) effect()        {}
