package trust

import (
	"reflect"
	"slices"
	"testing"
	"time"
)

func waiting() Client {
	now := time.Unix(1000, 0)
	return Client{
		ID: "x", Facts: Facts{Name: "Kitchen", UnpairedAccess: true}, Warning: WarnNameReused,
		Decision: DecidedApproved, DecidedAt: now, Approval: &Approval{Source: true, Actor: "admin", At: now},
		Waiting: &Waiting{Reason: WaitNew, Since: now, Knocked: now, Expires: now.Add(time.Hour)},
	}
}

func TestPairUndone(t *testing.T) {
	c := waiting()
	n, err := c.PairedNow(time.Unix(2000, 0))
	if err != nil {
		t.Fatal(err)
	}
	if got := n.Allowed(CategoryLongTerm, "s", true, Policy{}, time.Now()); slices.Contains(got, FamilySource) || !slices.Contains(got, FamilyController) {
		t.Fatalf("families: %v", got)
	}
	if back := n.PairUndone(c); !reflect.DeepEqual(back, c) {
		t.Fatalf("taken back: %+v, was %+v", back, c)
	}
	unpairing := c
	unpairing.Unpairing = true
	n, err = unpairing.PairedNow(time.Unix(2000, 0))
	if err != nil {
		t.Fatal(err)
	}
	if back := n.PairUndone(unpairing); !reflect.DeepEqual(back, unpairing) {
		t.Fatalf("taken back: %+v, was %+v", back, unpairing)
	}
}

func TestPairUndoneKeepsWhatWasDecidedSince(t *testing.T) {
	c := waiting()
	n, err := c.PairedNow(time.Unix(2000, 0))
	if err != nil {
		t.Fatal(err)
	}
	if n, err = n.Deny(time.Unix(3000, 0)); err != nil {
		t.Fatal(err)
	}
	if back := n.PairUndone(c); back.State() != Denied || back.Approval != nil || back.Paired {
		t.Fatalf("a denial was lost: %+v", back)
	}
}

func TestAllowedFollowsTheCategory(t *testing.T) {
	c := waiting()
	paired, _ := c.PairedNow(time.Unix(2000, 0))
	lost := paired
	lost.Mismatch = true
	for _, tt := range []struct {
		name     string
		c        Client
		category string
		access   bool
		want     bool
	}{
		{"approved, Sentinel", c, CategorySentinel, true, true},
		{"approved, pairing PSK", c, CategoryPairing, true, true},
		{"approved, no unpaired access", c, CategorySentinel, false, false},
		{"paired, own PSK", paired, CategoryLongTerm, false, true},
		{"paired, keyed anew, no unpaired access", paired, CategorySentinel, false, false},
		{"paired, keyed anew beside playback", paired, CategoryPairing, true, true},
		{"credential mismatch", lost, CategorySentinel, true, false},
		{"unknown", Client{ID: "y"}, CategorySentinel, true, false},
	} {
		if got := tt.c.Allowed(tt.category, "s", tt.access, Policy{Optional: true}, time.Now()); (len(got) > 0) != tt.want {
			t.Errorf("%s: %v, want any: %v", tt.name, got, tt.want)
		}
	}
}
