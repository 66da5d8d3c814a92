package api

import (
	"context"
	"net/http"

	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

type healthHistoryQuery struct {
	ClientID string `query:"client_id" required:"true" maxLength:"64"`
	Range    string `query:"range" enum:"1h,6h,48h" default:"1h" doc:"1h: in steps of 10 s. 6h and 48h: in steps of 5 min. The last step is the one that is under way."`
}

func (a *API) healthRoutes() {
	register(a, route{
		id: "get-health", method: http.MethodGet, path: "/api/v1/health", tag: tagHealth, role: auth.RoleViewer,
		summary: "How the deployment does", doc: "Services with their load, the quality of each client, and findings: what is wrong, in words, and the request that mends it. Judged every 10 s; the event `health.updated` tells of other findings, qualities or services, not of numbers that move.",
	}, func(context.Context, *nothing) (*body[*model.Health], error) {
		return answer(&a.d.Health.Report().Health), nil
	})
	register(a, route{
		id: "get-health-history", method: http.MethodGet, path: "/api/v1/health/history", tag: tagHealth, role: auth.RoleViewer,
		summary: "How a client did", doc: "An hour in steps of 10 s, or 6 or 48 hours in steps of 5 min. The history is in the memory of the management service: it begins anew when that starts, and with several instances each has its own. At most 4096 clients have one; the one that was away for the longest time gives way.",
		errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity},
	}, func(_ context.Context, in *healthHistoryQuery) (*body[model.HealthHistory], error) {
		if _, err := a.client(in.ClientID); err != nil {
			return nil, err
		}
		return answer(a.d.Health.Report().Series(in.ClientID).History(in.ClientID, in.Range, a.d.Clock.Now())), nil
	})
}
