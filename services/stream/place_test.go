package stream

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/platform/fault"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// holders lists who holds groups, once all of them are held.
func (r *rig) holders(groups ...string) map[string]string {
	r.t.Helper()
	out := map[string]string{}
	for _, g := range groups {
		out[g] = r.get(g).GetInstanceId()
	}
	return out
}

func count(holders map[string]string, id string) (n int) {
	for _, h := range holders {
		if h == id {
			n++
		}
	}
	return n
}

// known waits until every instance sees every other one.
func (r *rig) known(n int) {
	r.t.Helper()
	until(r.t, func() string {
		for id, s := range r.services {
			if s.Ready() == nil {
				if got := len(s.placer.picture()); got != n {
					return fmt.Sprintf("%s sees %d instances, want %d", id, got, n)
				}
			}
		}
		return ""
	})
}

func TestGroupsAreSpreadUpToTheCap(t *testing.T) {
	r := newEmbeddedRig(t)
	capped := func(c *Config) { c.MaxGroups = 3 }
	r.service(r.bus, "one", capped)
	r.service(r.bus, "two", capped)
	r.known(2)
	var groups []string
	for i := range 6 {
		groups = append(groups, r.make(fmt.Sprint("Room ", i)))
	}
	h := r.holders(groups...)
	if count(h, "one") != 3 || count(h, "two") != 3 {
		t.Errorf("held by %v", h)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := r.groups.Put(ctx, "seventh", &tuttiv1.Group{GroupId: "seventh", Name: "Seventh"}); err != nil {
		t.Fatal(err)
	}
	_, err := r.services["one"].activated(ctx, &tuttiv1.GroupRequest{GroupId: "seventh"})
	if fault.CodeOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "seventh") || !strings.Contains(err.Error(), "--max-groups") {
		t.Errorf("one more than there is room for: %v", err)
	}
}

// TestDrainHandsOverWithoutASample compares what is on the tape with the file.
func TestDrainHandsOverWithoutASample(t *testing.T) {
	r := newEmbeddedRig(t)
	want := r.file("music.flac", 60, 1) // so that there is something left to be made after the drain
	ahead := func(c *Config) { c.AheadMS = 20_000 }
	r.service(r.bus, "one", ahead)
	a := r.device("a", "flac:44100:16:2")
	g := r.make("House", a)
	idle := r.make("Idle")
	r.command(play(g, "music.flac"))
	s := a.playing(0)
	r.audible(g, "")
	told := len(a.kinds())
	r.service(r.bus, "two", ahead)
	r.known(2)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := r.services["one"].Drain(ctx); err != nil {
		t.Fatal(err)
	}
	if h := r.holders(g, idle); count(h, "two") != 2 || r.services["one"].reg.Count() != 0 {
		t.Errorf("after the drain: %v", h)
	}
	before := len(r.tapes.of(g, s.GetRenditionId(), s.GetEpoch()))
	until(t, func() string {
		if n := len(r.tapes.of(g, s.GetRenditionId(), s.GetEpoch())); n < before+30 {
			return fmt.Sprintf("%d chunks, %d at the hand-over", n, before)
		}
		return ""
	})
	if x := r.get(g); x.GetPlaybackState() != "playing" || x.GetEpoch() != s.GetEpoch() {
		t.Errorf("%s in epoch %d, was %d", x.GetPlaybackState(), x.GetEpoch(), s.GetEpoch())
	}
	fences := map[uint64]bool{}
	for _, c := range r.tapes.of(g, s.GetRenditionId(), s.GetEpoch()) {
		fences[c.Fence] = true
	}
	if len(fences) != 2 {
		t.Errorf("the tape has chunks of the fences %v, want two holders", fences)
	}
	for _, k := range a.kinds()[told:] { // before the tape is decoded, which may take longer than the title
		if k != "start:"+s.GetRenditionId() && k != "group:playing" {
			t.Errorf("the session was told %s", k)
		}
	}
	if got, from := r.hears(g, s); from != 0 || !slices.Equal(got, want[:len(got)]) {
		t.Error("the tape is not the file across the hand-over")
	}
	// Nothing new is placed on it, and the director is the other one.
	for i := range 4 {
		if x := r.get(r.make(fmt.Sprint("Later ", i))); x.GetInstanceId() != "two" {
			t.Errorf("a new group is placed on %s", x.GetInstanceId())
		}
	}
}

// TestTheLastInstanceKeepsItsGroupsWhenItDrains: there is nobody to give them to.
func TestTheLastInstanceKeepsItsGroupsWhenItDrains(t *testing.T) {
	r := embedded(t)
	g := r.make("House")
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := r.services["one"].Drain(ctx); err != nil {
		t.Fatal(err)
	}
	if x := r.get(g); x.GetInstanceId() != "one" {
		t.Errorf("held by %q", x.GetInstanceId())
	}
}

// TestRebalancingMovesNoMoreThanItMust lets an instance join another one that holds
// everything, music included.
func TestRebalancingMovesNoMoreThanItMust(t *testing.T) {
	r := newEmbeddedRig(t)
	want := r.file("music.flac", 60, 1)
	r.service(r.bus, "one")
	var devices []*device
	var groups []string
	for i := range 4 {
		d := r.device(fmt.Sprint("d", i), "flac:44100:16:2")
		devices = append(devices, d)
		g := r.make(fmt.Sprint("Room ", i), d)
		groups = append(groups, g)
		if i > 0 { // one is idle
			r.command(play(g, "music.flac"))
		}
	}
	starts := map[string]*tuttiv1.StreamStart{}
	for i, g := range groups[1:] {
		starts[g] = devices[i+1].playing(0)
	}
	fences := map[string]uint64{}
	for _, g := range groups {
		fences[g] = r.get(g).GetFence()
	}
	r.service(r.bus, "two")
	until(t, func() string {
		if h := r.holders(groups...); count(h, "two") != 2 {
			return fmt.Sprintf("held by %v", h)
		}
		return ""
	})
	for range 2 * settleLooks { // a further move would come within so many looks
		<-time.After(lookEverySecond / 2)
	}
	moved := 0
	for _, g := range groups { // before the tapes are decoded, which may take longer than the title
		x := r.get(g)
		if x.GetFence() != fences[g] {
			moved++
		}
		if s := starts[g]; s != nil && (x.GetEpoch() != s.GetEpoch() || x.GetPlaybackState() != "playing") {
			t.Errorf("%s: %s in epoch %d, was %d", g, x.GetPlaybackState(), x.GetEpoch(), s.GetEpoch())
		}
	}
	for _, g := range groups {
		s := starts[g]
		if s == nil {
			continue
		}
		if got, _ := r.hears(g, s); !slices.Equal(got, want[:len(got)]) {
			t.Errorf("%s: the tape is not the file", g)
		}
	}
	if moved != 2 {
		t.Errorf("%d groups moved, 2 had to", moved)
	}
	if r.get(groups[0]).GetInstanceId() != "two" {
		t.Error("the idle group stayed and one that plays moved in its place")
	}
}

// TestStandbysTakeOverByThemselves: no command is sent, no director looks; the survivors
// share what the dead one held.
func TestStandbysTakeOverByThemselves(t *testing.T) {
	srv := bustest.StartServer(t)
	r := newRig(t, bustest.Connect(t, srv))
	r.ttl = 2 * time.Second
	want := r.file("music.flac", 60, 1)
	kill := r.died(t, srv, "doomed", func(c *Config) { c.AheadMS = 20_000 })
	a := r.device("a", "flac:44100:16:2")
	playing := r.make("House", a)
	groups := []string{playing}
	for i := range 7 {
		groups = append(groups, r.make(fmt.Sprint("Room ", i)))
	}
	r.command(play(playing, "music.flac"))
	s := a.playing(0)
	r.audible(playing, "")
	r.bridges(playing, s)
	for _, id := range []string{"two", "three"} {
		c := bustest.Connect(t, srv)
		r.service(c, id, func(c *Config) { c.MaxGroups, c.AheadMS = 8, 20_000 })
	}
	r.known(3) // whoever knows of nobody else takes everything
	kill()
	died := time.Now()
	records := func() map[string]string {
		h := map[string]string{}
		for _, g := range groups {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			if x, _, err := r.groups.Get(ctx, g); err == nil {
				h[g] = x.GetInstanceId()
			}
			cancel()
		}
		return h
	}
	until(t, func() string {
		if h := records(); count(h, "two")+count(h, "three") != len(groups) {
			return fmt.Sprintf("held by %v", h)
		}
		return ""
	})
	t.Logf("%d groups are held again %v after the death", len(groups), time.Since(died).Round(10*time.Millisecond))
	if h := records(); count(h, "two") < 1 || count(h, "three") < 1 {
		t.Errorf("not shared: %v", h)
	}
	before := len(r.tapes.of(playing, s.GetRenditionId(), s.GetEpoch()))
	until(t, func() string {
		if n := len(r.tapes.of(playing, s.GetRenditionId(), s.GetEpoch())); n < before+20 {
			return fmt.Sprintf("%d chunks", n)
		}
		return ""
	})
	if got, _ := r.hears(playing, s); !slices.Equal(got, want[:len(got)]) {
		t.Error("the tape is not the file")
	}
}
