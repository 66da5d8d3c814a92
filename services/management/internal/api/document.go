package api

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/signin"
)

// Tags of the document, in the order in which it shows them.
const (
	tagServer    = "Server"
	tagClients   = "Clients"
	tagTrust     = "Trust"
	tagPairing   = "Pairing"
	tagPersonas  = "Personas"
	tagGroups    = "Groups"
	tagPlay      = "Playback"
	tagQueue     = "Queue"
	tagLibrary   = "Library"
	tagEvents    = "Live changes"
	tagSchedules = "Schedules"
	tagAudit     = "Audit"
	tagTokens    = "Tokens"
	tagHealth    = "Health"
	tagUsers     = "Users"
)

const about = `Tutti plays music in many rooms in perfect time. This API is what its console, its command line and scripts use.

Send a token with each request: ` + "`Authorization: Bearer <token>`" + `. On the first start the server writes one admin token to the file ` + "`admin-token`" + ` in its data directory. Roles: a *viewer* reads, an *operator* plays, sets volumes and forms groups, an *admin* decides on trust, policy, users and tokens. A user or token may have a role in single groups (zones) alone; it then sees those groups and their clients. People sign in with POST /api/v1/session and are known by a cookie.

Times are RFC 3339 in UTC, durations are milliseconds. PUT, PATCH and DELETE are idempotent; a POST that starts something takes an ` + "`Idempotency-Key`" + `, under which the same caller gets the first answer again for an hour, from every instance. Errors are problem documents (RFC 9457). No request takes longer than 5 s.`

func (a *API) config() huma.Config {
	format := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: json.Unmarshal}
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Tutti operator API", Version: "1", Description: about,
				License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
			},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"bearer": {Type: "http", Scheme: "bearer", Description: "An API token."},
					"cookie": {Type: "apiKey", In: "cookie", Name: signin.CookieName, Description: "A browser that is signed in. Changes need the header X-CSRF-Token, too."},
				},
			},
			Tags: []*huma.Tag{
				{Name: tagServer, Description: "The deployment as a whole."},
				{Name: tagClients, Description: "Devices that speak Sendspin, each known by its key."},
				{Name: tagTrust, Description: "Who may play: the inbox of unknown devices, approval and denial."},
				{Name: tagPairing, Description: "Proof of which device a key belongs to: by its pairing token, or by a code that it shows. Secrets in a request are sealed before they leave this service, and are in no log, no answer and no audit line."},
				{Name: tagPersonas, Description: "Places that outlive their hardware: one active device, and spares."},
				{Name: tagGroups, Description: "Clients that play together."},
				{Name: tagPlay, Description: "What a group plays, and how loud."},
				{Name: tagQueue, Description: "What a group plays next."},
				{Name: tagLibrary, Description: "The music folder."},
				{Name: tagSchedules, Description: "What a zone plays when, and how loud it may be."},
				{Name: tagHealth, Description: "How services and devices do, and what mends what is wrong."},
				{Name: tagEvents, Description: "A feed of changes."},
				{Name: tagAudit, Description: "Who did what: an append-only ledger."},
				{Name: tagTokens, Description: "API tokens."},
				{Name: tagUsers, Description: "People: the first set-up, signing in, and who may do what."},
			},
		},
		Formats:       map[string]huma.Format{"application/json": format, "json": format},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{ownProblem},
	}
}

// ownProblem rewrites the errors that huma itself makes (a body that does not
// parse, a field out of range) as our problems. It drops the offending value,
// which huma would echo: it may be a secret.
func ownProblem(c huma.Context, _ string, v any) (any, error) {
	e, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := model.NewProblem(e.Status, e.Detail)
	for _, f := range e.Errors {
		p.Errors = append(p.Errors, field(f))
	}
	switch e.Status {
	case http.StatusBadRequest:
		p.Detail = "the body cannot be parsed as JSON"
		if len(p.Errors) == 0 {
			p.Detail = "the request needs a JSON body"
		}
		if b := c.Operation().RequestBody; b != nil && b.Content["application/json"] == nil {
			p.Detail = "the request needs a body: send the content itself"
		}
	case http.StatusUnprocessableEntity:
		p.Detail = "the request has fields that cannot be accepted: " + sentence(p.Errors)
	case http.StatusRequestEntityTooLarge:
		p.Detail = tooLarge(c.Operation().MaxBodyBytes - 1).Detail
	}
	return p, nil
}

// field is one bad field. A property that is missing is the bad field itself, and
// not the object that lacks it.
func field(f *huma.ErrorDetail) model.ProblemField {
	out := model.ProblemField{Location: f.Location, Message: f.Message}
	rest, missing := strings.CutPrefix(f.Message, "expected required property ")
	if name, ok := strings.CutSuffix(rest, " to be present"); missing && ok {
		out.Location, out.Message = f.Location+"."+name, "is required"
	}
	return out
}

func sentence(fields []model.ProblemField) string {
	parts := make([]string, 0, len(fields))
	for _, f := range fields {
		parts = append(parts, strings.TrimSpace(f.Location+": "+f.Message))
	}
	return strings.Join(parts, "; ")
}

// finishDocument mends what the generator cannot know: answers may get more
// fields later (requests are strict), and errors are our own Problem.
func finishDocument(doc *huma.OpenAPI) {
	schemas := doc.Components.Schemas.Map()
	delete(schemas, "ErrorModel")
	delete(schemas, "ErrorDetail")
	strict := map[string]bool{}
	for _, item := range doc.Paths {
		for _, op := range operations(item) {
			if op.RequestBody == nil {
				continue
			}
			for _, m := range op.RequestBody.Content {
				markStrict(schemas, m.Schema, strict)
			}
		}
	}
	for name, s := range schemas {
		if !strict[name] {
			s.AdditionalProperties = nil
		}
	}
}

func markStrict(schemas map[string]*huma.Schema, s *huma.Schema, strict map[string]bool) {
	if s == nil {
		return
	}
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok && !strict[name] {
		strict[name] = true
		markStrict(schemas, schemas[name], strict)
	}
	markStrict(schemas, s.Items, strict)
	for _, p := range s.Properties {
		markStrict(schemas, p, strict)
	}
}

// operations lists the operations of a path in a fixed order.
func operations(item *huma.PathItem) []*huma.Operation {
	var out []*huma.Operation
	for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
		if op != nil {
			out = append(out, op)
		}
	}
	return out
}

// WriteProblem writes p as the whole answer, for what happens outside of an
// operation: authentication, unknown paths, panics.
func WriteProblem(w http.ResponseWriter, p *model.Problem) {
	h := w.Header()
	h.Set("Content-Type", model.ProblemType)
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="tutti"`)
	}
	if d := p.RetryAfter(); d > 0 {
		h.Set("Retry-After", seconds(d.Seconds()))
	}
	w.WriteHeader(p.Status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(p) // the caller has gone; there is nobody to tell
}
