package api

import (
	"net/http"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/readmodel"
	"github.com/tutti-audio/tutti/services/management/internal/relay"
)

// RelayPath is the WebSocket of the browser as a speaker. It is no operation of the API:
// what it carries is Sendspin.
const RelayPath = "/sendspin"

// Relay adds the relay for browsers that are speakers. Its connections end with
// Deps.Streams; the caller waits for them with Wait.
func (a *API) Relay(mux *http.ServeMux) *relay.Relay {
	r := relay.New(relay.Config{
		Gateways: func() []readmodel.Gateway { return a.d.Projection.Snapshot().Gateways },
		BootID:   houseclock.BootID(),
		Authenticate: func(r *http.Request) error {
			p, err := a.authenticate(r)
			if err == nil && p.Somewhere() < auth.RoleViewer {
				return tooLow(p, auth.RoleViewer)
			}
			return err
		},
		Refuse: func(w http.ResponseWriter, err error) {
			if code := fault.CodeOf(err); code == fault.Unauthorized || code == fault.Forbidden {
				a.d.Metrics.authFailures.WithLabelValues(string(code)).Inc()
			}
			WriteProblem(w, model.FromError(err))
		},
		Streams: a.d.Streams, Clock: a.d.Clock, Log: a.d.Log,
	})
	mux.Handle("GET "+RelayPath, r)
	return r
}
