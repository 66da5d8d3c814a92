package channel

import (
	"errors"
	"fmt"
)

// Errors that end a connection. They are found with errors.Is; what the peer sent
// is never part of their text.
var (
	// ErrClosed: the connection was closed by this side.
	ErrClosed = errors.New("channel: connection is closed")
	// ErrCleartext: a text message came where only encrypted ones are allowed.
	ErrCleartext = errors.New("channel: cleartext message in transport mode")
	// ErrEmpty: a transport message without a message ID.
	ErrEmpty = errors.New("channel: transport message without an ID")
	// ErrTooLarge: a message is above the configured limit.
	ErrTooLarge = errors.New("channel: message is larger than the limit")
	// ErrUnexpected: a handshake message of the wrong kind or at the wrong time.
	ErrUnexpected = errors.New("channel: unexpected message")

	// ErrFragmentFirst: a first fragment while a fragmented message is in flight.
	ErrFragmentFirst = errors.New("channel: first fragment while a fragmented message is in flight")
	// ErrFragmentStray: a later fragment with none in flight.
	ErrFragmentStray = errors.New("channel: later fragment with no fragmented message in flight")
	// ErrFragmentInterrupted: another message while a fragmented message is in flight.
	ErrFragmentInterrupted = errors.New("channel: other message while a fragmented message is in flight")
	// ErrFragmentFlags: a reserved flag bit is set.
	ErrFragmentFlags = errors.New("channel: fragment with a reserved flag bit")
	// ErrFragmentNested: orig_type is the fragment type itself.
	ErrFragmentNested = errors.New("channel: fragment of a fragment")
	// ErrFragmentShort: a fragment ends inside its header.
	ErrFragmentShort = errors.New("channel: fragment without its header")
)

// ErrHeld is returned by the server's writes while a re-handshake is under way:
// nothing was sent and the connection is fine. Only server/activate may be sent
// then, and Rehandshake does that itself.
var ErrHeld = errors.New("channel: a re-handshake is under way")

// CloseError is the peer's close frame.
type CloseError struct {
	Code   int    // RFC 6455 status code; 1005 when the frame had none
	Reason string // as the peer sent it: escape before showing
}

// Error names the code and quotes the reason.
func (e *CloseError) Error() string {
	return fmt.Sprintf("channel: peer closed the WebSocket (code %d, reason %q)", e.Code, e.Reason)
}

// RefusedError is a server/error in place of server/init. It is not
// authenticated: a hint for people.
type RefusedError struct {
	Reason string // one of wire's Error constants, or anything else
}

// Error quotes the reason.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("channel: server refused client/init (%q)", e.Reason)
}
