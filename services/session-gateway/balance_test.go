package gateway

import (
	"fmt"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/deal"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/dial"
)

// rebalances lets sessions move soon, and gives each the time that a slow machine takes: behind
// one that does not come back none is sent away for ten minutes.
func rebalances(after time.Duration) rigOption {
	return func(c *Config, _ *Deps) { c.RebalanceAfter, c.handover = after, patience }
}

// A gateway that comes gets the resting devices that are dealt to it, and nobody else moves:
// neither who is dealt to the first one, nor who plays.
func TestAGatewayThatComesGetsTheRestingDevicesDealtToIt(t *testing.T) {
	s := newShards(t, 1, rebalances(100*time.Millisecond))
	devices := s.fleet(8)
	s.owners(devices)
	key := func(i int) string { return fmt.Sprintf("static/%d", i) }
	both := []deal.Member{{ID: "gw-1", Weight: 1}, {ID: "gw-2", Weight: 1}}
	var moves, stays []int
	for i := range devices {
		if deal.Owner(key(i), both) == "gw-2" {
			moves = append(moves, i)
		} else {
			stays = append(stays, i)
		}
	}
	if len(moves) < 2 || len(stays) < 1 {
		t.Fatalf("the test tests nothing: %v move, %v stay", moves, stays)
	}
	plays := moves[0]
	s.mustCommand(devices[plays].id(), groupCmd("g1", "playing"))
	eventually(t, func() string {
		if s.gws[0].svc.hub.Get(devices[plays].id()).Rests() {
			return "it rests"
		}
		return ""
	})

	s.add(rebalances(100 * time.Millisecond))
	eventually(t, func() string {
		for _, i := range moves[1:] {
			if p := s.presence(devices[i].id()); !p.GetConnected() || p.GetGatewayId() != "gw-2" {
				return fmt.Sprintf("device %d is on %s (connected: %v)", i, p.GetGatewayId(), p.GetConnected())
			}
		}
		return ""
	})
	for _, i := range append(stays, plays) {
		if p := s.presence(devices[i].id()); p.GetGatewayId() != "gw-1" || devices[i].openings() != 1 {
			t.Errorf("device %d is on %s and was dialled %d times", i, p.GetGatewayId(), devices[i].openings())
		}
	}
	for _, i := range moves[1:] {
		if n := devices[i].openings(); n != 2 {
			t.Errorf("device %d was dialled %d times, want once by each gateway", i, n)
		}
	}
	for _, d := range devices {
		d.clean()
	}
}

func TestWhoIsDealtElsewhereMovesAfterAWhile(t *testing.T) {
	b := balancer{after: 30 * time.Second}
	start := time.Unix(1000, 0)
	a, c := dial.Stray{ClientID: "a", Key: "1"}, dial.Stray{ClientID: "c", Key: "2"}
	all := func(dial.Stray) bool { return true }
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	for _, step := range []struct {
		at     int
		strays []dial.Stray
		may    func(dial.Stray) bool
		want   string
	}{
		{0, []dial.Stray{a}, all, ""},
		{10, []dial.Stray{a, c}, all, ""},
		{29, []dial.Stray{a, c}, all, ""},
		{30, []dial.Stray{a, c}, all, "a"},
		{31, []dial.Stray{a, c}, func(dial.Stray) bool { return false }, ""},
		{40, []dial.Stray{a, c}, func(x dial.Stray) bool { return x == c }, "c"},
		{41, []dial.Stray{c}, all, "c"},
		{42, []dial.Stray{a}, all, ""}, // a was dealt here for a moment: it begins anew
		{72, []dial.Stray{a}, all, "a"},
	} {
		if got := b.choose(at(step.at), step.strays, step.may); got != step.want {
			t.Errorf("after %d s: %q, want %q", step.at, got, step.want)
		}
	}
}
