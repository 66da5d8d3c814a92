package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/e2e/harness"
	"github.com/tutti-audio/tutti/platform/nettest"
)

// nsEnv names the other namespace to the copy of this test binary that runs
// inside the first one.
const nsEnv = "TUTTI_E2E_OTHER_NAMESPACE"

// A player in another network namespace is found by mDNS and dialled by the
// server; another dials in. Both wait in the inbox without roles, are approved
// over the API, and play the same file bit by bit at the same server times.
// Loopback carries no multicast, hence the namespaces and the veth link.
func TestAPlayerFoundByMDNSPlaysInStepWithOneThatDialsIn(t *testing.T) {
	if other := os.Getenv(nsEnv); other != "" {
		eachMode(t, func(t *testing.T, mode string) { playAcrossNamespaces(t, mode, other) })
		return
	}
	pair := nettest.CreatePair(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	cmd := nettest.Command(ctx, pair.A, self, "-test.run", "^"+t.Name()+"$", "-test.v", "-test.timeout", "7m")
	for _, kv := range os.Environ() {
		// A PostgreSQL on the host's loopback is out of reach in there; the copy starts its own.
		if !strings.HasPrefix(kv, "TUTTI_TEST_POSTGRES_URL=") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, nsEnv+"="+pair.B)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()+"/distributed") {
		t.Fatalf("inside the namespace: %v\n%s", err, out)
	}
}

// playAcrossNamespaces is the part that runs in namespace A.
func playAcrossNamespaces(t *testing.T, mode, other string) {
	t.Helper()
	music := t.TempDir()
	want := harness.MusicFile(t, music, "song.flac", 4.2, 11)
	s := harness.StartServer(t, mode, harness.Options{Music: music, MDNS: true})
	found := startPlayer(t, other)
	dialled := harness.NewDevice(t, "Dials in", harness.PCM44, harness.DeviceOptions{})
	studio := harness.NewDevice(t, "Studio", harness.PCM48, harness.DeviceOptions{})
	dialled.Connect(t, s.Sendspin)
	studio.Connect(t, s.Sendspin)
	ids := []string{approve(t, s, "Found by mDNS"), approve(t, s, "Dials in"), approve(t, s, "Studio")}
	if c, _ := s.ClientNamed(t, "Found by mDNS"); c.Connection != "outbound" {
		t.Errorf("the server did not dial the advertised player: connection is %q", c.Connection)
	}
	g := group(t, s, "Hall", ids...)
	s.Must(t, "POST", "/api/v1/groups/"+g+"/play", map[string]any{"uri": "song.flac"}, nil)
	for _, name := range []string{"recording", "stream_end"} {
		harness.Eventually(t, patience, name+" on the player found by mDNS", func() string {
			if found.last(name) == nil {
				return "no such event"
			}
			return ""
		})
	}
	harness.Eventually(t, patience, "the players that dialled in heard all", func() string {
		if dialled.Ended() == 0 || studio.Ended() == 0 {
			return "no stream/end"
		}
		return ""
	})
	t0, samples, err := harness.Joined(dialled.Spans(), 44100, 2)
	if err != nil {
		t.Fatal(err)
	}
	if i := harness.FirstDifference(samples, want); i >= 0 || len(samples) != len(want) {
		t.Errorf("the player that dialled in: %d of %d samples, first difference at %d", len(samples), len(want), i)
	}
	checkResampled(t, studio, t0, want)
	found.compare(t, t0, want)
}

// cliPlayer is `tutti player` in the other namespace.
type cliPlayer struct {
	proc *harness.Proc
	wav  string

	mu     sync.Mutex
	events map[string]map[string]any
	broken []string
}

func startPlayer(t *testing.T, ns string) *cliPlayer {
	t.Helper()
	bin := harness.MustBuild(t, "github.com/tutti-audio/tutti/cmd/tutti")
	dir := t.TempDir()
	p := &cliPlayer{wav: filepath.Join(dir, "out.wav"), events: map[string]map[string]any{}}
	ipCmd, err := exec.LookPath("ip")
	if err != nil {
		t.Fatal(err)
	}
	p.proc = harness.Start(t, "player", p.line, nil, ipCmd, "netns", "exec", ns, bin, "player",
		"--listen", ":8928", "--name", "Found by mDNS", "--identity", filepath.Join(dir, "id.json"),
		"--formats", "flac:44100:16:2", "--output", "wav:"+p.wav, "--json")
	return p
}

func (p *cliPlayer) line(line string) {
	var e map[string]any
	if json.Unmarshal([]byte(line), &e) != nil {
		return
	}
	name := fmt.Sprint(e["event"])
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events[name] = e
	if name == "violation" || name == "chunk_error" {
		p.broken = append(p.broken, line)
	}
}

func (p *cliPlayer) last(event string) map[string]any {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.events[event]
}

// compare checks the recording: the file's samples, the first of them at the
// same server time as on the other player.
func (p *cliPlayer) compare(t *testing.T, t0 int64, want []int32) {
	t.Helper()
	if got := p.last("recording")["first_timestamp"]; got != float64(t0) {
		t.Errorf("the player found by mDNS starts at %v µs, the other at %d µs", got, t0)
	}
	p.proc.Terminate(t, 10*time.Second)
	got := harness.ReadSamples(t, filepath.Dir(p.wav), filepath.Base(p.wav))
	if i := harness.FirstDifference(got, want); i >= 0 || len(got) < len(want) {
		t.Errorf("its recording has %d samples, the file %d; first difference at %d", len(got), len(want), i)
	}
	// What the recording has beyond the file is silence.
	if extra := got[min(len(got), len(want)):]; slices.ContainsFunc(extra, func(v int32) bool { return v != 0 }) {
		t.Errorf("the recording goes on after the file's end")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.broken) > 0 {
		t.Errorf("%d violations, first: %s", len(p.broken), p.broken[0])
	}
}
