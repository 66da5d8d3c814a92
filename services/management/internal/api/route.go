package api

import (
	"context"
	"math"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// Extensions of the OpenAPI document.
const (
	// RoleExtension names the role that an operation demands.
	RoleExtension = "x-tutti-role"
	// ZoneExtension names where the role must be held; see zone.
	ZoneExtension = "x-tutti-zone"
	// OpenExtension marks what needs no credential.
	OpenExtension = "x-tutti-open"
)

// route describes one operation.
type route struct {
	id, method, path string
	tag              string
	summary, doc     string
	role             auth.Role
	open             bool          // needs no credential
	zone             zone          // whose role counts; see zone.go
	status           int           // of success; 0: 200
	errors           []int         // beyond those that every operation has
	idempotent       bool          // takes an Idempotency-Key
	stream           bool          // no time limit
	patience         time.Duration // a limit of its own; 0: that of every request
	success          *huma.Response
	unchanged        bool // may answer 304
	// raw is the largest body in bytes of an operation that takes something else than
	// JSON; 0: it takes JSON of MaxBody. Its path holds no parameters, and it needs
	// patience: what is large takes its time.
	raw int64
	// body documents the body of an operation that reads it by itself, as it comes.
	body *huma.RequestBody
}

// register adds an operation. Its handler returns coded errors (platform/fault),
// which become problems here and nowhere else.
func register[I, O any](a *API, r route, h func(ctx context.Context, in *I) (*O, error)) {
	op := huma.Operation{
		OperationID: r.id, Method: r.method, Path: r.path, Tags: []string{r.tag},
		Summary: r.summary, Description: r.doc, DefaultStatus: r.status,
		MaxBodyBytes: MaxBody + 1, // huma refuses a body that reaches the limit
		Security:     []map[string][]string{{"bearer": {}}, {"cookie": {}}},
		Extensions:   map[string]any{RoleExtension: r.role.String(), ZoneExtension: string(r.zone)},
		Responses:    a.errorResponses(r),
		Middlewares:  huma.Middlewares{a.authorize(r)},
	}
	if r.open {
		op.Security, op.Middlewares = []map[string][]string{}, huma.Middlewares{a.openDoor}
		op.Extensions = map[string]any{OpenExtension: true}
	}
	if r.raw > 0 {
		a.raw[r.method+" "+r.path] = r.raw
		op.MaxBodyBytes, op.BodyReadTimeout = r.raw+1, r.patience
		op.RequestBody = r.body
	}
	if r.success != nil {
		op.Responses["200"] = r.success
	}
	if r.unchanged {
		op.Responses["304"] = &huma.Response{Description: "The caller has it: If-None-Match names its ETag."}
	}
	switch {
	case r.patience > 0:
		op.Middlewares = append(op.Middlewares, a.patient(r.patience))
	case !r.stream:
		op.Middlewares = append(op.Middlewares, a.limitTime)
	}
	if r.idempotent {
		op.Parameters = append(op.Parameters, idempotencyParameter())
		op.Middlewares = append(op.Middlewares, a.replay)
	}
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		err := tidyNames(in)
		var out *O
		if err == nil {
			out, err = h(ctx, in)
		}
		if err != nil {
			return nil, a.problem(ctx, r.id, err)
		}
		return out, nil
	})
}

// errorResponses documents the problems of an operation.
func (a *API) errorResponses(r route) map[string]*huma.Response {
	schema := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[model.Problem](), true, "Problem")
	codes := append([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusServiceUnavailable}, r.errors...)
	if r.method != http.MethodGet {
		codes = append(codes, http.StatusRequestEntityTooLarge)
	}
	out := map[string]*huma.Response{}
	for _, code := range codes {
		meaning := errorMeaning(code)
		switch {
		case r.raw > 0 && code == http.StatusRequestEntityTooLarge:
			meaning = "The body is larger than " + mebibytes(r.raw) + "."
		case r.raw > 0 && code == http.StatusBadRequest:
			meaning = "There is no body."
		}
		out[strconv.Itoa(code)] = &huma.Response{
			Description: meaning,
			Content:     map[string]*huma.MediaType{model.ProblemType: {Schema: schema}},
		}
	}
	return out
}

// errorMeaning is one table for the whole document.
func errorMeaning(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "The body cannot be parsed."
	case http.StatusUnauthorized:
		return "No credential, or one that is not known here."
	case http.StatusForbidden:
		return "The role is too low, here or in this zone; or the request came from a page of another server, or without its CSRF token."
	case http.StatusNotFound:
		return "There is no such thing; detail names it."
	case http.StatusConflict:
		return "A state forbids the action; detail says which."
	case http.StatusRequestEntityTooLarge:
		return "The body is larger than 1 MiB."
	case http.StatusUnprocessableEntity:
		return "A field is out of range; errors names each."
	case http.StatusTooManyRequests:
		return "Too many wrong tokens or passwords; Retry-After says when to come back."
	case http.StatusInternalServerError:
		return "A defect of the server; its log has the cause."
	case http.StatusServiceUnavailable:
		return "A service behind the API does not answer."
	}
	return http.StatusText(status)
}

// problem turns a handler's error into the answer, and logs what is ours to mend.
func (a *API) problem(ctx context.Context, operation string, err error) error {
	p := model.FromError(err)
	if p.Status >= http.StatusInternalServerError {
		a.d.Log.ErrorContext(ctx, "request failed", "operation", operation,
			obs.KeyTrace, bus.TraceID(ctx), obs.KeyErr, err)
	}
	if d := p.RetryAfter(); d > 0 {
		return huma.ErrorWithHeaders(p, http.Header{"Retry-After": {seconds(d.Seconds())}})
	}
	return p
}

func seconds(s float64) string { return strconv.Itoa(int(math.Max(1, math.Ceil(s)))) }

// limitTime keeps the promise that no request hangs.
func (a *API) limitTime(c huma.Context, next func(huma.Context)) {
	ctx, cancel := context.WithTimeout(c.Context(), a.d.RequestTimeout)
	defer cancel()
	next(huma.WithContext(c, ctx))
}
