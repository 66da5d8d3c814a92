package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// The id that the API tells of an order leads through the logs of management and stream to
// the session at the gateway that carried it out: also for what a group does only after it
// has answered, as starting a stream.
func TestAnOrderIsFollowedToTheGatewayByItsTrace(t *testing.T) {
	eachModeAtOnce(t, func(t *testing.T, mode string) {
		music := t.TempDir()
		harness.MusicFile(t, music, "long.flac", 30, 5)
		s := harness.StartServer(t, mode, harness.Options{Music: music})
		d := harness.NewDevice(t, "Traced", harness.FLAC44, harness.DeviceOptions{})
		d.Connect(t, s.Sendspin)
		g := group(t, s, "Study", approve(t, s, d.Name))
		group := "/api/v1/groups/" + g
		log := func(service string) string {
			if mode == "embedded" {
				service = "serve"
			}
			return s.Proc(service).Output()
		}
		followed := func(trace, path, command string) {
			t.Helper()
			for service, parts := range map[string][]string{
				"management":      {"msg=request", "path=" + path},
				"stream":          {`msg="bus: request handled"`, "subject=", "group." + g, "code=ok"},
				"session-gateway": {`msg="session command"`, "command=" + command, "group_id=" + g},
			} {
				harness.Eventually(t, patience, service+"'s line for "+path, func() string {
					if lines := traced(log(service), trace); !slices.ContainsFunc(lines, func(l string) bool { return holds(l, parts) }) {
						return "none with " + strings.Join(parts, " ") + " among\n" + strings.Join(lines, "\n")
					}
					return ""
				})
			}
		}
		volume := ordered(t, s, group+"/volume", map[string]any{"volume": 31})
		followed(volume, group+"/volume", "volume")
		wantVolume(t, d, 31)
		play := ordered(t, s, group+"/play", map[string]any{"uri": "long.flac"})
		followed(play, group+"/play", "stream_start")
		harness.Eventually(t, patience, "the session's own line of its stream", func() string {
			if !slices.ContainsFunc(traced(log("session-gateway"), play), func(l string) bool { return holds(l, []string{`msg="stream start"`}) }) {
				return "it does not carry the trace id of the order"
			}
			return ""
		})
		stop := ordered(t, s, group+"/stop", nil)
		followed(stop, group+"/stop", "stream_end")
		// Each order has its own, and nothing but its own.
		for _, x := range []struct{ trace, command string }{{volume, "stream_start"}, {volume, "stream_end"}, {play, "volume"}, {stop, "volume"}} {
			for _, l := range traced(log("session-gateway"), x.trace) {
				if holds(l, []string{`msg="session command"`, "command=" + x.command}) {
					t.Errorf("a line has the id of another order: %s", l)
				}
			}
		}
	})
}

// ordered is the trace id of an order that the API took.
func ordered(t *testing.T, s *harness.Server, path string, body any) string {
	t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.Base+path, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+s.Token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	trace := resp.Header.Get("Tutti-Trace-Id")
	if resp.StatusCode/100 != 2 || trace == "" {
		t.Fatalf("%s: %s, trace id %q", path, resp.Status, trace)
	}
	return trace
}

// traced are the lines of a log with a trace id.
func traced(log, trace string) (out []string) {
	for line := range strings.Lines(log) {
		if strings.Contains(line, "trace_id="+trace) {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

func holds(line string, parts []string) bool {
	return !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(line, p) })
}
