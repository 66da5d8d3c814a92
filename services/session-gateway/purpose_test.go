package gateway

import (
	"context"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// dialFor orders the gateways to dial a device for a purpose.
func (r *rig) dialFor(d *device, purpose, category string) error {
	return r.bus.Request(r.t.Context(), subject.GatewayDial, &tuttiv1.DialRequest{
		ClientId: d.id(), Purpose: purpose, PskCategory: category, WithinMs: 10_000,
	}, &tuttiv1.Empty{})
}

// elsewhere makes a device one that the gateway dialled, and that another server has now.
func (r *rig) elsewhere(d *device) *device {
	r.t.Helper()
	r.sight(&tuttiv1.Sighting{Key: "static/" + d.id(), Url: d.listen(), Present: true, Appearances: 1})
	r.waitConnected(d, true)
	if a := waitType[*wire.ServerActivate](d, 1); len(a.Activities) != 0 {
		r.t.Errorf("dialled without a purpose, the first activation says %v", a.Activities)
	}
	d.send(&wire.ClientGoodbye{Reason: wire.GoodbyeAnotherServer})
	d.waitEnd()
	r.waitConnected(d, false)
	return d
}

// secondActivation is the first one of the session that was dialled for a purpose.
func secondActivation(d *device) *wire.ServerActivate { return waitType[*wire.ServerActivate](d, 2) }

// A device that another server has is dialled to be paired: its first activation is the
// attempt's, keyed as the method needs it, whatever record there is.
func TestDialledForPairing(t *testing.T) {
	r := newDiallingRig(t)
	s := r.withSealing()
	r.pairing.unapprovedByDefault()
	for _, m := range []struct{ name, method, format string }{
		{"token", wire.MethodPSK, ""},
		{"digits", wire.MethodDynamicCode, wire.FormatDigits},
		{"static code", wire.MethodStaticCode, ""},
	} {
		for _, record := range []string{"", "lt"} {
			t.Run(m.name+" record "+record, func(t *testing.T) {
				r := *r
				r.t = t
				code := m.method
				if code == wire.MethodPSK {
					code = ""
				}
				d := newDevice(&r, pairable(code), func(d *device) { d.hello.UnpairedAccess.Enabled = false })
				keyed(&r, d, record)
				psk := d.psk
				r.elsewhere(d)
				a := r.attempt(d, s, "a1")
				category := "sn"
				if m.method == wire.MethodPSK {
					category = "pr"
					r.lend(d)
				}
				if err := r.dialFor(d, "pairing", category); err != nil {
					t.Fatal(err)
				}
				if got := a.query().GetCategory(); got != category {
					t.Fatalf("the session is keyed %q, want %q", got, category)
				}
				a.mustBegin(m.method, m.format)
				a.waitPaired()
				if act := secondActivation(d); !act.Has(wire.ActivityPairing) || len(act.ActiveRoles) != 0 {
					t.Errorf("the first activation is %+v", act)
				}
				if d.record().Equal(psk) {
					t.Error("the record is the old one")
				}
				waitPlaybackRoles(d)
				d.settle(&r)
				d.clean()
			})
		}
	}
}

// lend answers for the attempt's key.
func (r *rig) lend(d *device) {
	r.t.Helper()
	stop, err := bus.HandleExclusive(r.bus, subject.AttemptKey(d.id()), func(_ context.Context, req *tuttiv1.CredentialRequest) (*tuttiv1.CredentialResponse, error) {
		sealed, err := seal(d.pair.token.Bytes(), req.GetRecipientKey())
		return &tuttiv1.CredentialResponse{Category: "pr", SealedPsk: sealed}, err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(stop)
}

// An attempt that fails leaves the device with what it had: the session goes back to its
// record, and declares nothing any more.
func TestDialledForPairingThatFails(t *testing.T) {
	r := newDiallingRig(t)
	s := r.withSealing()
	d := newDevice(r, pairable(wire.MethodDynamicCode), func(d *device) { d.pair.mute = true })
	keyed(r, d, "lt")
	r.elsewhere(d)
	a := r.attempt(d, s, "a1")
	if err := r.dialFor(d, "pairing", "sn"); err != nil {
		t.Fatal(err)
	}
	a.query()
	a.state = paired
	a.mustBegin(wire.MethodDynamicCode, wire.FormatDigits)
	cancelAttempt(a)
	r.waitPresence(d.id(), func(p *tuttiv1.ClientPresence) string {
		if p.GetPskCategory() != "lt" || len(p.GetActivities()) != 0 || len(p.GetActiveRoles()) != 3 || p.GetTrust() != paired {
			return p.String()
		}
		return ""
	})
	d.clean()
}

// A session whose attempt does not come does not stay: it says nothing, and the device is
// dialled as always.
func TestDialledForAnAttemptThatDoesNotCome(t *testing.T) {
	r := newDiallingRig(t)
	s := r.withSealing()
	d := r.elsewhere(newDevice(r))
	if err := r.dialFor(d, "pairing", "sn"); err != nil {
		t.Fatal(err)
	}
	r.attempt(d, s, "a1").query()
	if a := secondActivation(d); a.Has(wire.ActivityPairing) || len(a.ActiveRoles) != 3 {
		t.Errorf("the next session begins with %+v", a)
	}
	if d.openings() < 3 {
		t.Errorf("%d openings", d.openings())
	}
	d.clean()
}

// A trusted device that another server has is dialled for playback: it says so, and
// drops it when nothing plays.
func TestDialledForPlayback(t *testing.T) {
	r := newDiallingRig(t)
	d := newDevice(r)
	keyed(r, d, "lt")
	r.elsewhere(d)
	if err := r.dialFor(d, "playback", ""); err != nil {
		t.Fatal(err)
	}
	if a := secondActivation(d); !a.Has(wire.ActivityPlayback) || len(a.ActiveRoles) != 3 {
		t.Errorf("the first activation is %+v", a)
	}
	if a := waitType[*wire.ServerActivate](d, 3); len(a.Activities) != 0 {
		t.Errorf("nothing plays, and the activation says %v", a.Activities)
	}
	// A purpose counts once.
	d.send(&wire.ClientGoodbye{Reason: wire.GoodbyeRestart})
	if a := waitType[*wire.ServerActivate](d, 4); len(a.Activities) != 0 {
		t.Errorf("dialled again without a purpose, the first activation says %v", a.Activities)
	}
	d.clean()
}

// Trust is not made by wanting: a device without roles is not claimed.
func TestDialledForPlaybackWithoutTrust(t *testing.T) {
	r := newDiallingRig(t)
	r.pairing.unapprovedByDefault()
	d := r.elsewhere(newDevice(r))
	if err := r.dialFor(d, "playback", ""); err != nil {
		t.Fatal(err)
	}
	if a := secondActivation(d); len(a.Activities) != 0 || len(a.ActiveRoles) != 0 {
		t.Errorf("the first activation is %+v", a)
	}
	d.clean()
}

func TestOrdersToDialThatMakeNoSense(t *testing.T) {
	r := newDiallingRig(t)
	d := newDevice(r)
	for name, c := range map[string]struct {
		purpose, category string
		want              fault.Code
	}{
		"nowhere":                {"playback", "", fault.NotFound},
		"no purpose":             {"", "", fault.Invalid},
		"by its record":          {"pairing", string(noise.LongTerm), fault.Invalid},
		"with no PSK in mind":    {"pairing", "", fault.Invalid},
		"for what nobody can do": {"dancing", "", fault.Invalid},
	} {
		if err := r.dialFor(d, c.purpose, c.category); fault.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// Purposes end by themselves, and pairing is not overwritten by playback.
func TestPurposesStandForAMoment(t *testing.T) {
	clock := clockwork.NewFakeClock()
	p := newPurposes(clock)
	at := func(d time.Duration) time.Time { return clock.Now().Add(d) }
	p.set("a", purpose{wire.ActivityPairing, noise.Sentinel, at(time.Second)})
	p.set("a", purpose{activity: wire.ActivityPlayback, until: at(time.Minute)})
	if got := p.get("a").activity; got != wire.ActivityPairing {
		t.Errorf("an attempt waits, and the purpose is %q", got)
	}
	if p.take("a", wire.ActivityPlayback) || !p.take("a", wire.ActivityPairing) || p.take("a", wire.ActivityPairing) {
		t.Error("a purpose is taken once, by the one it is for")
	}
	p.set("b", purpose{activity: wire.ActivityPlayback, until: at(time.Second)})
	clock.Advance(time.Second)
	if p.take("b", wire.ActivityPlayback) {
		t.Error("a purpose outlives its time")
	}
}
