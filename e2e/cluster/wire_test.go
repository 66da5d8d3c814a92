package cluster

import (
	"context"
	"errors"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// The wire is as slow as it says, and a host that is cut off is not reached until it is
// healed.
func TestWire(t *testing.T) {
	if !Inside(t, 2*time.Minute) {
		return
	}
	link := Link{Delay: 5 * time.Millisecond, Jitter: 500 * time.Microsecond}
	n := NewNetwork(t, link)
	h := n.Hosts[0]
	knock := func(limit time.Duration) (time.Duration, error) {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		began := time.Now()
		// Nobody listens: the refusal of the host's kernel takes one round trip.
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(h.IP, "9"))
		if err == nil {
			_ = c.Close()
			t.Fatal("somebody listens on the discard port of an empty host")
		}
		// Its own deadline may end the dial a moment before that of ctx.
		if errors.Is(err, syscall.ECONNREFUSED) {
			err = nil
		}
		return time.Since(began), err
	}
	harness.Eventually(t, patience, "the host answers", func() string {
		if _, err := knock(time.Second); err != nil {
			return err.Error()
		}
		return ""
	})
	var trips []time.Duration
	for range 15 {
		d, err := knock(patience)
		if err != nil {
			t.Fatal(err)
		}
		trips = append(trips, d)
	}
	slices.Sort(trips)
	if least := 2 * (link.Delay - link.Jitter); trips[0] < least {
		t.Errorf("the fastest round trip took %s; two ways of %s ± %s cannot be below %s", trips[0], link.Delay, link.Jitter, least)
	}
	t.Logf("round trips: median %s, slowest %s", trips[7], trips[14])
	h.Cut()
	if d, err := knock(500 * time.Millisecond); err == nil {
		t.Errorf("a host that is cut off answered after %s", d)
	}
	h.Heal()
	harness.Eventually(t, patience, "the healed host answers", func() string {
		if _, err := knock(time.Second); err != nil {
			return err.Error()
		}
		return ""
	})
}
