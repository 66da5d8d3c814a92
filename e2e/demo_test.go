package e2e

import (
	"fmt"
	"net"
	"testing"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// The README's first command does its main job by itself: three rooms, approved,
// in one group, playing.
func TestTheDemoPlays(t *testing.T) {
	s := harness.StartServer(t, "embedded", harness.Options{Args: []string{"--demo"}})
	harness.Eventually(t, patience, "three rooms play", func() string {
		for _, g := range s.Groups(t) {
			if g.Name == "Demo" && g.PlaybackState == "playing" && len(g.Members) == 3 && g.NowPlaying != nil && g.NowPlaying.PositionMS > 0 {
				return ""
			}
		}
		return "no group Demo that plays with three members"
	})
	// What a session streams comes by another way than what its group plays.
	harness.Eventually(t, patience, "every room is shown at work", func() string {
		for _, c := range s.Clients(t) {
			if c.Player == nil || c.Player.StreamFormat == nil || c.Trust != "approved" {
				return fmt.Sprintf("room %s: trust %s, player %+v", c.Name, c.Trust, c.Player)
			}
		}
		return ""
	})
	s.TerminateAll(t)
}

// A port that is taken ends the process at once with status 1 and a sentence.
func TestATakenPortIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	p := harness.Start(t, "serve", nil, nil, harness.MustBuild(t, "github.com/tutti-audio/tutti/cmd/tutti"),
		"serve", "--data-dir", t.TempDir(), "--mdns=false", "--http", "127.0.0.1:0", "--sendspin", l.Addr().String())
	<-p.Done()
	if p.ExitCode() != 1 || !harness.Mentions(p.Output(), l.Addr().String()) {
		t.Errorf("exit status %d, output:\n%s", p.ExitCode(), p.Output())
	}
}
