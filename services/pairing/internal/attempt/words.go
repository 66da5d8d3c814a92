package attempt

import (
	"errors"
	"fmt"

	"github.com/tutti-audio/tutti/platform/fault"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/pairing"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// States of PairingAttempt.
const (
	stateConnecting = "connecting"
	statePending    = "pending"
	stateCode       = "awaiting_code"
	stateVerifying  = "verifying"
	statePaired     = "paired"
	stateFailed     = "failed"
	stateCancelled  = "cancelled"
)

// What the enroller says and hears.
const (
	// MethodToken pairs by the device's token.
	MethodToken = wire.MethodPSK
	// StatePaired is the state of an attempt that succeeded.
	StatePaired = statePaired
)

// Reasons of our own; the device's are the Abort constants of package wire.
const (
	reasonCancelled     = "cancelled"
	reasonTimeout       = "server_timeout"
	reasonProtocol      = "protocol_error"
	reasonDisconnected  = "disconnected"
	reasonNotConnected  = "not_connected"
	reasonInterrupted   = "interrupted"
	reasonStorage       = "storage_failed"
	reasonDeviceAborted = "device_aborted" // with a reason that we do not know
)

// protocolDetail is what a person reads of a protocol error.
const protocolDetail = "the device did not keep to the pairing protocol, or somebody is in between; the connection was closed and nothing was stored"

// over reports whether an attempt has ended.
func over(v *pb.PairingAttempt) bool {
	switch v.GetState() {
	case statePaired, stateFailed, stateCancelled:
		return true
	}
	return false
}

// ending is how an attempt ends without a pairing.
type ending struct {
	state, reason string
	detail        string // a sentence for people, with the next step
	cause         error  // for the log alone
	bodies        [][]byte
	close         bool // close the connection without a word
	gone          bool // the session is over: nothing to tell the gateway
}

func failed(reason, format string, a ...any) ending {
	return ending{state: stateFailed, reason: reason, detail: fmt.Sprintf(format, a...)}
}

// byDevice is the end that the device's pair/abort makes.
func byDevice(reason string) ending {
	switch reason {
	case wire.AbortUserCancelled:
		return ending{state: stateCancelled, reason: reason, detail: "somebody cancelled the pairing at the device"}
	case wire.AbortAttemptTimeout:
		return failed(reason, "the device gave up: the pairing took too long; start again and be quicker")
	case wire.AbortCodeMismatch:
		return failed(reason, "the code was wrong, and the device takes no other try now; compare the code and start again")
	case wire.AbortConcurrentAttempt:
		return failed(reason, "the device is being paired by another server, or does not pair while another plays; try later")
	case wire.AbortMethodNotSupported:
		return failed(reason, "the device does not take this method now; choose another, or look at its settings")
	}
	return failed(reasonDeviceAborted, "the device ended the pairing for a reason that this server does not know; try again")
}

// tookTooLong is the end when a wait of ours is over.
func tookTooLong(v *pb.PairingAttempt, storing bool) ending {
	switch {
	case storing:
		return failed(reasonStorage, "the pairing could not be stored in time; nothing has changed, try again when the database works")
	case v.GetState() == stateConnecting:
		return failed(reasonTimeout, "the device did not answer within %s; check that it is on and try again", connectLimit)
	case v.GetState() == statePending:
		return failed(reasonTimeout, "the device held the pairing back for %s; do what it asks for, then start again", pendingLimit)
	case v.GetState() == stateCode:
		return failed(reasonTimeout, "no code was entered in time; start again and have the code at hand")
	}
	return failed(reasonTimeout, "the device stopped answering; try again")
}

// commandFailed is the end when the session did not take a command.
func commandFailed(err error, method string, beginning bool) ending {
	e := failed(reasonDisconnected, "the connection to the device was lost; start again when it is back")
	switch {
	case beginning && method == wire.MethodPSK && fault.CodeOf(err) != fault.Timeout:
		e = failed(reasonDisconnected, "the device did not accept the token, or went away; check that the token is the one that it shows now")
	case beginning && fault.CodeOf(err) == fault.Unavailable:
		e = failed(reasonNotConnected, "the device is not connected any more; start again when it is back")
	case beginning && fault.CodeOf(err) == fault.Conflict:
		e = failed(reasonDisconnected, "the session of the device cannot be used for pairing now; try again in a moment")
	case fault.CodeOf(err) == fault.Timeout:
		e = failed(reasonTimeout, "the gateway that holds the device did not answer; try again")
	}
	e.cause = err
	return e
}

// notStored is the end when the record was refused.
func notStored(err error) ending {
	e := failed(reasonStorage, "the pairing could not be stored; nothing has changed, the log says why")
	switch fault.CodeOf(err) {
	case fault.Conflict:
		e = ending{state: stateCancelled, reason: reasonCancelled, detail: "the client was denied while it was being paired"}
	case fault.NotFound:
		e = ending{state: stateCancelled, reason: reasonCancelled, detail: "the client was forgotten while it was being paired"}
	}
	e.cause = err
	return e
}

// codeFault is what an operator hears about a code that was not taken.
func codeFault(v *pb.PairingAttempt, err error) error {
	switch {
	case errors.Is(err, pairing.ErrCodeNotWanted):
		return fault.New(fault.Conflict, "no code is wanted now: the attempt is %s", v.GetState())
	case errors.Is(err, pairing.ErrCodeToken):
		return fault.New(fault.OutOfRange, "%v: scan the code on the device's display", pairing.ErrCodeToken).
			WithField("code", "must be the device's QR code, which begins with SP:1")
	}
	return fault.New(fault.OutOfRange, "%v", err).WithField("code", fmt.Sprintf("must be %d digits", v.GetCodeLength()))
}

// codeLength is how many digits a person enters; 0 for a QR code and a token.
func codeLength(method, format string) uint32 {
	switch {
	case method == wire.MethodStaticCode:
		return pairing.StaticLen
	case method == wire.MethodDynamicCode && format == wire.FormatDigits:
		return pairing.DigitsLen
	}
	return 0
}
