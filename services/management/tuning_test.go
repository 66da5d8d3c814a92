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

func TestChannelsAndEqualizerOfAClient(t *testing.T) {
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
		out := c.Tuning.Channels
		if e := c.Tuning.Equalizer; e != nil {
			out += fmt.Sprintf(" %g dB %v %v %g", e.PreampDB, e.Bands, e.Limiter, e.LimiterDB)
		}
		return strings.TrimSpace(out)
	}
	for _, step := range []struct{ body, want string }{
		{`{"channels":"left"}`, "left"},
		{`{"equalizer":{"preamp_db":-3,"bands":[{"kind":"peak","frequency":1000,"gain_db":-3,"q":1}],"limiter":true,"limiter_db":-1}}`,
			"left -3 dB [{peak 1000 -3 1}] true -1"},
		{`{"label":"K"}`, "left -3 dB [{peak 1000 -3 1}] true -1"},
		{`{"equalizer":{"limiter":true}}`, "left 0 dB [] true 0"},
		{`{"channels":"stereo"}`, "0 dB [] true 0"},
		{`{"channels":"mono","equalizer":null}`, "mono"},
		{`{"channels":null}`, "nothing"},
	} {
		if got := show(decode[model.Client](w.patch(path, step.body).want(http.StatusOK))); got != step.want {
			t.Errorf("%s: %q, want %q", step.body, got, step.want)
		}
	}
	const band = `{"equalizer":{"bands":[{"kind":%q,"frequency":%g,"gain_db":%g,"q":%g}]}}`
	for body, field := range map[string]string{
		`{"channels":"5.1"}`:                            "body.channels",
		fmt.Sprintf(band, "notch", 1000.0, 3.0, 1.0):    "body.equalizer.bands[0].kind",
		fmt.Sprintf(band, "peak", 5.0, 3.0, 1.0):        "body.equalizer.bands[0].frequency",
		fmt.Sprintf(band, "peak", 1000.0, 30.0, 1.0):    "body.equalizer.bands[0].gain_db",
		fmt.Sprintf(band, "peak", 1000.0, 3.0, 0.0):     "body.equalizer.bands[0].q",
		`{"equalizer":{"preamp_db":20}}`:                "body.equalizer.preamp_db",
		`{"equalizer":{"limiter":true,"limiter_db":1}}`: "body.equalizer.limiter_db",
		`{"equalizer":{"bands":[` + strings.Repeat(`{"kind":"peak","frequency":1000,"gain_db":3,"q":1},`, 10) + `{"kind":"peak","frequency":1000,"gain_db":3,"q":1}]}}`: "body.equalizer.bands",
	} {
		if p := w.patch(path, body).problem(http.StatusUnprocessableEntity); p.Errors[0].Location != field {
			t.Errorf("%s: %+v, want %s", body, p.Errors, field)
		}
	}
	w.patch("/api/v1/clients/"+wall, `{"channels":"left"}`).problem(http.StatusConflict)
	w.patch("/api/v1/clients/"+wall, `{"equalizer":null}`).problem(http.StatusConflict)
}
