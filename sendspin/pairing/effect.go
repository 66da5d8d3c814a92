package pairing

import (
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// An Effect is one thing that the driver of a flow does. Effects are carried out in
// the order in which they are returned. [Ended] and [Close] are each the last effect
// of an attempt, and exactly one of them comes.
type Effect interface{ effect() }

// Send is a message for the peer.
type Send struct{ Message wire.Message }

// AskCode says that the server waits for the operator to enter the code; the answer
// is ServerFlow.EnterCode.
type AskCode struct {
	// Method and Format say what kind of code it is.
	Method, Format string
	// Round counts from 1. In a later round the code entered before was wrong; the
	// code itself is still the same.
	Round uint32
}

// Held says that the device holds the attempt back.
type Held struct {
	// Message is what the device wants to tell the operator, "" for nothing. It is
	// unauthenticated: show it as plain text and as the device's words. It has at
	// most 200 characters, and none that control a terminal or the text direction.
	Message string
}

// ShowCode says that the client has to emit the code, on its display or by its
// speaker, until the attempt ends. In later rounds a display goes on showing it and a
// speaker speaks it again. The driver owns Code and wipes it.
type ShowCode struct {
	Code Code
	// Round counts from 1.
	Round uint32
}

// Verified tells the server that the client is authenticated and that PSK is the new
// long-term PSK. The driver stores the record and then calls ServerFlow.Stored; if it
// cannot, ServerFlow.Leave. Should [Ended] or [Close] come before Stored, the record
// must go again.
type Verified struct{ PSK noise.PSK }

// Paired tells the client to store PSK as its record of the server.
type Paired struct{ PSK noise.PSK }

// An Outcome says how an attempt ended.
type Outcome int

// The outcomes.
const (
	// Success: both sides have the record.
	Success Outcome = iota + 1
	// AbortedHere: this side sent pair/abort.
	AbortedHere
	// AbortedByPeer: the peer sent pair/abort.
	AbortedByPeer
	// Left: ended by a server/activate, or without one because the connection is gone.
	Left
)

// String names the outcome.
func (o Outcome) String() string {
	switch o {
	case Success:
		return "success"
	case AbortedHere:
		return "aborted here"
	case AbortedByPeer:
		return "aborted by the peer"
	case Left:
		return "left"
	}
	return "unknown"
}

// Ended says that the attempt is over and the connection stays open. Unless the
// outcome is Success, nothing may be stored. A server then re-handshakes to the new
// PSK (Success) or sends a server/activate that leaves pairing.
type Ended struct {
	Outcome Outcome
	// Reason is that of the pair/abort, when there was one. A peer's may be unknown.
	Reason string
}

// Close says to close the connection without a message and to store nothing
// (Err is a *ProtocolError, or this side has no randomness), or to close it after the
// pair/abort that was sent before (Err is nil).
type Close struct{ Err error }

// Discard says that a message was dropped without a word, as the specification wants
// it for what was still under way when an attempt ended. There is nothing to do; it
// is there for logs and tests.
type Discard struct {
	// Type is the message's type.
	Type string
}

func (Send) effect()     {}
func (AskCode) effect()  {}
func (Held) effect()     {}
func (ShowCode) effect() {}
func (Verified) effect() {}
func (Paired) effect()   {}
func (Ended) effect()    {}
func (Close) effect()    {}
func (Discard) effect()  {}

func discard(m wire.Message) []Effect { return []Effect{Discard{Type: m.Type()}} }

func abort(reason string) []Effect {
	return []Effect{
		Send{&wire.PairAbort{Reason: reason}},
		Ended{Outcome: AbortedHere, Reason: reason},
	}
}

// IsPairing reports whether m is one of the pairing messages, in either direction. The
// flows take no notice of others.
func IsPairing(m wire.Message) bool {
	switch m.(type) {
	case *wire.ClientPairPending, *wire.ClientPairInit, *wire.ServerPairInit, *wire.ServerPairAuth,
		*wire.ClientPairAuth, *wire.ServerPairConfirm, *wire.ClientPairRetry, *wire.ClientPairConfirm,
		*wire.ClientPairFinalize, *wire.ServerPairFinalize, *wire.PairAbort:
		return true
	}
	return false
}
