package health

import (
	"fmt"
	"testing"
	"time"

	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/readmodel"
)

var flac = model.AudioFormat{Codec: "flac", SampleRate: 44100, Channels: 2, BitDepth: 16}

// speaker is a client that plays.
func speaker(id string) *model.Client {
	return &model.Client{
		ClientID: id, Name: id, Connected: true, ConnectedAt: ptr(base), GroupID: "lobby", Trust: model.TrustPaired,
		ActiveRoles: []string{"player@v1"}, Available: ptr(true), LastSeenAt: base,
		Sync:   &model.Sync{RTTUS: 2000, LastTimeExchangeAt: base},
		Player: &model.Player{StreamFormat: &flac, BufferedMS: 20_000, MinLeadMS: 900},
	}
}

func lobby(members ...string) *pb.Group {
	return &pb.Group{GroupId: "lobby", Name: "Lobby", PlaybackState: "playing", Members: members, Queue: []*pb.QueueItem{{}, {}}}
}

// rig samples clients as time passes.
type rig struct {
	m   *sampler
	now time.Time
}

func newRig() *rig { return &rig{m: newSampler(MaxClients), now: base} }

func (r *rig) tick(snap *readmodel.Snapshot) {
	r.m.sample(snap, readmodel.Now{Wall: r.now})
	r.now = r.now.Add(FineStep)
}

func (r *rig) last(id string) step { return r.m.tracks[id].series.last(1)[0] }

func TestCountersBecomeDifferences(t *testing.T) {
	r, c := newRig(), speaker("a")
	c.Player.ChunksLate, c.Reconnects = 40, 7
	snap := &readmodel.Snapshot{Clients: []*model.Client{c}, Groups: []*pb.Group{lobby("a")}}
	r.tick(snap)
	if x := r.last("a"); x.late != 0 || x.reconnects != 0 {
		t.Errorf("what was before counts: %+v", x)
	}
	c.Player.ChunksLate = 43
	r.tick(snap)
	if x := r.last("a"); x.late != 3 {
		t.Errorf("%d late, want 3", x.late)
	}
	c.Player.ChunksLate, c.Reconnects, c.ConnectedAt = 1, 8, ptr(r.now) // a new session
	r.tick(snap)
	if x := r.last("a"); x.late != 1 || x.reconnects != 1 {
		t.Errorf("a new session: %+v", x)
	}
	c.Connected = false
	r.tick(snap)
	if x := r.last("a"); x.up != 0 || x.of != 1 || x.buffered != noBuffered {
		t.Errorf("away: %+v", x)
	}
	c.Connected, c.Reconnects = true, 0 // the gateway began anew, too
	c.ConnectedAt = ptr(r.now)
	r.tick(snap)
	if x := r.last("a"); x.reconnects != 1 || x.up != 1 {
		t.Errorf("back at a new gateway: %+v", x)
	}
}

func TestAWeakLinkIsTheLinks(t *testing.T) {
	for name, v := range map[string]struct {
		low   []string
		group func(*pb.Group)
		want  bool
	}{
		"one of two":            {low: []string{"a"}, want: true},
		"all of two":            {low: []string{"a", "b"}},
		"none":                  {},
		"live":                  {low: []string{"a"}, group: func(g *pb.Group) { g.Live = true }},
		"the last title's end":  {low: []string{"a"}, group: func(g *pb.Group) { ends(g, 1) }},
		"the first title's end": {low: []string{"a"}, group: func(g *pb.Group) { ends(g, 0) }, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			r, g := newRig(), lobby("a", "b")
			clients := map[string]*model.Client{"a": speaker("a"), "b": speaker("b")}
			snap := &readmodel.Snapshot{Clients: []*model.Client{clients["a"], clients["b"]}, Groups: []*pb.Group{g}}
			for range 10 {
				r.tick(snap)
			}
			if v.group != nil {
				v.group(g)
			}
			for _, id := range v.low {
				clients[id].Player.BufferedMS = 3000
			}
			r.tick(snap)
			if got := r.last("a").weak == 1; got != v.want {
				t.Errorf("weak: %v, want %v", got, v.want)
			}
		})
	}
}

// ends puts g near the end of one of its two titles.
func ends(g *pb.Group, index int32) {
	g.QueueIndex = index
	g.NowPlaying = &pb.NowPlaying{DurationMs: 200_000, PositionMs: 190_000}
}

func TestABufferHasTimeToFill(t *testing.T) {
	r, c := newRig(), speaker("a")
	snap := &readmodel.Snapshot{Clients: []*model.Client{c}, Groups: []*pb.Group{lobby("a")}}
	for range 10 {
		r.tick(snap)
	}
	c.Player.StreamFormat = nil // stopped
	r.tick(snap)
	c.Player.StreamFormat, c.Player.BufferedMS = &flac, 500
	for i := range settledAfter {
		r.tick(snap)
		if x := r.last("a"); x.weak != 0 {
			t.Errorf("weak %d samples after the start", i+1)
		}
	}
	r.tick(snap)
	if x := r.last("a"); x.weak != 1 {
		t.Error("not weak when it had time to fill")
	}
}

// A format with larger chunks makes a smaller buffer, and that is no loss.
func TestAnotherFormatHasAnotherBuffer(t *testing.T) {
	r, c := newRig(), speaker("a")
	snap := &readmodel.Snapshot{Clients: []*model.Client{c}, Groups: []*pb.Group{lobby("a")}}
	for range 10 {
		r.tick(snap)
	}
	pcm := flac
	pcm.Codec = "pcm"
	c.Player.StreamFormat, c.Player.BufferedMS = &pcm, 4000
	for range 10 {
		r.tick(snap)
		if r.last("a").weak != 0 {
			t.Fatal("the buffer of another format is taken for a loss")
		}
	}
}

func TestTheNumberOfClientsIsBounded(t *testing.T) {
	r := newRig()
	r.m.limit = 3
	var clients []*model.Client
	for i := range 5 {
		clients = append(clients, speaker(fmt.Sprint(i)))
	}
	r.tick(&readmodel.Snapshot{Clients: clients})
	if n := len(r.m.tracks); n != 3 {
		t.Fatalf("%d clients, want 3", n)
	}
	clients[1].Connected = false // it gives way to the next
	r.tick(&readmodel.Snapshot{Clients: clients})
	r.tick(&readmodel.Snapshot{Clients: clients})
	if r.m.tracks["1"] != nil || len(r.m.tracks) != 3 || r.m.tracks["0"] == nil {
		t.Errorf("clients %v", r.m.tracks)
	}
}

func TestAForgottenClientGoes(t *testing.T) {
	r, c := newRig(), speaker("a")
	r.tick(&readmodel.Snapshot{Clients: []*model.Client{c}})
	r.tick(&readmodel.Snapshot{})
	if len(r.m.tracks) != 0 {
		t.Error("a client that was forgotten has a history")
	}
	r.tick(&readmodel.Snapshot{Clients: []*model.Client{c}})
	c.Connected = false
	r.now = r.now.Add(49 * time.Hour)
	r.tick(&readmodel.Snapshot{Clients: []*model.Client{c}})
	if len(r.m.tracks) != 0 {
		t.Error("a client that was away for two days has a history")
	}
}

func TestQualityGetsWorseAtOnceAndBetterSlowly(t *testing.T) {
	v := verdict{}.next(model.QualityGood, base)
	if v.since != nil {
		t.Error("the first quality has a begin")
	}
	v = v.next(model.QualityPoor, base.Add(10*time.Second))
	if v.quality != model.QualityPoor || v.since == nil {
		t.Errorf("not poor at once: %+v", v)
	}
	v = v.next(model.QualityGood, base.Add(20*time.Second))
	v = v.next(model.QualityPoor, base.Add(70*time.Second))
	v = v.next(model.QualityGood, base.Add(85*time.Second))
	if v.quality != model.QualityPoor {
		t.Error("good at once")
	}
	if v = v.next(model.QualityGood, base.Add(145*time.Second)); v.quality != model.QualityGood {
		t.Error("not good after a minute")
	}
	if v = v.next(model.QualityOffline, base.Add(155*time.Second)); v.quality != model.QualityOffline {
		t.Error("not offline at once")
	}
}
