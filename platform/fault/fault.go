// Package fault holds the coded errors of Tutti.
//
// A code says what a caller can do about an error; it crosses the bus intact
// (platform/bus) and maps to an HTTP status in one table (HTTPStatus). The
// message is for a person: it names the thing, the cause and the next step, and
// never holds a secret. The wrapped error stays on this side of the bus.
package fault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Code is the class of an error: what the caller can do about it.
type Code string

// The codes of the bus and of the HTTP API.
const (
	// Invalid: the request cannot be understood as it is.
	Invalid Code = "invalid"
	// OutOfRange: the request is well formed, but a field's value is not allowed.
	OutOfRange Code = "out_of_range"
	// NotFound: the named thing does not exist.
	NotFound Code = "not_found"
	// Conflict: the thing's present state forbids the action.
	Conflict Code = "conflict"
	// Unauthorized: the caller did not say who it is.
	Unauthorized Code = "unauthorized"
	// Forbidden: the caller is known and may not.
	Forbidden Code = "forbidden"
	// TooLarge: the request exceeds a size limit.
	TooLarge Code = "too_large"
	// RateLimited: too many requests; RetryAfter says when to come back.
	RateLimited Code = "rate_limited"
	// Unavailable: the service behind it does not answer now; try again.
	Unavailable Code = "unavailable"
	// Timeout: no answer within the deadline; whether it happened is unknown.
	Timeout Code = "timeout"
	// Internal: a defect on our side.
	Internal Code = "internal"
)

// Known reports whether c is one of the codes above.
func (c Code) Known() bool {
	switch c {
	case Invalid, OutOfRange, NotFound, Conflict, Unauthorized, Forbidden,
		TooLarge, RateLimited, Unavailable, Timeout, Internal:
		return true
	}
	return false
}

// HTTPStatus is the one table from codes to HTTP statuses. An unknown code is 500.
func (c Code) HTTPStatus() int {
	switch c {
	case Invalid:
		return http.StatusBadRequest
	case OutOfRange:
		return http.StatusUnprocessableEntity
	case NotFound:
		return http.StatusNotFound
	case Conflict:
		return http.StatusConflict
	case Unauthorized:
		return http.StatusUnauthorized
	case Forbidden:
		return http.StatusForbidden
	case TooLarge:
		return http.StatusRequestEntityTooLarge
	case RateLimited:
		return http.StatusTooManyRequests
	case Unavailable, Timeout:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// Field names one bad field of a request.
type Field struct {
	// Location is the path of the field, such as "body.volume".
	Location string
	// Message says what is wrong with it.
	Message string
}

// Error is an error with a code. It is not changed after it was returned.
type Error struct {
	Code   Code
	Msg    string
	Fields []Field
	// RetryAfter is how long to wait before another try; 0 when nothing is known.
	RetryAfter time.Duration
	// Answered: the service that was asked says this itself. It is false for what the
	// bus, or this process, says about it, such as that nobody answers.
	Answered bool
	// Err is the cause on this side of the bus; it does not cross it.
	Err error
}

// New makes an error from a code and a formatted message.
func New(code Code, format string, a ...any) *Error {
	return &Error{Code: code, Msg: fmt.Sprintf(format, a...)}
}

// Wrap makes an error with a code from a cause. The message is put before the cause.
func Wrap(code Code, err error, format string, a ...any) *Error {
	return &Error{Code: code, Msg: fmt.Sprintf(format, a...), Err: err}
}

// Error is the message, then the cause.
func (e *Error) Error() string {
	switch {
	case e.Err == nil:
		return e.Msg
	case e.Msg == "":
		return e.Err.Error()
	}
	return e.Msg + ": " + e.Err.Error()
}

// Unwrap returns the cause, or nil.
func (e *Error) Unwrap() error { return e.Err }

// WithField returns a copy of e that also names a bad field.
func (e *Error) WithField(loc, msg string) *Error {
	c := *e
	c.Fields = append(append([]Field(nil), e.Fields...), Field{Location: loc, Message: msg})
	return &c
}

// WithRetryAfter returns a copy of e that says when to try again.
func (e *Error) WithRetryAfter(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}

// CodeOf is the code of the outermost *Error in err's tree. A passed deadline is
// Timeout, a cancelled context is Unavailable, anything else is Internal. CodeOf
// of nil is the empty code.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout
	case errors.Is(err, context.Canceled):
		return Unavailable
	}
	return Internal
}

// From returns the outermost *Error in err's tree, or wraps err in one with
// CodeOf's code. From of nil is nil.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: CodeOf(err), Err: err}
}
