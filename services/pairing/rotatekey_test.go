package pairing

import (
	"context"
	"fmt"
	"testing"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/roster"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
)

func (r *rig) rotateServer() *pb.ServerSettings {
	r.t.Helper()
	var s pb.ServerSettings
	r.ask(subject.PairingRotateKey, &pb.RotateServerKeyRequest{Actor: "admin"}, &s)
	return &s
}

func (r *rig) settings() *pb.ServerSettings {
	r.t.Helper()
	var s pb.ServerSettings
	r.ask(subject.PairingSettings, &pb.UpdateSettingsRequest{}, &s)
	return &s
}

// presented is the server key that a handshake with the device would present.
func (r *rig) presented(id string) string {
	r.t.Helper()
	k := newBoxKey(r.t)
	var c pb.CredentialResponse
	r.ask(subject.PairingCredential, &pb.CredentialRequest{ClientId: id, RecipientKey: k.pub[:]}, &c)
	return c.GetServerId()
}

func (r *rig) wantPresented(id, want, why string) {
	r.t.Helper()
	if got := r.presented(id); got != want {
		r.t.Fatalf("%s: presented %s, want %s", why, got, want)
	}
}

// comesThrough is an accepted handshake of a paired device.
func (r *rig) comesThrough(id string) {
	r.t.Helper()
	req := knock(id, "paired")
	req.PskCategory = "lt"
	r.wantState(req, paired, true)
}

// TestTheServersKeyIsRotated walks paired and unpaired devices through a rotation, and
// one that falls back.
func TestTheServersKeyIsRotated(t *testing.T) {
	forEachStore(t, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg).serve()
		was := r.settings()
		first := was.GetServerId()
		good, odd, untold, plain := newClientID(), newClientID(), newClientID(), r.approvedDevice("plain")
		for _, id := range []string{good, odd, untold} {
			r.admit(knock(id, "paired"))
			r.pair(id)
			r.comesThrough(id)
		}
		events := len(r.trustEvents())
		now := r.rotateServer()
		second := now.GetServerId()
		if second == first || now.GetRosterSeq() != was.GetRosterSeq()+1 || now.GetRecipient() == was.GetRecipient() {
			t.Fatalf("after the rotation: %v", now)
		}
		checkServerRoster(t, was.GetRoster(), now.GetRoster(), second, first)
		r.atOnce("the bucket", func() error {
			if s := r.settingsEntry(); s.GetServerId() != second || s.GetRoster() != now.GetRoster() {
				return fmt.Errorf("it says %v", s)
			}
			return nil
		})
		k := newBoxKey(t)
		var id pb.IdentityResponse
		r.ask(subject.PairingIdentity, &pb.IdentityRequest{RecipientKey: k.pub[:], InstanceId: "gw"}, &id)
		if id.GetServerId() != second || len(id.GetFormer()) != 1 || id.GetFormer()[0].GetServerId() != first {
			t.Fatalf("identities: %v, former %v", id.GetServerId(), id.GetFormer())
		}
		k.open(t, id.GetFormer()[0].GetSealedPrivateKey())
		r.atOnce("the sessions that end", func() error {
			var ended []string
			for _, e := range r.trustEvents()[events:] {
				if e.GetDisconnect() {
					ended = append(ended, e.GetClientId())
				}
			}
			if len(ended) != 1 || ended[0] != plain {
				return fmt.Errorf("%v, want that of %s, which has no record", ended, plain)
			}
			return nil
		})
		r.wantPresented(plain, second, "an unpaired device")
		r.wantPresented(newClientID(), second, "a stranger")
		for _, id := range []string{good, odd, untold} {
			r.wantPresented(id, first, "before it was told")
			r.comesThrough(id)
			r.wantPresented(id, first, "coming through with the former key proves nothing of the new one")
		}

		r.told(good, now.GetRosterSeq()-1)
		r.wantPresented(good, first, "told of an older roster")
		r.told(good, now.GetRosterSeq())
		r.told(good, now.GetRosterSeq()) // a report may come twice
		r.wantEnded(good, 1)
		r.wantPresented(good, second, "once it was told")
		r.comesThrough(good)
		r.restart()
		r.wantPresented(good, second, "for good")
		r.wantPresented(good, second, "for good")
		r.wantPresented(good, second, "for good")

		r.told(odd, now.GetRosterSeq())
		r.wantPresented(odd, second, "first try")
		r.wantPresented(odd, second, "second try")
		r.wantPresented(odd, first, "the way back")
		r.comesThrough(odd)
		r.wantPresented(odd, first, "until it is told again")
		r.told(odd, now.GetRosterSeq())
		r.wantEnded(odd, 1) // not again: it would come and go for ever
		r.wantPresented(odd, second, "told again")
		r.comesThrough(odd)
		r.wantPresented(untold, first, "nobody told it")

		third := r.rotateServer().GetServerId()
		r.wantPresented(good, second, "after another rotation")
		r.wantPresented(odd, second, "after another rotation")
		r.wantPresented(untold, first, "after another rotation")
		r.wantPresented(plain, third, "after another rotation")
	})
}

func checkServerRoster(t *testing.T, before, after string, active, former string) {
	t.Helper()
	old, err := roster.Parse(before)
	if err != nil {
		t.Fatal(err)
	}
	now, err := old.Pin().Accept(after)
	if err != nil {
		t.Fatal(err)
	}
	if a, _ := now.ActiveDevice(); a.String() != active || len(now.Devices) != 2 || now.Devices[1].String() != former {
		t.Fatalf("the roster lists %v", now.Devices)
	}
}

// TestRotationsAreBounded: former keys that no device needs go; ten that are needed
// stop the next rotation, and nothing is lost.
func TestRotationsAreBounded(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()}).serve()
	for range 12 {
		r.rotateServer() // no paired device: nobody needs the former ones
	}
	for range roster.MaxDevices - 1 {
		id := newClientID()
		r.admit(knock(id, "paired"))
		r.pair(id)
		r.rotateServer()
	}
	id := newClientID()
	r.admit(knock(id, "paired"))
	r.pair(id)
	before := r.settings()
	r.wantFault(fault.Conflict, "more than a roster lists", subject.PairingRotateKey, &pb.RotateServerKeyRequest{Actor: "admin"})
	if now := r.settings(); now.GetServerId() != before.GetServerId() || now.GetRoster() != before.GetRoster() {
		t.Fatal("the refused rotation changed something")
	}
}

func (r *rig) settingsEntry() *pb.ServerSettings {
	r.t.Helper()
	b, err := bus.OpenBucket[pb.ServerSettings](context.Background(), r.bus, subject.BucketSettings, bus.BucketOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	s, _, err := b.Get(context.Background(), subject.SettingsKey)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// told reports that the roster was sent.
func (r *rig) told(id string, seq uint64) {
	r.t.Helper()
	r.ask(subject.PairingReport, &pb.SessionReport{ClientId: id, SessionId: "s", Event: pb.SessionEvent_SESSION_EVENT_ROSTER, RosterSeq: seq}, &pb.Empty{})
}

// wantEnded waits until sessions of the device were ended for the sake of the new key.
func (r *rig) wantEnded(id string, want int) {
	r.t.Helper()
	r.eventually("sessions end", func() error {
		n := 0
		for _, e := range r.trustEvents() {
			if e.GetClientId() == id && e.GetKind() == "identity" && e.GetDisconnect() {
				n++
			}
		}
		if n != want {
			return fmt.Errorf("%d sessions of %s ended, want %d", n, id, want)
		}
		return nil
	})
}
