package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/readmodel"
)

type nothing struct{}

type body[T any] struct{ Body T }

func answer[T any](v T) *body[T] { return &body[T]{Body: v} }

type patchServer struct {
	Body struct {
		Name      *string      `json:"name,omitempty" minLength:"1" maxLength:"63" doc:"What devices show for this server; at most 63 bytes of UTF-8."`
		Languages *[]string    `json:"languages,omitempty" nullable:"false" maxItems:"16" doc:"BCP 47, most preferred first."`
		Policy    *patchPolicy `json:"policy,omitempty"`
	}
}

type patchPolicy struct {
	Pairing    *string `json:"pairing,omitempty" enum:"required,optional" doc:"required: only paired or explicitly approved devices play. optional: trust on first use."`
	Rosters    *string `json:"rosters,omitempty" enum:"ask,accept" doc:"Whether an import of a newer, verified roster of a persona that was imported before is taken without asking."`
	Controller *string `json:"controller,omitempty" enum:"paired_only,approved" doc:"paired_only: only paired devices, and those whose approval says so, may control the music. approved: every approved device."`
}

func (a *API) serverRoutes() {
	register(a, route{
		id: "get-server", method: http.MethodGet, path: "/api/v1/server", tag: tagServer, role: auth.RoleViewer, zone: zoneAny,
		summary: "The deployment", doc: "Its identity, settings, live service processes and house clock.",
	}, func(context.Context, *nothing) (*body[model.Server], error) {
		return answer(a.Server(a.d.Projection.Snapshot())), nil
	})
	register(a, route{
		id: "patch-server", method: http.MethodPatch, path: "/api/v1/server", tag: tagServer, role: auth.RoleAdmin,
		summary: "Change the settings", doc: "What is absent stays as it is.",
		errors: []int{http.StatusBadRequest, http.StatusUnprocessableEntity},
	}, a.patchServer)
	register(a, route{
		id: "list-sightings", method: http.MethodGet, path: "/api/v1/sightings", tag: tagServer, role: auth.RoleViewer,
		summary: "Device addresses", doc: "What mDNS shows, and the addresses that were added by hand. An address becomes a client when a device has answered there.",
	}, func(context.Context, *nothing) (*body[model.Sightings], error) {
		s := a.d.Projection.Snapshot().Sightings
		return answer(model.Sightings{Sightings: append([]model.Sighting{}, s...)}), nil
	})
	register(a, route{
		id: "remove-sighting", method: http.MethodDelete, path: "/api/v1/sightings/{key}", tag: tagServer, role: auth.RoleAdmin, status: http.StatusNoContent,
		summary: "Take an added address back", doc: "The server does not dial it any more. What mDNS shows, or the configuration names, cannot be removed: 409. A session that lives there goes on.",
		errors: []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity},
	}, a.forgetAddress)
}

type sightingPath struct {
	Key string `path:"key" maxLength:"128" doc:"As GET /api/v1/sightings shows it."`
}

// forgetAddress is the way back from POST /api/v1/clients.
func (a *API) forgetAddress(ctx context.Context, in *sightingPath) (*struct{}, error) {
	known := a.d.Projection.Snapshot().Sightings
	i := slices.IndexFunc(known, func(s model.Sighting) bool { return s.Key == in.Key })
	if i < 0 {
		return nil, fault.New(fault.NotFound, "there is no address %q; GET /api/v1/sightings lists those that are known", clip(in.Key))
	}
	err := a.ask(ctx, "discovery", subject.DiscoveryRemove, &pb.RemoveStaticRequest{Key: in.Key, Actor: who(ctx)}, &pb.Empty{})
	if err != nil {
		return nil, err
	}
	a.act(ctx, "client.address_removed", "", "address "+known[i].URL)
	a.await(ctx, func(s *readmodel.Snapshot) bool {
		return !slices.ContainsFunc(s.Sightings, func(x model.Sighting) bool { return x.Key == in.Key })
	})
	return nil, nil
}

// Server renders the deployment as snap has it.
func (a *API) Server(snap *readmodel.Snapshot) model.Server { return RenderServer(snap, a.d) }

// RenderServer is Server for those who have the API's dependencies alone.
func RenderServer(snap *readmodel.Snapshot, d Deps) model.Server {
	s := snap.Settings
	out := model.Server{
		ServerID: s.GetServerId(), Recipient: s.GetRecipient(), Name: s.GetName(), Version: d.Version, Mode: d.Mode,
		Languages: append([]string{}, s.GetLanguages()...),
		Policy:    model.Policy{Pairing: "required", Controller: "paired_only", Rosters: "ask"},
		Instances: append([]model.Instance{}, snap.Instances...), Encoders: append([]string{}, d.Encoders...), TLS: d.TLS,
	}
	if p := s.GetPairingPolicy(); p != "" {
		out.Policy.Pairing = p
	}
	if p := s.GetRosterPolicy(); p != "" {
		out.Policy.Rosters = p
	}
	if p := s.GetControllerPolicy(); p != "" {
		out.Policy.Controller = p
	}
	if d.House != nil {
		info := d.House.Info()
		out.HouseClock = model.HouseClock{NowUS: d.House.NowMicros(), Leader: info.Leader, UncertaintyUS: info.UncertaintyUS}
	}
	return out
}

func (a *API) patchServer(ctx context.Context, in *patchServer) (*body[model.Server], error) {
	req := &pb.UpdateSettingsRequest{Name: in.Body.Name, Actor: who(ctx)}
	if l := in.Body.Languages; l != nil {
		for i, tag := range *l {
			if !languageTag(tag) {
				return nil, badField(indexed("body.languages", i), "is not a language tag such as en or de-CH")
			}
		}
		req.SetLanguages, req.Languages = true, *l
	}
	if p := in.Body.Policy; p != nil {
		req.PairingPolicy, req.ControllerPolicy, req.RosterPolicy = p.Pairing, p.Controller, p.Rosters
	}
	settings := &pb.ServerSettings{}
	if err := a.ask(ctx, "pairing", subject.PairingSettings, req, settings); err != nil {
		return nil, err
	}
	a.logAct(ctx, "server.updated", "", "settings")
	snap := a.await(ctx, func(s *readmodel.Snapshot) bool {
		return s.Settings.GetName() == settings.GetName() && s.Settings.GetPairingPolicy() == settings.GetPairingPolicy() &&
			s.Settings.GetControllerPolicy() == settings.GetControllerPolicy() && s.Settings.GetRosterPolicy() == settings.GetRosterPolicy()
	})
	shown := *snap
	shown.Settings = settings
	return answer(a.Server(&shown)), nil
}

// languageTag checks the form of BCP 47 loosely: subtags of 1 to 8 letters or
// digits, the first of letters.
func languageTag(s string) bool {
	for i, sub := range strings.Split(s, "-") {
		if len(sub) < 1 || len(sub) > 8 || i == 0 && len(sub) < 2 {
			return false
		}
		for _, r := range sub {
			letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
			if !letter && (i == 0 || r < '0' || r > '9') {
				return false
			}
		}
	}
	return true
}

// badField is one field out of range, as a fault.
func badField(location, message string) error {
	return fault.New(fault.OutOfRange, "the request has fields that cannot be accepted: %s: %s", location, message).
		WithField(location, message)
}
