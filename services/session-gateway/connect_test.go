package gateway

import (
	"fmt"
	"testing"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

func TestInboundBothSuites(t *testing.T) {
	r := newRig(t)
	for _, suite := range []noise.Suite{noise.ChaChaPoly, noise.AESGCM} {
		t.Run(string(suite), func(t *testing.T) {
			d := newDevice(r, func(d *device) { d.suite = suite }).join(r)
			a := waitType[*wire.ServerActivate](d, 1)
			if fmt.Sprint(a.ActiveRoles) != "[player@v1 metadata@v1 controller@v1]" || len(a.Activities) != 0 {
				t.Errorf("first activation: roles %v, activities %v", a.ActiveRoles, a.Activities)
			}
			p := r.waitPresence(d.id(), func(p *tuttiv1.ClientPresence) string {
				if !p.GetConnected() || p.Available == nil || p.GetPlayer() == nil {
					return "connected, available and player state: " + p.String()
				}
				return ""
			})
			if p.GetSuite() != string(suite) || p.GetConnection() != "inbound" || p.GetPskCategory() != "sn" ||
				p.GetName() != "test device" || p.GetGatewayId() != "gw-1" || p.GetPlayerSupport().GetBufferCapacity() == 0 {
				t.Errorf("presence: %v", p)
			}
			before := r.house.NowMicros()
			d.send(&wire.ClientTime{ClientTransmitted: 42})
			st := waitType[*wire.ServerTime](d, 1)
			after := r.house.NowMicros()
			if st.ClientTransmitted != 42 || st.ServerReceived < before || st.ServerTransmitted < st.ServerReceived || st.ServerTransmitted > after {
				t.Errorf("server/time: %+v, between %d and %d", st, before, after)
			}
			d.send(&wire.ClientGoodbye{Reason: "shutdown"})
			d.waitEnd()
			r.waitPresence(d.id(), func(p *tuttiv1.ClientPresence) string {
				if p.GetConnected() || p.GetLastGoodbye() != "shutdown" {
					return p.String()
				}
				return ""
			})
			d.clean()
		})
	}
}
