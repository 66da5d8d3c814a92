package ctlcmd

import (
	"encoding/json"
	"testing"
	"time"
)

func TestStateOfADevice(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	for goodbye, want := range map[string]string{
		"": "away, seen 3 s ago", "shutdown": "away, seen 3 s ago",
		"another_server": "with another server, seen 3 s ago", "concurrent_attempt": "with another server, seen 3 s ago",
	} {
		c := apiClient{LastGoodbye: goodbye, LastSeenAt: now.Add(-3 * time.Second)}
		if got := state(c, now); got != want {
			t.Errorf("after %q: %q", goodbye, got)
		}
		if c.Connected = true; state(c, now) != "connected" {
			t.Errorf("connected, after %q: %q", goodbye, state(c, now))
		}
	}
}

func TestAProblemInOneLine(t *testing.T) {
	for raw, want := range map[string]string{
		`{"status":422,"detail":"the request has fields that cannot be accepted: body.volume: is above 100; body.name: is required","errors":[{"location":"body.volume","message":"is above 100"},{"location":"body.name","message":"is required"}]}`: "volume is above 100; name is required",
		`{"status":422,"detail":"the roster's signature does not verify: it was changed on its way","errors":[{"location":"body.roster","message":"bad signature"}]}`:                                                                                 "the roster's signature does not verify: it was changed on its way",
		`{"status":422,"detail":"the sealed roster does not open: it is for another site","errors":[{"location":"body.roster","message":"does not open"}]}`:                                                                                           "the sealed roster does not open: it is for another site",
		`{"status":422,"errors":[{"location":"body.roster","message":"bad signature"}]}`:                                                                                                                                                              "roster bad signature",
		`{"status":409,"detail":"it is busy","errors":[{"location":"body","message":"x"}]}`:                                                                                                                                                           "it is busy",
		`{"status":503,"title":"Service Unavailable"}`: "the server answered 503 Service Unavailable",
	} {
		var p problem
		if err := json.Unmarshal([]byte(raw), &p); err != nil {
			t.Fatal(err)
		}
		if got := p.Error(); got != want {
			t.Errorf("%s: %q", raw, got)
		}
	}
}
