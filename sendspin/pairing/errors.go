package pairing

import (
	"errors"

	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Conditions that no conformant peer produces (sections Protocol Errors and Sequence
// violations). A [ProtocolError] wraps one of them.
var (
	// ErrSequence is for a message that is out of sequence for method and state.
	ErrSequence = errors.New("out of sequence")
	// ErrIndex is for a pairing_index higher than the number of activations.
	ErrIndex = errors.New("its pairing_index is ahead of the activations")
	// ErrField is for a field that is missing, out of place or of the wrong length.
	ErrField = errors.New("a field is missing, out of place or of the wrong length")
	// ErrShare is for a CPace share of the wrong length or of low order.
	ErrShare = errors.New("the CPace share is not a usable point")
	// ErrUnwrap is for a wrapped field that does not decrypt.
	ErrUnwrap = errors.New("a wrapped field does not decrypt")
	// ErrCommitment is for a revealed nonce that is not the one committed to.
	ErrCommitment = errors.New("the revealed nonce does not match its commitment")
	// ErrBinding is for an entered code that does not come out of the handshake
	// hash and the nonces: the device showed a code of its own choosing.
	ErrBinding = errors.New("the entered code is not bound to this connection")
	// ErrPSK is for a long-term PSK that is a published constant.
	ErrPSK = errors.New("the long-term PSK is not a secret")
)

// ErrCodeNotWanted is returned for an operator's code when none is asked for.
var ErrCodeNotWanted = errors.New("pairing: no pairing code is wanted now")

// A ProtocolError says why the connection has to be closed without a word. It holds
// nothing secret.
type ProtocolError struct {
	// Message is the type of the message that was at fault.
	Message string
	// Err is one of the conditions above.
	Err error
}

// Error names the message and the condition.
func (e *ProtocolError) Error() string { return "pairing: " + e.Message + ": " + e.Err.Error() }

// Unwrap returns Err.
func (e *ProtocolError) Unwrap() error { return e.Err }

// fault is the effect of a protocol error.
func fault(m wire.Message, err error) []Effect {
	return []Effect{Close{Err: &ProtocolError{Message: m.Type(), Err: err}}}
}
