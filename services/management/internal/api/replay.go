package api

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/idem"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/signin"
)

const (
	idempotencyHeader = "Idempotency-Key"
	replayedHeader    = "Idempotency-Replayed"
)

func idempotencyParameter() *huma.Param {
	limit := idem.MaxKeyLength
	return &huma.Param{
		Name: idempotencyHeader, In: "header",
		Description: fmt.Sprintf("Any word of yours. A second request with it and the same token (or session) starts nothing and gets the first one's answer: "+
			"for an hour at every instance, and at the one that answered for 24 hours or until %d later ones have come. Answers of more than 64 KiB are not kept. "+
			"When an instance dies over a request, a second one is told to wait (409) for 30 seconds and then begins anew, since nobody knows how far the first one came.", idem.MaxKeys),
		Schema: &huma.Schema{Type: huma.TypeString, MaxLength: &limit},
	}
}

// replay answers a repeated POST with the answer of the first. Without the header
// it does nothing.
func (a *API) replay(c huma.Context, next func(huma.Context)) {
	name := c.Header(idempotencyHeader)
	if name == "" {
		next(c)
		return
	}
	r, w := humago.Unwrap(c)
	if len(name) > idem.MaxKeyLength {
		WriteProblem(w, model.FromError(fault.New(fault.OutOfRange, "the Idempotency-Key is longer than %d bytes", idem.MaxKeyLength).
			WithField("header."+idempotencyHeader, "is too long")))
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxBody+1))
	if err != nil {
		WriteProblem(w, model.NewProblem(http.StatusBadRequest, "the body ended before it was whole"))
		return
	}
	ctx := c.Context()
	key := idem.Key{Actor: auth.PrincipalOf(ctx).Actor, Method: r.Method, Path: r.URL.Path, Key: name}
	answer, err := a.d.Idem.Begin(ctx, key, a.digest(body))
	if err != nil || answer != nil {
		writeReplay(w, answer, err)
		return
	}
	var ticket *idem.Ticket
	// A panic on the way must free the key, too. The other instances are told first: here the
	// caller can only come after this request.
	defer func() {
		ticket.Finish(ctx, answer)
		a.d.Idem.Finish(ctx, key, answer)
	}()
	if a.d.Replays != nil {
		answer, ticket, err = a.d.Replays.Begin(ctx, credentialOf(r), key, body)
		if err != nil || answer != nil {
			writeReplay(w, answer, err)
			return
		}
	}
	rec := &recorder{ResponseWriter: w, status: http.StatusOK}
	r = r.WithContext(ctx)
	r.Body = io.NopCloser(bytes.NewReader(body))
	next(humago.NewContext(c.Operation(), r, rec))
	// Only what was decided is kept: after a 5xx the caller may try again.
	if rec.status < http.StatusInternalServerError {
		answer = &idem.Answer{Status: rec.status, Header: keptHeader(w.Header()), Body: rec.body.Bytes()}
	}
}

// writeReplay answers without doing anything.
func writeReplay(w http.ResponseWriter, kept *idem.Answer, err error) {
	if err != nil {
		WriteProblem(w, model.FromError(err))
		return
	}
	maps.Copy(w.Header(), kept.Header)
	w.Header().Set(replayedHeader, "true")
	w.WriteHeader(kept.Status)
	_, _ = w.Write(kept.Body)
}

// credentialOf is what the caller proved to be somebody with: a token, or the secret of a
// session.
func credentialOf(r *http.Request) string {
	if token, ok := auth.Bearer(r); ok {
		return token
	}
	return signin.Secret(r)
}

// digest tells bodies apart and nothing else about them.
func (a *API) digest(body []byte) (d idem.Digest) {
	mac := hmac.New(sha256.New, a.digestKey[:])
	mac.Write(body)
	mac.Sum(d[:0])
	return d
}

// keptHeader is the part of an answer's header that belongs to the answer itself.
func keptHeader(h http.Header) http.Header {
	out := http.Header{}
	for _, k := range []string{"Content-Type", "Location"} {
		if v := h.Values(k); len(v) > 0 {
			out[k] = v
		}
	}
	return out
}

// recorder passes an answer on and keeps a copy.
type recorder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	r.body.Write(b)
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
