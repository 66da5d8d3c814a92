package trust

import (
	"strings"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/platform/fault"
)

func TestABlockIsMoreThanADenial(t *testing.T) {
	c := *client(func(c *Client) { c.Warning = WarnNameReused })
	blocked, changed := c.Block(t0)
	if !changed || blocked.State() != Denied || !blocked.Blocked() || blocked.Waiting != nil {
		t.Fatalf("blocked: %+v", blocked)
	}
	if _, changed := blocked.Block(t0); changed {
		t.Fatal("a block twice is news")
	}
	if _, err := blocked.Deny(t0); fault.CodeOf(err) != fault.Conflict || !strings.Contains(err.Error(), "approve it") {
		t.Fatalf("deny of a blocked key: %v, want a conflict with the way out", err)
	}
	if _, err := blocked.PairedNow(t0); fault.CodeOf(err) != fault.Conflict || !strings.Contains(err.Error(), "forget it") {
		t.Fatalf("pairing of a blocked key: %v, want a conflict with the way out", err)
	}
	if _, _, err := blocked.Revoke(strict, t0); err == nil || !strings.Contains(err.Error(), "blocked") {
		t.Fatalf("revoke of a blocked key: %v", err)
	}
	if _, _, err := blocked.Approve(terms("", false), strict, t0); fault.CodeOf(err) != fault.Conflict {
		t.Fatalf("a block settled a warning: %v", err)
	}
	yes, _, err := blocked.Approve(Terms{Warning: WarnNameReused, Actor: "admin"}, strict, t0)
	if err != nil || yes.State() != Approved || yes.Blocked() {
		t.Fatalf("approve of a blocked key: %+v %v", yes, err)
	}
	paired := *client(func(c *Client) { c.Paired = true })
	blocked, _ = paired.Block(t0)
	if back, _, err := blocked.Approve(terms("", false), strict, t0); err != nil || back.State() != Paired {
		t.Fatalf("a paired key after a block: %+v %v", back, err)
	}
}

func TestApprovalsEndOnce(t *testing.T) {
	c := *client(func(*Client) {})
	if _, _, err := c.Approve(Terms{Ends: t0, Actor: "admin"}, strict, t0); fault.CodeOf(err) != fault.OutOfRange {
		t.Fatalf("an approval that ends now: %v", err)
	}
	both := Terms{Ends: t0.Add(time.Hour), UntilDisconnect: true, Actor: "admin"}
	yes, changed, err := c.Approve(both, strict, t0)
	if err != nil || !changed || !yes.Approval.Ends.Equal(both.Ends) || !yes.Approval.UntilDisconnect {
		t.Fatalf("%+v %v", yes.Approval, err)
	}
	if _, changed, _ := yes.Approve(both, strict, t0); changed {
		t.Fatal("the same terms are news")
	}
	if next, why := yes.Lapse(strict, t0.Add(time.Hour-1)); why != "" || next.State() != Approved {
		t.Fatalf("before its end: %q", why)
	}
	for what, end := range map[string]func(Client) (Client, string){
		"time":       func(c Client) (Client, string) { return c.Lapse(strict, t0.Add(time.Hour)) },
		"disconnect": func(c Client) (Client, string) { return c.SessionEnded("s", strict, t0) },
	} {
		held := yes.clone()
		held.Approval.Session = "s"
		next, why := end(held)
		if why == "" || next.State() != Unapproved || next.Decision != DecidedExpired || next.Waiting == nil || next.Waiting.Reason != WaitApprovalEnded {
			t.Errorf("%s: %q %+v", what, why, next)
		}
		if _, why := end(next); why != "" {
			t.Errorf("%s: it ended twice: %q", what, why)
		}
	}
	for _, other := range []string{"", "other"} {
		held := yes.clone()
		held.Approval.Session = "s"
		if _, why := held.SessionEnded(other, strict, t0); why != "" {
			t.Errorf("the end of session %q ended it: %q", other, why)
		}
		if _, why := yes.SessionEnded(other, strict, t0); why != "" {
			t.Errorf("the end of session %q ended an approval that no session holds: %q", other, why)
		}
	}
}

func TestPairingReplacesWhatWasThere(t *testing.T) {
	c := *client(func(c *Client) {
		c.Warning, c.Mismatch, c.Unpairing = WarnIdentityChanged, true, true
		c.Approval = &Approval{Source: true, Controller: true}
		c.Waiting = &Waiting{Reason: WaitNew}
	})
	got, err := c.PairedNow(t0)
	if err != nil || got.State() != Paired || got.Warning != "" || got.Approval != nil || got.Waiting != nil || got.Unpairing || got.Open() || !got.PairedAt.Equal(t0) {
		t.Fatalf("%+v %v", got, err)
	}
}

func TestUnpairKeepsTheRecordUntilItIsTold(t *testing.T) {
	c := *client(func(c *Client) { c.Paired, c.Mismatch, c.Approval = true, true, &Approval{Source: true} })
	gone, changed, err := c.Unpair(t0)
	if err != nil || !changed || gone.State() != Unapproved || !gone.Unpairing || gone.Approval != nil || gone.Open() {
		t.Fatalf("%+v %v", gone, err)
	}
	if _, changed, err := gone.Unpair(t0); err != nil || changed {
		t.Fatalf("twice: %v %v", changed, err)
	}
	told, changed := gone.UnpairTold()
	if !changed || told.Unpairing || told.Open() {
		t.Fatalf("told: %+v", told)
	}
	if _, changed := told.UnpairTold(); changed {
		t.Fatal("told twice")
	}
	if _, _, err := told.Unpair(t0); fault.CodeOf(err) != fault.Conflict || !strings.Contains(err.Error(), "no pairing record") {
		t.Fatalf("without a record: %v", err)
	}
	blocked, _ := c.Block(t0)
	if gone, _, err := blocked.Unpair(t0); err != nil || !gone.Blocked() || !gone.Unpairing {
		t.Fatalf("unpair of a blocked key: %+v %v", gone, err)
	}
}
