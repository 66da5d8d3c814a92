package wire

import (
	"errors"
	"fmt"
)

// FieldError reports a message that does not have the shape the specification
// defines: a field is missing, has the wrong type or is out of its range. The text
// never holds the value of a string field, so it is safe to log.
type FieldError struct {
	// Message is the message type, such as "client/state"; empty when the fault lies
	// in the envelope itself.
	Message string
	// Field is the path below payload, such as "player.volume". "type" and "payload"
	// are the envelope's own fields; empty means the whole input.
	Field string
	// Problem says what is wrong, such as "missing" or "want an integer".
	Problem string
	// Role is the role family when the fault lies inside the object of a role
	// ("player" for player.volume), empty otherwise.
	Role string
}

// Error names message, field and problem.
func (e *FieldError) Error() string {
	name := e.Message
	if name == "" {
		name = "message"
	}
	if e.Field == "" {
		return fmt.Sprintf("wire: %s: %s", name, e.Problem)
	}
	return fmt.Sprintf("wire: %s: %s: %s", name, e.Field, e.Problem)
}

// RoleErrors are faults inside role objects of a client/state, client/command,
// server/state, server/command or stream/start whose other parts are sound. The
// message is returned beside the error, without the faulty objects. A server, which
// must not close because of an object of a role that is not active, decides with
// [ActiveFault].
type RoleErrors []*FieldError

// Error is the text of the first fault.
func (e RoleErrors) Error() string { return e[0].Error() }

// Unwrap returns the faults.
func (e RoleErrors) Unwrap() []error {
	errs := make([]error, len(e))
	for i, f := range e {
		errs[i] = f
	}
	return errs
}

// ActiveFault reduces a decoding error to what counts with the given active role
// families: nil when all its faults lie in objects of inactive roles (the message
// returned beside it is then to be processed), the first fault that counts
// otherwise. Errors of another kind, and nil, are returned as they are.
func ActiveFault(err error, active func(family string) bool) error {
	var roles RoleErrors
	if !errors.As(err, &roles) {
		return err
	}
	for _, f := range roles {
		if active(f.Role) {
			return f
		}
	}
	return nil
}

// EncodeError reports a message that this side must not send: a fault in our own
// program.
type EncodeError struct {
	Message string
	Field   string
	Problem string
}

// Error names message, field and problem.
func (e *EncodeError) Error() string {
	return fmt.Sprintf("wire: encode %s: %s: %s", e.Message, e.Field, e.Problem)
}

// InitError is an init failure (section Failure Handling): the answer is
// server/error with Reason, then the connection is closed.
type InitError struct {
	// Reason is ErrorUnsupportedVersion, ErrorUnsupportedSuite or ErrorMalformed.
	Reason string
	// Err says what was wrong; for logs, not for the wire.
	Err error
}

// Error names the reason and what was wrong.
func (e *InitError) Error() string {
	return fmt.Sprintf("wire: client/init refused (%s): %v", e.Reason, e.Err)
}

// Unwrap returns Err.
func (e *InitError) Unwrap() error { return e.Err }
