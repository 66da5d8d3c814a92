package pairing

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// familiar is a house with an approved device, a labelled one, a paired one and a
// blocked one, each with a name of its own.
func (r *rig) familiar() {
	r.t.Helper()
	add := func(name, mac string) string {
		id := newClientID()
		k := knock(id, name)
		k.DeviceInfo.MacAddress = mac
		r.admit(k)
		return id
	}
	r.approve(add("Kitchen", "aa:bb:cc:00:11:22"))
	labelled := add("ESP-1234", "")
	r.approve(labelled)
	r.ask(subject.PairingLabel, &pb.SetLabelRequest{ClientId: labelled, Label: "Bar left", Actor: "admin"}, &pb.TrustRecord{})
	r.pair(add("Lobby", "aa:bb:cc:00:11:33"))
	r.decide(subject.PairingBlock, add("Drive-by", ""))
}

// TestImpostors: a key that shows what another key is known by never gets a role
// without a decision that names the warning, whatever the policy.
func TestImpostors(t *testing.T) {
	const reused, changed = "name_reused_by_new_key", "identity_changed"
	impostors := map[string]struct{ name, mac, warning string }{
		"the same name":                             {"Kitchen", "", reused},
		"another case":                              {"KITCHEN", "", reused},
		"other spacing and signs":                   {" kit-chen. ", "", reused},
		"invisible characters":                      {"Kit\u200bchen\u2060", "", reused},
		"full-width letters":                        {"\uff2b\uff49tchen", "", reused},
		"letters of another script":                 {"\u041ait\u0441hen", "", reused},
		"a label":                                   {"bar LEFT", "", reused},
		"the name that a label hides":               {"esp 1234", "", reused},
		"the name of a paired device":               {"lobby", "", reused},
		"the name of a blocked device":              {"Drive-by", "", reused},
		"a MAC address":                             {"Something new", "AA-BB-CC-00-11-22", changed},
		"the MAC address of a paired device":        {"Something else", "aabb.cc00.1133", changed},
		"a name and a MAC address":                  {"Kitchen", "aa:bb:cc:00:11:22", changed},
		"the name of one, the address of the other": {"Lobby", "aa:bb:cc:00:11:22", changed},
	}
	for _, policy := range []string{PolicyRequired, PolicyOptional} {
		t.Run(policy, func(t *testing.T) {
			forEachStore(t, func(t *testing.T, cfg Config) {
				cfg.Policy = policy
				r := newRig(t, cfg).serve()
				r.familiar()
				for what, i := range impostors {
					t.Run(what, func(t *testing.T) { r.impostor(t, i.name, i.mac, i.warning) })
				}
				t.Run("a name that it takes on later", func(t *testing.T) {
					id := newClientID()
					r.wantState(knock(id, "Nobody"), map[string]pb.TrustState{PolicyRequired: unapproved, PolicyOptional: approved}[policy], policy == PolicyOptional)
					got := r.wantState(knock(id, "Kitchen"), unapproved, false)
					if got.GetWarning() != reused {
						t.Fatalf("warning: %q", got.GetWarning())
					}
					if policy == PolicyOptional {
						r.wantEvent(id, "expired", false)
						r.wantLast("policy client.approval_ended")
					}
					r.wantState(knock(id, "Nobody"), unapproved, false)
				})
			})
		})
	}
}

func (r *rig) impostor(t *testing.T, name, mac, warning string) {
	r = &rig{t: t, bus: r.bus, logs: r.logs}
	id := newClientID()
	k := knock(id, name)
	k.DeviceInfo.MacAddress = mac
	for range 2 {
		if got := r.wantState(k, unapproved, false); got.GetWarning() != warning {
			t.Fatalf("warning: %q, want %q", got.GetWarning(), warning)
		}
	}
	honest := knock(id, "Nothing to see "+id)
	if got := r.wantState(honest, unapproved, false); got.GetWarning() != warning {
		t.Fatalf("the warning went with the name: %q", got.GetWarning())
	}
	r.eventually("the inbox says why", func() error {
		if e := r.trustEntry(id); e.GetWaitingReason() != warning || e.GetWarning() != warning {
			return fmt.Errorf("entry %v", e)
		}
		return nil
	})
	other := map[string]string{"identity_changed": "name_reused_by_new_key", "name_reused_by_new_key": "identity_changed"}[warning]
	for _, accept := range []string{"", other} {
		r.wantFault(fault.Conflict, warning, subject.PairingApprove, &pb.ApproveRequest{ClientId: id, Actor: "admin", AcceptWarning: accept})
	}
	r.decide(subject.PairingDeny, id) // a decision, but not one that names it
	r.wantFault(fault.Conflict, warning, subject.PairingApprove, &pb.ApproveRequest{ClientId: id, Actor: "admin"})
	var rec pb.TrustRecord
	r.ask(subject.PairingApprove, &pb.ApproveRequest{ClientId: id, Actor: "admin", AcceptWarning: warning}, &rec)
	if rec.GetWarning() != "" || rec.GetState() != approved {
		t.Fatalf("answer to approve: %v", &rec)
	}
	lines := r.audit()
	if last := lines[len(lines)-1]; last.GetClientId() != id || !strings.Contains(last.GetDetail(), "in spite of "+warning) {
		t.Fatalf("the ledger does not say what was accepted: %v", last)
	}
	r.wantState(k, approved, true)
	r.ask(subject.PairingForget, &pb.ClientRequest{ClientId: id, Actor: "admin"}, &pb.Empty{})
}
