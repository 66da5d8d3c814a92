package gateway

import (
	"fmt"
	"slices"
	"testing"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/machine"
)

// A device that speaks a newer revision plays on, and the operator sees what it said.
func TestANewerDeviceIsServedAndShown(t *testing.T) {
	r := newRig(t)
	d := r.ready(func(d *device) {
		d.hello.SupportedRoles = append([]string{"player@v9", "hologram@v1", "_mine@v1"}, d.hello.SupportedRoles...)
	})
	d.raw([]byte(`{"type":"client/dance","payload":{"to":"the music"}}`))
	d.raw([]byte(`{"type":"client/state","payload":{"available":true,"mood":"good","player":{"output_delay_ms":0,"required_lead_time_ms":300,"min_buffer_ms":200,"supported_commands":["fade"],"bass":11}}}`))
	if err := d.conn.WriteMessage(t.Context(), 24, make([]byte, 40)); err != nil {
		t.Fatal(err)
	}
	want := []string{"binary:24", "message:client/dance", "role:hologram@v1", "role:player@v9", "value:player.supported_commands: fade"}
	r.waitPresence(d.id(), func(p *tuttiv1.ClientPresence) string {
		if got := p.GetIgnored(); !slices.Equal(got, want) {
			return fmt.Sprintf("ignored %q, want %q", got, want)
		}
		return ""
	})
	if got, want := r.presence(d.id()).GetActiveRoles(), []string{"player@v1", "metadata@v1", "controller@v1"}; !slices.Equal(got, want) {
		t.Errorf("active roles %v, want %v", got, want)
	}
	families, err := r.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counted := map[string]float64{}
	for _, f := range families {
		if f.GetName() != "tutti_gateway_ignored_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			counted[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
		}
	}
	for _, kind := range machine.Kinds() {
		if counted[kind] == 0 {
			t.Errorf("nothing counted of kind %s: %v", kind, counted)
		}
	}
	d.handled(r)
	d.clean()
}
