package bus

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/internal/mono"
)

// Headers of every message, of requests and of error answers.
const (
	headerTrace = "Tutti-Trace-Id"
	// headerTimeout is how long the requester waits from the moment of sending,
	// in milliseconds: it needs no common clock.
	headerTimeout = "Tutti-Timeout-Ms"
	// headerExpires is "<boot id> <CLOCK_MONOTONIC microseconds>": exact, and of
	// use only to a receiver on the same kernel. Wall clocks are not compared: a
	// host with a wrong one would skip everything.
	headerExpires = "Tutti-Expires"
	headerFields  = "Tutti-Error-Fields"
	headerRetry   = "Tutti-Retry-After-Ms"
)

// maxTraceID bounds what a peer can put in our logs.
const maxTraceID = 64

type traceKey struct{}

// TraceID is the trace id of ctx, or "".
func TraceID(ctx context.Context) string {
	id, _ := ctx.Value(traceKey{}).(string)
	return id
}

// WithTraceID returns a context whose messages carry id.
func WithTraceID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, traceKey{}, id)
}

// NewTraceID makes a random trace id of 32 hexadecimal digits.
func NewTraceID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails
	return hex.EncodeToString(b[:])
}

// newMsg is a message with the trace id of ctx, or a new one.
func newMsg(ctx context.Context, subject string, data []byte) *nats.Msg {
	id := TraceID(ctx)
	if id == "" {
		id = NewTraceID()
	}
	return &nats.Msg{Subject: subject, Data: data, Header: nats.Header{headerTrace: []string{id}}}
}

// traceOf is the trace id of a received message, or a new one.
func traceOf(h nats.Header) string {
	id := h.Get(headerTrace)
	if id == "" || len(id) > maxTraceID {
		return NewTraceID()
	}
	return id
}

// putExpiry says on a request that its sender waits until at.
func putExpiry(h nats.Header, at time.Time) {
	// The clock first: a thread that stands still between the two readings must not make the
	// request last longer than its sender waits.
	now := mono.Micros()
	left := time.Until(at)
	h[headerTimeout] = []string{strconv.FormatInt(left.Milliseconds(), 10)}
	h[headerExpires] = []string{mono.BootID() + " " + strconv.FormatInt(now+left.Microseconds(), 10)}
}

// timeLeft is how long the sender of a request that arrived just now still waits;
// 0 or less: nobody does. Without usable headers it is RequestTimeout.
func timeLeft(h nats.Header) time.Duration {
	if boot, us, ok := strings.Cut(h.Get(headerExpires), " "); ok && boot == mono.BootID() {
		if at, err := strconv.ParseInt(us, 10, 64); err == nil {
			return min(time.Duration(at-mono.Micros())*time.Microsecond, maxRequestTimeout)
		}
	}
	if ms, err := strconv.ParseInt(h.Get(headerTimeout), 10, 64); err == nil && ms >= 0 {
		return min(time.Duration(min(ms, 1<<40))*time.Millisecond, maxRequestTimeout)
	}
	return RequestTimeout
}

// putFault writes e into the micro error headers. Only the message crosses, never
// the cause behind it.
func putFault(h nats.Header, e *fault.Error) {
	msg := oneLine(e.Msg)
	if msg == "" {
		msg = string(e.Code)
	}
	h[micro.ErrorHeader] = []string{msg}
	h[micro.ErrorCodeHeader] = []string{string(e.Code)}
	if len(e.Fields) > 0 {
		if b, err := json.Marshal(e.Fields); err == nil {
			h[headerFields] = []string{string(b)}
		}
	}
	if e.RetryAfter > 0 {
		h[headerRetry] = []string{strconv.FormatInt(e.RetryAfter.Milliseconds(), 10)}
	}
}

// faultIn reads the error of an answer, or nil when it is none.
func faultIn(h nats.Header) *fault.Error {
	code, msg := fault.Code(h.Get(micro.ErrorCodeHeader)), h.Get(micro.ErrorHeader)
	if code == "" && msg == "" {
		return nil
	}
	if !code.Known() {
		code = fault.Internal
	}
	e := fault.New(code, "%s", msg)
	e.Answered = true
	if f := h.Get(headerFields); f != "" {
		_ = json.Unmarshal([]byte(f), &e.Fields) // fields are extra; the code stands without them
	}
	if ms, err := strconv.ParseInt(h.Get(headerRetry), 10, 64); err == nil && ms > 0 {
		e.RetryAfter = time.Duration(min(ms, 1<<40)) * time.Millisecond
	}
	return e
}

// oneLine makes s fit for a header: NATS headers end at a line break.
func oneLine(s string) string {
	return strings.TrimSpace(strings.NewReplacer("\r", " ", "\n", " ").Replace(s))
}
