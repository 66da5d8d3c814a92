package management_test

import (
	"fmt"
	"net/http"
	"testing"

	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

func TestAutoStartOfASource(t *testing.T) {
	w := newWorld(t)
	line := w.fakes.device("Turntable", func(p *pb.ClientPresence, _ *pb.TrustRecord) {
		p.SupportedRoles, p.PlayerSupport, p.SourceLineSense = []string{"source@v1"}, nil, true
	})
	room := w.fakes.device("Room")
	w.known(line, room)
	g := decode[model.Group](w.post("/api/v1/groups", `{"name":"G"}`).want(http.StatusCreated))
	path := "/api/v1/clients/" + line
	show := func(c model.Client) string {
		if c.Tuning == nil || c.Tuning.AutoStart == nil {
			return "off"
		}
		return fmt.Sprint(c.Tuning.AutoStart.GroupID == g.GroupID, c.Tuning.AutoStart.StopAfterMS)
	}
	for _, step := range []struct{ body, want string }{
		{`{"auto_start":{"group_id":"` + g.GroupID + `"}}`, "true 30000"},
		{`{"label":"Player"}`, "true 30000"},
		{`{"auto_start":{"group_id":"` + g.GroupID + `","stop_after_ms":5000}}`, "true 5000"},
		{`{"auto_start":null}`, "off"},
	} {
		if got := show(decode[model.Client](w.patch(path, step.body).want(http.StatusOK))); got != step.want {
			t.Errorf("%s: %s, want %s", step.body, got, step.want)
		}
	}
	for body, field := range map[string]string{
		`{"auto_start":{"group_id":"nobody"}}`:                              "body.auto_start.group_id",
		`{"auto_start":{"group_id":""}}`:                                    "body.auto_start.group_id",
		`{"auto_start":{"group_id":"` + g.GroupID + `","stop_after_ms":5}}`: "body.auto_start.stop_after_ms",
	} {
		if p := w.patch(path, body).problem(http.StatusUnprocessableEntity); p.Errors[0].Location != field {
			t.Errorf("%s: %+v", body, p)
		}
	}
	w.patch("/api/v1/clients/"+room, `{"auto_start":{"group_id":"`+g.GroupID+`"}}`).problem(http.StatusConflict)
}
