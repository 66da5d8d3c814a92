package cluster

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/e2e/harness"
	"github.com/tutti-audio/tutti/sendspin/client"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Live is a line-in and the players that hear it. Its samples are resampled on their
// way, so they carry no numbers: the source sends a steady level, and what is not that is
// silence.
type Live struct {
	Source  *client.Client
	Players []*Player
	group   string
}

const (
	level   = 12_000 // of 32,767
	audible = level / 4
)

// NewLive makes a line-in that dials in, and players for it that listen.
func NewLive(t testing.TB, n *Network, gateways string, players int) *Live {
	t.Helper()
	l := &Live{}
	chunk := make([]byte, 882*4) // 20 ms of 44.1 kHz
	for i := 0; i < len(chunk); i += 2 {
		binary.LittleEndian.PutUint16(chunk[i:], level)
	}
	var c *client.Client
	var stop context.CancelFunc = func() {}
	events := func(e client.Event) {
		switch e.(type) {
		case client.CaptureRequested:
			stop() // of a request before, over a connection that is gone
			var ctx context.Context
			ctx, stop = context.WithCancel(t.Context())
			go harness.Capture(ctx, c, func(int64) []byte { return chunk }, func(int64) {}) // ends with ctx
		case client.CaptureStopped:
			stop()
		}
	}
	c, err := client.New(client.Config{Name: "Line in", Roles: []string{wire.RoleSourceV1}, UnpairedAccess: true, Strict: true,
		SyncInterval: 2 * time.Second, BackoffMin: 250 * time.Millisecond, BackoffMax: time.Second, Now: nowUS, OnEvent: events})
	if err != nil {
		t.Fatal(err)
	}
	l.Source = c
	background(t, func(ctx context.Context) { _ = c.Dial(ctx, gateways) })
	for i := range players {
		p := NewPlayer(t, fmt.Sprintf("Live %02d", i+1), 0)
		p.read = readLive
		p.Listen(t, fmt.Sprintf("%s:%d", n.Devices.IP, 19_001+i))
		l.Players = append(l.Players, p)
	}
	return l
}

// readLive takes a frame of the line-in: numbered by its place in time, title 1 where it
// is heard. (By the chunk's: a frame's own time in whole µs may round to either neighbour.)
func readLive(b []byte, at, i int64) (title int, frame int64) {
	if v := int16(binary.LittleEndian.Uint16(b)); v < audible {
		return 0, 0
	}
	return 1, samples(at) + i
}

// Play lets the players hear the line-in.
func (l *Live) Play(t testing.TB, c *Cluster) {
	t.Helper()
	id := l.Source.ID()
	harness.Eventually(t, patience, "the line-in may be a source", func() string {
		if err := c.Do("POST", "/api/v1/clients/"+id+"/approve", map[string]any{"source": true}, nil); err != nil {
			return err.Error()
		}
		i := slices.IndexFunc(c.Clients(t), func(cl harness.Client) bool { return cl.ClientID == id })
		if i < 0 || !slices.Contains(c.Clients(t)[i].ActiveRoles, wire.RoleSourceV1) {
			return "it does not have the role yet"
		}
		return ""
	})
	var members []string
	for _, p := range l.Players {
		members = append(members, p.Client.ID())
	}
	var g harness.Group
	c.Must(t, "POST", "/api/v1/groups", map[string]any{"name": "Bar", "members": members}, &g)
	l.group = g.GroupID
	c.Must(t, "POST", "/api/v1/groups/"+g.GroupID+"/play", map[string]any{"uri": "source:" + id}, nil)
}

// Silence is the longest of its players between two moments of nowUS, and how many heard
// nothing at all.
func (l *Live) Silence(offset, from, to int64) (longest time.Duration, deaf int) {
	for _, p := range l.Players {
		h := sheet{perTitle: 1}.hear(p.Pieces(from+offset), offset, from+offset, to+offset)
		longest = max(longest, us(h.Silence))
		if h.Silence >= to-from {
			deaf++
		}
	}
	return longest, deaf
}

// Tell logs the silences of its players that a listener notices, for those who look for the
// cause in the logs of the services.
func (l *Live) Tell(t testing.TB, offset, from, to int64) {
	t.Helper()
	for _, p := range l.Players {
		at := from + offset
		quiet := func(until int64) {
			if us(until-at) > 500*time.Millisecond {
				t.Logf("%s heard nothing for %s, from %s after the strike", p.Name, us(until-at), us(at-from-offset))
			}
		}
		for _, x := range (sheet{perTitle: 1}).played(p.Pieces(from+offset), offset, true) {
			if x.to <= at {
				continue
			}
			if x.from >= to+offset {
				break
			}
			quiet(x.from)
			at = x.to
		}
		quiet(max(at, to+offset))
	}
}

// background runs f until the test ends.
func background(t testing.TB, f func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); f(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}
