package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/readmodel"
)

type healthHistoryQuery struct {
	ClientID string `query:"client_id" required:"true" maxLength:"64"`
	Range    string `query:"range" enum:"1h,6h,48h" default:"1h" doc:"1h: in steps of 10 s. 6h and 48h: in steps of 5 min. The last step is the one that is under way."`
}

func (a *API) healthRoutes() {
	register(a, route{
		id: "get-health", method: http.MethodGet, path: "/api/v1/health", tag: tagHealth, role: auth.RoleViewer, zone: zoneAny,
		summary: "How the deployment does", doc: "Services with their load, the quality of each client, and findings: what is wrong, in words, and the request that mends it. Judged every 10 s; the event `health.updated` tells of other findings, qualities or services, not of numbers that move. A caller with a role in single zones alone gets the clients and findings of those, no services and no event.",
	}, func(ctx context.Context, _ *nothing) (*body[*model.Health], error) {
		h := &a.d.Health.Report().Health
		if p := auth.PrincipalOf(ctx); p.Limited() {
			h = ofTheZones(h, p, a.d.Projection.Snapshot())
		}
		return answer(h), nil
	})
	register(a, route{
		id: "get-health-history", method: http.MethodGet, path: "/api/v1/health/history", tag: tagHealth, role: auth.RoleViewer, zone: zoneAny,
		summary: "How a client did", doc: "An hour in steps of 10 s, or 6 or 48 hours in steps of 5 min. The history is in the memory of the management service: it begins anew when that starts, and with several instances each has its own. At most 4096 clients have one; the one that was away for the longest time gives way.",
		errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity},
	}, func(ctx context.Context, in *healthHistoryQuery) (*body[model.HealthHistory], error) {
		c, err := a.client(in.ClientID)
		if err != nil {
			return nil, err
		}
		if !sees(ctx, c.GroupID) {
			return nil, noClient(in.ClientID)
		}
		return answer(a.d.Health.Report().Series(in.ClientID).History(in.ClientID, in.Range, a.d.Clock.Now())), nil
	})
}

// ofTheZones is the part of h that p may see: clients of its zones, and findings that are
// about them alone.
func ofTheZones(h *model.Health, p auth.Principal, snap *readmodel.Snapshot) *model.Health {
	group := func(id string) bool { return p.In(id) >= auth.RoleViewer }
	client := func(id string) bool { c := snap.Client(id); return c != nil && group(c.GroupID) }
	out := &model.Health{At: h.At, Services: []model.ServiceHealth{}, Clients: []model.ClientHealth{}, Findings: []model.Finding{}}
	for _, c := range h.Clients {
		if client(c.ClientID) {
			out.Clients = append(out.Clients, c)
		}
	}
	for _, f := range h.Findings {
		if len(f.Groups) > 0 && !slices.ContainsFunc(f.Groups, func(id string) bool { return !group(id) }) &&
			!slices.ContainsFunc(f.Clients, func(id string) bool { return !client(id) }) {
			out.Findings = append(out.Findings, f)
		}
	}
	return out
}
