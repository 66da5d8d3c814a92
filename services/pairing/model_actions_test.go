package pairing

import (
	"context"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	"github.com/tutti-audio/tutti/platform/fault"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
)

// What devices and operators do in the walk of model_test.go. Every exported method
// of machine is one step of it.

var modelSessions = []string{"s1", "s2"}

// Knock: an ordinary device asks what it may do.
func (m *machine) Knock(t *rapid.T) {
	id := m.pick()
	m.check(t, knock(id, "Room "+id))
}

// Second: an operator unpairs a device and thinks again before it can be told.
func (m *machine) Second(t *rapid.T) {
	id := m.pick()
	m.unpair(t, id)
	m.approve(t, id)
	m.session(t, id)
}

// Session: an ordinary device's session asks again. One with a record is keyed by
// it, or keyed anew for an attempt.
func (m *machine) Session(t *rapid.T) { m.session(t, m.pick()) }

func (m *machine) session(t *rapid.T, id string) {
	req := refresh(knock(id, "Room "+id), rapid.SampledFrom(modelSessions).Draw(t, "session"))
	if m.of(id).record != noRecord {
		req.PskCategory = rapid.SampledFrom([]string{"lt", "pr", "sn"}).Draw(t, "category")
	}
	m.check(t, req)
}

// OddKnock: a device of any behaviour asks.
func (m *machine) OddKnock(t *rapid.T) {
	id := m.pick()
	req := knock(id, rapid.SampledFrom(m.names).Draw(t, "name"))
	req.UnpairedAccess = rapid.Bool().Draw(t, "unpaired_access")
	req.PskCategory = rapid.SampledFrom([]string{"lt", "sn", "pr", "", "xx"}).Draw(t, "category")
	req.CredentialMismatch = rapid.Bool().Draw(t, "mismatch")
	req.DeviceInfo.MacAddress = rapid.SampledFrom([]string{"", "02:00:00:00:00:01", "02:00:00:00:00:02"}).Draw(t, "mac")
	if rapid.Bool().Draw(t, "refresh") {
		refresh(req, rapid.SampledFrom(modelSessions).Draw(t, "session"))
	}
	m.check(t, req)
}

// check asks, follows in the model what the knock does to the record and the
// approval, and compares the answer with what the model allows.
func (m *machine) check(t *rapid.T, req *pb.AdmitRequest) {
	c := m.of(req.GetClientId())
	category, odd := req.GetPskCategory(), req.GetCredentialMismatch()
	changed := c.name != req.GetName() || c.mac != req.GetDeviceInfo().GetMacAddress()
	c.name, c.mac = req.GetName(), req.GetDeviceInfo().GetMacAddress()
	got, err := m.desk.Admit(context.Background(), req)
	if err != nil {
		t.Fatalf("admit: %v", err)
	}
	switch {
	case c.record == tombstone && odd && category == "sn":
		c.record = noRecord
		m.lines++
	case c.record == liveRecord && odd:
		c.mismatch = true
	case c.record == liveRecord && category == "lt":
		c.mismatch = false
	}
	if a := c.approval; a.over(m.now()) || a != nil && a.until && (!req.GetRefresh() || a.session != "" && a.session != req.GetSessionId()) {
		c.approval, c.decided, c.pairing = nil, true, false
		m.lines++
	}
	if c.approval != nil && c.approval.until && c.approval.session == "" {
		c.approval.session = req.GetSessionId()
	}
	m.warned(t, c, got, changed)
	if got.GetState() == approved && c.approval == nil {
		if m.policy != PolicyOptional || c.decided || c.warning != "" {
			t.Fatalf("approved by nobody: policy %s, decided %v, warning %q", m.policy, c.decided, c.warning)
		}
		c.approval = &modelApproval{byPolicy: true}
		m.lines++
	}
	m.families(t, c, req, got)
}

// warned follows the warning: it comes by itself, and goes by a decision alone.
func (m *machine) warned(t *rapid.T, c *modelClient, got *pb.AdmitResponse, changed bool) {
	if c.warning != "" {
		if got.GetWarning() != c.warning {
			t.Fatalf("the warning %q became %q by itself", c.warning, got.GetWarning())
		}
		return
	}
	if c.warning = got.GetWarning(); c.warning == "" || c.approval == nil {
		return
	}
	if !c.approval.byPolicy || !changed {
		t.Fatalf("an approved key raised %s: %+v", c.warning, *c.approval)
	}
	c.approval = nil // and is taken back
	m.lines++
}

func (m *machine) families(t *rapid.T, c *modelClient, req *pb.AdmitRequest, got *pb.AdmitResponse) {
	category, odd := req.GetPskCategory(), req.GetCredentialMismatch()
	a := c.approval
	may := false
	switch {
	case c.refused() || c.record == tombstone:
	case c.record == liveRecord:
		rekeyed := (category == "pr" || category == "sn") && req.GetRefresh() && req.GetUnpairedAccess()
		may = !c.mismatch && (category == "lt" || rekeyed)
	default:
		may = a != nil && req.GetUnpairedAccess() && category != "lt"
	}
	has := got.GetAllowedFamilies()
	source := may && a != nil && a.source
	controller := may && (c.record == liveRecord || a.controller || m.controllers == ControllerApproved)
	if (len(has) > 0) != may || slices.Contains(has, "source") != source || slices.Contains(has, "controller") != controller {
		t.Fatalf("families %v for %v; model %+v, approval %+v", has, req, *c, a)
	}
	if got.GetUnpair() != (c.record == tombstone && category == "lt" && !odd) || got.GetReportEnd() != (a != nil && a.until) {
		t.Fatalf("answer %v to %v; model %+v, approval %+v", got, req, *c, a)
	}
}

// Credential: a record is never answered as none, nor none as one.
func (m *machine) Credential(t *rapid.T) {
	id, key := m.pick(), newBoxKey(m.tb)
	got, err := m.desk.Credential(context.Background(), &pb.CredentialRequest{ClientId: id, RecipientKey: key.pub[:]})
	if err != nil {
		t.Fatalf("credential: %v", err)
	}
	if (got.GetCategory() == "lt") != (m.of(id).record != noRecord) {
		t.Fatalf("credential %s; model %+v", got.GetCategory(), *m.of(id))
	}
}

func (m *machine) Approve(t *rapid.T) { m.approve(t, m.pick()) }

func (m *machine) approve(t *rapid.T, id string) {
	want := &modelApproval{
		source: rapid.Bool().Draw(t, "source"), controller: rapid.Bool().Draw(t, "controller"), until: rapid.Bool().Draw(t, "until"),
	}
	req := &pb.ApproveRequest{ClientId: id, Source: want.source, Controller: want.controller, UntilDisconnect: want.until, Actor: "admin",
		AcceptWarning: rapid.SampledFrom([]string{"", "name_reused_by_new_key", "identity_changed"}).Draw(t, "accept")}
	if minutes := rapid.SampledFrom([]int{0, 0, 30, 90, -1}).Draw(t, "ends in"); minutes != 0 {
		want.ends = m.now().Add(time.Duration(minutes) * time.Minute)
		req.EndsAt = timestamppb.New(want.ends)
	}
	before, c := m.ledger(t), m.of(id)
	was := *c
	_, err := m.desk.Approve(context.Background(), req)
	if !m.tolerate(t, err, fault.NotFound, fault.Conflict, fault.OutOfRange) {
		return
	}
	if want.over(m.now()) || was.warning != "" && was.warning != req.GetAcceptWarning() || was.record == liveRecord && was.mismatch && !was.refused() {
		t.Fatalf("approved by %v; model %+v", req, was)
	}
	c.denied, c.blocked, c.decided, c.warning = false, false, true, ""
	c.pairing = was.record == liveRecord && (was.pairing || was.refused())
	a := was.approval
	switch {
	case was.record == liveRecord && !want.source:
		c.approval = nil
	case a != nil && !a.byPolicy && a.source == want.source && a.controller == want.controller && a.until == want.until && a.ends.Equal(want.ends):
	default:
		c.approval = want
	}
	m.left(t, before, was.approval != c.approval || was.refused() || was.warning != "")
}

// left: a decision that changed something left one line, any other none or one.
func (m *machine) left(t *rapid.T, before int, changed bool) {
	n := m.ledger(t) - before
	if n > 1 || changed && n != 1 {
		t.Fatalf("a decision left %d lines, changed %v", n, changed)
	}
	m.lines += n
}

func (m *machine) decide(t *rapid.T, id string, f func(context.Context, *pb.ClientRequest) (*pb.TrustRecord, error), apply func(c *modelClient)) {
	before := m.ledger(t)
	_, err := f(context.Background(), &pb.ClientRequest{ClientId: id, Actor: "admin"})
	if m.tolerate(t, err, fault.NotFound, fault.Conflict) {
		was := *m.of(id)
		apply(m.of(id))
		m.left(t, before, was != *m.of(id))
	}
}

func (m *machine) Deny(t *rapid.T) {
	m.decide(t, m.pick(), m.desk.Deny, func(c *modelClient) {
		if c.blocked {
			t.Fatalf("a block was made a denial")
		}
		c.denied, c.decided, c.approval, c.pairing = true, true, nil, false
	})
}

func (m *machine) Block(t *rapid.T) {
	m.decide(t, m.pick(), m.desk.Block, func(c *modelClient) {
		c.denied, c.blocked, c.decided, c.approval, c.pairing = false, true, true, nil, false
	})
}

func (m *machine) Revoke(t *rapid.T) {
	m.decide(t, m.pick(), m.desk.Revoke, func(c *modelClient) { c.decided, c.approval, c.pairing = true, nil, false })
}

func (m *machine) Unpair(t *rapid.T) { m.unpair(t, m.pick()) }

func (m *machine) unpair(t *rapid.T, id string) {
	m.decide(t, id, m.desk.Unpair, func(c *modelClient) {
		if c.record == noRecord {
			t.Fatalf("unpaired what has no record")
		}
		if c.record == liveRecord {
			c.record, c.mismatch, c.decided, c.approval, c.pairing = tombstone, false, true, nil, false
		}
	})
}

func (m *machine) Forget(t *rapid.T) {
	id := m.pick()
	_, err := m.desk.Forget(context.Background(), &pb.ClientRequest{ClientId: id, Actor: "admin"})
	if m.tolerate(t, err, fault.NotFound) {
		delete(m.model, id)
		m.lines++
	}
}

// Report: a gateway tells of a session, truly or late.
func (m *machine) Report(t *rapid.T) {
	id := m.pick()
	req := &pb.SessionReport{ClientId: id, SessionId: rapid.SampledFrom(modelSessions).Draw(t, "session"),
		Event:   rapid.SampledFrom([]pb.SessionEvent{pb.SessionEvent_SESSION_EVENT_ENDED, pb.SessionEvent_SESSION_EVENT_UNPAIRED}).Draw(t, "event"),
		Goodbye: rapid.SampledFrom([]string{"", "shutdown", "unpaired"}).Draw(t, "goodbye")}
	if _, err := m.desk.Report(context.Background(), req); err != nil {
		t.Fatalf("report: %v", err)
	}
	c, over := m.of(id), req.GetEvent() == pb.SessionEvent_SESSION_EVENT_ENDED
	if c.record == tombstone && (!over || req.GetGoodbye() == "unpaired") {
		c.record = noRecord
		m.lines++
	}
	if a := c.approval; over && a != nil && a.until && a.session == req.GetSessionId() {
		c.approval, c.decided, c.pairing = nil, true, false
		m.lines++
	}
}

// Pair: a completed attempt stores its record.
func (m *machine) Pair(t *rapid.T) {
	id := m.pick()
	psk, err := noise.GeneratePSK(nil)
	if err != nil {
		t.Fatalf("%v", err)
	}
	sealed, err := m.desk.SealRecord(id, psk)
	if err != nil {
		t.Fatalf("%v", err)
	}
	undo, err := m.desk.Pair(context.Background(), desk.Pairing{ClientID: id, Actor: "admin", Method: "pairing_psk", Sealed: sealed})
	if fault.CodeOf(err) == fault.NotFound {
		return
	}
	c := m.of(id)
	if refused := fault.CodeOf(err) == fault.Conflict; refused != c.refused() {
		t.Fatalf("pair: %v; model %+v", err, *c)
	}
	if c.refused() {
		return
	}
	m.serial++
	m.completed[id] = completed{undo: undo, before: *c, serial: m.serial}
	m.lines++
	c.record, c.mismatch, c.warning, c.approval, c.decided, c.pairing, c.serial = liveRecord, false, "", nil, true, true, m.serial
}

// Undo: a completed attempt ended before the device heard of it.
func (m *machine) Undo(t *rapid.T) {
	id := m.pick()
	done, ok := m.completed[id]
	if !ok {
		return
	}
	delete(m.completed, id)
	if err := m.desk.UndoPair(context.Background(), done.undo, "test"); err != nil {
		t.Fatalf("undo: %v", err)
	}
	c, b := m.of(id), done.before
	if c.record == noRecord || c.serial != done.serial {
		return // another record, or none
	}
	m.lines++
	if c.record == liveRecord || b.record == noRecord {
		c.record = b.record
	}
	c.mismatch = c.record == liveRecord && b.mismatch
	c.serial = b.serial
	switch {
	case c.pairing:
		c.approval, c.decided, c.pairing, c.warning = b.approval, b.decided, b.pairing, b.warning
		c.denied, c.blocked = b.denied, b.blocked
	case c.approval == nil:
		c.warning = b.warning
	}
}

func (m *machine) SetPolicy(t *rapid.T) {
	p := rapid.SampledFrom([]string{PolicyRequired, PolicyOptional}).Draw(t, "policy")
	who := rapid.SampledFrom([]string{ControllerPairedOnly, ControllerApproved}).Draw(t, "controllers")
	req := &pb.UpdateSettingsRequest{PairingPolicy: &p, ControllerPolicy: &who, Actor: "admin"}
	if _, err := m.desk.UpdateSettings(context.Background(), req); err != nil {
		t.Fatalf("settings: %v", err)
	}
	if p != m.policy || who != m.controllers {
		m.lines++
	}
	m.policy, m.controllers = p, who
}

func (m *machine) TimePasses(t *rapid.T) {
	m.clock.Advance(time.Duration(rapid.IntRange(1, 100).Draw(t, "minutes")) * time.Minute)
	if err := m.desk.Sweep(context.Background()); err != nil {
		t.Fatalf("sweep: %v", err)
	}
	if rapid.Bool().Draw(t, "no instance looks for ended approvals") {
		return
	}
	if err := m.desk.Lapse(context.Background()); err != nil {
		t.Fatalf("lapse: %v", err)
	}
	for _, c := range m.model {
		if c.approval.over(m.now()) {
			c.approval, c.decided, c.pairing = nil, true, false
			m.lines++
		}
	}
}

func (m *machine) Restart(*rapid.T) { m.start() }
