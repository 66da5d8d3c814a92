package ctlcmd

import (
	"fmt"
	"strings"
	"testing"
)

// What would make a person ask is shown, with the reason.
func TestGroupShow(t *testing.T) {
	f := newFakeAPI(t)
	g := fmt.Sprintf(`{"group_id":"g1","name":"Downstairs","members":[%q,%q,%q],"playback_state":"playing","volume":45,"volume_range":{"min":5,"max":60},
		"lead_client":%q,"send_ahead_ms":1250,"last_error":"b.flac was skipped","member_status":[
		{"client_id":%q,"state":"ok","format":{"codec":"flac","sample_rate":44100,"channels":2,"bit_depth":16},"buffered_ms":4200,"chunks_late":0,"lead_ms":310},
		{"client_id":%q,"state":"late","format":{"codec":"pcm","sample_rate":48000,"channels":2,"bit_depth":24},"buffered_ms":800,"chunks_late":3,"lead_ms":4,"detail":"3 chunks came too late"},
		{"client_id":%q,"state":"not_streaming","detail":"it lists no format\u001b[2J"}]}`,
		kitchenID, lobbyID, awayID, lobbyID, kitchenID, lobbyID, awayID)
	f.get["/api/v1/groups/g1"] = g
	out, err := f.run(t, "groups", "show", "Downstairs")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"45 (of 5 to 60)", "1.2 s, for Lobby", "b.flac was skipped", "✓ ok", "flac 44.1/16", "! late", "3 chunks came too late", "? not streaming", "4 ms", "it lists no format·[2J"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not shown:\n%s", want, out)
		}
	}
	f.get["/api/v1/groups"] = `{"groups":[` + g + `]}`
	if out, err = f.run(t, "status"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"! late: 3 chunks came too late", "3 late"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not shown by status:\n%s", want, out)
		}
	}
}

// A live source has no end, a stopped group no place, and what is announced is seen; what
// was announced last is not.
func TestStatusShowsLiveSourcesAndAnnouncements(t *testing.T) {
	const live = `{"group_id":"g1","name":"Bar","members":[],"playback_state":"playing","live":true,"now_playing":{"title":"Turntable","position_ms":63000},
		"announcement":{"announcement_id":"a","state":%q,"text":"Dinner\u001b[2J","duration_ms":2000,"players":[]}}`
	const stopped = `{"group_id":"g2","name":"Attic","members":[],"playback_state":"stopped","now_playing":{"duration_ms":30000}}`
	for state, want := range map[string]bool{"playing": true, "done": false} {
		f := newFakeAPI(t)
		f.get["/api/v1/groups"] = `{"groups":[` + fmt.Sprintf(live, state) + `,` + stopped + `]}`
		out, err := f.run(t, "status")
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(out, `announces "Dinner`); got != want || strings.Contains(out, "\x1b") {
			t.Errorf("an announcement that is %s: shown %v\n%s", state, got, out)
		}
		if !strings.Contains(out, "live, since 1:03") || strings.Contains(out, "0:30") {
			t.Errorf("places are shown wrong:\n%s", out)
		}
	}
}

func TestTuneShowsWhatIsSet(t *testing.T) {
	f := newFakeAPI(t)
	f.get["/api/v1/clients/"+lobbyID] = fmt.Sprintf(`{"client_id":%q,"name":"sp-8271","label":"Lobby","connected":true,"trust":"paired",
		"tuning":{"volume_min":5,"volume_startup":30},"limits":{"volume_min":5,"volume_max":40},"ignored":["message:client/dance","role:player@v9"]}`, lobbyID)
	for line, wants := range map[string][]string{
		"tune lobby":     {"volume at least 5, at the start 30, held to 5 to 40"},
		"clients lobbyB": {"volume at least 5", "this device speaks a newer revision: message:client/dance, role:player@v9"},
	} {
		out, err := f.run(t, strings.Fields(line)...)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(out, want) {
				t.Errorf("%s: %q is not shown:\n%s", line, want, out)
			}
		}
	}
	for _, line := range []string{"tune lobby --max 101", "tune lobby --min loud", "tune"} {
		if _, err := f.run(t, strings.Fields(line)...); err == nil {
			t.Errorf("%s: no error", line)
		}
	}
}
