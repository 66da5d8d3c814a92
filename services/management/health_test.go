package management_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

func TestHealthShowsServicesAndClients(t *testing.T) {
	w := newWorld(t)
	on, off := w.fakes.device("On"), w.fakes.device("Off", offline)
	w.known(on, off)
	var h model.Health
	eventuallyWithin(t, slow, func() error {
		h = decode[model.Health](w.get("/api/v1/health").want(http.StatusOK))
		if len(h.Clients) != 2 || len(h.Services) == 0 {
			return fmt.Errorf("%d clients and %d services", len(h.Clients), len(h.Services))
		}
		return nil
	})
	for _, c := range h.Clients {
		if want := map[string]string{on: model.QualityIdle, off: model.QualityOffline}[c.ClientID]; c.Quality != want {
			t.Errorf("%s is %s, want %s", c.ClientID, c.Quality, want)
		}
	}
	s := h.Services[0]
	if s.Service != "management" || !s.Up || s.InstanceID != "m1" || s.Version != "1.2.3" || s.Goroutines == 0 {
		t.Errorf("service %+v", s)
	}
	for over, n := range map[string]int{"1h": 360, "6h": 72, "48h": 576} {
		eventuallyWithin(t, slow, func() error { // a step that has only just begun has no sample yet
			got := decode[model.HealthHistory](w.get("/api/v1/health/history?range=" + over + "&client_id=" + on).want(http.StatusOK))
			if len(got.Connected) != n {
				t.Fatalf("%s: %d steps, want %d", over, len(got.Connected), n)
			}
			if last := got.Connected[n-1]; last == nil || *last != 1 {
				return fmt.Errorf("%s: the last step is %v", over, last)
			}
			return nil
		})
	}
	w.get("/api/v1/health/history?client_id=nobody").problem(http.StatusNotFound)
	w.get("/api/v1/health/history?range=1y&client_id=" + on).problem(http.StatusUnprocessableEntity)
	w.get("/api/v1/health/history").problem(http.StatusUnprocessableEntity)
}

func TestHealthOfOneZoneIsOfThatZone(t *testing.T) {
	z := newZones(t)
	eventuallyWithin(t, slow, func() error {
		if n := len(decode[model.Health](z.get("/api/v1/health").want(http.StatusOK)).Clients); n != 3 {
			return fmt.Errorf("%d clients", n)
		}
		return nil
	})
	h := decode[model.Health](z.anna.do("GET", "/api/v1/health", nil).want(http.StatusOK))
	if len(h.Clients) != 1 || h.Clients[0].ClientID != z.inA || len(h.Services) != 0 {
		t.Errorf("Anna sees %+v", h)
	}
	z.anna.do("GET", "/api/v1/health/history?client_id="+z.inA, nil).want(http.StatusOK)
	for _, id := range []string{z.inB, z.nowhere} {
		z.anna.do("GET", "/api/v1/health/history?client_id="+id, nil).problem(http.StatusNotFound)
	}
}

// TestOneInstanceTellsTheChain: of two instances one sends what a chain hears, and the other
// takes over when it ends.
func TestOneInstanceTellsTheChain(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for samples, which come every 10 s")
	}
	var mu sync.Mutex
	var heard []*pb.HealthSummary
	w := newWorld(t, func(c *management.Config) { c.Venue = "lisbon" })
	eventually(t, func() error { // it says that it is ready, else the younger one would speak
		if i := decode[model.Server](w.get("/api/v1/server").want(http.StatusOK)).Instances; len(i) != 1 || !i[0].Ready {
			return fmt.Errorf("instances %+v", i)
		}
		return nil
	})
	other := w.instance("m2")
	stop, err := bus.Subscribe(w.bus, subject.EventHealthSummary, func(_ context.Context, _ string, s *pb.HealthSummary) {
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, s)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	until := func(ready uint32, from string) *pb.HealthSummary {
		t.Helper()
		var found *pb.HealthSummary
		eventuallyWithin(t, 2*slow, func() error {
			mu.Lock()
			defer mu.Unlock()
			for _, s := range heard {
				if s.GetInstanceId() != from {
					t.Fatalf("%s speaks, want %s", s.GetInstanceId(), from)
				}
				for _, x := range s.GetServices() {
					if x.GetService() == "management" && x.GetReady() == ready {
						found = s
						return nil
					}
				}
			}
			return fmt.Errorf("%d summaries, none with %d instances of management that are ready: %v", len(heard), ready, heard)
		})
		return found
	}
	if s := until(2, "m1"); s.GetVenue() != "lisbon" || s.GetVersion() != "1.2.3" {
		t.Errorf("summary %v", s)
	}
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	heard = nil
	mu.Unlock()
	if s := until(1, "m2"); s.GetVenue() != "" {
		t.Errorf("summary of %s: %v", other.url, s)
	}
}
