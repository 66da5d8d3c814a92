package independent

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// TestImpostors: who pretends to be somebody else, or comes back after a no, is
// shown with the warning or the reason, and gets no role, whatever the policy.
func TestImpostors(t *testing.T) {
	for _, form := range []struct{ mode, policy string }{{"embedded", "required"}, {"embedded", "optional"}, {"distributed", "optional"}} {
		t.Run(form.mode+" "+form.policy, func(t *testing.T) {
			t.Parallel()
			s := harness.StartServer(t, form.mode, harness.Options{})
			s.Must(t, "PATCH", "/api/v1/server", obj{"policy": obj{"pairing": form.policy}}, nil)
			t.Run("cases", func(t *testing.T) {
				testPretenders(t, s)
				for name, test := range map[string]func(*testing.T, *harness.Server){
					"lost record":      testLostRecord,
					"denied":           testDenied,
					"blocked":          testBlocked,
					"approval ends":    testApprovalEnds,
					"until disconnect": testUntilDisconnect,
					"revoked live":     testRevokedLive,
					"accept warning":   testAcceptWarning,
				} {
					t.Run(name, func(t *testing.T) { t.Parallel(); test(t, s) })
				}
			})
			verifyAudit(t, s)
		})
	}
}

// trusted is a client object with what this file reads of it.
type trusted struct {
	harness.Client
	Blocked bool `json:"blocked"`
}

func verifyAudit(t testing.TB, s *harness.Server) {
	t.Helper()
	if out, err := s.CLI("audit", "verify"); err != nil {
		t.Errorf("tutti audit verify: %v\n%s", err, out)
	}
}

// refused waits until the API shows the device with this trust and warning, and
// checks that nothing was activated for it, then or ever.
func (d *device) refused(s *harness.Server, trust, warning, reason string) {
	d.t.Helper()
	d.sync(2)
	harness.Eventually(d.t, patience, d.o.name+" is held", func() string {
		var c trusted
		if err := s.Do("GET", "/api/v1/clients/"+d.id, nil, &c); err != nil {
			return err.Error()
		}
		if c.Trust != trust || c.Warning != warning || len(c.ActiveRoles) != 0 || len(c.Activities) != 0 {
			return fmt.Sprintf("trust %q, warning %q, roles %v, activities %v", c.Trust, c.Warning, c.ActiveRoles, c.Activities)
		}
		waits := slices.ContainsFunc(s.Inbox(d.t), func(w harness.Waiting) bool { return w.ClientID == d.id && w.Reason == reason && w.Fingerprint != "" })
		if waits != (reason != "") {
			return fmt.Sprintf("in the inbox with reason %q: %v", reason, waits)
		}
		return ""
	})
	d.roleless()
}

// roleless checks that the newest activation has no roles, and that no stream runs.
func (d *device) roleless() {
	d.t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.ref.roles) != 0 || len(d.ref.activities) != 0 || d.ref.streaming {
		d.t.Errorf("%s has roles %v, activities %v, a stream: %v", d.o.name, d.ref.roles, d.ref.activities, d.ref.streaming)
	}
}

// never checks that no activation of the connection ever had a role.
func (d *device) never() {
	d.t.Helper()
	for _, m := range d.since(0) {
		if roles, _ := m.payload["active_roles"].([]any); m.typ == "server/activate" && len(roles) > 0 {
			d.t.Errorf("%s once got %s", d.o.name, m)
		}
	}
}

// testPretenders: a known name, label, MAC address, persona, and a paired device's
// name, each with a new key.
func testPretenders(t *testing.T, s *harness.Server) {
	const reused, changed = "name_reused_by_new_key", "identity_changed"
	for _, c := range []struct {
		name    string
		known   func(t *testing.T) // makes it known
		pretend options
		warning string
	}{
		{"known name", func(t *testing.T) { connect(t, s.Sendspin, options{name: "Kitchen"}).approve(s) },
			options{name: " KITCHEN"}, reused},
		{"label", func(t *testing.T) {
			d := connect(t, s.Sendspin, options{})
			d.approve(s)
			s.Must(t, "PATCH", "/api/v1/clients/"+d.id, obj{"label": "Lobby left"}, nil)
		}, options{name: "lobby  Left"}, reused},
		{"MAC", func(t *testing.T) {
			connect(t, s.Sendspin, options{extra: obj{"mac_address": "02:00:5e:10:00:01"}}).approve(s)
		}, options{extra: obj{"mac_address": "02:00:5e:10:00:01"}}, changed},
		{"paired name", func(t *testing.T) {
			d := connect(t, s.Sendspin, options{name: "Safe room", pair: &pairer{}})
			ways()[0].run(d, s)
			d.paired(s)
		}, options{name: "Safe room"}, reused},
		{"persona", func(t *testing.T) {
			s.Must(t, "POST", "/api/v1/personas", obj{"name": "Bar, right"}, nil)
		}, options{name: "bar, right"}, reused},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.known(t)
			d := connect(t, s.Sendspin, c.pretend)
			d.refused(s, "unapproved", c.warning, c.warning)
			d.never()
			// The same, on the next connection.
			_ = d.w.c.Close()
			<-d.done
			d = connect(t, s.Sendspin, d.o)
			d.refused(s, "unapproved", c.warning, c.warning)
			d.never()
		})
	}
}

func testLostRecord(t *testing.T, s *harness.Server) {
	d := connect(t, s.Sendspin, options{pair: &pairer{}})
	ways()[0].run(d, s)
	d.paired(s)
	_ = d.w.c.Close()
	<-d.done
	d.o.vault.forget()
	d = connect(t, s.Sendspin, d.o)
	d.refused(s, "credential_mismatch", "", "credential_mismatch")
	d.never()
	ways()[0].run(d, s)
	d.paired(s)
}

// orClosed waits for a message, or for the server to end the connection.
func (d *device) orClosed(is func(msg) bool) bool {
	d.t.Helper()
	got := false
	harness.Eventually(d.t, patience, d.o.name+": an answer or the end", func() string {
		if got = slices.ContainsFunc(d.since(0), is); !got && d.closedNow() == nil {
			return d.tail()
		}
		return ""
	})
	return got
}

// knock connects a device that may be turned away.
func knock(t testing.TB, s *harness.Server, o options) *device {
	t.Helper()
	d := handshake(t, s.Sendspin, o)
	if d.orClosed(isType("server/hello")) {
		d.send("client/hello", d.o.hello())
		d.orClosed(isType("server/activate"))
	}
	return d
}

func (d *device) leave() {
	_ = d.w.c.Close()
	<-d.done
}

// testDenied: a denied device that knocks again at once gets nothing and is not back
// in the inbox; an approval is its way out.
func testDenied(t *testing.T, s *harness.Server) {
	o := options{noAccess: false, name: "Denied " + fmt.Sprint(now())}
	o.fill(t)
	first := knock(t, s, o)
	first.awaitKnown(s)
	s.Must(t, "POST", "/api/v1/clients/"+first.id+"/deny", nil, nil)
	first.leave()
	d := knock(t, s, o)
	d.never()
	c := awaitTrust(t, s, d.id, "denied")
	if slices.ContainsFunc(s.Inbox(t), func(w harness.Waiting) bool { return w.ClientID == c.ClientID }) {
		t.Error("a denied device is back in the inbox at once")
	}
	d.leave()
	s.Must(t, "POST", "/api/v1/clients/"+d.id+"/approve", obj{}, nil)
	knock(t, s, o).await("roles after an approval", 0, hasRoles)
}

func hasRoles(m msg) bool {
	roles, _ := m.payload["active_roles"].([]any)
	return m.typ == "server/activate" && len(roles) > 0
}

// testBlocked: blocking reaches a paired device's session at once and stays; pairing
// again is an explicit decision that ends it.
func testBlocked(t *testing.T, s *harness.Server) {
	d := connect(t, s.Sendspin, options{pair: &pairer{}})
	ways()[0].run(d, s)
	d.paired(s)
	s.Must(t, "POST", "/api/v1/clients/"+d.id+"/block", nil, nil)
	harness.Eventually(t, patience, "no roles on the live session", func() string {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.closed == nil && len(d.ref.roles) > 0 {
			return fmt.Sprint("roles ", d.ref.roles)
		}
		return ""
	})
	d.leave()
	for range 2 {
		again := knock(t, s, d.o)
		again.never()
		again.leave()
	}
	awaitTrust(t, s, d.id, "denied")
	var c trusted
	s.Must(t, "GET", "/api/v1/clients/"+d.id, nil, &c)
	if c.Trust != "denied" || !c.Blocked {
		t.Errorf("blocked: %+v", c)
	}
	if slices.ContainsFunc(s.Inbox(t), func(w harness.Waiting) bool { return w.ClientID == d.id }) {
		t.Error("a blocked device is in the inbox")
	}
}

// testApprovalEnds: when its time is over, the roles of the live session go.
func testApprovalEnds(t *testing.T, s *harness.Server) {
	d := connect(t, s.Sendspin, options{})
	d.awaitKnown(s)
	s.Must(t, "DELETE", "/api/v1/clients/"+d.id+"/approval", nil, nil, 409) // of the policy, if any
	_, mark := d.await("no roles", 0, withoutRoles)                         // likewise
	s.Must(t, "POST", "/api/v1/clients/"+d.id+"/approve", obj{"ends_in_ms": 8000}, nil)
	_, mark = d.await("roles", mark, hasRoles)
	d.await("no roles after the end", mark, withoutRoles)
	awaitTrust(t, s, d.id, "unapproved")
	d.leave()
	again := connect(t, s.Sendspin, d.o)
	again.sync(2)
	again.never()
}

func withoutRoles(m msg) bool {
	roles, there := m.payload["active_roles"].([]any)
	return m.typ == "server/activate" && there && len(roles) == 0
}

func testUntilDisconnect(t *testing.T, s *harness.Server) {
	d := connect(t, s.Sendspin, options{})
	d.awaitKnown(s)
	s.Must(t, "DELETE", "/api/v1/clients/"+d.id+"/approval", nil, nil, 409)
	_, mark := d.await("no roles", 0, withoutRoles) // those of the policy are gone, if there were any
	s.Must(t, "POST", "/api/v1/clients/"+d.id+"/approve", obj{"until_disconnect": true}, nil)
	d.await("roles", mark, hasRoles)
	d.leave()
	awaitTrust(t, s, d.id, "unapproved")
	again := connect(t, s.Sendspin, d.o)
	again.sync(2)
	again.never()
}

// testRevokedLive: revoking takes the roles of the running session away.
func testRevokedLive(t *testing.T, s *harness.Server) {
	d := connect(t, s.Sendspin, options{})
	d.approve(s)
	mark := d.mark()
	s.Must(t, "DELETE", "/api/v1/clients/"+d.id+"/approval", nil, nil)
	d.await("no roles", mark, withoutRoles)
	d.refused(s, "unapproved", "", "revoked")
}

// testAcceptWarning: only an approval that repeats the warning by name clears it.
func testAcceptWarning(t *testing.T, s *harness.Server) {
	connect(t, s.Sendspin, options{name: "Terrace"}).approve(s)
	d := connect(t, s.Sendspin, options{name: "Terrace"})
	d.refused(s, "unapproved", "name_reused_by_new_key", "name_reused_by_new_key")
	path := "/api/v1/clients/" + d.id + "/approve"
	for _, body := range []obj{{}, {"accept_warning": "identity_changed"}, {"accept_warning": "yes"}} {
		if err := s.Do("POST", path, body, nil); status(err) < 400 || status(err) > 422 || status(err) == 409 && !strings.Contains(err.Error(), "name_reused_by_new_key") {
			t.Errorf("approving with %v: %v, want a refusal that names the warning", body, err)
		}
	}
	d.refused(s, "unapproved", "name_reused_by_new_key", "name_reused_by_new_key")
	d.never()
	s.Must(t, "POST", path, obj{"accept_warning": "name_reused_by_new_key"}, nil)
	d.await("roles", 0, hasRoles)
	if c := awaitTrust(t, s, d.id, "approved"); c.Warning != "" {
		t.Errorf("accepted, and still a warning: %+v", c)
	}
}
