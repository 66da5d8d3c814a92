// Package api is the operator HTTP API, version 1: its routes, what they demand
// of a caller, and the requests on the bus that carry them out.
//
// Reading: a GET renders the read model's snapshot and asks nobody, except for
// the library and the audit ledger. Writing: a handler checks what it can check
// (404, 409, 422), asks the service that owns the fact, waits a moment for the
// read model to show the effect, and answers with the object as it then is.
package api

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/jonboulle/clockwork"
	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/platform/obs"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/archive"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/feed"
	"github.com/tutti-audio/tutti/services/management/internal/health"
	"github.com/tutti-audio/tutti/services/management/internal/idem"
	"github.com/tutti-audio/tutti/services/management/internal/ledger"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/oidc"
	"github.com/tutti-audio/tutti/services/management/internal/readmodel"
	"github.com/tutti-audio/tutti/services/management/internal/signin"
)

const (
	// MaxBody is the largest body of JSON in bytes; a larger one is 413.
	MaxBody = 1 << 20
	// DefaultRequestTimeout bounds a request; the API promises an answer within 5 s
	// whatever the services behind it do.
	DefaultRequestTimeout = 4500 * time.Millisecond
	// DefaultEffectTimeout is how long an answer waits for the read model to show what was
	// done. It is a courtesy: the command itself is done by then.
	DefaultEffectTimeout = 2 * time.Second
)

// Bus is what the API asks of the bus.
type Bus interface {
	Request(ctx context.Context, subject string, req, resp proto.Message) error
	RequestHedged(ctx context.Context, subject string, req, resp proto.Message) error
}

// Presence is the gateways' bucket, which the API writes to at one point: forgetting
// a client removes its presence.
type Presence interface {
	Get(ctx context.Context, key string) (*pb.ClientPresence, uint64, error)
	Delete(ctx context.Context, key string) error
}

// Deps are what the API works with. All are required, except House.
type Deps struct {
	Bus        Bus
	Presence   Presence
	Tunings    Tunings
	Projection *readmodel.Projection
	Feed       *feed.Feed
	// Health samples and judges.
	Health *health.Monitor
	// Auth are asked in order; the first that finds a credential of its kind decides.
	Auth   []auth.Authenticator
	Tokens *auth.Store
	// Door lets people in, and keeps the users.
	Door *signin.Door
	// OIDC is another way to sign in; nil when there is none.
	OIDC *model.SignInWay
	// Flow carries it out; OIDCRoles says that the provider also says who may do what, and
	// OIDCAdmins are the names of those who are administrators without its word.
	Flow       *oidc.Flow
	OIDCRoles  bool
	OIDCAdmins []string
	Ledger     *ledger.Ledger
	Idem       *idem.Cache
	// Replays are the answers that all instances know; nil: this one remembers alone.
	Replays *idem.Shared
	// Clips keeps what is sent in to be announced.
	Clips Clips
	// Archive makes backups.
	Archive *archive.Archive
	// Restorer brings them back; nil: it is said that this server cannot.
	Restorer Restorer
	// TempDir is where a backup that was sent in lies for a moment; empty: the system's.
	TempDir string
	House   houseclock.Clock
	Clock   clockwork.Clock
	Log     *slog.Logger
	// Version and Mode are shown by GET /api/v1/server.
	Version, Mode string
	// Encoders are what players can be sent, TLS says that the API is served over it.
	Encoders []string
	TLS      bool
	// RequestTimeout bounds a request; 0 means DefaultRequestTimeout.
	RequestTimeout time.Duration
	// EffectTimeout bounds the wait for what was done to show; 0 means DefaultEffectTimeout.
	EffectTimeout time.Duration
	// Streams ends when open event streams must end, for a shutdown.
	Streams context.Context
	// Metrics counts; see NewMetrics.
	Metrics *Metrics
}

// API is the set of routes.
type API struct {
	d    Deps
	huma huma.API
	// digestKey keys the digests of bodies that are kept with an Idempotency-Key: a
	// body may hold a pairing code, which a bare hash would give away.
	digestKey [32]byte
	// raw are the operations whose body is not JSON, "POST /path", with the largest body
	// of each in bytes. It does not change after New.
	raw map[string]int64
}

// New registers every route on mux and returns the API with its document.
func New(mux *http.ServeMux, d Deps) *API {
	if d.RequestTimeout == 0 {
		d.RequestTimeout = DefaultRequestTimeout
	}
	if d.EffectTimeout == 0 {
		d.EffectTimeout = DefaultEffectTimeout
	}
	a := &API{d: d, raw: map[string]int64{}}
	_, _ = rand.Read(a.digestKey[:]) // never fails (crypto/rand)
	a.huma = humago.New(mux, a.config())
	a.sessionRoutes()
	a.oidcRoutes()
	a.serverRoutes()
	a.clientRoutes()
	a.trustRoutes()
	a.pairingRoutes()
	a.enrolRoutes()
	a.personaRoutes()
	a.groupRoutes()
	a.playbackRoutes()
	a.queueRoutes()
	a.announceRoutes()
	a.clipRoutes()
	a.scheduleRoutes()
	a.libraryRoutes()
	a.artworkRoutes()
	a.auditRoutes()
	a.auditVerifyRoutes()
	a.backupRoutes()
	a.restoreRoutes()
	a.tokenRoutes()
	a.healthRoutes()
	a.userRoutes()
	a.eventRoutes()
	finishDocument(a.huma.OpenAPI())
	return a
}

// Document is the OpenAPI 3.1 document. It does not change after New.
func (a *API) Document() *huma.OpenAPI { return a.huma.OpenAPI() }

// away says why a service did not do something: it is not there, or it runs and says
// itself what it lacks, such as its database.
func away(service, what string, err error) error {
	if f := fault.From(err); f.Answered {
		return fault.Wrap(fault.Unavailable, err, "the %s service cannot %s now: %s; try again in a moment", service, what, f.Msg)
	}
	return fault.Wrap(fault.Unavailable, err, "the %s service cannot be reached; is it running? try again in a moment", service)
}

// ask sends a request to a service and says in the operator's words when that
// service does not answer.
func (a *API) ask(ctx context.Context, service, subject string, req, resp proto.Message) error {
	return worded(service, a.d.Bus.Request(ctx, subject, req, resp))
}

// askAny is ask for what any instance of a service may do, twice with the effect of once: a
// question, or a command with an id. It does not wait for an instance that stands still.
func (a *API) askAny(ctx context.Context, service, subject string, req, resp proto.Message) error {
	return worded(service, a.d.Bus.RequestHedged(ctx, subject, req, resp))
}

func worded(service string, err error) error {
	switch fault.CodeOf(err) {
	case "":
		return nil
	case fault.Unavailable:
		return away(service, "do this", err)
	case fault.Timeout:
		return fault.Wrap(fault.Timeout, err, "the %s service did not answer in time; whether it was done is not known", service)
	case fault.Invalid, fault.OutOfRange, fault.Forbidden:
		// Forbidden, too: the caller's role was checked here, so it is about what the
		// request names (a path outside of the music folder), and 403 would mislead.
		return refused(err)
	}
	return err
}

// blame says which field a refusal is about that names none.
func blame(err error, location string) error {
	if err == nil || fault.CodeOf(err) != fault.OutOfRange {
		return err
	}
	f := *fault.From(err)
	if len(f.Fields) != 1 || f.Fields[0].Location != "body" {
		return err
	}
	f.Fields = []fault.Field{{Location: location, Message: f.Fields[0].Message}}
	return &f
}

// refused turns a service's "not like this" into the API's terms: the body was
// JSON, so it is a field out of range (422) and not a body that cannot be parsed,
// and fields are named as the caller sent them.
func refused(err error) error {
	f := *fault.From(err)
	f.Code = fault.OutOfRange
	f.Fields = slices.Clone(f.Fields)
	for i, x := range f.Fields {
		if !strings.ContainsAny(x.Location, ".[") {
			f.Fields[i].Location = "body." + x.Location
		}
	}
	if len(f.Fields) == 0 {
		f.Fields = []fault.Field{{Location: "body", Message: f.Msg}}
	}
	return &f
}

// act puts an administrative act into the log and the audit ledger.
func (a *API) act(ctx context.Context, kind, clientID, detail string) {
	a.logAct(ctx, kind, clientID, detail)
	a.d.Ledger.Append(ctx, ledger.Act{Actor: who(ctx), Kind: kind, ClientID: clientID, Detail: detail})
}

// logAct is act for what the owning service writes into the ledger itself.
func (a *API) logAct(ctx context.Context, kind, clientID, detail string) {
	args := []any{"actor", who(ctx), "kind", kind, "detail", detail, obs.KeyTrace, bus.TraceID(ctx)}
	if clientID != "" {
		args = append(args, obs.KeyClient, clientID)
	}
	a.d.Log.InfoContext(ctx, "operator act", args...)
}

func who(ctx context.Context) string { return auth.PrincipalOf(ctx).Actor }

// await waits for the read model to show an effect, for a bounded time.
func (a *API) await(ctx context.Context, cond func(*readmodel.Snapshot) bool) *readmodel.Snapshot {
	ctx, cancel := context.WithTimeout(ctx, a.d.EffectTimeout)
	defer cancel()
	a.d.Projection.Await(ctx, cond)
	return a.d.Projection.Snapshot()
}

// client finds a client or answers fault.NotFound.
func (a *API) client(id string) (*model.Client, error) {
	if c := a.d.Projection.Snapshot().Client(id); c != nil {
		return c, nil
	}
	return nil, noClient(id)
}

func noClient(id string) error {
	return fault.New(fault.NotFound, "there is no client %q; GET /api/v1/clients lists those that are known", clip(id))
}

// group finds a group or answers fault.NotFound.
func (a *API) group(id string) (*pb.Group, error) {
	if g := a.d.Projection.Snapshot().Group(id); g != nil {
		return g, nil
	}
	return nil, noGroup(id)
}

func noGroup(id string) error {
	return fault.New(fault.NotFound, "there is no group %q; GET /api/v1/groups lists those that are known", clip(id))
}

// clip keeps what a caller sent from filling an answer.
func clip(s string) string {
	if r := []rune(s); len(r) > 64 {
		return string(r[:64]) + "…"
	}
	return s
}
