package management_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

func TestVolumeLimitsOfAClient(t *testing.T) {
	w := newWorld(t)
	id := w.fakes.device("Kitchen")
	wall := w.fakes.device("Wall", func(p *pb.ClientPresence, _ *pb.TrustRecord) {
		p.SupportedRoles, p.PlayerSupport = []string{"controller@v1"}, nil
	})
	w.known(id, wall)
	path := "/api/v1/clients/" + id
	show := func(c model.Client) string {
		if c.Tuning == nil {
			return "nothing"
		}
		out := ""
		for _, v := range []*int32{c.Tuning.VolumeMin, c.Tuning.VolumeMax, c.Tuning.VolumeStartup} {
			if v == nil {
				out += " -"
			} else {
				out += fmt.Sprint(" ", *v)
			}
		}
		return strings.TrimSpace(out)
	}
	for _, step := range []struct{ body, want string }{
		{`{"volume_max":60}`, "- 60 -"},
		{`{"volume_min":5,"volume_startup":30}`, "5 60 30"},
		{`{"volume_min":5}`, "5 60 30"},
		{`{"label":"K"}`, "5 60 30"},
		{`{"volume_max":null}`, "5 - 30"},
		{`{"preferred_format":{"codec":"flac","sample_rate":44100,"channels":2,"bit_depth":16}}`, "5 - 30"},
		{`{"volume_min":null,"volume_startup":null}`, "- - -"},
	} {
		if got := show(decode[model.Client](w.patch(path, step.body).want(http.StatusOK))); got != step.want {
			t.Errorf("%s: %s, want %s", step.body, got, step.want)
		}
	}
	for body, field := range map[string]string{
		`{"volume_max":101}`:                "body.volume_max",
		`{"volume_min":-1}`:                 "body.volume_min",
		`{"volume_startup":"loud"}`:         "body.volume_startup",
		`{"volume_min":60,"volume_max":50}`: "body.volume_min",
	} {
		if p := w.patch(path, body).problem(http.StatusUnprocessableEntity); p.Errors[0].Location != field {
			t.Errorf("%s: %+v", body, p)
		}
	}
	w.patch("/api/v1/clients/"+wall, `{"volume_max":50}`).problem(http.StatusConflict)
	// What the gateway makes of it is shown beside it.
	p, _, err := w.fakes.presence.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	p.Limits = &pb.VolumeLimits{Min: 5, Max: 40, Startup: proto.Int32(20)}
	p.Ignored = []string{"message:client/dance"}
	if _, err := w.fakes.presence.Put(t.Context(), id, p); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		c := decode[model.Client](w.get(path))
		if c.Limits == nil || c.Limits.VolumeMax != 40 || *c.Limits.VolumeStartup != 20 || len(c.Ignored) != 1 {
			return fmt.Errorf("limits %+v, ignored %v", c.Limits, c.Ignored)
		}
		return nil
	})
	w.delete("/api/v1/clients/" + id).want(http.StatusNoContent)
	eventually(t, func() error {
		if _, _, err := w.fakes.tuning.Get(t.Context(), id); err == nil {
			return fmt.Errorf("a forgotten client is still tuned")
		}
		return nil
	})
}

// Two hands that tune different things do not undo each other.
func TestTuningAtTheSameTime(t *testing.T) {
	w := newWorld(t)
	id := w.fakes.device("Kitchen")
	w.known(id)
	var once sync.Once
	w.fakes.raceTune = func() {
		once.Do(func() {
			other := &pb.ClientTuning{ClientId: id, Channels: "left"}
			if _, err := w.fakes.tuning.Put(context.Background(), id, other); err != nil {
				t.Error(err)
			}
		})
	}
	c := decode[model.Client](w.patch("/api/v1/clients/"+id, `{"volume_max":60}`).want(http.StatusOK))
	if c.Tuning == nil || c.Tuning.Channels != "left" || c.Tuning.VolumeMax == nil || *c.Tuning.VolumeMax != 60 {
		t.Errorf("tuning %+v", c.Tuning)
	}
}
