package model

import (
	"errors"
	"net/http"
	"time"

	"github.com/tutti-audio/tutti/platform/fault"
)

// ProblemType is the content type of errors (RFC 9457).
const ProblemType = "application/problem+json"

// TypeCSRF is the type of the refusal of a change that came with a good session cookie and
// another session's CSRF token, as after somebody signed in anew in another tab. The page
// reads GET /api/v1/session and asks again.
const TypeCSRF = "urn:tutti:problem:csrf-token"

// typed is an error that a program must tell from others of its status.
type typed interface{ ProblemType() string }

// Problem is an error as the API shows it (RFC 9457).
type Problem struct {
	Type   string         `json:"type" doc:"A URI reference that names the kind of problem; about:blank says that the status tells all. urn:tutti:problem:csrf-token: the session is good and X-CSRF-Token is not its own; read GET /api/v1/session and ask again." example:"about:blank"`
	Title  string         `json:"title" doc:"The status in words." example:"Conflict"`
	Status int            `json:"status" doc:"The HTTP status." example:"409"`
	Detail string         `json:"detail" doc:"What happened, to what, and what to do about it."`
	Errors []ProblemField `json:"errors,omitempty" nullable:"false" doc:"The bad fields, where there are any."`

	retryAfter time.Duration
}

// ProblemField names one bad field of a request.
type ProblemField struct {
	Location string `json:"location" doc:"Where, such as body.volume." example:"body.volume"`
	Message  string `json:"message" doc:"What is wrong with it." example:"expected number <= 100"`
}

// NewProblem makes a problem of a status and a sentence.
func NewProblem(status int, detail string, fields ...ProblemField) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Errors: fields}
}

// FromError turns an error of the bus or of a handler into what the operator sees.
// The cause of an internal error stays in the log: the operator gets a sentence
// without it.
func FromError(err error) *Problem {
	f := fault.From(err)
	detail := f.Msg
	switch {
	case f.Code == fault.Internal:
		detail = "the server made a mistake; its log has the cause"
	case detail == "" && (f.Code == fault.Timeout || f.Code == fault.Unavailable):
		detail = "a service behind the API did not answer in time; try again"
	case detail == "":
		detail = http.StatusText(f.Code.HTTPStatus())
	}
	fields := make([]ProblemField, 0, len(f.Fields))
	for _, x := range f.Fields {
		fields = append(fields, ProblemField{Location: x.Location, Message: x.Message})
	}
	p := NewProblem(f.Code.HTTPStatus(), detail, fields...)
	p.retryAfter = f.RetryAfter
	var t typed
	if errors.As(err, &t) {
		p.Type = t.ProblemType()
	}
	return p
}

// RetryAfter is how long to wait before another try; 0 when nothing is known.
func (p *Problem) RetryAfter() time.Duration { return p.retryAfter }

// WithRetryAfter sets when to try again and returns p.
func (p *Problem) WithRetryAfter(d time.Duration) *Problem {
	p.retryAfter = d
	return p
}

// Error is the detail.
func (p *Problem) Error() string { return p.Detail }

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is always ProblemType.
func (p *Problem) ContentType(string) string { return ProblemType }
