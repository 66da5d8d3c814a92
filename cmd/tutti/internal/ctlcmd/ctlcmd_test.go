package ctlcmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/platform/nettest"
)

func TestCommandsSendWhatTheySay(t *testing.T) {
	const g = "/api/v1/groups/g1"
	for line, want := range map[string]string{
		"play Downstairs a.flac":                          `POST ` + g + `/play {"uri":"a.flac"}`,
		"play down":                                       `POST ` + g + `/play`,
		"play kitchen tone:440":                           `POST ` + g + `/play {"uri":"tone:440"}`,               // a device: the group it plays in
		"play Downstairs source:lobby":                    `POST ` + g + `/play {"uri":"source:` + lobbyID + `"}`, // a person writes names
		"queue add Downstairs source:lobby":               `POST ` + g + `/queue {"uris":["source:` + lobbyID + `"]}`,
		"group set Downstairs --crossfade 2.5":            `PATCH ` + g + ` {"crossfade_ms":2500}`,
		"play g1":                                         `POST ` + g + `/play`,
		"pause DOWNSTAIRS":                                `POST ` + g + `/pause`,
		"next Downstairs":                                 `POST ` + g + `/next`,
		"previous Downstairs":                             `POST ` + g + `/previous`,
		"stop Downstairs":                                 `POST ` + g + `/stop`,
		"seek Downstairs 1:30":                            `POST ` + g + `/seek {"position_ms":90000}`,
		"seek Downstairs +30":                             `POST ` + g + `/seek {"position_ms":163000}`,
		"seek Downstairs 1:02:03":                         `POST ` + g + `/seek {"position_ms":3723000}`,
		"volume Downstairs 30":                            `POST ` + g + `/volume {"volume":30}`,
		"volume lobby 30":                                 `PATCH /api/v1/clients/` + lobbyID + ` {"volume":30}`,
		"volume client:lobbyB 30":                         `PATCH /api/v1/clients/` + lobbyID + ` {"volume":30}`,
		"tune lobby --max 60":                             `PATCH /api/v1/clients/` + lobbyID + ` {"volume_max":60}`,
		"tune lobby --min 5 --startup none":               `PATCH /api/v1/clients/` + lobbyID + ` {"volume_min":5,"volume_startup":null}`,
		"tune lobby --auto-start Downstairs":              `PATCH /api/v1/clients/` + lobbyID + ` {"auto_start":{"group_id":"g1"}}`,
		"tune lobby --delay 120 --format flac:48000:24:2": `PATCH /api/v1/clients/` + lobbyID + ` {"output_delay_ms":120,"preferred_format":{"bit_depth":24,"channels":2,"codec":"flac","sample_rate":48000}}`,
		"tune lobby --format none":                        `PATCH /api/v1/clients/` + lobbyID + ` {"preferred_format":null}`,
		"tune lobby --auto-start none":                    `PATCH /api/v1/clients/` + lobbyID + ` {"auto_start":null}`,
		"tune lobby --channels left":                      `PATCH /api/v1/clients/` + lobbyID + ` {"channels":"left"}`,
		"tune lobby --eq none --limiter none":             `PATCH /api/v1/clients/` + lobbyID + ` {"equalizer":null}`,
		"tune lobby --eq peak:1000:-3:1 --eq low_pass:9000 --limiter -1": `PATCH /api/v1/clients/` + lobbyID +
			` {"equalizer":{"preamp_db":0,"bands":[{"kind":"peak","frequency":1000,"gain_db":-3,"q":1},{"kind":"low_pass","frequency":9000,"gain_db":0,"q":0.7071}],"limiter":true,"limiter_db":-1}}`,
		"mute Downstairs":                                                                `POST ` + g + `/mute {"muted":true}`,
		"mute kitchenA off":                                                              `PATCH /api/v1/clients/` + kitchenID + ` {"muted":false}`,
		"queue add Downstairs x.flac y.flac":                                             `POST ` + g + `/queue {"uris":["x.flac","y.flac"]}`,
		"group set Downstairs --crossfade 4s":                                            `PATCH ` + g + ` {"crossfade_ms":4000}`,
		"group set Downstairs --normalization album --crossfade 0s":                      `PATCH ` + g + ` {"crossfade_ms":0,"normalization":"album"}`,
		"announce Downstairs bell.flac --detach --priority 3 --also Bar":                 `POST ` + g + `/announce {"groups":["g2"],"priority":3,"uri":"bell.flac"}`,
		"announce Downstairs --text Dinner --language de --volume 60 --duck 12 --detach": `POST ` + g + `/announce {"duck_db":12,"language":"de","text":"Dinner","volume":60}`,
		"queue clear Downstairs":                                                         `DELETE ` + g + `/queue`,
		"queue add Downstairs x.flac --next":                                             `POST ` + g + `/queue {"at":"next","uris":["x.flac"]}`,
		"queue add Downstairs x.flac --at 2":                                             `POST ` + g + `/queue {"index":1,"uris":["x.flac"]}`,
		"queue move Downstairs 2 1":                                                      `POST ` + g + `/queue/qb/move {"index":0}`,
		"queue remove Downstairs 1":                                                      `DELETE ` + g + `/queue/qa`,
		"queue play Downstairs 2":                                                        `POST ` + g + `/queue/qb/play`,
		"repeat Downstairs one":                                                          `POST ` + g + `/repeat {"mode":"one"}`,
		"shuffle Downstairs":                                                             `POST ` + g + `/shuffle {"enabled":true}`,
		"shuffle Downstairs off":                                                         `POST ` + g + `/shuffle {"enabled":false}`,
		"groups create Up kitchen":                                                       `POST /api/v1/groups {"members":["` + kitchenID + `"],"name":"Up"}`,
		"groups create Empty":                                                            `POST /api/v1/groups {"members":[],"name":"Empty"}`,
		"group add Downstairs away":                                                      `PUT ` + g + `/members/` + awayID,
		"group remove Downstairs sp-8271":                                                `DELETE ` + g + `/members/` + lobbyID,
		"group rename Downstairs Below":                                                  `PATCH ` + g + ` {"name":"Below"}`,
		"group delete Downstairs":                                                        `DELETE ` + g,
		"approve wolf":                                                                   `POST /api/v1/clients/` + newID + `/approve {}`,
		"approve WolfTwo --label Bar --source":                                           `POST /api/v1/clients/` + newID + `/approve {"label":"Bar","source":true}`,
		"approve crow-six-fir --accept-warning name_reused_by_new_key":                   `POST /api/v1/clients/` + poserID + `/approve {"accept_warning":"name_reused_by_new_key"}`,
		"approve wolf --controller --for 12h":                                            `POST /api/v1/clients/` + newID + `/approve {"controller":true,"ends_in_ms":43200000}`,
		"approve wolf --until-disconnect":                                                `POST /api/v1/clients/` + newID + `/approve {"until_disconnect":true}`,
		"approve wolf --until 2999-12-24T18:00:00Z":                                      `POST /api/v1/clients/` + newID + `/approve {"ends_at":"2999-12-24T18:00:00Z"}`,
		"block wolf":                         `POST /api/v1/clients/` + newID + `/block`,
		"unpair kitchenA":                    `POST /api/v1/clients/` + kitchenID + `/unpair`,
		"pair --remove wolf":                 `DELETE /api/v1/pairing/tokens/` + newID,
		"deny newDD":                         `POST /api/v1/clients/` + newID + `/deny`,
		"approve kitchenAA":                  `POST /api/v1/clients/` + kitchenID + `/approve {}`, // one that does not wait (any more)
		"forget away":                        `DELETE /api/v1/clients/` + awayID,
		"add 192.0.2.7":                      `POST /api/v1/clients {"url":"ws://192.0.2.7"}`,
		"tokens create porter --role viewer": `POST /api/v1/tokens {"name":"porter","role":"viewer"}`,
		"tokens delete night":                `DELETE /api/v1/tokens/t1`,

		"tokens create panel --zone Bar:operator --expires 2099-01-31T00:00:00Z": `POST /api/v1/tokens {"expires_at":"2099-01-31T00:00:00Z","name":"panel","role":"none","zones":[{"group_id":"g2","role":"operator"}]}`,
		"users set Maria --role viewer --zone Downstairs:operator":               `PATCH /api/v1/users/u-1 {"role":"viewer","zones":[{"group_id":"g1","role":"operator"}]}`,
		"users disable maria": `PATCH /api/v1/users/u-1 {"disabled":true}`,
		"users enable u-1":    `PATCH /api/v1/users/u-1 {"disabled":false}`,
		"users remove Maria":  `DELETE /api/v1/users/u-1`,
	} {
		t.Run(line, func(t *testing.T) {
			f := newFakeAPI(t)
			out, err := f.run(t, strings.Fields(line)...)
			if err != nil {
				t.Fatalf("%v", err)
			}
			if got := f.sent(); len(got) != 1 || got[0] != want {
				t.Errorf("sent %q, want %q", got, want)
			}
			if strings.TrimSpace(out) == "" && !strings.HasPrefix(line, "tokens") {
				t.Error("said nothing")
			}
		})
	}
}

func TestErrorsHaveTheRightStatusAndANextStep(t *testing.T) {
	f := newFakeAPI(t)
	for line, c := range map[string]struct {
		code int
		want string
	}{
		"play Downstairs source:nobody": {1, "no device is named"},
		"play nowhere":                  {1, "'tutti groups' lists them"},
		"play":                          {2, "something is missing after 'tutti play': usage is 'tutti play <group> [uri]'"},
		"approve A B":                   {2, "\"B\" is one word too many for 'tutti approve'; a name with spaces is written in quotes: usage is 'tutti approve "},
		"group add Downstairs Ki":       {2, "Kitchen (kitchenA), Kitchen radio (awayCCCC)"},
		"approve nobody":                {1, "'tutti clients' lists them"},
		"approve Lobby":                 {1, "compare the fingerprint crow-six-fir"},
		"approve l":                     {1, "compare the fingerprint crow-six-fir"},
		"approve crow":                  {1, "compare the fingerprint crow-six-fir"}, // too little of it
		"approve crow-six-fir":          {1, "add --accept-warning name_reused_by_new_key"},
		"approve crow-six-fir --accept-warning identity_changed": {1, "add --accept-warning name_reused_by_new_key"},
		"approve wolf --for soon":                                {2, "90m, 12h or 3d"},
		"approve wolf --until 2001-01-01":                        {2, "over already"},
		"approve wolf --until later":                             {2, "2026-12-24"},
		"approve wolf --for 1h --until-disconnect":               {2, "one end"},
		"pair":                                      {2, "say which device"},
		"pair nobody":                               {1, "'tutti clients' lists them"},
		"pair Lobby":                                {2, "more than one device"},
		"pair crow":                                 {1, "compare the fingerprint crow-six-fir"},
		"pair wolf --method magic":                  {2, "dynamic"},
		"pair wolf --format loud":                   {2, "digits nor qr"},
		"pair wolf --format qr --method static":     {2, "dynamic code alone"},
		"pair wolf --code 12-34 --method static":    {2, "8 digits"},
		"pair wolf --method token --token SP:0AAAA": {2, "cut off"},
		"pair away":                                 {1, "not connected"},
		"pair lobbyB":                               {1, "offers no pairing"},
		"pair --list wolf":                          {2, "leave \"wolf\" out"},
		"pair --token-file /proc/none/tokens":       {1, "no such file"},
		"pair --remove nobody":                      {1, "'tutti pair --list'"},
		"volume Downstairs 101":                     {2, "0 to 100"},
		"volume Downstairs loud":                    {2, "0 to 100"},
		"volume nothing 3":                          {1, "'tutti groups' and 'tutti clients'"},
		"seek Downstairs x":                         {2, "1:30"},
		"seek Downstairs 1:75":                      {2, "1:30"},
		"seek Bar +3":                               {1, "tutti play"},
		"stop":                                      {2, "--all"},
		"tokens create x --expires soon":            {2, "90d"},
		"tokens create x --zone Bar":                {2, "Bar:operator"},
		"tokens create x --zone kitchen:operator":   {1, "'tutti groups'"},
		"users set Maria":                           {2, "--role"},
		"users passwd Nobody":                       {1, "'tutti users'"},
		"stop Bar --all":                            {2, "not both"},
		"group":                                     {2, "group --help"},
		"forget Lobby":                              {2, "more than one device"},
		"queue":                                     {2, "usage is"},
		"queue play Downstairs 3":                   {2, "has 2"},
		"queue remove Downstairs 0":                 {2, "from 1"},
		"queue add Downstairs x --next --at 1":      {2, "not both"},
		"group set Downstairs":                      {2, "--crossfade or"},
		"group set Downstairs --crossfade 16s":      {2, "up to 15s"},
		"announce Downstairs":                       {2, "not both"},
		"announce Downstairs a --text b":            {2, "not both"},
		"announce Downstairs a --volume 101":        {2, "0 to 100"},
		"announce Downstairs a --duck 61":           {2, "60 dB"},
		"repeat Downstairs twice":                   {2, "off, one, all"},
		"audit --limit 0":                           {2, "1 to 1000"},
		"library none":                              {1, "there is nothing at"},
		"library search":                            {2, "usage is"},
	} {
		_, err := f.run(t, strings.Fields(line)...)
		if err == nil {
			t.Errorf("%s: no error", line)
			continue
		}
		code := 1
		var coded interface{ ExitCode() int }
		if errors.As(err, &coded) {
			code = coded.ExitCode()
		}
		if code != c.code || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: status %d, %q; want %d with %q", line, code, err, c.code, c.want)
		}
	}
	if got := f.sent(); len(got) > 0 {
		t.Errorf("something was done: %q", got)
	}
}

func TestTables(t *testing.T) {
	f := newFakeAPI(t)
	for name, want := range map[string][]string{
		"clients":        {"NAME ", "Lobby          lobbyBBB  connected", "pcm 48/24", "0.8 s, 3 late", "40 muted", "away, seen", "approved", "! pretending? (name_reused_by_new_key)", "✓ paired", "+ approved", "? waiting", "Bad·[2J"},
		"inbox":          {"wolf-two-elm", "crow-six-fir", "Bad·[2J", "poses as it", "! pretending?", "? waiting", "Acme Box", "in 3 days", "code, token"},
		"clients lobbyB": {"trust", "✓ paired", "sp-8271", "40 muted"},
		"pair --list":    {"wolf-two-elm", "waiting", "token:admin"},
		"groups":         {"Downstairs             g1     playing", "Take Five — Dave Brubeck", "Kitchen, Lobby", "Kitchen radio (alone)"},
		"status": {
			"Hotel (Tutti 1.0, embedded): 4 of 5 devices connected, 2 in the inbox",
			"▶ Downstairs  Take Five — Dave Brubeck", "2:13 / 5:24", "volume ▮▮▮▮▯▯▯▯▯▯ 45", "buffer 4.2 s", "▶ Bar  tone:440", "Alone and silent: Kitchen radio",
		},
		"history Downstairs":       {"1:01", "a.flac", "2026-01-02"},
		"queue Downstairs":         {"> ", "2", "http://h/b.mp3", "1:01"},
		"library":                  {"jazz/", "44.1 kHz/16", "cannot be played: is no FLAC file"},
		"library ls":               {"jazz/"},
		"library search take five": {"jazz/", "five.m3u", "playlist", "Dave Brubeck", "5:24", "and 137 more"},
		"library search zzz":       {"nothing holds all of"},
		"library status":           {"scanning ██████████░░░░░░░░░░ 15000 of 30000 files read", "14000 tracks, 3 playlists, 2 that cannot be read", "plays flac, aac (ffmpeg)"},
		"audit":                    {"token:admin", "client.approved", "kitchenA"},
		"tokens":                   {"night manager", "operator"},
		"users":                    {"Maria", "Bar:operator", "never", "disabled"},
	} {
		out, err := f.run(t, strings.Fields(name)...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("%s lacks %q:\n%s", name, w, out)
			}
		}
		if strings.Contains(out, "\x1b") {
			t.Errorf("%s lets a device's name move the cursor:\n%q", name, out)
		}
	}
}

func TestJSONIsTheAPIs(t *testing.T) {
	f := newFakeAPI(t)
	for _, line := range []string{"clients", "inbox", "groups", "status", "queue Downstairs", "history Downstairs", "library", "library search zzz", "library status", "library rescan", "audit", "tokens", "clients lobbyB", "pair --list", "unpair kitchenA", "block wolf", "play Downstairs x.flac", "stop --all", "forget away"} {
		out, err := f.run(t, append(strings.Fields(line), "--json")...)
		if err != nil || !json.Valid([]byte(out)) {
			t.Errorf("%s --json: %v\n%s", line, err, out)
		}
	}
	out, _ := f.run(t, "clients", "--json")
	if strings.TrimSpace(out) != strings.TrimSpace(f.get["/api/v1/clients"]) {
		t.Error("clients --json is not what the API said")
	}
}

// TestStopAllIsQuick: the night manager is in a hurry.
func TestStopAllIsQuick(t *testing.T) {
	f := newFakeAPI(t)
	var groups []string
	for i := range 30 {
		groups = append(groups, fmt.Sprintf(`{"group_id":"g%d","name":"G%d","playback_state":"playing"}`, i, i))
	}
	groups = append(groups, `{"group_id":"quiet","name":"Quiet","playback_state":"stopped"}`)
	f.get["/api/v1/groups"] = `{"groups":[` + strings.Join(groups, ",") + `]}`
	f.gather = 6 // so many at once that a hotel is silent at once; one after the other, none is answered
	out, err := f.run(t, "stop", "--all")
	if err != nil {
		t.Fatal(err)
	}
	if got := f.sent(); len(got) != 30 || slices.Contains(got, "POST /api/v1/groups/quiet/stop") {
		t.Errorf("%d groups were stopped: %q", len(got), got)
	}
	if !strings.Contains(out, "stopped G0") {
		t.Errorf("said %q", out)
	}
	// What fails does not keep the others from being stopped, and is told.
	f.status["POST /api/v1/groups/g3/stop"] = 503
	out, err = f.run(t, "stop", "--all")
	if err == nil || !strings.Contains(err.Error(), "G3") || !strings.Contains(out, "G29") {
		t.Errorf("out %q, err %v", out, err)
	}
	f.get["/api/v1/groups"] = `{"groups":[]}`
	delete(f.status, "POST /api/v1/groups/g3/stop")
	if out, err = f.run(t, "stop"); err != nil || !strings.Contains(out, "nothing plays") {
		t.Errorf("out %q, err %v", out, err)
	}
}

func TestWhereTheTokenComesFrom(t *testing.T) {
	f := newFakeAPI(t)
	home := t.TempDir()
	t.Setenv("XDG_DATA_HOME", home)
	for _, env := range []string{"TUTTI_TOKEN", "TUTTI_TOKEN_FILE", "TUTTI_ADMIN_TOKEN", "TUTTI_ADMIN_TOKEN_FILE", "TUTTI_DATA_DIR"} {
		t.Setenv(env, "")
	}
	run := func(args ...string) error {
		return tutti(t.Context(), &bytes.Buffer{}, append(append([]string{"inbox", "--server"}, f.URL), args...)...)
	}
	if err := run(); err == nil || !strings.Contains(err.Error(), filepath.Join(home, "tutti", "admin-token")) || !strings.Contains(err.Error(), "--token-file") {
		t.Errorf("without a token: %v", err)
	}
	write := func(dir, token string) string {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "admin-token")
		if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write(filepath.Join(home, "tutti-demo"), "good")
	if err := run(); err != nil {
		t.Errorf("with the demo's token: %v", err)
	}
	write(filepath.Join(home, "tutti"), "stale")
	if err := run(); err != nil {
		t.Errorf("with a stale token and the demo's: %v", err)
	}
	write(filepath.Join(home, "tutti-demo"), "stale, too")
	if err := run(); err == nil || !strings.Contains(err.Error(), "does not know this token") {
		t.Errorf("with stale tokens: %v", err)
	}
	elsewhere := write(t.TempDir(), "good")
	if err := run("--token-file", elsewhere); err != nil {
		t.Errorf("--token-file: %v", err)
	}
	if err := run("--data-dir", filepath.Dir(elsewhere)); err != nil {
		t.Errorf("--data-dir: %v", err)
	}
	for env, value := range map[string]string{"TUTTI_ADMIN_TOKEN": "good", "TUTTI_TOKEN": "good", "TUTTI_TOKEN_FILE": elsewhere, "TUTTI_DATA_DIR": filepath.Dir(elsewhere)} {
		t.Setenv(env, value)
		if err := run(); err != nil {
			t.Errorf("%s: %v", env, err)
		}
		t.Setenv(env, "")
	}
	t.Setenv("TUTTI_TOKEN", "stale")
	if err := run("--token-file", elsewhere); err != nil {
		t.Errorf("the environment beat a flag: %v", err)
	}
}

func TestNoServer(t *testing.T) {
	err := tutti(t.Context(), &bytes.Buffer{}, "inbox", "--server", nettest.FreeAddr(t), "--token", "x")
	if err == nil || !strings.Contains(err.Error(), "tutti serve") {
		t.Errorf("err = %v", err)
	}
	if err = tutti(t.Context(), &bytes.Buffer{}, "inbox", "--server", "ftp://x", "--token", "x"); err == nil {
		t.Error("ftp was taken")
	}
}

// syncBuffer is written by a command and read by a test.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}
func (s *syncBuffer) String() string { s.mu.Lock(); defer s.mu.Unlock(); return s.b.String() }

func eventually(t *testing.T, out *syncBuffer, want string) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !strings.Contains(out.String(), want) {
		if time.Now().After(deadline) {
			t.Fatalf("%q did not come:\n%s", want, out.String())
		}
		time.Sleep(5 * time.Millisecond) // the pace of a poll, no synchronisation
	}
}

func TestEventsResumeByThemselves(t *testing.T) {
	f := newFakeAPI(t)
	ctx, cancel := context.WithCancel(t.Context())
	out := &syncBuffer{}
	done := make(chan error, 1)
	go func() { done <- tutti(ctx, out, "events", "--server", f.URL, "--token", "good") }()
	f.feed <- "event: group.updated\nid: e-7\ndata: {\"name\":\"Bar\",\"playback_state\":\"playing\",\"source\":\"tone:440\"}\n\n"
	eventually(t, out, "Bar: playing tone:440")
	f.feed <- "event: queue.updated\nid: e-7\ndata: {\"group_id\":\"g-1\",\"items\":[{},{}],\"index\":0}\n\n"
	eventually(t, out, "g-1: 2 titles")
	f.feed <- "cut"
	f.feed <- ": alive\n\nevent: inbox.updated\nid: e-8\ndata: {\"waiting\":[{}]}\n\n"
	eventually(t, out, "1 wait")
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
}

func TestWatchDrawsAgain(t *testing.T) {
	f := newFakeAPI(t)
	ctx, cancel := context.WithCancel(t.Context())
	out := &syncBuffer{}
	done := make(chan error, 1)
	go func() { done <- tutti(ctx, out, "clients", "--watch", "--server", f.URL, "--token", "good") }()
	eventually(t, out, "Kitchen")
	f.mu.Lock()
	f.get["/api/v1/clients"] = strings.ReplaceAll(f.get["/api/v1/clients"], `"name":"Kitchen"`, `"name":"Galley"`)
	f.mu.Unlock()
	f.feed <- "event: client.updated\nid: e-1\ndata: {}\n\n"
	eventually(t, out, "Galley")
	cancel()
	<-done
}

func TestParsePosition(t *testing.T) {
	for s, want := range map[string]int64{"0": 0, "90": 90_000, "1:30": 90_000, "-10": -10_000, "+1:00": 60_000, "2:00:00": 7_200_000} {
		ms, rel, err := parsePosition(s)
		if err != nil || ms != want || rel != strings.ContainsAny(s, "+-") {
			t.Errorf("parsePosition(%q) = %d, %v, %v", s, ms, rel, err)
		}
	}
	for _, s := range []string{"", "x", "1:", ":1", "1:60", "1:2:3:4", "--1", "+-1", "1.5"} {
		if _, _, err := parsePosition(s); err == nil {
			t.Errorf("parsePosition(%q) was taken", s)
		}
	}
}

func TestEveryCommandHasHelpAndExample(t *testing.T) {
	for _, c := range Commands() {
		if c.Short == "" || c.Example == "" && !c.HasSubCommands() {
			t.Errorf("%s lacks a short text or an example", c.Name())
		}
	}
}

// One device with a long name must not push the others off the screen.
func TestLongNamesAreCut(t *testing.T) {
	long := apiClient{ClientID: "k", Name: strings.Repeat("Ä", 10_000)}
	if n := len([]rune(long.display())); n != longestName {
		t.Errorf("%d characters are shown", n)
	}
	if got := (apiClient{ClientID: "k", Name: "Kitchen"}).display(); got != "Kitchen" {
		t.Errorf("got %q", got)
	}
	if n := len([]rune(apiGroup{Name: long.Name}.display())); n != longestName {
		t.Errorf("%d characters of a group's name are shown", n)
	}
}

func TestAddresses(t *testing.T) {
	f := newFakeAPI(t)
	out, err := f.run(t, "addresses")
	if err != nil || !strings.Contains(out, "ws://192.0.2.4:8928/sendspin  api   -") || !strings.Contains(out, "gone from mDNS") || strings.Contains(out, "\x1b") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err = f.run(t, "addresses", "remove", "ws://192.0.2.4"); err != nil || !strings.Contains(out, "removed ws://192.0.2.4") {
		t.Errorf("%v\n%s", err, out)
	}
	if got := f.sent(); !slices.Contains(got, "DELETE /api/v1/sightings/addr-1") {
		t.Errorf("sent %v", got)
	}
	if _, err = f.run(t, "addresses", "remove", "ws://192.0.2.9"); err == nil || !strings.Contains(err.Error(), "'tutti addresses' lists them") {
		t.Errorf("got %v", err)
	}
}

// TestAnnounceShowsWhatEachSpeakerReceived follows an announcement to its end.
func TestAnnounceShowsWhatEachSpeakerReceived(t *testing.T) {
	f := newFakeAPI(t)
	const path = "/api/v1/groups/g1/announcements/a-1"
	f.answers["POST /api/v1/groups/g1/announce"] = `{"announcement_id":"a-1","groups":["g1"]}`
	f.get[path] = fmt.Sprintf(`{"announcement_id":"a-1","state":"done","duration_ms":2000,"players":[
	 {"client_id":%q,"state":"played","sent_ms":2000},
	 {"client_id":%q,"state":"missed","sent_ms":0,"reason":"it is not connected"}]}`, kitchenID, lobbyID)
	out, err := f.run(t, "announce", "Downstairs", "bell.flac")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Downstairs  done", "✓ played  Kitchen", "✗ missed  Lobby  it is not connected"} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
	if out, err = f.run(t, "announce", "Downstairs", "bell.flac", "--json"); err != nil || !json.Valid([]byte(out)) {
		t.Errorf("--json: %v\n%s", err, out)
	}
	f.get[path] = `{"announcement_id":"a-1","state":"failed","error":"there is no bell.flac","players":[]}`
	if _, err = f.run(t, "announce", "Downstairs", "bell.flac"); err == nil || !strings.Contains(err.Error(), "there is no bell.flac") {
		t.Errorf("a failed one: %v", err)
	}
}

func TestAnnounceScreenIsOneLineAGroup(t *testing.T) {
	s := &announceScreen{names: func(id string) string { return id }}
	g := apiGroup{Name: "Hall\x1b[2J"}
	for _, c := range []struct {
		a    apiAnnouncement
		want string
	}{
		{apiAnnouncement{State: "queued"}, "Hall·[2J  queued"},
		{apiAnnouncement{State: "playing", DurationMS: 4000, PositionMS: 1000}, "█████░░░░░░░░░░░░░░░ 0:01 / 0:04"},
		{apiAnnouncement{State: "cancelled", Error: "a more urgent one"}, "cancelled: a more urgent one"},
	} {
		if got := s.line(g, c.a); !strings.Contains(got, c.want) {
			t.Errorf("%q lacks %q", got, c.want)
		}
	}
	if got := s.speaker(apiAnnouncement{DurationMS: 4000}, apiSpeaker{ClientID: "x", State: "partly", SentMS: 700, Reason: "it joined late"}); got != "! partly  x  0.7 of 4.0 s  it joined late" {
		t.Error(got)
	}
}
