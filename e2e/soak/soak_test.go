package soak

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// soakTime is how long the walk is: TUTTI_SOAK, or a short form.
func soakTime(t *testing.T) time.Duration {
	if v := os.Getenv("TUTTI_SOAK"); v != "" {
		d, err := time.ParseDuration(v)
		if err != nil {
			t.Fatalf("TUTTI_SOAK: %v", err)
		}
		return d
	}
	return time.Minute
}

// More than forty devices of every role, on a random walk: no strict client sees a
// violation, every sample is the music's own and at its time, all players of a group play
// the same at the same time, and the server does not grow.
func TestSoak(t *testing.T) {
	music := t.TempDir()
	ref := newReference(t, music, 30, "a.flac", "b.wav", "c.flac")
	s := harness.StartServer(t, "embedded", harness.Options{Music: music, Args: []string{"--log-level", "warn"}})
	w := &walk{t: t, s: s, rnd: rand.New(rand.NewPCG(20, 26)), ref: ref, done: map[string]int{}}
	w.devices = fleet(t, s, ref)
	if len(w.devices) < 40 {
		t.Fatalf("%d devices", len(w.devices))
	}
	approveAll(t, s, w.devices)
	for i := range zones {
		var g harness.Group
		s.Must(t, "POST", "/api/v1/groups", map[string]any{"name": fmt.Sprintf("Zone %d", i+1), "members": []string{}}, &g)
		w.groups = append(w.groups, g.GroupID)
	}
	walk := soakTime(t)
	warm := min(walk/4, 3*time.Minute)
	w.run(warm)
	w.settle()
	before := weigh(t, s, 5*time.Second)
	w.run(walk - warm)
	w.settle()
	t.Logf("before: %s", before)
	harness.Eventually(t, 3*time.Minute, "the server is as small as before", func() string {
		after := weigh(t, s, time.Second)
		what := grew(before, after, warm)
		if what == "" {
			t.Logf("after:  %s", after)
		}
		return what
	})
	w.judge()
}

// judge says what came of the walk.
func (w *walk) judge() {
	t := w.t
	t.Helper()
	var frames int64
	for _, d := range w.devices {
		if found := d.found(); len(found) > 0 {
			t.Errorf("%s: %d violations and faults, first: %s", d.name, len(found), found[0])
		}
		d.mu.Lock()
		frames += d.ear.frames
		d.mu.Unlock()
	}
	compared, faults := timelines(w.ref, w.devices)
	t.Logf("did %v", w.done)
	t.Logf("%d devices; %.0f s of audio is the music's own, sample by sample; %d pairs of players compared",
		len(w.devices), float64(frames)/rate, compared)
	if len(faults) > 0 {
		t.Errorf("%d times two players of a group disagree, first: %s", len(faults), faults[0])
	}
	if frames < 60*rate || compared < 200 {
		t.Errorf("too little was heard to judge by")
	}
}
