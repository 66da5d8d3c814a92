package stream

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// TestTakeOverFromTheTape takes the bus away from the instance that plays, which is as
// sudden as a kill, and lets another one carry on.
func TestTakeOverFromTheTape(t *testing.T) {
	srv := bustest.StartServer(t)
	r := newRig(t, bustest.Connect(t, srv))
	r.ttl = 3 * time.Second
	want := r.file("music.flac", 60, 1) // on a slow machine all of a shorter one is on the tape before the end of the first holder
	doomed := bustest.Connect(t, srv)
	stopOne := r.service(doomed, "one", func(c *Config) { c.AheadMS = 20_000 })
	a, b := r.device("a", "flac:44100:16:2"), r.device("b", "pcm:44100:24:2")
	g := r.make("House", a, b)
	r.command(play(g, "music.flac"))
	sa, sb := a.playing(0), b.playing(0)
	r.audible(g, "")
	told := len(a.kinds())
	r.bridges(g, sa, sb)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := doomed.Close(ctx); err != nil {
		t.Fatal(err)
	}
	before := len(r.tapes.of(g, sa.GetRenditionId(), sa.GetEpoch()))
	r.service(r.bus, "two", func(c *Config) { c.AheadMS = 20_000 })
	until(t, func() string {
		if n := len(r.tapes.of(g, sa.GetRenditionId(), sa.GetEpoch())); n < before+30 {
			return fmt.Sprintf("%d chunks, %d at the death", n, before)
		}
		if n := len(r.tapes.of(g, sb.GetRenditionId(), sb.GetEpoch())); n < before+30 {
			return fmt.Sprintf("%d chunks of the other format", n)
		}
		return ""
	})
	x := r.get(g)
	if x.GetInstanceId() != "two" || x.GetPlaybackState() != "playing" || x.GetEpoch() != sa.GetEpoch() {
		t.Errorf("after the take-over: %s %s epoch %d", x.GetInstanceId(), x.GetPlaybackState(), x.GetEpoch())
	}
	for _, k := range a.kinds()[told:] { // before the tapes are decoded, which may take longer than the title
		if k != "start:"+sa.GetRenditionId() && k != "group:playing" { // said again; a gateway ignores it
			t.Errorf("the session was told %s", k)
		}
	}
	// hears fails on any gap between two timestamps.
	if got, from := r.hears(g, sa); from != 0 || !slices.Equal(got, want[:len(got)]) {
		t.Error("the tape is not the file across the take-over")
	}
	r.hears(g, sb)
	stopOne()
}

// bridges waits until the tapes of these streams bridge the end of a lease, counted from
// now.
func (r *rig) bridges(group string, streams ...*tuttiv1.StreamStart) {
	r.t.Helper()
	until(r.t, func() string {
		for _, s := range streams {
			c := r.tapes.of(group, s.GetRenditionId(), s.GetEpoch())
			if len(c) < 100 || c[len(c)-1].TimestampUS < houseclock.MonotonicMicros()+12_000_000 {
				return fmt.Sprintf("%s: %d chunks", s.GetRenditionId(), len(c))
			}
		}
		return ""
	})
}

// TestHandOverOnShutdown stops the instance that plays in order.
func TestHandOverOnShutdown(t *testing.T) {
	r := newRig(t, bustest.Embedded(t))
	want := r.file("music.flac", 40, 1)
	stopOne := r.service(r.bus, "one")
	r.service(r.bus, "two")
	a := r.device("a", "flac:44100:16:2")
	g := r.make("House", a)
	r.command(play(g, "music.flac"))
	s := a.playing(0)
	first := r.audible(g, "").GetInstanceId()
	if first != "one" { // the other one got it: then that one is as good
		t.Logf("held by %s", first)
	}
	stopOne()
	until(t, func() string {
		x := r.get(g)
		if x.GetInstanceId() != "two" || x.GetPlaybackState() != "playing" || x.GetEpoch() != s.GetEpoch() {
			return fmt.Sprintf("held by %s, %s", x.GetInstanceId(), x.GetPlaybackState())
		}
		return ""
	})
	if slices.Contains(a.kinds(), "end") {
		t.Error("the session was told of an end")
	}
	if got, _ := r.hears(g, s); !slices.Equal(got, want[:len(got)]) {
		t.Error("the tape is not the file across the hand-over")
	}
}

// TestRestartKeepsGroupsQueueAndPosition ends everything, with the tapes.
func TestRestartKeepsGroupsQueueAndPosition(t *testing.T) {
	for name, resume := range map[string]bool{"resumes": true, "waits": false} {
		t.Run(name, func(t *testing.T) {
			srv := bustest.StartServer(t)
			r := newRig(t, bustest.Connect(t, srv))
			r.file("one.flac", 5, 1)
			want := r.file("two.flac", 12, 2)
			stop := r.service(r.bus, "one", func(c *Config) { c.ResumePlayback = resume })
			a := r.device("a", "flac:44100:16:2")
			g := r.make("House", a)
			solo := r.device("lone", "flac:44100:16:2")
			r.groupOf(solo)
			r.command(enqueue(g, "one.flac", "two.flac"))
			r.command(&tuttiv1.GroupCommand{GroupId: g, Command: &tuttiv1.GroupCommand_Repeat{Repeat: "all"}})
			r.command(play(g, ""))
			a.playing(0)
			r.command(simple(g, "next"))
			r.audible(g, "two.flac")
			a.disconnect()
			stop()
			srv.Stop() // the tapes are in memory and go with it
			srv.Start()
			r.service(r.bus, "two", func(c *Config) { c.ResumePlayback = resume })
			x := r.get(g)
			if x.GetName() != "House" || !slices.Equal(x.GetMembers(), []string{a.id}) || len(x.GetQueue()) != 2 || x.GetQueueIndex() != 1 || x.GetRepeat() != "all" {
				t.Fatalf("after the restart: %v", x)
			}
			at := x.GetPositionMs()
			if at <= 0 || at > 10_000 {
				t.Errorf("position %d ms", at)
			}
			a.reconnect("2")
			if resume {
				a.playing(0)
			} else {
				until(t, func() string {
					if _, info, _, _ := a.now(); info.GetPlaybackState() != "stopped" {
						return "not told of its group"
					}
					return ""
				})
				if x := r.get(g); !x.GetPaused() {
					t.Errorf("not paused: %v", x)
				}
				r.command(play(g, ""))
				a.playing(0)
			}
			s := a.playing(0)
			got := r.complete(g, s, 44100)
			from := 2 * (at * 44100 / 1000)
			if !slices.Equal(got[:44100], want[from:from+44100]) {
				t.Errorf("it does not go on at %d ms", at)
			}
		})
	}
}

func TestUnavailableClientLeavesAndSwitchesBack(t *testing.T) {
	r := embedded(t)
	r.file("music.flac", 20, 1)
	a, b := r.device("a", "flac:44100:16:2"), r.device("b", "flac:44100:16:2")
	g := r.make("House", a, b)
	r.command(play(g, "music.flac"))
	sa := a.playing(0)
	b.playing(0)
	b.change(func(p *tuttiv1.ClientPresence) { *p.Available = false })
	b.silent()
	alone := func() {
		t.Helper()
		until(t, func() string {
			_, info, _, _ := b.now()
			if x := r.get(g); info.GetGroupId() == g || info.GetPlaybackState() != "stopped" || len(x.GetMembers()) != 1 {
				return fmt.Sprintf("b is told %v, the group has %v", info, x.GetMembers())
			}
			return ""
		})
	}
	alone()
	b.change(func(p *tuttiv1.ClientPresence) { *p.Available = true })
	until(t, func() string { // the director has seen it: a request after it is answered after it
		if !r.get(r.groupOf(b)).GetSolo() {
			return "it was moved back by itself"
		}
		return ""
	})
	command := func(d *device, c *tuttiv1.ClientCommand) {
		t.Helper()
		c.ClientId = d.id
		ask[tuttiv1.Empty](r, subject.StreamClientCommand, c)
	}
	toSwitch := &tuttiv1.ClientCommand{Command: &tuttiv1.ClientCommand_Controller{Controller: &tuttiv1.ControllerCommand{Command: "switch"}}}
	command(b, toSwitch)
	if sb := b.playing(0); sb.GetEpoch() != sa.GetEpoch() {
		t.Error("switch does not lead back to the previous group")
	}
	command(b, &tuttiv1.ClientCommand{Command: &tuttiv1.ClientCommand_Leave{Leave: &tuttiv1.Empty{}}})
	b.silent()
	alone()
	// The last one that leaves stops the music, and stays.
	a.change(func(p *tuttiv1.ClientPresence) { *p.Available = false })
	a.silent()
	until(t, func() string {
		if x := r.get(g); x.GetPlaybackState() != "stopped" || len(x.GetMembers()) != 1 {
			return fmt.Sprintf("%v", x)
		}
		return ""
	})
	if n := slices.Index(a.kinds(), "end"); n < 0 {
		t.Errorf("a was told %v", a.kinds())
	}
}

func TestMembership(t *testing.T) {
	r := embedded(t)
	a, b := r.device("a", "flac:44100:16:2"), r.device("b", "flac:44100:16:2")
	none := r.device("unapproved", "flac:44100:16:2")
	none.change(func(p *tuttiv1.ClientPresence) { p.ActiveRoles = nil })
	soloA := r.groupOf(a)
	if x := r.get(soloA); !x.GetSolo() || x.GetName() != "a" || !slices.Equal(x.GetMembers(), []string{a.id}) {
		t.Errorf("solo group: %v", x)
	}
	g := r.make("House", a, b)
	keys := func() []string {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		k, err := r.groups.Keys(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return slices.DeleteFunc(k, func(id string) bool { return id == "solo-unapproved-01234" })
	}
	if k := keys(); !slices.Equal(k, []string{g}) {
		t.Errorf("groups: %v", k)
	}
	h := r.make("Garden", b)
	until(t, func() string {
		if x := r.get(g).GetMembers(); !slices.Equal(x, []string{a.id}) {
			return fmt.Sprintf("b is in two groups: %v", x)
		}
		return ""
	})
	r.command(&tuttiv1.GroupCommand{GroupId: h, Command: &tuttiv1.GroupCommand_Rename{Rename: "Terrace"}})
	until(t, func() string {
		if _, info, _, _ := b.now(); info.GetName() != "Terrace" {
			return info.GetName()
		}
		return ""
	})
	ask[tuttiv1.Empty](r, subject.StreamDeleteGroup, &tuttiv1.GroupRequest{GroupId: h})
	until(t, func() string {
		if _, info, _, _ := b.now(); info.GetGroupId() == h {
			return "b is told of the deleted group"
		}
		return ""
	})
	ask[tuttiv1.Empty](r, subject.StreamForgetClient, &tuttiv1.ForgetClientRequest{ClientId: a.id})
	if x := r.get(g); len(x.GetMembers()) != 0 {
		t.Errorf("a forgotten client is a member: %v", x.GetMembers())
	}
	for name, err := range map[string]error{
		"delete a solo group":   try(r, subject.StreamDeleteGroup, &tuttiv1.GroupRequest{GroupId: r.groupOf(b)}, &tuttiv1.Empty{}),
		"delete no group":       try(r, subject.StreamDeleteGroup, &tuttiv1.GroupRequest{GroupId: "g-none"}, &tuttiv1.Empty{}),
		"add an unknown client": try(r, subject.StreamAddMember, &tuttiv1.GroupMemberRequest{GroupId: g, ClientId: "nobody"}, &tuttiv1.GroupReply{}),
		"name nothing":          try(r, subject.StreamCreateGroup, &tuttiv1.CreateGroupRequest{Name: " "}, &tuttiv1.GroupReply{}),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestMP3AndWAVPlay(t *testing.T) {
	r := embedded(t, func(c *Config) { c.MarginMS = 10_000 }) // MP3 decodes slowly under the race detector
	data, err := os.ReadFile(filepath.Join("..", "..", "audio", "source", "testdata", "stereo-cbr.mp3"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.music, "music.mp3"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	wav := r.file("music.wav", 1, 3)
	mp3 := r.samples("music.mp3")
	if len(mp3) == 0 {
		t.Fatal("the fixture holds no audio")
	}
	a := r.device("a", "flac:44100:16:2")
	g := r.make("House", a)
	r.command(enqueue(g, "music.mp3", "music.wav"))
	r.command(play(g, ""))
	s := a.playing(0)
	if got := r.complete(g, s, len(mp3)+len(wav)); !slices.Equal(got, slices.Concat(mp3, wav)) {
		t.Errorf("%d samples are not the two files' %d", len(got), len(mp3)+len(wav))
	}
}

// TestHTTPPlaysAndASlowServerHoldsUpNobody plays an address whose server takes its time, while the
// group goes on taking commands.
func TestHTTPPlaysAndASlowServerHoldsUpNobody(t *testing.T) {
	r := embedded(t)
	want := r.file("music.flac", 2.5, 1)
	release, asked := make(chan struct{}), make(chan struct{}, 8)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		switch q.URL.Path {
		case "/music.flac":
			http.ServeFile(w, q, filepath.Join(r.music, "music.flac"))
		case "/slow.flac":
			asked <- struct{}{}
			select {
			case <-release:
			case <-q.Context().Done():
			}
			fallthrough
		default:
			http.NotFound(w, q)
		}
	}))
	t.Cleanup(srv.Close)
	a := r.device("a", "flac:44100:16:2")
	g := r.make("House", a)
	r.command(play(g, srv.URL+"/music.flac"))
	if got := r.complete(g, a.playing(0), len(want)); !slices.Equal(got, want) {
		t.Error("the address does not sound like the file")
	}
	if x := r.get(g); x.GetQueue()[0].GetDurationMs() != 2500 {
		t.Errorf("the queue has not learned of the tags: %v", x.GetQueue())
	}
	slow := make(chan error, 1)
	go func() { slow <- try(r, subject.StreamCommand, play(g, srv.URL+"/slow.flac"), &tuttiv1.GroupReply{}) }()
	<-asked
	r.command(simple(g, "stop")) // it is answered while the server is not
	select {
	case err := <-slow:
		t.Errorf("play of the slow address was answered first: %v", err)
	default:
	}
	close(release)
	if err := <-slow; err == nil {
		t.Error("an address that is not there plays")
	}
}
