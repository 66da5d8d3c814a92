package trust

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tutti-audio/tutti/platform/fault"
)

var (
	t0     = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	strict = Policy{InboxTTL: time.Hour}
	open   = Policy{InboxTTL: time.Hour, Optional: true}
)

func knock(id string) Knock {
	return Knock{ID: id, Facts: Facts{Name: "Speaker", UnpairedAccess: true}, Category: CategorySentinel}
}

func client(change func(*Client)) *Client {
	c := &Client{ID: "a", Facts: knock("a").Facts, FirstSeen: t0, LastSeen: t0}
	change(c)
	return c
}

func approvedBy(actor string) func(*Client) {
	return func(c *Client) { c.Approval, c.Decision = &Approval{Actor: actor, At: t0}, DecidedApproved }
}

func terms(label string, source bool) Terms {
	return Terms{Label: label, Source: source, Actor: "admin"}
}

func unpairing(c *Client) { c.Unpairing, c.Decision = true, DecidedRevoked }

// TestAdmit walks the table of what a device may do.
func TestAdmit(t *testing.T) {
	base := []string{"player", "metadata", "artwork", "visualizer", "color"}
	withController := append(slices.Clone(base), "controller")
	tests := []struct {
		name     string
		old      *Client
		change   func(*Knock)
		known    Known
		policy   Policy
		full     bool
		state    State
		families []string
		wait     string
		warning  string
	}{
		{name: "a new key waits", policy: strict, state: Unapproved, wait: WaitNew},
		{name: "a new key is approved under optional", policy: open, state: Approved, families: withController},
		{name: "not when the policy has approved enough", policy: open, full: true, state: Unapproved, wait: WaitNew},
		{name: "not a known name with a new key", policy: open, known: Known{Name: true}, state: Unapproved, wait: WarnNameReused, warning: WarnNameReused},
		{name: "not a known MAC with a new key", policy: open, known: Known{Name: true, MAC: true}, state: Unapproved, wait: WarnIdentityChanged, warning: WarnIdentityChanged},
		{name: "not a device that admits only paired servers", policy: open, change: func(k *Knock) { k.UnpairedAccess = false }, state: Unapproved, wait: WaitPairingRequired},
		{name: "not on a session keyed by a pairing PSK", policy: open, change: func(k *Knock) { k.Category = CategoryPairing }, state: Unapproved, wait: WaitNew},
		{name: "a warning stays when the device calls itself something else", policy: open, old: client(func(c *Client) { c.Warning = WarnNameReused }), state: Unapproved, wait: WarnNameReused, warning: WarnNameReused},
		{name: "a waiting key is approved when the policy becomes optional", policy: open, old: client(func(*Client) {}), state: Approved, families: withController},
		{name: "an approved key plays", policy: strict, old: client(approvedBy("admin")), state: Approved, families: withController},
		{name: "without the controller where only paired ones may", policy: Policy{ControllerPairedOnly: true}, old: client(approvedBy("admin")), state: Approved, families: base},
		{name: "with source where that was approved", policy: strict, old: client(func(c *Client) { c.Approval = &Approval{Source: true} }), state: Approved, families: append(slices.Clone(withController), "source")},
		{name: "an approved key that admits only paired servers waits", policy: strict, old: client(approvedBy("admin")), change: func(k *Knock) { k.UnpairedAccess = false }, state: Approved, wait: WaitPairingRequired},
		{name: "a revoked key waits under every policy", policy: open, old: client(func(c *Client) { c.Decision = DecidedRevoked }), state: Unapproved, wait: WaitRevoked},
		{name: "a denied key gets nothing and does not wait", policy: open, old: client(func(c *Client) { c.Decision, c.DecidedAt = DecidedDenied, t0 }), state: Denied},
		{name: "a denied key shows up again after the inbox's time", policy: open, old: client(func(c *Client) { c.Decision, c.DecidedAt = DecidedDenied, t0.Add(-time.Hour) }), state: Denied, wait: WaitDenied},
		{name: "a paired key on its record plays", policy: strict, old: client(func(c *Client) { c.Paired = true }), change: func(k *Knock) { k.Category = CategoryLongTerm }, state: Paired, families: withController},
		{name: "also where only paired ones may control", policy: Policy{ControllerPairedOnly: true}, old: client(func(c *Client) { c.Paired = true }), change: func(k *Knock) { k.Category = CategoryLongTerm }, state: Paired, families: withController},
		{name: "a denied paired key gets nothing", policy: strict, old: client(func(c *Client) { c.Paired, c.Decision, c.DecidedAt = true, DecidedDenied, t0 }), change: func(k *Knock) { k.Category = CategoryLongTerm }, state: Denied},
		{name: "Sentinel on a record allows nothing", policy: open, old: client(func(c *Client) { c.Paired = true }), change: func(k *Knock) { k.Mismatch = true }, state: CredentialMismatch, wait: WaitCredentialMismatch},
		{name: "not even where it is approved", policy: open, old: client(func(c *Client) { c.Paired = true; approvedBy("admin")(c) }), change: func(k *Knock) { k.Mismatch = true }, state: CredentialMismatch, wait: WaitCredentialMismatch},
		{name: "a paired key works again once it answers with its record", policy: strict, old: client(func(c *Client) { c.Paired, c.Mismatch = true, true }), change: func(k *Knock) { k.Category = CategoryLongTerm }, state: Paired, families: withController},
		{name: "a session keyed anew for an attempt is no mismatch", policy: strict, old: client(func(c *Client) { c.Paired = true }), change: func(k *Knock) { k.Category, k.Refresh = CategoryPairing, true }, state: Paired, families: withController},
		{name: "but allows nothing where the device admits only paired servers", policy: strict, old: client(func(c *Client) { c.Paired = true }), change: func(k *Knock) { k.Category, k.Refresh, k.UnpairedAccess = CategoryPairing, true, false }, state: Paired},
		{name: "nor does a connection that begins so", policy: strict, old: client(func(c *Client) { c.Paired = true }), change: func(k *Knock) { k.Category = CategorySentinel }, state: Paired},
		{name: "a mismatch lasts through an attempt", policy: strict, old: client(func(c *Client) { c.Paired, c.Mismatch = true, true }), change: func(k *Knock) { k.Category, k.Refresh = CategoryPairing, true }, state: CredentialMismatch, wait: WaitCredentialMismatch},
		{name: "an unpaired record allows nothing to who holds it", policy: open, old: client(unpairing), change: func(k *Knock) { k.Category = CategoryLongTerm }, state: Unapproved},
		{name: "nor on a session keyed anew", policy: open, old: client(func(c *Client) { unpairing(c); approvedBy("admin")(c) }), change: func(k *Knock) { k.Category, k.Refresh = CategorySentinel, true }, state: Approved},
		{name: "who has lost an unpaired record is a stranger", policy: open, old: client(unpairing), change: func(k *Knock) { k.Mismatch = true }, state: Unapproved, wait: WaitRevoked},
		{name: "or plays when it is approved", policy: strict, old: client(func(c *Client) { unpairing(c); approvedBy("admin")(c) }), change: func(k *Knock) { k.Mismatch = true }, state: Approved, families: withController},
		{name: "a blocked key gets nothing and never waits", policy: open, old: client(func(c *Client) { c.Decision, c.DecidedAt = DecidedBlocked, t0.Add(-1000*time.Hour) }), state: Denied},
		{name: "an approval may name the controller", policy: Policy{ControllerPairedOnly: true}, old: client(func(c *Client) { c.Approval = &Approval{Controller: true} }), state: Approved, families: withController},
		{name: "an approval holds until its end", policy: strict, old: client(func(c *Client) { c.Approval = &Approval{Ends: t0.Add(1)} }), state: Approved, families: withController},
		{name: "and not a moment longer", policy: open, old: client(func(c *Client) { c.Approval = &Approval{Ends: t0} }), state: Unapproved, wait: WaitApprovalEnded},
		{name: "the source of a paired key ends too", policy: strict, old: client(func(c *Client) { c.Paired, c.Approval = true, &Approval{Source: true, Ends: t0} }), change: func(k *Knock) { k.Category = CategoryLongTerm }, state: Paired, families: withController},
		{name: "until disconnect: the session that asks first", policy: strict, old: client(func(c *Client) { c.Approval = &Approval{UntilDisconnect: true} }), change: func(k *Knock) { k.Refresh, k.Session = true, "s" }, state: Approved, families: withController},
		{name: "until disconnect: that session again", policy: strict, old: client(func(c *Client) { c.Approval = &Approval{UntilDisconnect: true, Session: "s"} }), change: func(k *Knock) { k.Refresh, k.Session = true, "s" }, state: Approved, families: withController},
		{name: "until disconnect: another session", policy: open, old: client(func(c *Client) { c.Approval = &Approval{UntilDisconnect: true, Session: "s"} }), change: func(k *Knock) { k.Refresh, k.Session = true, "other" }, state: Unapproved, wait: WaitApprovalEnded},
		{name: "until disconnect: a new connection", policy: open, old: client(func(c *Client) { c.Approval = &Approval{UntilDisconnect: true, Session: "s"} }), state: Unapproved, wait: WaitApprovalEnded},
		{name: "the policy's approval goes when the key takes on a known name", policy: open, old: client(func(c *Client) { c.Name = "Another"; c.Approval = &Approval{Actor: ActorPolicy} }), known: Known{Name: true}, state: Unapproved, wait: WarnNameReused, warning: WarnNameReused},
		{name: "but not when others take on its name", policy: open, old: client(func(c *Client) { c.Approval = &Approval{Actor: ActorPolicy} }), known: Known{Name: true}, state: Approved, families: withController},
		{name: "an operator's approval stays", policy: open, old: client(func(c *Client) { c.Name = "Another"; approvedBy("admin")(c) }), known: Known{Name: true}, state: Approved, families: withController},
		{name: "an open key that takes on a known name", policy: open, old: client(func(c *Client) { c.Name = "Another" }), known: Known{Name: true}, state: Unapproved, wait: WarnNameReused, warning: WarnNameReused},
		{name: "a session keyed by a removed record gets nothing", policy: open, change: func(k *Knock) { k.Category = CategoryLongTerm }, state: Unapproved, wait: WaitNew},
		{name: "nor where the key is approved", policy: open, old: client(approvedBy("admin")), change: func(k *Knock) { k.Category = CategoryLongTerm }, state: Approved},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := knock("a")
			if tt.change != nil {
				tt.change(&k)
			}
			var before Client
			if tt.old != nil {
				before = tt.old.clone()
			}
			next, v := Admit(tt.old, k, tt.known, tt.policy, !tt.full, t0)
			slices.Sort(v.Families)
			slices.Sort(tt.families)
			if v.State != tt.state || next.State() != tt.state || !slices.Equal(v.Families, tt.families) || v.Warning != tt.warning {
				t.Errorf("got %s %v %q, want %s %v %q", v.State, v.Families, v.Warning, tt.state, tt.families, tt.warning)
			}
			wait := ""
			if next.Waiting != nil {
				wait = next.Waiting.Reason
			}
			if wait != tt.wait {
				t.Errorf("waits for %q, want %q", wait, tt.wait)
			}
			if v.Reason == "" {
				t.Error("no reason for the operator")
			}
			if tt.old != nil && (before.State() != tt.old.State() || before.Warning != tt.old.Warning) {
				t.Error("the old record was changed")
			}
		})
	}
}

func TestDecisionsHaveAWayOut(t *testing.T) {
	c := *client(func(*Client) {})
	denied, err := c.Deny(t0)
	if err != nil || denied.State() != Denied || denied.Waiting != nil {
		t.Fatalf("denied: %+v", denied)
	}
	yes, changed, err := denied.Approve(terms("Kitchen", false), strict, t0)
	if err != nil || !changed || yes.State() != Approved || yes.Label != "Kitchen" {
		t.Fatalf("approve after deny: %+v %v %v", yes, changed, err)
	}
	again, changed, err := yes.Approve(terms("", false), strict, t0.Add(time.Hour))
	if err != nil || changed || again.Label != "Kitchen" {
		t.Fatalf("approve twice: changed %v, %v, label %q", changed, err, again.Label)
	}
	off, changed, err := yes.Revoke(strict, t0)
	if err != nil || !changed || off.State() != Unapproved || off.Waiting == nil || off.Waiting.Reason != WaitRevoked {
		t.Fatalf("revoke: %+v %v", off, err)
	}
	if _, changed, err := off.Revoke(strict, t0); err != nil || changed {
		t.Fatalf("revoke twice: changed %v, %v", changed, err)
	}
	if _, _, err := c.Revoke(strict, t0); err == nil || !strings.Contains(err.Error(), "unapproved") {
		t.Fatalf("revoke of nothing: %v, want a conflict that names the state", err)
	}
}

func TestApproveClearsAWarningThatItNamesAndCannotOverrideAMismatch(t *testing.T) {
	c := *client(func(c *Client) { c.Warning = WarnIdentityChanged })
	for _, named := range []string{"", WarnNameReused} {
		_, _, err := c.Approve(Terms{Warning: named, Actor: "admin"}, strict, t0)
		if fault.CodeOf(err) != fault.Conflict || !strings.Contains(err.Error(), WarnIdentityChanged) ||
			!strings.Contains(err.Error(), "MAC address") || !strings.Contains(err.Error(), "--accept-warning "+WarnIdentityChanged) {
			t.Fatalf("accepting %q: %v, want a conflict that names the warning, what it means and how to accept it", named, err)
		}
	}
	if _, _, err := c.Approve(Terms{Warning: "everything", Actor: "admin"}, strict, t0); fault.CodeOf(err) != fault.OutOfRange {
		t.Fatalf("accepting what is no warning: %v", err)
	}
	yes, _, err := c.Approve(Terms{Warning: WarnIdentityChanged, Actor: "admin"}, strict, t0)
	if err != nil || yes.Warning != "" || yes.State() != Approved {
		t.Fatalf("warning after an explicit decision: %q, %v", yes.Warning, err)
	}
	if again, changed, err := yes.Approve(Terms{Warning: WarnIdentityChanged, Actor: "admin"}, strict, t0); err != nil || changed {
		t.Fatalf("the same request again: %+v %v", again, err)
	}
	m := *client(func(c *Client) { c.Paired, c.Mismatch = true, true })
	if _, _, err := m.Approve(terms("", true), strict, t0); err == nil {
		t.Fatal("a credential mismatch was approved away")
	}
}

func TestApproveOfAPairedClientIsAboutSourceAlone(t *testing.T) {
	c := *client(func(c *Client) { c.Paired = true })
	yes, _, err := c.Approve(terms("", true), strict, t0)
	if err != nil || yes.State() != Paired || !yes.Approval.Source {
		t.Fatalf("%+v %v", yes, err)
	}
	no, _, err := yes.Approve(terms("", false), strict, t0)
	if err != nil || no.Approval != nil || no.State() != Paired {
		t.Fatalf("%+v %v", no, err)
	}
}

func TestSame(t *testing.T) {
	c := *client(func(*Client) {})
	near, _ := Admit(&c, knock("a"), Known{}, strict, true, t0.Add(time.Second))
	if c.Same(near, time.Minute) {
		t.Error("a device that enters the inbox is not news")
	}
	next, _ := Admit(&near, knock("a"), Known{}, strict, true, t0.Add(2*time.Second))
	if !near.Same(next, time.Minute) {
		t.Error("the same knock a second later is news")
	}
	late, _ := Admit(&near, knock("a"), Known{}, strict, true, t0.Add(2*time.Minute))
	if near.Same(late, time.Minute) {
		t.Error("a knock two minutes later is no news")
	}
	k := knock("a")
	k.Name = "Other"
	renamed, _ := Admit(&near, k, Known{}, strict, true, t0.Add(2*time.Second))
	if near.Same(renamed, time.Minute) {
		t.Error("another name is no news")
	}
}

func TestCleanMakesHostileTextHarmless(t *testing.T) {
	tests := map[string]string{
		"Kitchen":                  "Kitchen",
		"  a \t\n b  ":             "a b",
		"a\x00b\x1b[31mc\x7f":      "ab[31mc",
		"evil\u202egnp.exe":        "evilgnp.exe",
		"zero\u200bwidth\ufeff":    "zerowidth",
		"bad \xff\xfe utf8":        "bad utf8",
		"line\u2028sep":            "line sep",
		"\u00a0nbsp\u00a0":         "nbsp",
		strings.Repeat("ä", 100):   strings.Repeat("ä", MaxText),
		strings.Repeat("a ", 100):  strings.TrimSpace(strings.Repeat("a ", 32)),
		"Wohnzimmer \U0001F3B5":    "Wohnzimmer \U0001F3B5",
		"\u0627\u0644\u0645\u0637": "\u0627\u0644\u0645\u0637",
	}
	for in, want := range tests {
		if got := Clean(in, MaxText); got != want {
			t.Errorf("Clean(%q): got %q, want %q", in, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a \u202e b", 5)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = min(max(limit, 0), 200)
		got := Clean(s, limit)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > limit || Clean(got, limit) != got {
			t.Fatalf("Clean(%q, %d) = %q", s, limit, got)
		}
		for _, r := range got {
			if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
				t.Fatalf("%q keeps %U", got, r)
			}
		}
		_ = NameKey(s)
		if m := CleanMAC(s); m != "" && CleanMAC(m) != m {
			t.Fatalf("CleanMAC(%q) = %q is not stable", s, m)
		}
	})
}

func TestNameKeySeesThroughSpelling(t *testing.T) {
	for _, same := range []string{"kitchen", "KITCHEN", " Kitchen. ", "Kit\u200bchen", "\uff2bitchen", "Kit-chen", "\u041a\u0456t\u0441h\u0435n"} {
		if NameKey(same) != NameKey("Kitchen") {
			t.Errorf("%q is not the familiar name", same)
		}
	}
	for _, other := range []string{"Kitchen 2", "", "!!!"} {
		if NameKey(other) == NameKey("Kitchen") {
			t.Errorf("%q passes for Kitchen", other)
		}
	}
	if NameKey("!!!") == "" {
		t.Error("a name of signs alone is no name")
	}
}

func TestCleanMAC(t *testing.T) {
	tests := map[string]string{
		"AA:BB:CC:DD:EE:01": "aa:bb:cc:dd:ee:01", "aabb.ccdd.ee01": "aa:bb:cc:dd:ee:01", "aa-bb-cc-dd-ee-01": "aa:bb:cc:dd:ee:01",
		"aabbccddee01": "aa:bb:cc:dd:ee:01", "00:00:00:00:00:00": "", "ff:ff:ff:ff:ff:ff": "", "aa:bb": "", "<script>": "",
		strings.Repeat("a", 4000): "", "": "",
	}
	for in, want := range tests {
		if got := CleanMAC(in); got != want {
			t.Errorf("CleanMAC(%q): got %q, want %q", in, got, want)
		}
	}
}

func TestFactsAreBounded(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	roles := slices.Repeat([]string{long}, 1000)
	f := Facts{Name: long, Manufacturer: long, ProductName: long, SoftwareVersion: long, MAC: long, Address: long, Roles: roles}.Clean()
	total := len(f.Name) + len(f.Manufacturer) + len(f.ProductName) + len(f.SoftwareVersion) + len(f.MAC) + len(f.Address) + len(strings.Join(f.Roles, ""))
	if total > 5*MaxText+MaxRoles*MaxRole {
		t.Fatalf("a device can store %d bytes", total)
	}
}
