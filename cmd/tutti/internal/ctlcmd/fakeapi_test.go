package ctlcmd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

const (
	kitchenID = "kitchenAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	lobbyID   = "lobbyBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
	awayID    = "awayCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC"
	newID     = "newDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDD"
	poserID   = "poserEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEE"
)

// fakeAPI answers GETs from a map and records everything else.
type fakeAPI struct {
	*httptest.Server
	mu       sync.Mutex
	get      map[string]string
	requests []string // "METHOD path body" of what was not a GET
	answers  map[string]string
	status   map[string]int
	// gather holds requests that are no GET until so many of them are under way at once; 0:
	// none is held.
	gather, atOnce int
	together       sync.Once
	gathered       chan struct{}
	feed           chan string
	// react runs after a request that is no GET, with the lock held.
	react func(key, body string)
}

func newFakeAPI(t *testing.T) *fakeAPI {
	t.Helper()
	f := &fakeAPI{answers: map[string]string{}, status: map[string]int{}, feed: make(chan string, 16), gathered: make(chan struct{}), get: map[string]string{
		"/api/v1/server": `{"server_id":"S","name":"Hotel","version":"1.0","mode":"embedded","instances":[]}`,
		"/api/v1/clients": fmt.Sprintf(`{"clients":[
		 {"client_id":%q,"name":"Kitchen","fingerprint":"tiger-nine-oak","connected":true,"trust":"approved","group_id":"g1","player":{"volume":50,"muted":false,"stream_format":{"codec":"flac","sample_rate":44100,"channels":2,"bit_depth":16},"buffered_ms":4200}},
		 {"client_id":%q,"name":"sp-8271","label":"Lobby","connected":true,"trust":"paired","group_id":"g1","player":{"volume":40,"muted":true,"stream_format":{"codec":"pcm","sample_rate":48000,"channels":2,"bit_depth":24},"buffered_ms":800,"chunks_late":3}},
		 {"client_id":%q,"name":"Kitchen radio","connected":false,"trust":"approved","group_id":"solo1","last_seen_at":"2020-01-01T00:00:00Z"},
		 {"client_id":%q,"name":"Bad\u001b[2J","fingerprint":"wolf-two-elm","connected":true,"trust":"unapproved","waiting":"new","pair_methods":[{"method":"dynamic_pairing_code","formats":["digits","qr_code"],"out_channels":["display"]},{"method":"static_pairing_code","locations":["device"]},{"method":"pairing_psk"}]},
		 {"client_id":%q,"name":"Lobby","fingerprint":"crow-six-fir","connected":true,"trust":"unapproved","waiting":"name_reused_by_new_key","warning":"name_reused_by_new_key"}]}`,
			kitchenID, lobbyID, awayID, newID, poserID),
		"/api/v1/groups": fmt.Sprintf(`{"groups":[
		 {"group_id":"solo1","name":"Kitchen radio","solo":true,"members":[%q],"playback_state":"stopped","volume":30},
		 {"group_id":"g1","name":"Downstairs","members":[%q,%q],"playback_state":"playing","volume":45,"now_playing":{"title":"Take Five","artist":"Dave Brubeck","duration_ms":324000,"position_ms":133000},"queue_length":2,"source":"jazz/take-five.flac"},
		 {"group_id":"g2","name":"Bar","members":[],"playback_state":"playing","volume":10,"muted":true,"source":"tone:440"}]}`, awayID, kitchenID, lobbyID),
		"/api/v1/inbox": fmt.Sprintf(`{"waiting":[
		 {"client_id":%q,"name":"Bad\u001b[2J","address":"192.0.2.1:1","fingerprint":"wolf-two-elm","first_seen_at":"2020-01-01T00:00:00Z","reason":"new","expires_at":%q,"manufacturer":"Acme","product_name":"Box","pair_methods":[{"method":"dynamic_pairing_code"},{"method":"pairing_psk"}]},
		 {"client_id":%q,"name":"Lobby","address":"192.0.2.2:1","fingerprint":"crow-six-fir","first_seen_at":"2020-01-01T00:00:00Z","reason":"name_reused_by_new_key","warning":"name_reused_by_new_key"}]}`, newID, time.Now().Add(70*time.Hour).Format(time.RFC3339), poserID),
		"/api/v1/groups/g1/queue":                      `{"group_id":"g1","items":[{"id":"qa","uri":"a.flac","title":"A","artist":"X","duration_ms":61000},{"id":"qb","uri":"http://h/b.mp3"}],"index":1}`,
		"/api/v1/groups/g1/history":                    `{"group_id":"g1","items":[{"id":"qa","uri":"a.flac","title":"A","artist":"X","played_ms":61000,"played_at":"2026-01-02T03:04:05Z"}]}`,
		"/api/v1/clients/" + lobbyID:                   fmt.Sprintf(`{"client_id":%q,"name":"sp-8271","label":"Lobby","connected":true,"trust":"paired","player":{"volume":40,"muted":true}}`, lobbyID),
		"/api/v1/pairing/tokens":                       fmt.Sprintf(`{"tokens":[{"client_id":%q,"fingerprint":"wolf-two-elm","state":"waiting","attempts":0,"actor":"token:admin","added_at":"2020-01-01T00:00:00Z"}]}`, newID),
		"/api/v1/library?path=":                        `{}`,
		"/api/v1/library":                              `{"path":"","entries":[{"name":"jazz","path":"jazz","folder":true},{"name":"a.flac","path":"a.flac","title":"A","duration_ms":61000,"sample_rate":44100,"bit_depth":16},{"name":"b.flac","path":"b.flac","error":"is no FLAC file"}]}`,
		"/api/v1/library/search?limit=100&q=take+five": `{"query":"take five","found":140,"entries":[{"name":"jazz","path":"jazz","folder":true},{"name":"five.m3u","path":"five.m3u","playlist":true},{"name":"t5.flac","path":"jazz/t5.flac","title":"Take Five","artist":"Dave Brubeck","duration_ms":324000}]}`,
		"/api/v1/library/search?limit=100&q=zzz":       `{"query":"zzz","found":0,"entries":[]}`,
		"/api/v1/library/status":                       `{"state":"scanning","files_found":30000,"files_read":15000,"tracks":14000,"playlists":3,"unreadable":2,"decoders":["flac","aac (ffmpeg)"]}`,
		"/api/v1/audit?since=0&limit=1000":             `{"events":[{"id":1,"at":"2026-01-02T03:04:05Z","actor":"token:admin","kind":"client.approved","client_id":"kitchenAAAA","detail":"Kitchen"}]}`,
		"/api/v1/sightings":                            `{"sightings":[{"key":"addr-1","url":"ws://192.0.2.4:8928/sendspin","via":"api","present":true,"last_seen_at":"2020-01-01T00:00:00Z"},{"key":"m-2","url":"ws://192.0.2.5:8928/sendspin","name":"Bad\u001b[2J","via":"mdns","last_seen_at":"2020-01-01T00:00:00Z"}]}`,
		"/api/v1/users":                                `{"users":[{"user_id":"u-1","name":"Maria","role":"admin","zones":[],"disabled":false,"has_password":true,"created_at":"2020-01-01T00:00:00Z","last_sign_in_at":"2020-01-02T00:00:00Z"},{"user_id":"u-2","name":"Anna","role":"none","zones":[{"group_id":"g2","role":"operator"}],"disabled":true,"has_password":true,"created_at":"2020-01-01T00:00:00Z"}]}`,
		"/api/v1/tokens":                               `{"tokens":[{"token_id":"t1","name":"night manager","role":"operator","created_at":"2020-01-01T00:00:00Z"}]}`,
	}}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(func() { f.CloseClientConnections(); f.Close() })
	return f
}

func (f *fakeAPI) serve(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer good" {
		problemTo(w, 401, "wrong token")
		return
	}
	if r.URL.Path == "/api/v1/events" {
		f.stream(w, r)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	key := r.Method + " " + r.URL.Path
	if s := f.status[key]; s != 0 {
		problemTo(w, s, "because of "+r.URL.Path)
		return
	}
	if r.Method == http.MethodGet {
		b, ok := f.get[r.URL.RequestURI()]
		if !ok {
			problemTo(w, 404, "there is nothing at "+r.URL.RequestURI())
			return
		}
		_, _ = io.WriteString(w, b)
		return
	}
	body, _ := io.ReadAll(r.Body)
	f.requests = append(f.requests, strings.TrimSpace(key+" "+string(body)))
	if f.gather > 0 {
		if f.atOnce++; f.atOnce == f.gather {
			f.together.Do(func() { close(f.gathered) })
		}
		f.mu.Unlock()
		select { // a service that takes its time
		case <-f.gathered:
		case <-r.Context().Done():
		}
		f.mu.Lock()
		f.atOnce--
	}
	if f.react != nil {
		f.react(key, string(body))
	}
	a := f.answers[key]
	if a == "" {
		a = `{"group_id":"g1","name":"Downstairs","client_id":"x","items":[]}`
	}
	_, _ = io.WriteString(w, a)
}

func (f *fakeAPI) stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = fmt.Fprintf(w, "id: e-%s\n\n", r.Header.Get("Last-Event-ID"))
	_ = http.NewResponseController(w).Flush()
	for {
		select {
		case s, ok := <-f.feed:
			if !ok || s == "cut" {
				return
			}
			_, _ = io.WriteString(w, s)
			_ = http.NewResponseController(w).Flush()
		case <-r.Context().Done():
			return
		}
	}
}

func problemTo(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "title": http.StatusText(status), "detail": detail})
}

func (f *fakeAPI) sent() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string{}, f.requests...)
}

// tutti runs a command line as the program would.
func tutti(ctx context.Context, out io.Writer, args ...string) error {
	root := &cobra.Command{Use: "tutti", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(Commands()...)
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(io.Discard)
	return root.ExecuteContext(ctx)
}

func (f *fakeAPI) run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := tutti(t.Context(), &out, append(args, f.access(args)...)...)
	return out.String(), err
}

// runWith is run with something on standard input.
func (f *fakeAPI) runWith(t *testing.T, in io.Reader, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	root := &cobra.Command{Use: "tutti", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(Commands()...)
	root.SetArgs(append(args, f.access(args)...))
	root.SetIn(in)
	root.SetOut(&out)
	root.SetErr(&out)
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

// access are the flags that lead to the fake API.
func (f *fakeAPI) access(args []string) []string {
	token := "--token"
	if len(args) > 0 && args[0] == "pair" {
		token = "--api-token"
	}
	return []string{"--server", f.URL, token, "good"}
}
