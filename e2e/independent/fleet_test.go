package independent

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// TestFiftyPlayersFromATokenFile: one run of the command enrols a carton of fifty,
// half of them connected before and half after, with progress, no error, and a log
// that speaks of each of them plainly and of no secret.
func TestFiftyPlayersFromATokenFile(t *testing.T) {
	for _, mode := range harness.Modes() {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := harness.StartServer(t, mode, harness.Options{})
			const n = 50
			var file strings.Builder
			file.WriteString("# carton 7\n\n")
			var secrets []string
			boxes := make([]options, n)
			for i := range boxes {
				boxes[i] = options{name: fmt.Sprintf("Room %02d", i+1), pair: &pairer{}, suite: []string{suiteChaCha, suiteAES}[i%2]}
				boxes[i].fill(t)
				printed := token('0', slices.Concat(boxes[i].key.Public, boxes[i].vault.psk))
				fmt.Fprintln(&file, printed)
				secrets = append(secrets, printed[60:], b64.EncodeToString(boxes[i].vault.psk))
			}
			path := filepath.Join(t.TempDir(), "boxes.txt")
			check(t, os.WriteFile(path, []byte(file.String()), 0o600))
			devices := make([]*device, n)
			for i := range n / 2 {
				devices[i] = boxes[i].start(t, s)
			}
			started := time.Now()
			p := harness.Start(t, "tutti pair", nil, s.CLIEnv(), s.Bin(), "pair", "--token-file", path)
			for i := n / 2; i < n; i++ {
				devices[i] = boxes[i].start(t, s)
			}
			select {
			case <-p.Done():
			case <-time.After(3 * patience):
				t.Fatal("tutti pair --token-file does not end")
			}
			t.Logf("fifty in %s", time.Since(started).Round(time.Millisecond))
			if p.ExitCode() != 0 {
				t.Errorf("exit status %d", p.ExitCode())
			}
			out := p.Output()
			t.Logf("--- tutti pair --token-file\n%s", out)
			if !strings.Contains(out, "50") || !strings.Contains(out, "Room 07") {
				t.Error("the progress names neither the number nor the devices")
			}
			for _, d := range devices {
				d.onRecord(s)
			}
			for _, secret := range secrets {
				for _, name := range []string{"serve", "pairing", "session-gateway", "management"} {
					if pr := s.Proc(name); pr != nil && strings.Contains(pr.Output(), secret) {
						t.Fatalf("the log of %s has a secret", name)
					}
				}
			}
			verifyAudit(t, s)
		})
	}
}

func (o options) start(t *testing.T, s *harness.Server) *device { return connect(t, s.Sendspin, o) }
