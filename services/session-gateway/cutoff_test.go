package gateway

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/lease"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/client"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// player is a conformant client that waits to be dialled: it admits one server at a time
// by the specification's rules.
func player(t *testing.T) (url string, id string) {
	t.Helper()
	key, err := noise.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	store, err := client.NewStore(key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(client.Config{
		Name: "player", Store: store, UnpairedAccess: true, BufferCapacity: 1 << 20,
		Formats: []wire.AudioFormat{{Codec: "pcm", Channels: 1, SampleRate: rate, BitDepth: 16}},
		OnChunk: func(client.Chunk) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = c.Serve(ctx, ln) }()
	t.Cleanup(func() { cancel(); <-done })
	return "ws://" + ln.Addr().String() + "/sendspin", c.ID()
}

// A host is cut off from the bus, and its connections with the devices stand: a player
// believes in its old session, which is for playback, and must let the new one in all
// the same. It is not dialled with less than that.
func TestPlayerOfAGatewayThatIsCutOffIsTakenOver(t *testing.T) {
	s := newShardsTTL(t, 2, lease.DefaultTTL)
	url, id := player(t)
	s.sight(&tuttiv1.Sighting{Key: "static/player", Url: url, Present: true, Appearances: 1})
	connected := func(not string) *tuttiv1.ClientPresence {
		return s.waitPresence(id, func(p *tuttiv1.ClientPresence) string {
			if !p.GetConnected() || p.GetPlayer() == nil || p.GetGatewayId() == not {
				return "not connected to another gateway: " + p.String()
			}
			return ""
		})
	}
	first := connected("")
	begin := s.soon()
	rec := s.recorder("g1", "r1", 1, begin)
	rec.write(50)
	s.mustCommand(id, startCmd("g1", "r1", 1, begin))
	s.waitPresence(id, func(p *tuttiv1.ClientPresence) string {
		if p.GetStream() == nil {
			return "it does not play: " + p.String()
		}
		return ""
	})
	s.settled()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_ = s.by(first.GetGatewayId()).bus.Close(ctx) // the sockets of its sessions stay
	began := time.Now()
	p := connected(first.GetGatewayId())
	t.Logf("taken over after %v", time.Since(began).Round(time.Millisecond))
	s.mustCommand(id, startCmd("g1", "r1", 1, s.house.NowMicros()))
	if q := s.presence(id); q.GetSessionId() != p.GetSessionId() {
		t.Errorf("the session was replaced again: %v", q)
	}
}

// Another gateway found first that the one with the player is gone, and ended its record: this
// one, which still counts on that gateway, dials the player with what makes it let go of its
// old connection. A record that the device ended itself is no reason for that.
func TestAPlayerIsGreetedForPlaybackWhoeverFoundItsGatewayGone(t *testing.T) {
	s := newShards(t, 2)
	b, err := bus.OpenBucket[tuttiv1.ClientPresence](t.Context(), s.rig.bus, subject.BucketPresence, bus.BucketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	svc := s.gws[0].svc
	put := func(client, lastError string, connected bool) {
		p := &tuttiv1.ClientPresence{ClientId: client, SessionId: "s-" + client, GatewayId: "gw-2", Connected: connected, LastError: lastError}
		if connected {
			p.Activities = []string{"playback"}
		}
		if _, err := b.Put(t.Context(), client, p); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() string {
			if got, ok := svc.board.Lookup(client); !ok || got.Connected != connected {
				return "the record is not heard of"
			}
			return ""
		})
	}
	for client, c := range map[string]struct {
		lastError string
		want      bool
	}{
		"lost": {"the gateway that held the session is gone", true},
		"left": {"goodbye", false},
	} {
		put(client, "", true)
		if svc.resumes(client) {
			t.Errorf("%s: it is connected to a gateway that lives", client)
		}
		put(client, c.lastError, false)
		if got := svc.resumes(client); got != c.want || !svc.peers.alive("gw-2") {
			t.Errorf("%s: greeted for playback: %v, want %v", client, got, c.want)
		}
	}
}
