package readmodel

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

func TestMemberStatus(t *testing.T) {
	flac := &pb.AudioFormat{Codec: "flac", SampleRate: 44100, Channels: 2, BitDepth: 16}
	present := func(change ...func(*pb.ClientPresence)) *pb.ClientPresence {
		p := &pb.ClientPresence{Connected: true, Available: proto.Bool(true), SupportedRoles: []string{"player@v1"}, ActiveRoles: []string{"player@v1"},
			Player: &pb.PlayerState{}, PlayerSupport: &pb.PlayerSupport{},
			Stream: &pb.StreamStatus{Format: flac, BufferedMs: 900, ChunksLate: 3, MinLeadMs: 150}}
		for _, f := range change {
			f(p)
		}
		return p
	}
	wall := func(p *pb.ClientPresence) {
		p.ActiveRoles, p.SupportedRoles, p.Player, p.PlayerSupport, p.Stream = []string{"controller@v1"}, []string{"controller@v1"}, nil, nil, nil
	}
	for name, c := range map[string]struct {
		p       *pb.ClientPresence
		stopped bool
		silent  string
		state   string
		detail  string
	}{
		"plays":              {present(), false, "", "ok", ""},
		"late lately":        {present(func(p *pb.ClientPresence) { p.Stream.Late_10S = 2 }), false, "", "late", "2 chunks came too late in the last seconds: its network or this server is too slow"},
		"away":               {present(func(p *pb.ClientPresence) { p.Connected, p.LastError = false, "ping_timeout" }), false, "", "absent", "it is not connected; its last session ended with: ping_timeout"},
		"never seen":         {nil, false, "", "absent", "it was never seen"},
		"taken":              {present(func(p *pb.ClientPresence) { p.Available = proto.Bool(false) }), false, "", "unavailable", "it is in use by something else, or its clock is not set yet"},
		"not ready":          {present(func(p *pb.ClientPresence) { p.Available = nil }), false, "", "unavailable", "it has not said that it is ready yet"},
		"no trust":           {present(func(p *pb.ClientPresence) { p.ActiveRoles = nil }), false, "", "not_streaming", "it may do nothing yet (trust: unapproved)"},
		"no format":          {present(func(p *pb.ClientPresence) { p.Stream = nil }), false, "it lists no format that this server can produce", "not_streaming", "it lists no format that this server can produce"},
		"begins":             {present(func(p *pb.ClientPresence) { p.Stream = nil }), false, "", "not_streaming", "its stream has not begun yet"},
		"nothing plays":      {present(func(p *pb.ClientPresence) { p.Stream = nil }), true, "", "ok", ""},
		"is no player":       {present(wall), false, "", "ok", ""},
		"is no player, away": {present(wall, func(p *pb.ClientPresence) { p.Connected = false }), false, "", "absent", "it is not connected"},
	} {
		g := &pb.Group{GroupId: "g", Members: []string{"a"}, PlaybackState: "playing", VolumeMin: 5, VolumeMax: 60, LeadClient: "a", SendAheadMs: 700}
		if c.stopped {
			g.PlaybackState = "stopped"
		}
		if c.silent != "" {
			g.Silent = map[string]string{"a": c.silent}
		}
		out := BuildGroup(g, Now{}, func(id string) *model.Client {
			if c.p == nil {
				return nil
			}
			return buildClient(id, c.p, nil, "g", "", time.Time{})
		})
		if out.VolumeRange != (model.VolumeRange{Min: 5, Max: 60}) || out.LeadClient != "a" || out.SendAheadMS != 700 || len(out.MemberStatus) != 1 {
			t.Fatalf("%s: %+v", name, out)
		}
		s := out.MemberStatus[0]
		if s.State != c.state || s.Detail != c.detail || s.ClientID != "a" {
			t.Errorf("%s: %+v, want %s (%s)", name, s, c.state, c.detail)
		}
		if c.p.GetConnected() && c.p.GetStream() != nil && (s.Format == nil || s.BufferedMS != 900 || s.ChunksLate != 3 || s.LeadMS != 150) {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// A member whose state changes makes its group be shown again; one whose figures move
// does not.
func TestAMembersStateShowsInItsGroup(t *testing.T) {
	s, snap := newState(), &Snapshot{}
	events := func() (groups int) {
		next, changes := s.flush(snap, time.Time{})
		snap = next
		for _, c := range changes {
			if c.kind == EventGroupUpdated {
				groups++
			}
		}
		return groups
	}
	put := func(change func(p *pb.ClientPresence)) {
		p := &pb.ClientPresence{Connected: true, Available: proto.Bool(true), ActiveRoles: []string{"player@v1"}, PlayerSupport: &pb.PlayerSupport{},
			Stream: &pb.StreamStatus{Format: &pb.AudioFormat{Codec: "flac"}}}
		change(p)
		s.putPresence("a", p)
	}
	put(func(*pb.ClientPresence) {})
	s.putGroup("g", &pb.Group{GroupId: "g", Members: []string{"a"}, PlaybackState: "playing"})
	events()
	for what, c := range map[string]struct {
		change func(p *pb.ClientPresence)
		want   int
	}{
		"figures":     {func(p *pb.ClientPresence) { p.Stream.BufferedMs = 77 }, 0},
		"it is late":  {func(p *pb.ClientPresence) { p.Stream.Late_10S = 1 }, 1},
		"it is away":  {func(p *pb.ClientPresence) { p.Connected = false }, 1},
		"it is taken": {func(p *pb.ClientPresence) { p.Available = proto.Bool(false) }, 1},
		"its format":  {func(p *pb.ClientPresence) { p.Stream.Format.Codec = "pcm" }, 1},
	} {
		put(func(*pb.ClientPresence) {})
		events()
		put(c.change)
		if got := events(); got != c.want {
			t.Errorf("%s: %d events of the group, want %d", what, got, c.want)
		}
	}
}

func TestMemberStatusHoldsRemarks(t *testing.T) {
	p := &pb.ClientPresence{Connected: true, Available: proto.Bool(true), SupportedRoles: []string{"player@v1"}, ActiveRoles: []string{"player@v1"},
		Player: &pb.PlayerState{}, PlayerSupport: &pb.PlayerSupport{}, Stream: &pb.StreamStatus{Format: &pb.AudioFormat{Codec: "flac"}}}
	g := &pb.Group{GroupId: "g", Members: []string{"a"}, PlaybackState: "playing", Remarks: map[string]string{"a": "its buffer is small"}}
	for late, want := range map[int64]string{0: "its buffer is small",
		2: "2 chunks came too late in the last seconds: its network or this server is too slow; its buffer is small"} {
		p.Stream.Late_10S = uint64(late)
		s := memberStatus(g, "a", buildClient("a", p, nil, "g", "", time.Time{}))
		if s.Detail != want {
			t.Errorf("%d late: %q, want %q", late, s.Detail, want)
		}
	}
}
