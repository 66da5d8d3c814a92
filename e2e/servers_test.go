package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// Two servers and one speaker that both know. Who merely appears never takes it away; who
// pairs it, or plays on it, does, and the other hears so from the speaker.
func TestTwoServersAndOneSpeaker(t *testing.T) {
	t.Parallel()
	music := t.TempDir()
	harness.MusicFile(t, music, "long.flac", 120, 42)
	a := harness.StartServer(t, "embedded", harness.Options{Music: music})
	b := harness.StartServer(t, "embedded", harness.Options{Music: music})
	aID, bID := serverID(t, a), serverID(t, b)

	p := harness.NewPlayer(t, a, "Shared", true).Start(t)
	a.Must(t, "POST", "/api/v1/clients", map[string]any{"url": p.Listens}, nil)
	id := approve(t, a, "Shared")
	atA := group(t, a, "Hall", id)

	// B only appears: A keeps the idle speaker, and B knows who it is that it cannot have.
	b.Must(t, "POST", "/api/v1/clients", map[string]any{"url": p.Listens}, nil)
	awaitGoodbye(t, b, id, "concurrent_attempt")
	if e := p.Find("goodbye", byServer(aID)); e != nil {
		t.Fatalf("the mere appearance of another server took the speaker: %v", e)
	}

	// An operator of B pairs it: B has it.
	cmd := harness.Start(t, "tutti pair", nil, b.CLIEnv(), b.Bin(), "pair", "Shared")
	code, _ := p.Await(t, "pairing_code", nil)["code"].(string)
	cmd.Type(code)
	exited(t, cmd, 0)
	p.Await(t, "goodbye", func(e map[string]any) bool { return byServer(aID)(e) && e["reason"] == "another_server" })
	awaitClient(t, b, "Shared", func(c harness.Client) bool {
		return c.Trust == "paired" && c.Connected && len(c.Activities) == 0 && c.Available != nil && *c.Available
	})
	awaitClient(t, a, "Shared", func(c harness.Client) bool { return !c.Connected })

	// A plays on it: A has it, and B neither gets it back by knocking nor disturbs it.
	a.Must(t, "POST", "/api/v1/groups/"+atA+"/play", map[string]any{"uri": "long.flac"}, nil)
	p.Await(t, "goodbye", func(e map[string]any) bool { return byServer(bID)(e) && e["reason"] == "another_server" })
	awaitPlays(t, a, "Shared")
	was := displaced(p, aID)
	awaitClient(t, b, "Shared", func(c harness.Client) bool { return !c.Connected && c.Trust == "paired" })

	// B plays on it: it is B's.
	atB := group(t, b, "Hall", id)
	b.Must(t, "POST", "/api/v1/groups/"+atB+"/play", map[string]any{"uri": "long.flac"}, nil)
	awaitPlays(t, b, "Shared")
	// It tells of its leave when the first server has closed, too: the other may play by then.
	harness.Eventually(t, patience, "the speaker takes its leave of the first server", func() string {
		if displaced(p, aID) == was {
			return "not yet"
		}
		return ""
	})
	awaitClient(t, a, "Shared", func(c harness.Client) bool { return !c.Connected })

	// The purpose ends, and B declares none any more.
	b.Must(t, "POST", "/api/v1/groups/"+atB+"/stop", nil, nil)
	awaitClient(t, b, "Shared", func(c harness.Client) bool { return c.Connected && len(c.Activities) == 0 })
	if n := displaced(p, aID); n != was+1 {
		t.Errorf("the speaker took its leave of the first server %d times since it played there, want once", n-was)
	}
	if v := p.Find("violation", nil); v != nil {
		t.Errorf("the player found a server at fault: %v", v)
	}
}

func byServer(id string) func(map[string]any) bool {
	return func(e map[string]any) bool { return e["server_id"] == id }
}

// displaced counts how often another server took the player from this one.
func displaced(p *harness.Player, server string) (n int) {
	p.Find("goodbye", func(e map[string]any) bool {
		if e["server_id"] == server && e["reason"] == "another_server" {
			n++
		}
		return false
	})
	return n
}

func awaitPlays(t *testing.T, s *harness.Server, name string) {
	t.Helper()
	awaitClient(t, s, name, func(c harness.Client) bool {
		return c.Connected && slices.Contains(c.Activities, "playback") && c.Player != nil && c.Player.BufferedMS > 0
	})
}

// awaitGoodbye waits until the API tells that the speaker said goodbye with a reason.
func awaitGoodbye(t *testing.T, s *harness.Server, id, reason string) {
	t.Helper()
	harness.Eventually(t, patience, "the API shows goodbye "+reason, func() string {
		var v map[string]any
		if err := s.Do("GET", "/api/v1/clients/"+id, nil, &v); err != nil {
			return err.Error()
		}
		if text := fmt.Sprint(v); v["connected"] != false || !strings.Contains(text, reason) {
			return text
		}
		return ""
	})
}
