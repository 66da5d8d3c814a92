package presence

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// ear keeps what a listener was called with.
type ear struct {
	mu  sync.Mutex
	ids []string
}

func (e *ear) hear(id string) { e.mu.Lock(); defer e.mu.Unlock(); e.ids = append(e.ids, id) }
func (e *ear) heard() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.ids)
}

func TestHubTellsWhoWantsToKnow(t *testing.T) {
	h := NewHub()
	var group, all ear
	h.Watch("g", []string{"a", "b"}, group.hear)
	h.WatchAll("director", all.hear)
	for _, id := range []string{"a", "c"} {
		h.set(id, &tuttiv1.ClientPresence{ClientId: id})
	}
	h.Watch("g", []string{"c"}, group.hear) // replaces the first
	h.set("a", nil)
	h.set("c", &tuttiv1.ClientPresence{ClientId: "c", Connected: true})
	h.Forget("g")
	h.Forget("g")
	h.set("c", nil)
	if got := group.heard(); !slices.Equal(got, []string{"a", "c"}) {
		t.Errorf("the group heard %v", got)
	}
	if got := all.heard(); !slices.Equal(got, []string{"a", "c", "a", "c", "c"}) {
		t.Errorf("the director heard %v", got)
	}
	if h.Get("a") != nil || len(h.All()) != 0 || len(h.byID) != 0 {
		t.Error("something is left")
	}
}

// TestWatchFromWithinHear is what a group does when a member's news change its members.
func TestWatchFromWithinHear(t *testing.T) {
	h := NewHub()
	done := make(chan struct{})
	h.Watch("g", []string{"a"}, func(string) {
		h.Watch("g", []string{"a", "b"}, func(string) {})
		h.Get("a")
		close(done)
	})
	h.set("a", &tuttiv1.ClientPresence{})
	<-done
}

func TestFollowKnowsWhatWasThere(t *testing.T) {
	c := bustest.Embedded(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b, err := bus.OpenBucket[tuttiv1.ClientPresence](ctx, c, subject.BucketPresence, bus.BucketOptions{History: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Put(ctx, "a", &tuttiv1.ClientPresence{ClientId: "a", Name: "Kitchen"}); err != nil {
		t.Fatal(err)
	}
	h := NewHub()
	stop, err := h.Follow(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if h.Get("a").GetName() != "Kitchen" {
		t.Error("Follow returned before it knew what was there")
	}
}

func TestPlayer(t *testing.T) {
	p := &tuttiv1.ClientPresence{Connected: true, ActiveRoles: []string{"player@v1", "metadata@v1"}, Player: &tuttiv1.PlayerState{}}
	if CanStream(p) {
		t.Error("audio for a player that has not said that it is available")
	}
	p.Available = proto.Bool(true)
	if !CanStream(p) || !HasRole(p, "metadata") || HasRole(p, "meta") {
		t.Error("roles are not understood")
	}
	p.ActiveRoles = []string{"controller@v1"}
	if CanStream(p) || Player(p) != nil || !Active(p) {
		t.Error("audio for a client without the player role")
	}
	p.Connected = false
	if Active(p) {
		t.Error("active without a session")
	}
	for _, c := range []struct {
		s    *tuttiv1.PlayerState
		want int64
	}{
		{&tuttiv1.PlayerState{RequiredLeadTimeMs: 300, MinBufferMs: 200, OutputDelayMs: 50}, 350_000},
		{&tuttiv1.PlayerState{RequiredLeadTimeMs: 100, MinBufferMs: 200, OutputDelayMs: 50}, 250_000},
		{&tuttiv1.PlayerState{RequiredLeadTimeMs: 1 << 60}, maxLeadMS * 1000},
		{&tuttiv1.PlayerState{RequiredLeadTimeMs: -5, MinBufferMs: -7, OutputDelayMs: -1}, 0},
	} {
		if got := Full(c.s); got != c.want {
			t.Errorf("Full(%v) = %d, want %d", c.s, got, c.want)
		}
	}
}

// What the operator chose counts instead of what the player prefers, as long as the
// player can play it.
func TestTheOperatorsChoiceOfAFormat(t *testing.T) {
	pcm := &tuttiv1.AudioFormat{Codec: "pcm", SampleRate: 44100, Channels: 2, BitDepth: 16}
	flac := &tuttiv1.AudioFormat{Codec: "flac", SampleRate: 44100, Channels: 2, BitDepth: 16}
	player := func(own *tuttiv1.AudioFormat) *tuttiv1.ClientPresence {
		return &tuttiv1.ClientPresence{ClientId: "a", Player: &tuttiv1.PlayerState{Format: own},
			PlayerSupport: &tuttiv1.PlayerSupport{SupportedFormats: []*tuttiv1.AudioFormat{flac, pcm}}}
	}
	h := NewHub()
	var ear ear
	h.Watch("g", []string{"a"}, ear.hear)
	h.tune("a", &tuttiv1.ClientTuning{Format: pcm}) // before the client is there
	h.set("a", player(flac))
	if got := h.Get("a").GetPlayer().GetFormat(); !proto.Equal(got, pcm) {
		t.Errorf("chosen before: %v", got)
	}
	h.tune("a", nil)
	if got := h.Get("a").GetPlayer().GetFormat(); !proto.Equal(got, flac) {
		t.Errorf("taken back: %v", got)
	}
	h.tune("a", &tuttiv1.ClientTuning{Format: pcm})
	h.tune("a", &tuttiv1.ClientTuning{Format: &tuttiv1.AudioFormat{Codec: "opus"}})
	if got := h.Get("a").GetPlayer().GetFormat(); !proto.Equal(got, flac) {
		t.Errorf("a choice that the player cannot play: %v", got)
	}
	if got := ear.heard(); len(got) != 4 {
		t.Errorf("heard %d changes, want 4: the client and three choices", len(got))
	}
	h.set("a", &tuttiv1.ClientPresence{ClientId: "a"}) // not a player any more
	h.set("a", nil)
	h.tune("a", nil)
	if h.Get("a") != nil || len(h.said)+len(h.tuning)+len(h.clients) != 0 {
		t.Error("something is left")
	}
}
