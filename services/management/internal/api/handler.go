package api

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/signin"
)

// consoleAssets begins the patterns of the console's hashed files.
const consoleAssets = "GET /assets/"

// traceHeader tells the caller which trace id to look for in the logs.
const traceHeader = "Tutti-Trace-Id"

// Handler wraps mux with what every request gets: a trace id, limits, a problem
// document for what no route answers, the access log and the metrics.
func (a *API) Handler(mux *http.ServeMux) http.Handler {
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { notFound(mux, w, r) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		trace := bus.NewTraceID()
		r = r.WithContext(bus.WithTraceID(r.Context(), trace))
		rec := &statusWriter{ResponseWriter: w}
		setHeaders(rec.Header(), trace)
		defer a.finish(rec, r, begun)
		whole := r.Body
		r.Body = keepOpen{whole}
		defer drain(rec, r, whole)
		limit, raw := a.raw[r.Method+" "+r.URL.Path]
		if !raw {
			limit = MaxBody
		}
		if r.ContentLength > limit {
			WriteProblem(rec, tooLarge(limit))
			return
		}
		// But for what is raw, the API speaks JSON alone, whatever a tool labels its body
		// with (curl -d says "form"). Cross-site forms are no danger: a token never travels
		// by itself, and where a cookie does the label that was sent is checked (package
		// signin).
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			r = signin.WithMediaType(r)
		}
		if !raw && r.Method != http.MethodGet && r.Method != http.MethodHead {
			r.Header.Set("Content-Type", "application/json")
		}
		mux.ServeHTTP(rec, r)
	})
}

// tooLarge is the answer to a body of more than limit bytes.
func tooLarge(limit int64) *model.Problem {
	return model.NewProblem(http.StatusRequestEntityTooLarge, "the body is larger than "+mebibytes(limit))
}

func mebibytes(n int64) string { return strconv.FormatInt(n>>20, 10) + " MiB" }

// drainLimit is how much of a body that is too large is read and thrown away. A
// connection that is closed while its peer still sends is reset, and the peer would
// see that instead of the 413. Who sends more than this has to live with it.
const drainLimit = 16 << 20

func drain(w *statusWriter, r *http.Request, body io.Reader) {
	if w.status != http.StatusRequestEntityTooLarge || r.Header.Get("Expect") != "" {
		return
	}
	_, _ = io.CopyN(io.Discard, body, drainLimit) // it ends early where it ends
}

// keepOpen lets nobody but the server close a body.
type keepOpen struct{ io.Reader }

// Close does nothing.
func (keepOpen) Close() error { return nil }

func setHeaders(h http.Header, trace string) {
	h.Set(traceHeader, trace)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	// Answers that are no page run and load nothing, whatever they hold; the console and
	// /docs set policies of their own.
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// finish logs and counts a request, and turns a panic into a 500 that costs this
// request alone.
func (a *API) finish(w *statusWriter, r *http.Request, begun time.Time) {
	if p := recover(); p != nil {
		if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(p)
		}
		a.d.Log.ErrorContext(r.Context(), "request panicked", "method", r.Method, "route", r.Pattern,
			obs.KeyTrace, bus.TraceID(r.Context()), obs.KeyErr, fmt.Sprint(p), "stack", string(debug.Stack()))
		if w.status == 0 {
			WriteProblem(w, model.NewProblem(http.StatusInternalServerError, "the server made a mistake; its log has the cause"))
		}
	}
	took := time.Since(begun)
	pattern := r.Pattern
	switch {
	case pattern == "" || pattern == "/":
		pattern = "other"
	case strings.HasPrefix(pattern, consoleAssets):
		pattern = consoleAssets // their names change with every version
	}
	// An event stream or a speaker lives as long as its reader: that is no time to answer.
	if w.Header().Get("Content-Type") != eventStream && w.status != http.StatusSwitchingProtocols {
		a.d.Metrics.requests.WithLabelValues(pattern, strconv.Itoa(w.code())).Observe(took.Seconds())
	}
	a.d.Log.LogAttrs(r.Context(), slog.LevelDebug, "request",
		slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", w.code()),
		slog.Int64(obs.KeyDuration, took.Milliseconds()), slog.String(obs.KeyAddr, r.RemoteAddr),
		slog.String(obs.KeyTrace, bus.TraceID(r.Context())))
}

// notFound answers what no route does: 405 with the methods that the path has,
// else 404.
func notFound(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) {
	var allow []string
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		probe := r.Clone(r.Context())
		probe.Method = m
		if _, pattern := mux.Handler(probe); pattern != "" && pattern != "/" {
			allow = append(allow, m)
		}
	}
	if len(allow) > 0 {
		w.Header().Set("Allow", strings.Join(allow, ", "))
		WriteProblem(w, model.NewProblem(http.StatusMethodNotAllowed,
			fmt.Sprintf("%s is not possible here; possible: %s", r.Method, strings.Join(allow, ", "))))
		return
	}
	WriteProblem(w, model.NewProblem(http.StatusNotFound, fmt.Sprintf("there is nothing at %q; /docs shows what there is", clip(r.URL.Path))))
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

func (w *statusWriter) code() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
