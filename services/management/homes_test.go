package management_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"

	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// switched puts the client of zone A into zone B as a controller does: A stays its home,
// with a cap of 20.
func (z *zones) switched() {
	z.t.Helper()
	change := func(group string, how func(g *pb.Group)) {
		z.t.Helper()
		if _, err := z.fakes.changeGroup(context.Background(), group, func(g *pb.Group) error { how(g); return nil }); err != nil {
			z.t.Fatal(err)
		}
	}
	limit := int32(20)
	change(z.a, func(g *pb.Group) {
		g.Members, g.Assigned, g.AssignedKnown, g.VolumeCap = nil, []string{z.inA}, true, &limit
	})
	change(z.b, func(g *pb.Group) {
		g.Members, g.Assigned, g.AssignedKnown = []string{z.inB, z.inA}, []string{z.inB}, true
		g.VolumeCaps = map[string]int32{z.inA: limit}
	})
	eventually(z.t, func() error {
		c := decode[model.Client](z.get("/api/v1/clients/" + z.inA))
		if c.GroupID != z.b || c.HomeID != z.a {
			return errors.New("it is not there yet")
		}
		return nil
	})
}

func TestAGuestShowsItsHome(t *testing.T) {
	z := newZones(t)
	z.switched()
	if g := decode[model.Group](z.get("/api/v1/groups/" + z.a).want(http.StatusOK)); !slices.Equal(g.Away, []string{z.inA}) {
		t.Errorf("away are %v", g.Away)
	}
	g := decode[model.Group](z.get("/api/v1/groups/" + z.b).want(http.StatusOK))
	i := slices.IndexFunc(g.MemberStatus, func(s model.MemberStatus) bool { return s.ClientID == z.inA })
	if i < 0 || g.MemberStatus[i].VolumeCap == nil || *g.MemberStatus[i].VolumeCap != 20 || len(g.Away) != 0 || g.VolumeCap != nil {
		t.Errorf("the zone that it visits: %+v", g)
	}
}

// TestNobodyTakesAGuestFromItsZone: who operates the zone in which a speaker is a guest
// may play there, and cannot end the quiet hours of its home by making it their own.
func TestNobodyTakesAGuestFromItsZone(t *testing.T) {
	z := newZones(t)
	z.switched()
	z.admin.do("POST", "/api/v1/users", map[string]any{"name": "Dora", "role": "none", "password": goodPassword,
		"zones": []model.ZoneRole{{GroupID: z.b, Role: "operator"}}}).want(http.StatusCreated)
	dora := z.signIn("Dora", goodPassword)
	member := "/api/v1/groups/" + z.b + "/members/" + z.inA
	dora.do("PATCH", "/api/v1/clients/"+z.inA, `{"volume":5}`).want(http.StatusOK)
	dora.do("PUT", member, nil).problem(http.StatusForbidden)
	dora.do("PATCH", "/api/v1/clients/"+z.inA, `{"group_id":"`+z.b+`"}`).problem(http.StatusForbidden)
	dora.do("PATCH", "/api/v1/clients/"+z.inA, `{"group_id":""}`).problem(http.StatusForbidden)
	dora.do("DELETE", member, nil).problem(http.StatusForbidden)
	if c := decode[model.Client](z.get("/api/v1/clients/" + z.inA)); c.HomeID != z.a || c.GroupID != z.b {
		t.Fatalf("it was taken: %+v", c)
	}
	// A role in both zones is enough.
	z.admin.do("PATCH", "/api/v1/users/"+dora.session.User.UserID, map[string]any{
		"zones": []model.ZoneRole{{GroupID: z.a, Role: "operator"}, {GroupID: z.b, Role: "operator"}}}).want(http.StatusOK)
	dora.do("PUT", member, nil).want(http.StatusOK)
}
