package pairing

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
	"github.com/tutti-audio/tutti/services/pairing/internal/secret"
)

const (
	unapproved = pb.TrustState_TRUST_STATE_UNAPPROVED
	approved   = pb.TrustState_TRUST_STATE_APPROVED
	paired     = pb.TrustState_TRUST_STATE_PAIRED
	mismatch   = pb.TrustState_TRUST_STATE_CREDENTIAL_MISMATCH
	denied     = pb.TrustState_TRUST_STATE_DENIED
)

func TestFromKnockToMusicAndBack(t *testing.T) {
	forEachStore(t, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg).serve()
		id := newClientID()
		r.wantState(knock(id, "Kitchen"), unapproved, false)
		r.eventually("the inbox shows the device", func() error {
			e := r.trustEntry(id)
			if e == nil || e.GetWaitingReason() != "new" || e.GetName() != "Kitchen" || e.GetFingerprint() == "" || e.GetExpiresAt() == nil {
				return fmt.Errorf("entry %v", e)
			}
			return nil
		})

		rec := r.approve(id)
		if rec.GetState() != approved || rec.GetWaitingReason() != "" || rec.GetApprovedAt() == nil {
			t.Fatalf("answer to approve: %v", rec)
		}
		r.atOnce("the entry after approve's reply", func() error {
			if e := r.trustEntry(id); e.GetState() != approved {
				return fmt.Errorf("%v", e)
			}
			return nil
		})
		got := r.wantState(knock(id, "Kitchen"), approved, true)
		want := []string{"player", "metadata", "artwork", "visualizer", "color"} // no controller: it is not paired
		if !slices.Equal(got.GetAllowedFamilies(), want) {
			t.Fatalf("families: got %v, want %v", got.GetAllowedFamilies(), want)
		}

		r.decide(subject.PairingRevoke, id)
		r.wantState(knock(id, "Kitchen"), unapproved, false)
		r.atOnce("the entry after revoke", func() error {
			if e := r.trustEntry(id); e.GetWaitingReason() != "revoked" {
				return fmt.Errorf("%v", e)
			}
			return nil
		})
		r.decide(subject.PairingDeny, id)
		r.wantState(knock(id, "Kitchen"), denied, false)
		r.atOnce("the entry after deny", func() error {
			if e := r.trustEntry(id); e.GetState() != denied || e.GetWaitingReason() != "" {
				return fmt.Errorf("%v", e)
			}
			return nil
		})
		r.approve(id)
		r.wantState(knock(id, "Kitchen"), approved, true)

		r.ask(subject.PairingForget, &pb.ClientRequest{ClientId: id, Actor: "admin"}, &pb.Empty{})
		r.atOnce("the entry after forget", func() error {
			if e := r.trustEntry(id); e != nil {
				return fmt.Errorf("%v", e)
			}
			return nil
		})
		r.wantState(knock(id, "Kitchen"), unapproved, false)

		kinds := r.auditKinds()
		wantKinds := []string{"identity.created", "client.approved", "client.revoked", "client.denied", "client.approved", "client.forgotten"}
		if !slices.Equal(kinds, wantKinds) {
			t.Fatalf("ledger: got %v, want %v", kinds, wantKinds)
		}
		wantEvents := []string{"approved/false", "revoked/false", "denied/true", "approved/false", "forgotten/true"}
		r.atOnce("events", func() error {
			var events []string
			for _, e := range r.trustEvents() {
				events = append(events, fmt.Sprintf("%s/%v", e.GetKind(), e.GetDisconnect()))
			}
			if !slices.Equal(events, wantEvents) {
				return fmt.Errorf("got %v, want %v", events, wantEvents)
			}
			return nil
		})
		r.atOnce("audit events", func() error {
			if n := len(streamed[pb.AuditEvent](r, subject.EventAudit)); n != len(wantKinds) {
				return fmt.Errorf("%d, want %d", n, len(wantKinds))
			}
			return nil
		})
	})
}

// A chain's centre hears of several venues: each event names its own.
func TestEventsNameTheVenue(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir(), Venue: "lisbon"}).serve()
	id := newClientID()
	r.admit(knock(id, "Kitchen"))
	r.approve(id)
	r.ask(subject.PairingPersona, &pb.PersonaRequest{Actor: "admin", Command: &pb.PersonaRequest_Create{Create: &pb.CreatePersona{Name: "Lobby left"}}}, &pb.PersonaReply{})
	r.eventually("trust, audit and a roster were published with the venue", func() error {
		trust, audit, rosters := r.trustEvents(), streamed[pb.AuditEvent](r, subject.EventAudit), streamed[pb.RosterPublished](r, subject.EventRosterAll)
		if len(trust) == 0 || len(audit) == 0 || len(rosters) == 0 {
			return fmt.Errorf("%d trust events, %d audit events, %d rosters", len(trust), len(audit), len(rosters))
		}
		for _, v := range []string{trust[0].GetVenue(), audit[0].GetVenue(), rosters[0].GetVenue()} {
			if v != "lisbon" {
				t.Fatalf("an event names the venue %q", v)
			}
		}
		return nil
	})
}

func TestDecisionsNameWhatIsWrong(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()}).serve()
	id := newClientID()
	r.wantFault(fault.NotFound, id, subject.PairingApprove, &pb.ApproveRequest{ClientId: id, Actor: "admin"})
	for _, bad := range []string{"", "short", strings.Repeat("A", 42) + "=", strings.Repeat("_", 43), strings.Repeat("A", 44)} {
		r.wantFault(fault.Invalid, "client_id", subject.PairingAdmit, knock(bad, "x"))
		r.wantFault(fault.Invalid, "client_id", subject.PairingDeny, &pb.ClientRequest{ClientId: bad, Actor: "admin"})
		r.wantFault(fault.Invalid, "client_id", subject.PairingForget, &pb.ClientRequest{ClientId: bad, Actor: "admin"})
		r.wantFault(fault.Invalid, "client_id", subject.PairingCredential, &pb.CredentialRequest{ClientId: bad, RecipientKey: make([]byte, 32)})
	}
	r.admit(knock(id, "Kitchen"))
	r.wantFault(fault.Invalid, "who asks", subject.PairingApprove, &pb.ApproveRequest{ClientId: id})
	r.wantFault(fault.Conflict, "unapproved", subject.PairingRevoke, &pb.ClientRequest{ClientId: id, Actor: "admin"})
	for _, label := range []string{strings.Repeat("x", 65), "a\x00b", " a", "a\u202eb"} {
		r.wantFault(fault.OutOfRange, "label", subject.PairingLabel, &pb.SetLabelRequest{ClientId: id, Label: label, Actor: "admin"})
		r.wantFault(fault.OutOfRange, "label", subject.PairingApprove, &pb.ApproveRequest{ClientId: id, Label: label, Actor: "admin"})
	}
	var rec pb.TrustRecord
	r.ask(subject.PairingLabel, &pb.SetLabelRequest{ClientId: id, Label: "Küche", Actor: "admin"}, &rec)
	if rec.GetLabel() != "Küche" || rec.GetState() != unapproved {
		t.Fatalf("label: %v", &rec)
	}
	if got := r.auditKinds(); !slices.Equal(got, []string{"identity.created", "client.labelled"}) {
		t.Fatalf("the ledger holds refused decisions: %v", got)
	}
}

func TestSourceNeedsItsOwnApproval(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir(), ControllerPolicy: ControllerPairedOnly}).serve()
	id := newClientID()
	r.admit(knock(id, "Line in"))
	r.approve(id)
	got := r.wantState(knock(id, "Line in"), approved, true).GetAllowedFamilies()
	if slices.Contains(got, "source") || slices.Contains(got, "controller") {
		t.Fatalf("families without source: %v", got)
	}
	r.ask(subject.PairingApprove, &pb.ApproveRequest{ClientId: id, Source: true, Actor: "admin"}, &pb.TrustRecord{})
	if got := r.admit(knock(id, "Line in")).GetAllowedFamilies(); !slices.Contains(got, "source") {
		t.Fatalf("families with source: %v", got)
	}
	r.atOnce("the entry says that source is allowed", func() error {
		if e := r.trustEntry(id); !e.GetSourceAllowed() {
			return fmt.Errorf("%v", e)
		}
		return nil
	})
}

// TestOptionalPolicy: a first key is pinned; a familiar name or MAC with another
// key is not, under any spelling, and leaves the inbox by a decision alone.
func TestOptionalPolicy(t *testing.T) {
	forEachStore(t, func(t *testing.T, cfg Config) {
		cfg.Policy = PolicyOptional
		r := newRig(t, cfg).serve()
		first := newClientID()
		k := knock(first, "Kitchen")
		k.DeviceInfo.MacAddress = "AA-BB-CC-00-11-22"
		r.wantState(k, approved, true)

		impostor := newClientID()
		got := r.wantState(knock(impostor, " KITCHEN "), unapproved, false)
		if got.GetWarning() != "name_reused_by_new_key" {
			t.Fatalf("warning: %q", got.GetWarning())
		}
		r.wantState(knock(impostor, "Something else"), unapproved, false)

		other := knock(newClientID(), "Bath")
		other.DeviceInfo.MacAddress = "aa:bb:cc:00:11:22"
		if got := r.wantState(other, unapproved, false); got.GetWarning() != "identity_changed" {
			t.Fatalf("warning: %q", got.GetWarning())
		}
		r.eventually("the inbox says why", func() error {
			if e := r.trustEntry(other.GetClientId()); e.GetWaitingReason() != "identity_changed" || e.GetWarning() != "identity_changed" {
				return fmt.Errorf("entry %v", e)
			}
			return nil
		})

		r.ask(subject.PairingLabel, &pb.SetLabelRequest{ClientId: first, Label: "Bar left", Actor: "admin"}, &pb.TrustRecord{})
		if got := r.wantState(knock(newClientID(), "bar-left"), unapproved, false); got.GetWarning() != "name_reused_by_new_key" {
			t.Fatalf("a label passes for unknown: %q", got.GetWarning())
		}

		r.wantFault(fault.Conflict, "name_reused_by_new_key", subject.PairingApprove, &pb.ApproveRequest{ClientId: impostor, Actor: "admin"})
		r.ask(subject.PairingApprove, &pb.ApproveRequest{ClientId: impostor, Actor: "admin", AcceptWarning: "name_reused_by_new_key"}, &pb.TrustRecord{})
		r.wantState(knock(impostor, "Kitchen"), approved, true)
		r.decide(subject.PairingRevoke, first)
		r.wantState(k, unapproved, false) // never approved again by the policy
		r.restart()
		r.wantState(k, unapproved, false)
		r.wantState(knock(impostor, "Kitchen"), approved, true)
	})
}

func TestPairedDevicesAndCredentialMismatch(t *testing.T) {
	forEachStore(t, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg).serve()
		id, key := newClientID(), newBoxKey(t)
		credential := func() *pb.CredentialResponse {
			var resp pb.CredentialResponse
			r.ask(subject.PairingCredential, &pb.CredentialRequest{ClientId: id, RecipientKey: key.pub[:]}, &resp)
			return &resp
		}
		if got := credential(); got.GetCategory() != "sn" || len(got.GetSealedPsk()) != 0 {
			t.Fatalf("credential of an unknown key: %v", got)
		}
		k := knock(id, "Kitchen")
		r.admit(k)
		psk := r.pair(id)
		got := credential()
		if got.GetCategory() != "lt" || !bytes.Equal(key.open(t, got.GetSealedPsk()), psk.Bytes()) {
			t.Fatal("the credential is not the record's PSK")
		}
		k.PskCategory = "lt"
		r.wantState(k, paired, true)

		k.PskCategory, k.CredentialMismatch = "sn", true
		r.wantState(k, mismatch, false)
		r.wantFault(fault.Conflict, "credential_mismatch", subject.PairingApprove, &pb.ApproveRequest{ClientId: id, Actor: "admin"})
		r.eventually("the operator sees the mismatch", func() error {
			if e := r.trustEntry(id); e.GetState() != mismatch || e.GetWaitingReason() != "credential_mismatch" || !e.GetPaired() {
				return fmt.Errorf("entry %v", e)
			}
			return nil
		})
		if got := credential(); got.GetCategory() != "lt" {
			t.Fatal("the mismatch changed the record")
		}
		k.PskCategory, k.CredentialMismatch = "lt", false
		r.wantState(k, paired, true)
		r.decide(subject.PairingDeny, id)
		r.wantState(k, denied, false)
		r.ask(subject.PairingForget, &pb.ClientRequest{ClientId: id, Actor: "admin"}, &pb.Empty{})
		if got := credential(); got.GetCategory() != "sn" {
			t.Fatalf("the credential outlived the client: %s", got.GetCategory())
		}
		r.wantState(k, unapproved, false) // a session still keyed by the removed record
	})
}

func TestADamagedPairingRecordIsNeverAnsweredAsUnpaired(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()}).serve()
	a, b, key := newClientID(), newClientID(), newBoxKey(t)
	r.admit(knock(a, "A"))
	r.admit(knock(b, "B"))
	r.pair(a)
	st := r.backstage()
	err := st.Update(context.Background(), func(ctx context.Context, tx desk.Tx) error { // a record moved to another client
		rec, err := tx.PairingRecord(context.Background(), a)
		if err != nil {
			return err
		}
		return tx.PutPairingRecord(context.Background(), b, rec, time.Now())
	})
	if err != nil {
		t.Fatal(err)
	}
	r.wantFault(fault.Internal, "", subject.PairingCredential, &pb.CredentialRequest{ClientId: b, RecipientKey: key.pub[:]})
	r.ask(subject.PairingCredential, &pb.CredentialRequest{ClientId: a, RecipientKey: key.pub[:]}, &pb.CredentialResponse{})
	r.wantFault(fault.Invalid, "recipient_key", subject.PairingCredential, &pb.CredentialRequest{ClientId: a, RecipientKey: make([]byte, 32)})
	r.wantFault(fault.Invalid, "recipient_key", subject.PairingIdentity, &pb.IdentityRequest{RecipientKey: []byte{1}})
}

func TestInboxFloodDropsTheLeastRecentUnapproved(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir(), InboxLimit: 10}).serve()
	kept, revoked := newClientID(), newClientID()
	r.admit(knock(kept, "Kept"))
	r.approve(kept)
	r.admit(knock(revoked, "Revoked"))
	r.approve(revoked)
	r.decide(subject.PairingRevoke, revoked)
	var last string
	for i := range 40 {
		last = newClientID()
		r.wantState(knock(last, fmt.Sprintf("Flood %d", i)), unapproved, false)
	}
	var ids []string
	err := r.backstage().View(context.Background(), func(ctx context.Context, tx desk.Tx) (err error) {
		ids, err = tx.Clients(context.Background(), "", 1000)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(ids) != 12 { // ten that wait, and the two that somebody decided about
		t.Fatalf("%d clients on record, want 12", len(ids))
	}
	r.eventually("the bucket follows", func() error {
		if r.trustEntry(last) == nil {
			return errors.New("the last one is missing")
		}
		keys, err := r.trustBucket().Keys(context.Background())
		if err == nil && len(keys) != 12 {
			err = fmt.Errorf("%d entries, want 12", len(keys))
		}
		return err
	})
	r.wantState(knock(kept, "Kept"), approved, true)
	r.wantState(knock(revoked, "Revoked"), unapproved, false)
}

func TestThePolicyApprovesNoMoreThanItMay(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir(), Policy: PolicyOptional, PolicyApprovalLimit: 3}).serve()
	for i := range 3 {
		r.wantState(knock(newClientID(), fmt.Sprintf("Room %d", i)), approved, true)
	}
	r.wantState(knock(newClientID(), "Room 4"), unapproved, false)
}

func TestInboxEntriesExpireAndComeBack(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir(), InboxTTL: time.Hour})
	r.clk = clockwork.NewFakeClock()
	r.serve()
	fresh, no := newClientID(), newClientID()
	r.admit(knock(fresh, "Fresh"))
	r.admit(knock(no, "No"))
	r.decide(subject.PairingDeny, no)
	r.clk.Advance(time.Hour + time.Second)
	r.eventually("the entry expires", func() error {
		r.clk.Advance(time.Minute)
		if e := r.trustEntry(fresh); e != nil {
			return fmt.Errorf("entry %v", e)
		}
		return nil
	})
	r.eventually("gateways hear of it", func() error {
		r.clk.Advance(50 * time.Millisecond) // the herald waits a moment for more to tell
		ev := r.trustEvents()
		if n := len(ev); n == 0 || ev[n-1].GetKind() != "expired" || ev[n-1].GetClientId() != fresh {
			return fmt.Errorf("events %v", ev)
		}
		return nil
	})
	r.wantState(knock(fresh, "Fresh"), unapproved, false)
	r.wantState(knock(no, "No"), denied, false)
	r.eventually("both are in the inbox again", func() error {
		r.clk.Advance(time.Second)
		a, b := r.trustEntry(fresh).GetWaitingReason(), r.trustEntry(no).GetWaitingReason()
		if a != "new" || b != "denied" {
			return fmt.Errorf("reasons %q, %q", a, b)
		}
		return nil
	})
}

func TestDevicesThatAdmitOnlyPairedServersWaitForPairing(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()}).serve()
	id := newClientID()
	k := knock(id, "Strict")
	k.UnpairedAccess = false
	r.wantState(k, unapproved, false)
	if rec := r.approve(id); rec.GetWaitingReason() != "pairing_required" {
		t.Fatalf("after approve: %v", rec)
	}
	if got := r.wantState(k, approved, false); !strings.Contains(got.GetReason(), "pair it") {
		t.Fatalf("reason: %q", got.GetReason())
	}
	k.UnpairedAccess = true
	r.wantState(k, approved, true)
}

func TestHostileTextIsTamed(t *testing.T) {
	forEachStore(t, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg).serve()
		id := newClientID()
		k := knock(id, "evil\u202e\x00\x1b[2J\n"+strings.Repeat("A", 5000))
		k.DeviceInfo = &pb.DeviceInfo{Manufacturer: "a\x00b", ProductName: "c\nd", MacAddress: "'; DROP TABLE clients; --", SoftwareVersion: strings.Repeat("9", 300)}
		k.Address = "1.2.3.4:5\x00"
		k.SupportedRoles = slices.Repeat([]string{strings.Repeat("r", 500)}, 500)
		r.wantState(k, unapproved, false)
		r.eventually("the entry is clean", func() error {
			e := r.trustEntry(id)
			if e == nil || !strings.HasPrefix(e.GetName(), "evil[2J AAA") || len(e.GetName()) > 64 || e.GetManufacturer() != "ab" ||
				e.GetProductName() != "c d" || e.GetMacAddress() != "" || e.GetAddress() != "1.2.3.4:5" {
				return fmt.Errorf("entry %v", e)
			}
			return nil
		})
		for _, line := range strings.Split(r.logs.String(), "\n") {
			if strings.ContainsAny(line, "\x00\x1b\u202e") {
				t.Fatalf("log line %q", line)
			}
		}
	})
}

func TestSettings(t *testing.T) {
	forEachStore(t, func(t *testing.T, cfg Config) {
		cfg.ServerName, cfg.Languages = "Home", []string{"DE-at", "en"}
		r := newRig(t, cfg).serve()
		get := func() *pb.ServerSettings {
			var s pb.ServerSettings
			r.ask(subject.PairingSettings, &pb.UpdateSettingsRequest{}, &s)
			return &s
		}
		want := func(name, languages, policy string) {
			t.Helper()
			s := get()
			if s.GetName() != name || strings.Join(s.GetLanguages(), " ") != languages || s.GetPairingPolicy() != policy || s.GetServerId() == "" {
				t.Fatalf("settings: %v, want %s, %s, %s", s, name, languages, policy)
			}
			r.eventually("the bucket says the same", func() error {
				b, err := bus.OpenBucket[pb.ServerSettings](context.Background(), r.bus, subject.BucketSettings, bus.BucketOptions{})
				if err != nil {
					return err
				}
				kv, _, err := b.Get(context.Background(), subject.SettingsKey)
				if err == nil && kv.String() != s.String() {
					err = fmt.Errorf("bucket %v", kv)
				}
				return err
			})
		}
		want("Home", "de-AT en", "required")
		update := func(req *pb.UpdateSettingsRequest) error {
			req.Actor = "admin"
			return r.request(subject.PairingSettings, req, &pb.ServerSettings{})
		}
		if err := update(&pb.UpdateSettingsRequest{Name: ptr("Hotel"), PairingPolicy: ptr("optional"), SetLanguages: true}); err != nil {
			t.Fatal(err)
		}
		want("Hotel", "", "optional")
		r.restart() // an unchanged configuration does not undo it
		want("Hotel", "", "optional")
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		r.cfg.ServerName = "House" // a changed one wins, field by field
		r.serve()
		want("House", "", "optional")

		bad := []*pb.UpdateSettingsRequest{
			{Name: ptr("")}, {Name: ptr(strings.Repeat("x", 64))}, {Name: ptr("a\nb")}, {Name: ptr(" a")},
			{PairingPolicy: ptr("always")}, {ControllerPolicy: ptr("all")}, {SetLanguages: true, Languages: []string{"de", "not a tag"}},
			{SetLanguages: true, Languages: slices.Repeat([]string{"en"}, 17)}, {SetLanguages: true, Languages: []string{"de_AT"}},
		}
		for _, req := range bad {
			if err := update(req); fault.CodeOf(err) != fault.OutOfRange || len(fault.From(err).Fields) == 0 {
				t.Errorf("%v: got %v, want out of range with the field", req, err)
			}
		}
		want("House", "", "optional")
		if got := r.auditKinds(); !slices.Equal(got, []string{"settings.changed", "identity.created", "settings.changed", "settings.changed"}) &&
			!slices.Equal(got, []string{"identity.created", "settings.changed", "settings.changed", "settings.changed"}) {
			t.Fatalf("ledger: %v", got)
		}
	})
}

func ptr[T any](v T) *T { return &v }

func TestAuditOfOtherServices(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()}).serve()
	var e pb.AuditEvent
	r.ask(subject.PairingAuditAppend, &pb.AuditAppendRequest{Actor: "admin", Kind: "group.created", Detail: "Lobby\n\x00" + strings.Repeat("x", 5000)}, &e)
	if e.GetId() != 2 || !strings.HasPrefix(e.GetDetail(), "Lobby x") || len(e.GetDetail()) > 1000 {
		t.Fatalf("event: %v", &e)
	}
	for _, bad := range []*pb.AuditAppendRequest{
		{Kind: "a.b"}, {Actor: "a", Kind: "no kind"}, {Actor: "a"}, {Actor: "a", Kind: "a.b", ClientId: "x"},
	} {
		r.wantFault(fault.Invalid, "", subject.PairingAuditAppend, bad)
	}
	r.wantFault(fault.OutOfRange, "limit", subject.PairingAuditList, &pb.AuditListRequest{Limit: 1001})
	var page pb.AuditListResponse
	r.ask(subject.PairingAuditList, &pb.AuditListRequest{Since: 1, Limit: 1}, &page)
	if len(page.GetEvents()) != 1 || page.GetEvents()[0].GetKind() != "group.created" {
		t.Fatalf("page: %v", &page)
	}
}

func TestSecretsDoNotShow(t *testing.T) {
	cfg := Config{DataDir: t.TempDir()}
	r := newRig(t, cfg).serve()
	id := newClientID()
	r.admit(knock(id, "Kitchen"))
	psk := r.pair(id)
	key := newBoxKey(t)
	r.ask(subject.PairingCredential, &pb.CredentialRequest{ClientId: id, RecipientKey: key.pub[:]}, &pb.CredentialResponse{})
	priv := r.identity()
	_ = r.audit()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	seen := r.logs.String() + readAll(t, cfg.DataDir, secret.DefaultKeyFile)
	for name, s := range map[string][]byte{"identity": priv.Bytes(), "psk": psk.Bytes()} {
		for _, form := range []string{string(s), hex.EncodeToString(s), base64.StdEncoding.EncodeToString(s)[:40], base64.RawURLEncoding.EncodeToString(s)[:40]} {
			if strings.Contains(seen, form) {
				t.Errorf("the %s shows in the log or in the data directory", name)
			}
		}
	}
}
