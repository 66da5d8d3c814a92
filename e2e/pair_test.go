package e2e

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/e2e/harness"
)

const digits8 = "40617253"

// pairCase is one way in which a person pairs a `tutti player` with `tutti pair`.
type pairCase struct {
	name   string
	player []string // flags
	pair   []string // flags, after the name
	// help does what the person does: reads from the player, types into the command.
	help func(t *testing.T, p *harness.Player, c *harness.Proc)
}

func pairCases() []pairCase {
	code := func(field string, last int) func(*testing.T, *harness.Player, *harness.Proc) {
		return func(t *testing.T, p *harness.Player, c *harness.Proc) {
			e := p.Await(t, "pairing_code", func(e map[string]any) bool { return e["round"] == 1.0 })
			shown, _ := e[field].(string)
			if last > 1 { // a wrong code first: the device takes another round
				c.Type(wrongDigits(shown))
				p.Await(t, "pairing_code", func(e map[string]any) bool { return e["round"] == 2.0 })
			}
			c.Type(shown)
		}
	}
	return []pairCase{
		{"digits", nil, nil, code("code", 2)},
		{"qr", nil, []string{"--format", "qr"}, code("token", 1)},
		{"static", []string{"--static-code", digits8, "--unpaired-access=false"}, nil, func(t *testing.T, p *harness.Player, c *harness.Proc) {
			c.Type(digits8[:4] + "-" + digits8[4:])
			p.Await(t, "pairing_held", nil)
			p.Type("p") // the gesture
		}},
		{"token", []string{"--pairing", "none"}, nil, func(t *testing.T, p *harness.Player, c *harness.Proc) {
			c.Type(strings.ToLower(playerToken(t, p)))
		}},
	}
}

func wrongDigits(code string) string {
	last := code[len(code)-1]
	return code[:len(code)-1] + string('0'+(last-'0'+1)%10)
}

func playerToken(t *testing.T, p *harness.Player) string {
	t.Helper()
	out, err := exec.Command(harness.MustBuild(t, "github.com/tutti-audio/tutti/cmd/tutti"), "player", "token", "--json", "--identity", p.Identity).Output()
	var v struct{ Token string }
	if err == nil {
		err = json.Unmarshal(out, &v)
	}
	if err != nil || !strings.HasPrefix(v.Token, "SP:0") {
		t.Fatalf("tutti player token: %v %q", err, out)
	}
	return v.Token
}

// `tutti pair` over a pipe and `tutti player`, both as processes: each method and
// format, both suites, both directions of the connection, and a restart of the player
// that ends in a session on the pairing record.
func TestPairByCommandLine(t *testing.T) {
	eachModeAtOnce(t, func(t *testing.T, mode string) {
		s := harness.StartServer(t, mode, harness.Options{})
		t.Run("all", func(t *testing.T) {
			for i, c := range pairCases() {
				for k, suite := range []string{"chachapoly", "aesgcm"} {
					listen := (i+k)%2 == 1
					name := fmt.Sprintf("%s %s listens=%t", c.name, suite, listen)
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						pairOnce(t, s, c, name, listen, "--suite", suite)
					})
				}
			}
			t.Run("failures", func(t *testing.T) { t.Parallel(); pairFailures(t, s) })
			t.Run("Ctrl-C", func(t *testing.T) { t.Parallel(); pairInterrupted(t, s) })
		})
		if out, err := s.CLI("audit", "verify"); err != nil {
			t.Errorf("audit verify: %v\n%s", err, out)
		}
	})
}

func pairOnce(t *testing.T, s *harness.Server, c pairCase, name string, listen bool, args ...string) {
	p := harness.NewPlayer(t, s, name, listen, append(args, c.player...)...).Start(t)
	if listen {
		s.Must(t, "POST", "/api/v1/clients", map[string]any{"url": p.Listens}, nil)
	}
	awaitClient(t, s, name, func(c harness.Client) bool { return c.Connected })
	cmd := harness.Start(t, "tutti pair", nil, s.CLIEnv(), append([]string{s.Bin(), "pair", name}, c.pair...)...)
	c.help(t, p, cmd)
	exited(t, cmd, 0)
	if out := cmd.Output(); !strings.Contains(out, "is paired") {
		t.Errorf("tutti pair says:\n%s", out)
	}
	if c.name == "digits" && !strings.Contains(cmd.Output(), "6 digits") {
		t.Errorf("tutti pair does not say how many digits it wants:\n%s", cmd.Output())
	}
	p.Await(t, "paired", nil)
	onRecord(t, s, p)
	p.Stop(t)
	p.Start(t)
	p.Await(t, "connected", func(e map[string]any) bool { return e["paired"] == true && e["category"] == "lt" })
	onRecord(t, s, p)
	if v := p.Find("violation", nil); v != nil {
		t.Errorf("the player found the server at fault: %v", v)
	}
}

// onRecord waits until the API shows the player paired and with its roles.
func onRecord(t *testing.T, s *harness.Server, p *harness.Player) {
	t.Helper()
	p.Await(t, "activated", func(e map[string]any) bool { l, _ := e["roles"].([]any); return len(l) > 0 })
	awaitClient(t, s, p.Name, func(c harness.Client) bool {
		return c.Trust == "paired" && c.Connected && len(c.ActiveRoles) > 0 && c.Available != nil && *c.Available
	})
}

func awaitClient(t *testing.T, s *harness.Server, name string, ok func(harness.Client) bool) harness.Client {
	t.Helper()
	var c harness.Client
	harness.Eventually(t, patience, name, func() string {
		var found bool
		if c, found = s.ClientNamed(t, name); !found || !ok(c) {
			return fmt.Sprintf("%+v", c)
		}
		return ""
	})
	return c
}

func exited(t *testing.T, p *harness.Proc, code int) {
	t.Helper()
	select {
	case <-p.Done():
	case <-time.After(patience):
		t.Fatalf("%s does not end:\n%s", p.Name, p.Output())
	}
	if got := p.ExitCode(); got != code {
		t.Errorf("%s ended with status %d, want %d:\n%s", p.Name, got, code, p.Output())
	}
}

// pairFailures: what goes wrong is said in a sentence with the next step, the exit
// status is 1, and nobody is paired.
func pairFailures(t *testing.T, s *harness.Server) {
	p := harness.NewPlayer(t, s, "Failing", false, "--static-code", digits8).Start(t)
	awaitClient(t, s, "Failing", func(c harness.Client) bool { return c.Connected })
	p.Type("p")
	p.Await(t, "pairing_window", nil)
	cmd := harness.Start(t, "tutti pair", nil, s.CLIEnv(), s.Bin(), "pair", "Failing")
	cmd.Type(wrongDigits(digits8))
	exited(t, cmd, 1)
	if out := cmd.Output(); !strings.Contains(out, "not paired") || strings.Contains(out, digits8[:7]) {
		t.Errorf("a wrong static code:\n%s", out)
	}
	other := harness.NewPlayer(t, s, "Other", false).Start(t)
	awaitClient(t, s, "Other", func(c harness.Client) bool { return c.Connected })
	cmd = harness.Start(t, "tutti pair", nil, s.CLIEnv(), s.Bin(), "pair", "Failing", "--method", "token")
	cmd.Type(playerToken(t, other))
	exited(t, cmd, 1)
	cmd = harness.Start(t, "tutti pair", nil, s.CLIEnv(), s.Bin(), "pair", "Nobody of this name")
	exited(t, cmd, 1)
	if c, _ := s.ClientNamed(t, "Failing"); c.Trust != "unapproved" {
		t.Errorf("after failures it is %s", c.Trust)
	}
}

// pairInterrupted: Ctrl-C cancels at the server, and the device hears of it.
func pairInterrupted(t *testing.T, s *harness.Server) {
	p := harness.NewPlayer(t, s, "Interrupted", false).Start(t)
	awaitClient(t, s, "Interrupted", func(c harness.Client) bool { return c.Connected })
	cmd := harness.Start(t, "tutti pair", nil, s.CLIEnv(), s.Bin(), "pair", "Interrupted")
	p.Await(t, "pairing_code", nil)
	cmd.Signal(syscall.SIGINT)
	exited(t, cmd, 1)
	p.Await(t, "pairing_ended", func(e map[string]any) bool { return e["reason"] == "user_cancelled" })
	c := awaitClient(t, s, "Interrupted", func(c harness.Client) bool { return c.Connected })
	harness.Eventually(t, patience, "the API shows it cancelled", func() string {
		var a struct{ State, Reason string }
		if s.Must(t, "GET", "/api/v1/clients/"+c.ClientID+"/pairing", nil, &a); a.State != "cancelled" {
			return fmt.Sprintf("%+v", a)
		}
		return ""
	})
	if c.Trust != "unapproved" {
		t.Errorf("after Ctrl-C: trust %s", c.Trust)
	}
}
