package pairing

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// refresh is a device's running session that asks again.
func refresh(k *pb.AdmitRequest, session string) *pb.AdmitRequest {
	k.Refresh, k.SessionId = true, session
	return k
}

func (r *rig) report(id, session string, event pb.SessionEvent, goodbye string) {
	r.t.Helper()
	r.ask(subject.PairingReport, &pb.SessionReport{ClientId: id, SessionId: session, Event: event, Goodbye: goodbye}, &pb.Empty{})
}

// wantLast checks the newest lines of the ledger, oldest first, as "actor kind".
func (r *rig) wantLast(want ...string) {
	r.t.Helper()
	var got []string
	for _, e := range r.audit() {
		got = append(got, e.GetActor()+" "+e.GetKind())
		if e.GetDetail() == "" {
			r.t.Errorf("line %d (%s) says nothing", e.GetId(), e.GetKind())
		}
	}
	if got = got[max(0, len(got)-len(want)):]; !slices.Equal(got, want) {
		r.t.Fatalf("ledger: got %v, want %v", got, want)
	}
}

func (r *rig) wantEvent(id, kind string, disconnect bool) {
	r.t.Helper()
	r.eventually("gateways hear of "+kind, func() error {
		if r.clk != nil {
			r.clk.Advance(50 * time.Millisecond) // the herald waits a moment for more to tell
		}
		events := r.trustEvents()
		for _, e := range events {
			if e.GetClientId() == id && e.GetKind() == kind && e.GetDisconnect() == disconnect {
				return nil
			}
		}
		return fmt.Errorf("events %v", events)
	})
}

func TestBlockIsForGood(t *testing.T) {
	forEachStore(t, func(t *testing.T, cfg Config) {
		cfg.InboxTTL = time.Hour
		r := newRig(t, cfg)
		r.clk = clockwork.NewFakeClock()
		r.serve()
		id := newClientID()
		r.admit(knock(id, "Kitchen"))
		rec := r.decide(subject.PairingBlock, id)
		if rec.GetState() != denied || !rec.GetBlocked() || rec.GetWaitingReason() != "" {
			t.Fatalf("answer to block: %v", rec)
		}
		r.wantEvent(id, "blocked", true)
		r.decide(subject.PairingBlock, id) // changes nothing
		r.wantLast("system identity.created", "admin client.blocked")
		for range 3 {
			r.clk.Advance(2 * time.Hour)
			if got := r.wantState(knock(id, "Kitchen"), denied, false); got.GetReason() != "blocked by the operator" {
				t.Fatalf("reason: %q", got.GetReason())
			}
			if e := r.trustEntry(id); e.GetWaitingReason() != "" || !e.GetBlocked() {
				t.Fatalf("a blocked device waits: %v", e)
			}
		}
		r.wantFault(fault.Conflict, "approve it", subject.PairingDeny, &pb.ClientRequest{ClientId: id, Actor: "admin"})
		r.wantFault(fault.Conflict, "blocked", subject.PairingRevoke, &pb.ClientRequest{ClientId: id, Actor: "admin"})
		if rec := r.approve(id); rec.GetBlocked() || rec.GetState() != approved {
			t.Fatalf("approve of a blocked device: %v", rec)
		}
		r.wantState(knock(id, "Kitchen"), approved, true)
		r.decide(subject.PairingBlock, id)
		r.ask(subject.PairingForget, &pb.ClientRequest{ClientId: id, Actor: "admin"}, &pb.Empty{})
		if e := r.admit(knock(id, "Kitchen")); e.GetState() != unapproved {
			t.Fatalf("a forgotten blocked key: %v", e)
		}
		for _, e := range r.audit() {
			if e.GetKind() == "client.forgotten" && !strings.Contains(e.GetDetail(), "was blocked") {
				t.Errorf("the ledger does not say what was forgotten: %q", e.GetDetail())
			}
		}
	})
}

func TestApprovalsEndByTime(t *testing.T) {
	forEachStore(t, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg)
		r.clk = clockwork.NewFakeClock()
		r.serve()
		asked, silent := newClientID(), newClientID()
		end := r.clk.Now().Add(time.Hour)
		for _, id := range []string{asked, silent} {
			r.admit(knock(id, "Room "+id))
			r.wantFault(fault.OutOfRange, "still to come", subject.PairingApprove,
				&pb.ApproveRequest{ClientId: id, Actor: "admin", EndsAt: timestamppb.New(r.clk.Now())})
			var rec pb.TrustRecord
			r.ask(subject.PairingApprove, &pb.ApproveRequest{ClientId: id, Actor: "admin", EndsAt: timestamppb.New(end)}, &rec)
			if !rec.GetApprovalEndsAt().AsTime().Equal(end.UTC().Truncate(time.Microsecond)) {
				t.Fatalf("answer to approve: %v", &rec)
			}
			if got := r.wantState(refresh(knock(id, "Room "+id), "s"), approved, true); got.GetEndsAt() == nil || got.GetReportEnd() {
				t.Fatalf("admission: %v", got)
			}
		}
		r.clk.Advance(time.Hour)
		r.wantState(refresh(knock(asked, "Room "+asked), "s"), unapproved, false)
		r.eventually("the other one ends without being asked for", func() error {
			r.clk.Advance(time.Second)
			if e := r.trustEntry(silent); e.GetState() != unapproved || e.GetWaitingReason() != "approval_ended" || e.GetApprovalEndsAt() != nil {
				return fmt.Errorf("entry %v", e)
			}
			return nil
		})
		r.wantEvent(silent, "expired", false)
		r.wantEvent(asked, "expired", false)
		r.wantLast("system client.approval_ended", "system client.approval_ended")
		r.approve(silent)
		r.wantState(knock(silent, "Room "+silent), approved, true)
	})
}

// TestNothingEndsByItself: a pairing record and an approval without an end hold after ten
// years, over the sweeps that took away what has an end, and over a restart.
func TestNothingEndsByItself(t *testing.T) {
	forEachStore(t, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg)
		r.clk = clockwork.NewFakeClock()
		r.serve()
		key := newBoxKey(t)
		holds := func(id string) *pb.AdmitRequest {
			k := knock(id, "Room "+id)
			k.PskCategory = "lt"
			return k
		}
		has, let, guest, stranger := newClientID(), newClientID(), newClientID(), newClientID()
		r.admit(holds(has))
		r.pair(has)
		r.wantState(holds(has), paired, true)
		for _, id := range []string{let, guest, stranger} {
			r.admit(knock(id, "Room "+id))
		}
		r.approve(let)
		r.ask(subject.PairingApprove, &pb.ApproveRequest{ClientId: guest, Actor: "admin", EndsAt: timestamppb.New(r.clk.Now().Add(time.Hour))}, &pb.TrustRecord{})
		keep := func(when string) {
			t.Helper()
			if e := r.trustEntry(has); e.GetState() != paired || !e.GetPaired() {
				t.Errorf("%s the paired device is %v", when, e)
			}
			if e := r.trustEntry(let); e.GetState() != approved || e.GetApprovalEndsAt() != nil {
				t.Errorf("%s the approved device is %v", when, e)
			}
			var resp pb.CredentialResponse
			r.ask(subject.PairingCredential, &pb.CredentialRequest{ClientId: has, RecipientKey: key.pub[:]}, &resp)
			if resp.GetCategory() != "lt" || len(resp.GetSealedPsk()) == 0 {
				t.Errorf("%s the paired device's credential is %q", when, resp.GetCategory())
			}
			r.wantState(holds(has), paired, true)
			r.wantState(knock(let, "Room "+let), approved, true)
		}
		r.atOnce("what is to end is there", func() error {
			if g, s := r.trustEntry(guest), r.trustEntry(stranger); g.GetState() != approved || s == nil {
				return fmt.Errorf("the guest is %v, the stranger %v", g, s)
			}
			return nil
		})
		r.clk.Advance(10 * 365 * 24 * time.Hour)
		r.eventually("the sweeps have been through", func() error {
			r.clk.Advance(time.Minute)
			g, s := r.trustEntry(guest), r.trustEntry(stranger)
			if g.GetState() == approved || s != nil {
				return fmt.Errorf("the guest is %v, the stranger %v", g, s)
			}
			return nil
		})
		keep("ten years later")
		r.restart()
		keep("after a restart")
		for _, e := range r.audit() {
			if e.GetActor() == "system" && (e.GetClientId() == has || e.GetClientId() == let) {
				t.Errorf("the ledger: %v", e)
			}
		}
	})
}

func TestApprovalsUntilDisconnect(t *testing.T) {
	forEachStore(t, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg).serve()
		id := newClientID()
		k := func() *pb.AdmitRequest { return knock(id, "Guest") }
		allow := func(session string) {
			t.Helper()
			r.wantState(k(), unapproved, false)
			var rec pb.TrustRecord
			r.ask(subject.PairingApprove, &pb.ApproveRequest{ClientId: id, Actor: "admin", UntilDisconnect: true}, &rec)
			if !rec.GetApprovalUntilDisconnect() || rec.GetState() != approved {
				t.Fatalf("answer to approve: %v", &rec)
			}
			for range 2 {
				if got := r.wantState(refresh(k(), session), approved, true); !got.GetReportEnd() {
					t.Fatalf("the session is not asked to report its end: %v", got)
				}
			}
		}
		allow("one")
		r.report(id, "zero", pb.SessionEvent_SESSION_EVENT_ENDED, "") // of a session before
		r.wantState(refresh(k(), "one"), approved, true)
		r.report(id, "one", pb.SessionEvent_SESSION_EVENT_ENDED, "shutdown")
		r.report(id, "one", pb.SessionEvent_SESSION_EVENT_ENDED, "shutdown") // reports may come twice
		r.wantState(refresh(k(), "one"), unapproved, false)
		r.wantLast("admin client.approved", "device client.approval_ended")
		r.eventually("it waits", func() error {
			if e := r.trustEntry(id); e.GetWaitingReason() != "approval_ended" {
				return fmt.Errorf("entry %v", e)
			}
			return nil
		})
		allow("two")
		r.restart()
		r.wantState(refresh(k(), "two"), approved, true)
		r.wantState(k(), unapproved, false) // its gateway died and reported nothing
		r.wantLast("admin client.approved", "device client.approval_ended")
		r.wantState(refresh(k(), "two"), unapproved, false)
	})
}

func TestReportsAboutNothingChangeNothing(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()}).serve()
	id, gone := newClientID(), newClientID()
	r.admit(knock(id, "Kitchen"))
	r.approve(id)
	before := len(r.audit())
	for _, c := range []string{id, gone} {
		r.report(c, "s", pb.SessionEvent_SESSION_EVENT_ENDED, "unpaired")
		r.report(c, "", pb.SessionEvent_SESSION_EVENT_ENDED, "")
		r.report(c, "s", pb.SessionEvent_SESSION_EVENT_UNPAIRED, "")
	}
	r.wantState(knock(id, "Kitchen"), approved, true)
	if got := len(r.audit()); got != before {
		t.Fatalf("%d lines, want %d", got, before)
	}
	r.wantFault(fault.Invalid, "does not say", subject.PairingReport, &pb.SessionReport{ClientId: id})
	r.wantFault(fault.Invalid, "client_id", subject.PairingReport, &pb.SessionReport{ClientId: "x", Event: pb.SessionEvent_SESSION_EVENT_ENDED})
}

func TestControllerPolicyActsOnLiveSessions(t *testing.T) {
	forEachStore(t, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg).serve()
		plain, named := newClientID(), newClientID()
		r.admit(knock(plain, "Plain"))
		r.approve(plain)
		r.admit(knock(named, "Named"))
		var rec pb.TrustRecord
		r.ask(subject.PairingApprove, &pb.ApproveRequest{ClientId: named, Actor: "admin", Controller: true}, &rec)
		if !rec.GetControllerAllowed() || rec.GetSourceAllowed() {
			t.Fatalf("answer to approve: %v", &rec)
		}
		want := func(id, name string, want bool) {
			t.Helper()
			if got := r.wantState(knock(id, name), approved, true).GetAllowedFamilies(); slices.Contains(got, "controller") != want {
				t.Fatalf("families of %s: %v, controller %v", name, got, want)
			}
		}
		set := func(policy string) {
			t.Helper()
			var s pb.ServerSettings
			r.ask(subject.PairingSettings, &pb.UpdateSettingsRequest{ControllerPolicy: &policy, Actor: "admin"}, &s)
			if s.GetControllerPolicy() != policy {
				t.Fatalf("settings: %v", &s)
			}
		}
		want(plain, "Plain", false)
		want(named, "Named", true)
		set("approved")
		r.wantEvent(plain, "policy", false)
		want(plain, "Plain", true)
		r.wantLast("admin settings.changed")
		r.restart() // an unchanged configuration does not undo it
		want(plain, "Plain", true)
		set("paired_only")
		want(plain, "Plain", false)
		want(named, "Named", true)
		r.approve(named) // the newest word stands
		want(named, "Named", false)
	})
}

func TestUnpair(t *testing.T) {
	forEachStore(t, func(t *testing.T, cfg Config) {
		cfg.Policy = PolicyOptional // which must not approve what was unpaired
		r := newRig(t, cfg).serve()
		key := newBoxKey(t)
		credential := func(id string) string {
			var resp pb.CredentialResponse
			r.ask(subject.PairingCredential, &pb.CredentialRequest{ClientId: id, RecipientKey: key.pub[:]}, &resp)
			return resp.GetCategory()
		}
		lt := func(id string) *pb.AdmitRequest {
			k := knock(id, "Room "+id)
			k.PskCategory = "lt"
			return k
		}
		unpaired := func() string {
			id := newClientID()
			r.admit(lt(id))
			r.pair(id)
			r.wantState(lt(id), paired, true)
			rec := r.decide(subject.PairingUnpair, id)
			if rec.GetPaired() || !rec.GetUnpairing() || rec.GetState() != unapproved || rec.GetPairedAt() != nil {
				t.Fatalf("answer to unpair: %v", rec)
			}
			r.decide(subject.PairingUnpair, id) // changes nothing
			r.wantLast("admin client.unpaired")
			r.wantEvent(id, "unpaired", false)
			if credential(id) != "lt" {
				t.Fatal("the device can no longer be told")
			}
			return id
		}
		delivered := func(id string) {
			t.Helper()
			r.wantLast("admin client.unpaired", "device client.unpair_delivered")
			if credential(id) != "sn" {
				t.Fatal("the record outlived its end")
			}
			r.eventually("the entry says so", func() error {
				if e := r.trustEntry(id); e.GetUnpairing() || e.GetPaired() {
					return fmt.Errorf("entry %v", e)
				}
				return nil
			})
			r.wantState(knock(id, "Room "+id), unapproved, false)
			r.wantFault(fault.Conflict, "no pairing record", subject.PairingUnpair, &pb.ClientRequest{ClientId: id, Actor: "admin"})
		}

		id := unpaired()
		for _, k := range []*pb.AdmitRequest{lt(id), refresh(lt(id), "s")} {
			if got := r.wantState(k, unapproved, false); !got.GetUnpair() {
				t.Fatalf("the session is not told to unpair: %v", got)
			}
		}
		r.report(id, "s", pb.SessionEvent_SESSION_EVENT_UNPAIRED, "unpaired")
		r.report(id, "s", pb.SessionEvent_SESSION_EVENT_UNPAIRED, "unpaired")
		delivered(id)

		id = unpaired()
		r.report(id, "s", pb.SessionEvent_SESSION_EVENT_ENDED, "unpaired")
		delivered(id)

		id = unpaired() // the device lost its record by itself
		k := knock(id, "Room "+id)
		k.CredentialMismatch = true
		if got := r.wantState(k, unapproved, false); got.GetUnpair() {
			t.Fatal("a session without the record is told to unpair")
		}
		delivered(id)

		id = unpaired() // paired again before it could be told
		r.pair(id)
		r.wantState(lt(id), paired, true)
		r.report(id, "s", pb.SessionEvent_SESSION_EVENT_UNPAIRED, "") // late
		r.wantState(lt(id), paired, true)

		id = unpaired()
		r.ask(subject.PairingForget, &pb.ClientRequest{ClientId: id, Actor: "admin"}, &pb.Empty{})
		if credential(id) != "sn" {
			t.Fatal("the record outlived the client")
		}
	})
}

// TestAnAttemptIsNoMismatch: a session that this server keyed anew for an attempt
// says nothing about the record; the Sentinel Fallback does, until the record works.
func TestAnAttemptIsNoMismatch(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()}).serve()
	id := newClientID()
	r.admit(knock(id, "Kitchen"))
	r.pair(id)
	k := refresh(knock(id, "Kitchen"), "s")
	for _, category := range []string{"pr", "sn"} {
		k.PskCategory = category
		r.wantState(k, paired, true)
	}
	k.UnpairedAccess = false
	r.wantState(k, paired, false)
	k.UnpairedAccess, k.PskCategory, k.CredentialMismatch = true, "sn", true
	r.wantState(k, mismatch, false)
	k.CredentialMismatch = false
	for _, category := range []string{"pr", "sn"} {
		k.PskCategory = category
		r.wantState(k, mismatch, false)
	}
	k.PskCategory = "lt"
	r.wantState(k, paired, true)
	if !strings.Contains(r.logs.String(), "level=WARN msg=\"client could not use its pairing record\"") {
		t.Error("the log does not warn of the mismatch")
	}
}

// TestEveryDecisionHasItsLine: who, what, about whom, and in words.
func TestEveryDecisionHasItsLine(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()}).serve()
	id, gone := newClientID(), newClientID()
	r.admit(knock(id, "Kitchen"))
	r.admit(knock(gone, "Bath"))
	ask := func(subj string) func() {
		return func() { r.ask(subj, &pb.ClientRequest{ClientId: id, Actor: "console:ann"}, &pb.TrustRecord{}) }
	}
	approve := func(req *pb.ApproveRequest) func() {
		req.ClientId, req.Actor = id, "console:ann"
		return func() { r.ask(subject.PairingApprove, req, &pb.TrustRecord{}) }
	}
	end := time.Now().Add(time.Hour)
	steps := []struct {
		do           func()
		kind, detail string
	}{
		{approve(&pb.ApproveRequest{Source: true, Controller: true, UntilDisconnect: true, EndsAt: timestamppb.New(end)}), "client.approved",
			"with source, with controller, until it disconnects, until " + end.UTC().Format(time.RFC3339)},
		{ask(subject.PairingRevoke), "client.revoked", `name "Kitchen"`},
		{ask(subject.PairingDeny), "client.denied", `name "Kitchen"`},
		{approve(&pb.ApproveRequest{}), "client.approved", "was denied"},
		{ask(subject.PairingBlock), "client.blocked", "was approved"},
		{approve(&pb.ApproveRequest{}), "client.approved", "was blocked"},
		{func() {
			r.ask(subject.PairingLabel, &pb.SetLabelRequest{ClientId: id, Label: "Bar", Actor: "console:ann"}, &pb.TrustRecord{})
		}, "client.labelled", `"Bar" instead of ""`},
		{func() { r.pair(id); ask(subject.PairingUnpair)() }, "client.unpaired", `label "Bar"`},
		{func() {
			r.ask(subject.PairingForget, &pb.ClientRequest{ClientId: id, Actor: "console:ann"}, &pb.Empty{})
		}, "client.forgotten", "was unapproved"},
	}
	for _, s := range steps {
		before := len(r.audit())
		s.do()
		lines := r.audit()[before:]
		if len(lines) != 1 {
			t.Fatalf("%s left %d lines", s.kind, len(lines))
		}
		e := lines[0]
		if e.GetActor() != "console:ann" || e.GetKind() != s.kind || e.GetClientId() != id || e.GetAt() == nil || !strings.Contains(e.GetDetail(), s.detail) {
			t.Errorf("line %v, want %s with %q", e, s.kind, s.detail)
		}
	}
	before := len(r.audit())
	for _, subj := range []string{subject.PairingRevoke, subject.PairingUnpair} { // neither has what they take
		r.wantFault(fault.Conflict, "it is unapproved", subj, &pb.ClientRequest{ClientId: gone, Actor: "console:ann"})
	}
	for _, subj := range []string{subject.PairingBlock, subject.PairingUnpair} {
		r.wantFault(fault.NotFound, id, subj, &pb.ClientRequest{ClientId: id, Actor: "console:ann"})
		r.wantFault(fault.Invalid, "who asks", subj, &pb.ClientRequest{ClientId: gone})
		r.wantFault(fault.Invalid, "client_id", subj, &pb.ClientRequest{ClientId: "x", Actor: "console:ann"})
	}
	if got := len(r.audit()); got != before {
		t.Fatalf("refused decisions left %d lines", got-before)
	}
}
