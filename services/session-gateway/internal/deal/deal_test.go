package deal

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

const keys = 10_000

func owners(members []Member) []string {
	out := make([]string, keys)
	for i := range out {
		out[i] = Owner(fmt.Sprintf("mdns/device-%d", i), members)
	}
	return out
}

func count(owners []string, id string) int {
	n := 0
	for _, o := range owners {
		if o == id {
			n++
		}
	}
	return n
}

func TestSharesFollowTheWeights(t *testing.T) {
	o := owners([]Member{{"gw-a", 1000}, {"gw-b", 2000}, {"gw-c", 1000}, {"gw-d", 0}})
	for id, share := range map[string]float64{"gw-a": 0.25, "gw-b": 0.5, "gw-c": 0.25, "gw-d": 0} {
		if got := float64(count(o, id)) / keys; math.Abs(got-share) > 0.02 {
			t.Errorf("%s is dealt %.3f of the sightings, want %.2f", id, got, share)
		}
	}
}

func TestOnlyTheDeadOnesSightingsMove(t *testing.T) {
	all := []Member{{"gw-a", 1000}, {"gw-b", 1000}, {"gw-c", 1000}}
	before := owners(all)
	after := owners(all[:2])
	for i := range before {
		if before[i] != "gw-c" && after[i] != before[i] {
			t.Fatalf("sighting %d moved from %s to %s, although gw-c died", i, before[i], after[i])
		}
	}
	// What the dead one had is spread over the others.
	for _, id := range []string{"gw-a", "gw-b"} {
		if gained := count(after, id) - count(before, id); gained < keys/8 {
			t.Errorf("%s takes %d of %d over", id, gained, count(before, "gw-c"))
		}
	}
	// One that comes takes from everybody, and nothing moves between the others.
	more := owners(append(slices.Clone(all), Member{"gw-d", 1000}))
	for i := range before {
		if more[i] != "gw-d" && more[i] != before[i] {
			t.Fatalf("sighting %d moved from %s to %s, although gw-d came", i, before[i], more[i])
		}
	}
}

func TestOrderDoesNotMatter(t *testing.T) {
	a := []Member{{"gw-a", 1000}, {"gw-b", 500}, {"gw-c", 7}}
	b := []Member{a[2], a[0], a[1]}
	if !slices.Equal(owners(a), owners(b)) {
		t.Error("gateways that list each other in another order disagree")
	}
}

func TestNobodyIsDealtNothing(t *testing.T) {
	if o := Owner("mdns/x", nil); o != "" {
		t.Errorf("owner %q of nobody", o)
	}
	if o := Owner("mdns/x", []Member{{"gw-a", 0}}); o != "" {
		t.Errorf("owner %q without weight", o)
	}
}
