package client

import (
	"time"

	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/pairing"
)

// Rekeyed tells that a re-handshake changed the session's keys, right before the
// [Activated] that comes with them. After a pairing, Paired is true from here on.
type Rekeyed struct {
	ServerID string
	Paired   bool
	// Category is that of the PSK that matched.
	Category noise.Category
}

// PairingRefused tells that a server may not pair: with this method or format at all
// (Reason is wire.AbortMethodNotSupported), or not now because another server has the
// client (wire.AbortConcurrentAttempt).
type PairingRefused struct{ ServerID, Method, Format, Reason string }

// PairingHeld tells that a server wants to pair and the attempt waits: for
// [Client.OpenPairingWindow] with the static code, for [Client.ResetRounds] with the
// dynamic one. [PairingStarted] or [PairingEnded] follows.
type PairingHeld struct {
	ServerID, Method, Format string
	// Message is what the server was told that it waits for.
	Message string
}

// PairingStarted tells that an attempt runs. [PairingEnded] follows.
type PairingStarted struct{ ServerID, Method, Format string }

// PairingCode tells to show or speak the code of the dynamic method, until the attempt
// ends. In later rounds the code is the same and the one that was entered was wrong: a
// display goes on showing it, a speaker speaks it again.
type PairingCode struct {
	ServerID string
	// Code is the digits, or the token of a QR code; Text and Groups have it for the
	// operator's eyes. It prints nothing by itself. The receiver owns it and wipes it
	// after the attempt.
	Code pairing.Code
	// Round counts from 1.
	Round uint32
}

// PairingEnded tells that an attempt which was held or had started is over.
type PairingEnded struct {
	ServerID, Method string
	Outcome          pairing.Outcome
	// Reason is that of the pair/abort, "" without one.
	Reason string
	// Err is what closed the connection, nil while that lasts.
	Err error
}

// Paired tells that the record of a server is stored, before the [PairingEnded] of its
// attempt. The session itself is paired from [Rekeyed] on.
type Paired struct{ ServerID string }

// Unpaired tells that a server removed its pairing (server/unpair).
type Unpaired struct{ ServerID string }

// PairingWindow tells that the window of the static code opened, for For, or closed.
type PairingWindow struct {
	Open bool
	For  time.Duration
}

// OutputSuspended tells a client that speaks the dynamic code to be silent while it does:
// what is scheduled in that time is dropped, and what is scheduled later is played on
// time (section Entering and leaving pairing).
type OutputSuspended struct{ Suspended bool }

// RosterStored tells that a paired server named its successors ([Config.AcceptSuccessors]).
type RosterStored struct {
	ServerID  string
	ServerIDs []string
}

// RosterRefused tells that a server's roster did not pass.
type RosterRefused struct {
	ServerID string
	Err      error
}

// Succeeded tells that the record of a server is its successor's now.
type Succeeded struct{ ServerID, Predecessor string }

func (Rekeyed) event()         {}
func (PairingRefused) event()  {}
func (PairingHeld) event()     {}
func (PairingStarted) event()  {}
func (PairingCode) event()     {}
func (PairingEnded) event()    {}
func (Paired) event()          {}
func (Unpaired) event()        {}
func (PairingWindow) event()   {}
func (OutputSuspended) event() {}
func (RosterStored) event()    {}
func (RosterRefused) event()   {}
func (Succeeded) event()       {}
