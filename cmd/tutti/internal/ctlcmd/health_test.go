package ctlcmd

import (
	"fmt"
	"strings"
	"testing"
)

const wellHealth = `{"at":"2026-01-02T03:04:05Z","services":[
 {"service":"session-gateway","instance_id":"g","version":"1.0","host":"nas","started_at":"2020-01-01T00:00:00Z","up":true,"cpu":0.26,"cpus":4,"memory_bytes":83000000,"goroutines":90,"sessions":2,"shared":true},
 {"service":"stream","instance_id":"s","version":"1.0","host":"nas","started_at":"2020-01-01T00:00:00Z","up":false,"cpu":0,"cpus":0,"memory_bytes":0,"goroutines":0,"shared":false}],
 "clients":[%s],"findings":[%s]}`

func TestHealth(t *testing.T) {
	f := newFakeAPI(t)
	client := fmt.Sprintf(`{"client_id":%q,"quality":"poor","rtt_us":2400,"buffered_ms":800,"late_10m":3,"reconnects_1h":1}`, lobbyID)
	f.get["/api/v1/health"] = fmt.Sprintf(wellHealth, client, "")
	out, err := f.run(t, "health")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"All is well.", "Lobby", "! poor", "2.4 ms", "0.8 s", "session-gateway", "0.26 *", "83 MB *", "✗ lost", "of one process"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not shown:\n%s", want, out)
		}
	}
	warning := `{"finding_id":"a","severity":"warning","code":"late","since":"2020-01-01T00:00:00Z","text":"Bar\u001b[2J is late.","remedy":{"code":"use_flac","text":"Send it FLAC."}}`
	f.get["/api/v1/health"] = fmt.Sprintf(wellHealth, client, warning)
	if out, err = f.run(t, "health"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"! Bar·[2J is late.", "→ Send it FLAC."} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not shown:\n%s", want, out)
		}
	}
	f.get["/api/v1/health"] = fmt.Sprintf(wellHealth, client, warning+","+strings.Replace(warning, `"warning"`, `"serious"`, 1))
	if _, err = f.run(t, "health"); err == nil || !strings.Contains(err.Error(), "1 serious finding") {
		t.Errorf("a serious finding: %v", err)
	}
	if out, err = f.run(t, "health", "--json"); err == nil || !strings.Contains(out, `"findings"`) {
		t.Errorf("as JSON: %v\n%s", err, out)
	}
}
