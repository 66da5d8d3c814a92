package stream

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// TestSendAheadFollowsItsPlayers: the group's send-ahead is the maximum over its players,
// also when a player joins or changes its timing while music plays; nobody's stream is
// disturbed by it.
func TestSendAheadFollowsItsPlayers(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	r.file("music.flac", 60, 1)
	a, b := r.device("a", "flac:44100:16:2"), r.device("b", "flac:44100:16:2")
	b.change(func(p *tuttiv1.ClientPresence) { p.Player.RequiredLeadTimeMs = 6000 })
	r.groupOf(b)
	g := r.make("House", a)
	r.command(play(g, "music.flac"))
	s := a.playing(0)
	ahead := func(ms int64) {
		t.Helper()
		until(t, func() string {
			if x := r.get(g); x.GetSendAheadMs() != ms {
				return fmt.Sprintf("send-ahead %d ms, want %d", x.GetSendAheadMs(), ms)
			}
			return ""
		})
	}
	ahead(100 + margin) // min_buffer_ms and our own margin
	a.change(func(p *tuttiv1.ClientPresence) { p.Player.MinBufferMs, p.Player.OutputDelayMs = 3000, 500 })
	ahead(3500 + margin)
	ask[tuttiv1.GroupReply](r, subject.StreamAddMember, &tuttiv1.GroupMemberRequest{GroupId: g, ClientId: b.id})
	ahead(6000 + margin)
	if now, _, _, _ := a.now(); now.GetEpoch() != s.GetEpoch() || slices.Contains(a.kinds(), "clear") || slices.Contains(a.kinds(), "end") {
		t.Errorf("the member was told %v", a.kinds())
	}
	// A seek starts anew, with the new lead.
	asked := houseclock.MonotonicMicros()
	r.command(seek(g, 20_000))
	if s2 := a.playing(s.GetEpoch()); s2.GetNotBeforeUs() < asked+6_000_000 {
		t.Errorf("the new start is %d ms after the seek, a player asks for 6000", (s2.GetNotBeforeUs()-asked)/1000)
	}
}

// TestFlappingPreferencesAreCoalesced: however often a player changes its mind, it is
// moved every two seconds at most, and ends up with what it said last.
func TestFlappingPreferencesAreCoalesced(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	want := r.file("music.flac", 40, 1)
	a := r.device("a", "pcm:44100:16:2", "flac:44100:16:2")
	g := r.make("House", a)
	r.command(play(g, "music.flac"))
	s := a.playing(0)
	begun := houseclock.MonotonicMicros()
	for i := range 40 {
		f := "flac:44100:16:2"
		if i%2 == 1 {
			f = "pcm:44100:16:2"
		}
		a.change(func(p *tuttiv1.ClientPresence) { p.Player.Format = fmtOf(f) })
	}
	a.change(func(p *tuttiv1.ClientPresence) { p.Player.Format = fmtOf("flac:44100:16:2") })
	until(t, func() string {
		if x, _, _, _ := a.now(); x.GetRenditionId() != "flac-44100-2-16" {
			return "still " + x.GetRenditionId()
		}
		return ""
	})
	took := houseclock.MonotonicMicros() - begun
	moves := 0
	for _, k := range a.kinds() {
		if strings.HasPrefix(k, "start:") {
			moves++
		}
		if k == "clear" || k == "end" {
			t.Errorf("told %v", a.kinds())
		}
	}
	if most := 2 + int(took/2_000_000) + 1; moves > most {
		t.Errorf("%d starts in %d ms, want at most %d", moves, took/1000, most)
	}
	now, _, _, _ := a.now()
	if now.GetEpoch() != s.GetEpoch() {
		t.Error("the changes began a new epoch")
	}
	until(t, func() string {
		got, from := r.hears(g, now)
		if len(got) < 2*44100 {
			return "the last rendition's tape is empty"
		}
		if !slices.Equal(got, want[2*from:2*from+int64(len(got))]) {
			t.Fatal("the last rendition does not continue the timeline")
		}
		return ""
	})
}

// reports changes what a player says of itself, and returns when its group, which has no
// other one, has heard of it.
func (r *rig) reports(group string, d *device, f func(p *tuttiv1.ClientPresence)) {
	r.t.Helper()
	d.change(func(p *tuttiv1.ClientPresence) {
		f(p)
		p.Player.Volume = proto.Int32(p.Player.GetVolume() - 1) // comes with it, and is shown
	})
	until(r.t, func() string {
		if x := r.get(group); x.GetVolume() != d.p.GetPlayer().GetVolume() {
			return fmt.Sprintf("the group shows volume %d, it reports %d", x.GetVolume(), d.p.GetPlayer().GetVolume())
		}
		return ""
	})
}

// TestPreferencesThatStartNothing: without a stream a preference waits for the next one,
// and one that the player does not list is none.
func TestPreferencesThatStartNothing(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	r.file("music.flac", 20, 1)
	a := r.device("a", "flac:44100:16:2", "pcm:44100:16:2")
	g := r.make("House", a)
	r.reports(g, a, func(p *tuttiv1.ClientPresence) { p.Player.Format = fmtOf("pcm:44100:16:2") })
	r.command(enqueue(g, "music.flac"))
	if k := a.kinds(); slices.ContainsFunc(k, func(s string) bool { return strings.HasPrefix(s, "start:") }) {
		t.Errorf("a preference started a stream: %v", k)
	}
	r.command(play(g, ""))
	if s := a.playing(0); s.GetRenditionId() != "pcm-44100-2-16" {
		t.Errorf("the next stream is %s, not the preferred one", s.GetRenditionId())
	}
	a.change(func(p *tuttiv1.ClientPresence) { p.Player.Format = fmtOf("pcm:96000:24:2") })
	until(t, func() string {
		if s, _, _, _ := a.now(); s.GetRenditionId() != "flac-44100-2-16" {
			return "a preference that is not listed: " + s.GetRenditionId()
		}
		if why := r.get(g).GetRemarks()[a.id]; !strings.Contains(why, "prefers pcm:96000:24:2") {
			return fmt.Sprintf("the preference is not shown: %q", why)
		}
		return ""
	})
}

// TestAStarvingPlayerIsShown: a buffer that does not hold two of the shortest chunks is
// named in the group, and the player beside it plays.
func TestAStarvingPlayerIsShown(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	r.file("music.flac", 20, 1)
	a, b := r.device("a", "pcm:44100:16:2"), r.device("b", "pcm:44100:16:2")
	a.change(func(p *tuttiv1.ClientPresence) { p.PlayerSupport.BufferCapacity = 5000 })
	g := r.make("House", a, b)
	r.command(play(g, "music.flac"))
	b.playing(0)
	until(t, func() string {
		why := r.get(g).GetRemarks()
		if !strings.Contains(why[a.id], "buffer_capacity of 5000 bytes") || why[b.id] != "" {
			return fmt.Sprintf("remarks %v", why)
		}
		return ""
	})
}

// TestSmallBuffersGetShortChunks: a player whose buffer holds few chunks of 100 ms is sent
// chunks of 20 ms, on the same timeline.
func TestSmallBuffersGetShortChunks(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	r.file("music.flac", 20, 1)
	a := r.device("a", "pcm:44100:16:2")
	g := r.make("House", a)
	r.reports(g, a, func(p *tuttiv1.ClientPresence) { p.PlayerSupport.BufferCapacity = 30_000 })
	r.command(play(g, "music.flac"))
	s := a.playing(0)
	if s.GetRenditionId() != "pcm-44100-2-16-20ms" {
		t.Errorf("rendition %s", s.GetRenditionId())
	}
	until(t, func() string {
		chunks := r.tapes.of(g, s.GetRenditionId(), s.GetEpoch())
		if len(chunks) < 20 {
			return fmt.Sprintf("%d chunks", len(chunks))
		}
		for i, c := range chunks[:20] {
			if c.DurationUS != 20_000 || c.TimestampUS != s.GetNotBeforeUs()+int64(i)*20_000 {
				t.Fatalf("chunk %d lasts %d µs, at %d", i, c.DurationUS, c.TimestampUS)
			}
		}
		return ""
	})
	if x := r.get(g).GetRenditions()[0]; x.GetChunkMs() != 20 || x.GetChannels() != "stereo" {
		t.Errorf("shown as %v", x)
	}
}

// TestTuningMovesInPlace: channels and equalizer of the operator take effect on a player
// that sounds, without a new epoch; two players with the same setting share a rendition,
// and what it sounds like lies on the same timeline.
func TestTuningMovesInPlace(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	want := r.file("music.flac", 40, 1)
	a, b := r.device("a", "pcm:44100:16:2"), r.device("b", "pcm:44100:16:2")
	g := r.make("House", a, b)
	r.command(play(g, "music.flac"))
	s := a.playing(0)
	b.playing(0)
	tune := func(d *device, c string, e *tuttiv1.Equalizer) {
		t.Helper()
		ask[tuttiv1.ClientTuning](r, subject.StreamTune, &tuttiv1.TuneRequest{Tuning: &tuttiv1.ClientTuning{ClientId: d.id, Channels: c, Equalizer: e}})
	}
	on := func(d *device, id string) *tuttiv1.StreamStart {
		t.Helper()
		var x *tuttiv1.StreamStart
		until(t, func() string {
			if x, _, _, _ = d.now(); !strings.HasPrefix(x.GetRenditionId(), id) || x.GetEpoch() != s.GetEpoch() {
				return fmt.Sprintf("rendition %s of epoch %d", x.GetRenditionId(), x.GetEpoch())
			}
			return ""
		})
		return x
	}
	tune(a, "left", nil)
	x := on(a, "pcm-44100-2-16-l")
	until(t, func() string {
		got, from := r.hears(g, x)
		if len(got) < 2*44100 {
			return "the tape of the left channel is empty"
		}
		for i := 0; i < len(got); i += 2 {
			if v := want[2*int(from)+i]; got[i] != v || got[i+1] != v {
				t.Fatalf("frame %d is %d, %d, want the left %d on both", i/2, got[i], got[i+1], v)
			}
		}
		return ""
	})
	eq := &tuttiv1.Equalizer{Limiter: true, LimiterDb: -1, Bands: []*tuttiv1.EqualizerBand{{Kind: "low_shelf", Frequency: 120, GainDb: 4, Q: 0.7}}}
	tune(a, "", eq)
	tune(b, "", eq)
	id := on(a, "pcm-44100-2-16-eq").GetRenditionId()
	on(b, id)
	until(t, func() string {
		x := r.get(g).GetRenditions()
		if len(x) != 1 || len(x[0].GetClients()) != 2 || len(x[0].GetEqualizer().GetBands()) != 1 || !x[0].GetEqualizer().GetLimiter() {
			return fmt.Sprintf("renditions %v, want one for both", x)
		}
		return ""
	})
	tune(a, "", nil)
	if x := on(a, "pcm-44100-2-16"); x.GetRenditionId() != "pcm-44100-2-16" {
		until(t, func() string {
			if x, _, _, _ := a.now(); x.GetRenditionId() != "pcm-44100-2-16" {
				return "still " + x.GetRenditionId()
			}
			return ""
		})
	}
	for _, d := range []*device{a, b} {
		if k := d.kinds(); slices.Contains(k, "clear") || slices.Contains(k, "end") {
			t.Errorf("told %v", k)
		}
	}
}
