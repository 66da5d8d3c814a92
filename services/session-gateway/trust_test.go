package gateway

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

const (
	approved   = tuttiv1.TrustState_TRUST_STATE_APPROVED
	unapproved = tuttiv1.TrustState_TRUST_STATE_UNAPPROVED
)

func TestUnapprovedThenApprovedThenRevoked(t *testing.T) {
	r := newRig(t)
	r.pairing.unapprovedByDefault()
	d := newDevice(r).join(r)
	a := waitType[*wire.ServerActivate](d, 1)
	if len(a.ActiveRoles) != 0 || len(a.Activities) != 0 || a.ActiveRoles == nil {
		t.Fatalf("unapproved: roles %v, activities %v", a.ActiveRoles, a.Activities)
	}
	r.waitPresence(d.id(), func(p *tuttiv1.ClientPresence) string {
		if p.GetTrust() != unapproved || len(p.GetActiveRoles()) != 0 || !p.GetConnected() {
			return p.String()
		}
		return ""
	})
	if err := r.command(d.id(), startCmd("g1", "a", 1, 0)); err == nil {
		t.Error("a stream was opened to an unapproved client")
	}

	r.pairing.decide(d.id(), approved, "approved", false, "player", "metadata")
	a = waitType[*wire.ServerActivate](d, 2)
	if !slices.Equal(a.ActiveRoles, []string{"player@v1", "metadata@v1"}) {
		t.Fatalf("approved: roles %v", a.ActiveRoles)
	}
	r.waitPlayer(d)
	begin := r.soon()
	r.recorder("g1", "a", 1, begin).write(5)
	r.mustCommand(d.id(), startCmd("g1", "a", 1, begin))
	d.waitChunks(5)

	r.pairing.decide(d.id(), unapproved, "revoked", false)
	d.waitFor("stream/end", func(m wire.Message) bool { return m.Type() == wire.TypeStreamEnd })
	a = waitType[*wire.ServerActivate](d, 4)
	if len(a.ActiveRoles) != 0 || len(a.Activities) != 0 {
		t.Errorf("revoked: roles %v, activities %v", a.ActiveRoles, a.Activities)
	}
	d.clean()
}

// TestAnApprovalEndsWithoutPairing: a session does not outlive its approval because
// nobody is there to say that it is over.
func TestAnApprovalEndsWithoutPairing(t *testing.T) {
	r := newRig(t)
	d := newDevice(r)
	r.pairing.say(d.id(), "", &tuttiv1.AdmitResponse{
		State: approved, AllowedFamilies: []string{"player"}, EndsAt: timestamppb.New(time.Now().Add(6 * time.Second)), // not before it has joined
	})
	d.join(r)
	if a := waitType[*wire.ServerActivate](d, 1); !slices.Equal(a.ActiveRoles, []string{"player@v1"}) {
		t.Fatalf("approved: roles %v", a.ActiveRoles)
	}
	r.pairing.stops()
	if a := waitType[*wire.ServerActivate](d, 2); len(a.ActiveRoles) != 0 {
		t.Errorf("after its end: roles %v", a.ActiveRoles)
	}
	d.clean()
}

func TestDenyDisconnects(t *testing.T) {
	r := newRig(t)
	d := newDevice(r).join(r)
	r.pairing.decide(d.id(), tuttiv1.TrustState_TRUST_STATE_DENIED, "denied", true)
	d.waitEnd()
	r.waitPresence(d.id(), func(p *tuttiv1.ClientPresence) string {
		if p.GetConnected() || p.GetLastError() != "trust: denied" {
			return p.String()
		}
		return ""
	})
}

func TestPairedAndCredentialMismatch(t *testing.T) {
	r := newRig(t)
	psk, err := noise.GeneratePSK(nil)
	if err != nil {
		t.Fatal(err)
	}
	d := newDevice(r, func(d *device) { d.psk = psk })
	r.pairing.mu.Lock()
	r.pairing.psk[d.id()] = psk
	r.pairing.mu.Unlock()
	d.join(r)
	p := r.waitPresence(d.id(), func(p *tuttiv1.ClientPresence) string {
		if !p.GetConnected() {
			return p.String()
		}
		return ""
	})
	if p.GetPskCategory() != "lt" || p.GetCredentialMismatch() {
		t.Errorf("paired: %v", p)
	}
	// The device loses its record: it answers under the Sentinel.
	d.cancel()
	d.waitEnd()
	d.psk = noise.PSK{}
	d.join(r)
	p = r.waitPresence(d.id(), func(p *tuttiv1.ClientPresence) string {
		if !p.GetConnected() || !p.GetCredentialMismatch() {
			return p.String()
		}
		return ""
	})
	if p.GetPskCategory() != "sn" || len(p.GetActiveRoles()) != 0 || p.GetTrust() != tuttiv1.TrustState_TRUST_STATE_CREDENTIAL_MISMATCH {
		t.Errorf("mismatch: %v", p)
	}
	if p.GetReconnects() != 1 {
		t.Errorf("%d reconnects, want 1", p.GetReconnects())
	}
}

func TestPairingAwayServesKnownDevicesOnly(t *testing.T) {
	r := newRig(t)
	known := newDevice(r).join(r)
	other := newDevice(r).join(r)
	r.pairing.stops()
	known.cancel()
	known.waitEnd()
	known.join(r)
	if a := waitType[*wire.ServerActivate](known, 2); len(a.ActiveRoles) != 3 {
		t.Errorf("known device while pairing is away: roles %v", a.ActiveRoles)
	}
	if err := newDevice(r).dialIn(r); err == nil {
		t.Error("an unknown device was let in while pairing is away")
	}
	other.settle(r) // sessions go on
	r.pairing.start()
	newDevice(r).join(r)
}

func TestReplacedByANewConnectionOfTheSameClient(t *testing.T) {
	r := newRig(t)
	d := newDevice(r).join(r)
	r.waitConnected(d, true) // else the record may begin with its twin
	twin := newDevice(r, func(n *device) { n.key = d.key }).join(r)
	d.waitEnd()
	r.waitPresence(d.id(), func(p *tuttiv1.ClientPresence) string {
		if !p.GetConnected() || p.GetReconnects() != 1 {
			return p.String()
		}
		return ""
	})
	r.mustCommand(twin.id(), groupCmd("g1", "stopped"))
	waitType[*wire.GroupUpdate](twin, 1)
	twin.settle(r)
	twin.clean()
}

func TestReplacedAcrossGateways(t *testing.T) {
	r := newRig(t)
	second := &rig{t: t, bus: r.bus, house: r.house, pairing: r.pairing, reg: nil}
	second.start(func(c *Config, d *Deps) { c.InstanceID = "gw-2"; d.Registerer = nil })
	d := newDevice(r).join(r)
	r.waitPresence(d.id(), func(p *tuttiv1.ClientPresence) string {
		if !p.GetConnected() {
			return "not connected"
		}
		return ""
	})
	twin := newDevice(r, func(n *device) { n.key = d.key }).join(second)
	d.waitEnd()
	eventually(t, func() string {
		if r.svc.hub.Len() != 0 {
			return "the first gateway still has the session"
		}
		return ""
	})
	p := r.presence(d.id())
	if p.GetGatewayId() != "gw-2" || !p.GetConnected() {
		t.Errorf("presence after the move: %v", p)
	}
	twin.settle(r)
}

func TestRestartCleansRecordsOfTheRunBefore(t *testing.T) {
	r := newRig(t)
	d := newDevice(r).join(r)
	p := r.waitPresence(d.id(), func(p *tuttiv1.ClientPresence) string {
		if !p.GetConnected() {
			return "not connected"
		}
		return ""
	})
	r.stop()
	// What a kill -9 leaves behind.
	p.Connected = true
	putPresence(t, r.bus, p)
	r.start(func(_ *Config, d *Deps) { d.Registerer = nil })
	r.waitPresence(d.id(), func(p *tuttiv1.ClientPresence) string {
		if p.GetConnected() {
			return "still connected"
		}
		return ""
	})
}

func TestShutdownEndsSessionsInTime(t *testing.T) {
	r := newRig(t)
	var all []*device
	for range 5 {
		all = append(all, newDevice(r).join(r))
	}
	start := time.Now()
	r.stop()
	for _, d := range all {
		d.waitEnd()
		if p := r.presence(d.id()); p.GetConnected() {
			t.Errorf("record after the stop: %v", p)
		}
	}
	t.Logf("stopped in %s", time.Since(start))
}
