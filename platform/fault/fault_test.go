package fault_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/platform/fault"
)

func TestCodeOf(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want fault.Code
	}{
		{nil, ""},
		{errors.New("x"), fault.Internal},
		{fault.New(fault.NotFound, "no group %q", "g"), fault.NotFound},
		{fmt.Errorf("load: %w", fault.New(fault.Conflict, "held")), fault.Conflict},
		{fault.Wrap(fault.Unavailable, fault.New(fault.NotFound, "inner"), "outer"), fault.Unavailable},
		{fmt.Errorf("ask: %w", context.DeadlineExceeded), fault.Timeout},
		{context.Canceled, fault.Unavailable},
	} {
		if got := fault.CodeOf(tc.err); got != tc.want {
			t.Errorf("%v: got %q, want %q", tc.err, got, tc.want)
		}
		if from := fault.From(tc.err); tc.err == nil && from != nil || tc.err != nil && from.Code != tc.want {
			t.Errorf("%v: From gives %v", tc.err, from)
		}
	}
}

func TestError(t *testing.T) {
	cause := errors.New("disk full")
	e := fault.Wrap(fault.Internal, cause, "write %s", "x")
	if e.Error() != "write x: disk full" || !errors.Is(e, cause) {
		t.Errorf("got %v", e)
	}
	if got := (&fault.Error{Err: cause}).Error(); got != "disk full" {
		t.Errorf("got %q", got)
	}
	f := e.WithField("body.a", "bad").WithField("body.b", "worse").WithRetryAfter(time.Second)
	if len(e.Fields) != 0 || len(f.Fields) != 2 || f.Fields[1].Location != "body.b" || e.RetryAfter != 0 || f.RetryAfter != time.Second {
		t.Errorf("got %+v from %+v", f, e)
	}
}

func TestEveryCodeHasAStatus(t *testing.T) {
	for code, want := range map[fault.Code]int{
		fault.Invalid: 400, fault.OutOfRange: 422, fault.NotFound: 404, fault.Conflict: 409, fault.Unauthorized: 401,
		fault.Forbidden: 403, fault.TooLarge: 413, fault.RateLimited: 429, fault.Unavailable: 503, fault.Timeout: 503, fault.Internal: 500,
	} {
		if got := code.HTTPStatus(); got != want || !code.Known() {
			t.Errorf("%s: got %d, want %d", code, got, want)
		}
	}
	if c := fault.Code("new"); c.Known() || c.HTTPStatus() != 500 {
		t.Error("an unknown code passes for a known one")
	}
}
