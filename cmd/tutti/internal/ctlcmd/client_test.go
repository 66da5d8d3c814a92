package ctlcmd

import (
	"encoding/json"
	"testing"
)

func TestAProblemInOneLine(t *testing.T) {
	for raw, want := range map[string]string{
		`{"status":422,"detail":"the request has fields that cannot be accepted: body.volume: is above 100; body.name: is required","errors":[{"location":"body.volume","message":"is above 100"},{"location":"body.name","message":"is required"}]}`: "volume is above 100; name is required",
		`{"status":422,"detail":"the roster's signature does not verify: it was changed on its way","errors":[{"location":"body.roster","message":"bad signature"}]}`:                                                                                 "the roster's signature does not verify: it was changed on its way",
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
