package gateway

import (
	"context"
	"net"
	"testing"
	"time"

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
	s := newShards(t, 2)
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
