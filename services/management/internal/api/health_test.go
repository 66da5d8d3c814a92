package api

import (
	"testing"

	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/readmodel"
)

// Who has a role in one zone learns nothing of the others, nor of the machines.
func TestHealthOfOneZone(t *testing.T) {
	snap := &readmodel.Snapshot{Clients: []*model.Client{{ClientID: "a", GroupID: "bar"}, {ClientID: "b", GroupID: "spa"}, {ClientID: "c"}}}
	h := &model.Health{
		Services: []model.ServiceHealth{{Service: "stream"}},
		Clients:  []model.ClientHealth{{ClientID: "a"}, {ClientID: "b"}, {ClientID: "c"}},
		Findings: []model.Finding{
			{FindingID: "bar", Groups: []string{"bar"}, Clients: []string{"a"}},
			{FindingID: "moved", Groups: []string{"bar"}, Clients: []string{"a", "b"}},
			{FindingID: "spa", Groups: []string{"spa"}, Clients: []string{"b"}},
			{FindingID: "all"},
			{FindingID: "nowhere", Clients: []string{"c"}},
		},
	}
	got := ofTheZones(h, auth.Principal{Zones: map[string]auth.Role{"bar": auth.RoleViewer}}, snap)
	if len(got.Services) != 0 || len(got.Clients) != 1 || got.Clients[0].ClientID != "a" || len(got.Findings) != 1 || got.Findings[0].FindingID != "bar" {
		t.Errorf("got %+v", got)
	}
}
