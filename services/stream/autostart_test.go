package stream

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

func TestNeedle(t *testing.T) {
	t.Parallel()
	at := func(ms int64) time.Time { return time.UnixMilli(1_000_000 + ms) }
	n := &needle{}
	for i, step := range []struct {
		ms      int64
		present bool
		want    auto
	}{
		{0, false, autoNothing}, {1000, true, autoNothing}, {1900, true, autoNothing}, {1950, false, autoNothing}, // a crackle
		{2000, true, autoNothing}, {3000, true, autoPlay}, {4000, true, autoNothing},
		{5000, false, autoNothing}, {34_000, false, autoNothing}, {34_500, true, autoNothing}, // turned over
		{40_000, false, autoNothing}, {70_000, false, autoEnd}, {80_000, false, autoNothing},
	} {
		got := n.look(step.present, 30*time.Second, at(step.ms))
		if got != step.want {
			t.Errorf("step %d at %d ms: %v, want %v", i, step.ms, got, step.want)
		}
		if got != autoNothing {
			n.did(got, nil, at(step.ms))
		}
	}
	n = &needle{}
	n.look(true, time.Second, at(0))
	if n.look(true, time.Second, at(2000)) != autoPlay {
		t.Error("no start")
	}
	n.did(autoPlay, errors.New("busy"), at(2000))
	if n.look(true, time.Second, at(6000)) != autoNothing || n.look(true, time.Second, at(7001)) != autoPlay {
		t.Error("a group that could not be told is not told again five seconds later")
	}
	// A director that begins while there is no signal does not know whether another one
	// had started the group: the next signal starts it in any case.
	n = &needle{started: true, assumed: true}
	n.look(false, 30*time.Second, at(0))
	n.look(true, 30*time.Second, at(500))
	if n.look(true, 30*time.Second, at(1500)) != autoPlay {
		t.Error("a signal after the director's beginning starts nothing")
	}
	n = &needle{started: true, assumed: true}
	n.look(false, time.Second, at(0))
	if n.look(false, time.Second, at(1000)) != autoEnd {
		t.Error("what another director began is not ended")
	}
}

// The needle comes down: the group plays the source, and what it played stays paused when
// the record is over. Nothing else starts.
func TestSourceStartsByItself(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	r.file("music.flac", 20, 1)
	var p *tuttiv1.ClientPresence
	deck := r.deck("Turntable", func(c *tuttiv1.ClientPresence) { c.SourceSignal, p = proto.String("absent"), c })
	sense := func(signal string) {
		p = proto.CloneOf(p)
		p.SourceSignal = &signal
		deck.say(p)
	}
	a := r.device("a", "pcm:8000:24:1")
	g := r.make("House", a)
	r.command(play(g, "music.flac"))
	a.playing(0)
	until(t, func() string {
		if ms := r.get(g).GetNowPlaying().GetPositionMs(); ms < 500 {
			return fmt.Sprintf("the file is at %d ms", ms)
		}
		return ""
	})

	tunings, err := bus.OpenBucket[tuttiv1.ClientTuning](context.Background(), r.bus, subject.BucketTuning, bus.BucketOptions{History: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tunings.Put(context.Background(), deck.id, &tuttiv1.ClientTuning{ClientId: deck.id,
		AutoStart: &tuttiv1.AutoStart{GroupId: g, StopAfterMs: 1000}}); err != nil {
		t.Fatal(err)
	}
	sense("present")
	until(t, func() string {
		if s, _, _, _ := a.now(); !s.GetLive() {
			return fmt.Sprintf("it plays %v", s)
		}
		return ""
	})
	deck.heard(g, a, 1000)
	if x := r.get(g); x.GetSource() != "source:"+deck.id || len(x.GetQueue()) != 2 {
		t.Errorf("plays %s of a queue of %d", x.GetSource(), len(x.GetQueue()))
	}
	sense("absent")
	a.silent()
	deck.wanted(false)
	until(t, func() string {
		x := r.get(g)
		if !x.GetPaused() || len(x.GetQueue()) != 1 || x.GetQueue()[0].GetUri() != "music.flac" || x.GetPositionMs() < 400 {
			return fmt.Sprintf("paused %v at %d ms with %v", x.GetPaused(), x.GetPositionMs(), x.GetQueue())
		}
		return ""
	})
}
