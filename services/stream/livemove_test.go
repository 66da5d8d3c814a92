package stream

import (
	"context"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/platform/bus/bustest"
)

// TestALiveSourceGoesOnAfterADeath: there is no tape to carry on from, so there is a gap,
// which the log tells; afterwards the group plays what is captured now.
func TestALiveSourceGoesOnAfterADeath(t *testing.T) {
	srv := bustest.StartServer(t)
	r := newRig(t, bustest.Connect(t, srv))
	r.ttl = 2 * time.Second
	kill := r.died(t, srv, "doomed", func(c *Config) { c.MarginMS = 250 })
	deck := r.deck("Turntable", nil)
	a := r.device("a", "pcm:8000:24:1")
	g := r.make("House", a)
	deck.begin(g)
	s := a.playing(0)
	deck.heard(g, a, 1000)
	r.service(r.bus, "two", func(c *Config) { c.MarginMS = 250 })
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if rec, _, err := r.groups.Get(ctx, g); err != nil || rec.GetInstanceId() != "doomed" {
		t.Fatalf("held by %s, %v", rec.GetInstanceId(), err)
	}
	kill()
	died := time.Now()
	n := a.playing(s.GetEpoch())
	t.Logf("told of the next epoch %v after the death", time.Since(died).Round(time.Millisecond))
	deck.set(func() { deck.level = 9000 })
	deck.heard(g, a, 9000)
	old, fresh := r.tapes.of(g, s.GetRenditionId(), s.GetEpoch()), r.tapes.of(g, n.GetRenditionId(), n.GetEpoch())
	if len(old) > 0 && len(fresh) > 0 { // on a slow machine an epoch may begin anew before it has audio
		last := old[len(old)-1]
		t.Logf("nothing to hear for %d ms", (fresh[0].TimestampUS-last.TimestampUS-int64(last.DurationUS))/1000)
	}
	if x := r.get(g); x.GetInstanceId() != "two" || x.GetPlaybackState() != "playing" || !x.GetLive() {
		t.Errorf("%s: %s, live %v", x.GetInstanceId(), x.GetPlaybackState(), x.GetLive())
	}
}
