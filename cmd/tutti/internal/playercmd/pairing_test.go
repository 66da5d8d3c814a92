package playercmd

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/pairing"
	"github.com/tutti-audio/tutti/sendspin/sendspintest"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// withKeys runs the command with a keyboard.
func withKeys(t *testing.T, args ...string) (p *command, press func(line string)) {
	t.Helper()
	r, w := io.Pipe()
	t.Cleanup(func() { _ = w.Close() })
	p = startWith(t, r, args...)
	return p, func(line string) {
		t.Helper()
		if _, err := io.WriteString(w, line+"\n"); err != nil {
			t.Fatal(err)
		}
	}
}

// finish promotes the session and plays.
func finish(t *testing.T, p *command, srv *sendspintest.Server, a *sendspintest.Attempt) {
	t.Helper()
	if e := a.AwaitEnd(); e.Outcome != pairing.Success {
		t.Errorf("ended %+v", e)
	}
	if e := p.wait("paired"); e["server"] != "test" || len(e["server_id"].(string)) != 43 {
		t.Errorf("%v", e)
	}
	if e := p.wait("pairing_ended"); e["outcome"] != "success" || e["reason"] != "" {
		t.Errorf("%v", e)
	}
	a.Promote([]string{wire.ActivityPlayback}, wire.RolePlayerV1)
	if e := p.wait("rekeyed"); e["paired"] != true || e["category"] != "lt" {
		t.Errorf("%v", e)
	}
	if e := p.wait("activated"); len(e["roles"].([]any)) != 1 {
		t.Errorf("%v", e)
	}
}

func TestShowsDigitsUntilTheyAreEntered(t *testing.T) {
	url, accepted := server(t)
	p := start(t, "--connect", url, "--unpaired-access=false")
	srv := sendspintest.NewServer(t, <-accepted, sendspintest.ServerOptions{})
	a := srv.Pair(srv.Greet(), wire.MethodDynamicCode, wire.FormatDigits, nil)
	if e := p.wait("pairing_started"); e["method"] != wire.MethodDynamicCode || e["format"] != wire.FormatDigits || e["server"] != "test" {
		t.Errorf("%v", e)
	}
	a.AwaitQuestion(1)
	e := p.wait("pairing_code")
	code, _ := e["code"].(string)
	if len(code) != 7 || code[3] != '-' || e["round"] != 1.0 || e["token"] != nil {
		t.Fatalf("%v", e)
	}
	wrong := []byte(code)
	wrong[0] = '0' + (wrong[0]-'0'+1)%10
	a.Enter(string(wrong))
	a.AwaitQuestion(2)
	if e := p.wait("pairing_code"); e["code"] != code || e["round"] != 2.0 {
		t.Errorf("%v", e)
	}
	a.Enter(code)
	finish(t, p, srv, a)
	srv.Send(&wire.ServerUnpair{})
	if e := p.wait("unpaired"); e["server"] != "test" {
		t.Errorf("%v", e)
	}
	if e := p.wait("goodbye"); e["reason"] != "unpaired" {
		t.Errorf("%v", e)
	}
}

func TestShowsATokenToScan(t *testing.T) {
	url, accepted := server(t)
	p := start(t, "--connect", url)
	srv := sendspintest.NewServer(t, <-accepted, sendspintest.ServerOptions{})
	a := srv.Pair(srv.Greet(), wire.MethodDynamicCode, wire.FormatQRCode, nil)
	a.AwaitQuestion(1)
	e := p.wait("pairing_code")
	token, _ := e["token"].(string)
	if !strings.HasPrefix(token, "SP:1") || e["code"] != nil {
		t.Fatalf("%v", e)
	}
	a.Enter(token)
	finish(t, p, srv, a)
}

func TestStaticCodeWaitsForTheKey(t *testing.T) {
	url, accepted := server(t)
	p, press := withKeys(t, "--connect", url, "--static-code", "12345678")
	srv := sendspintest.NewServer(t, <-accepted, sendspintest.ServerOptions{})
	hello := srv.Greet()
	a := srv.Pair(hello, wire.MethodStaticCode, "", nil)
	if got := a.AwaitHeld(); got != "press p on the player's keyboard" {
		t.Errorf("held with %q", got)
	}
	if e := p.wait("pairing_held"); e["message"] != "press p on the player's keyboard" || e["method"] != wire.MethodStaticCode {
		t.Errorf("%v", e)
	}
	press("c") // cancels what waits
	if e := a.AwaitEnd(); e.Reason != wire.AbortUserCancelled {
		t.Errorf("%+v", e)
	}
	if e := p.wait("pairing_ended"); e["outcome"] != "aborted_here" || e["reason"] != wire.AbortUserCancelled {
		t.Errorf("%v", e)
	}
	srv.Activate([]string{})
	a = srv.Pair(hello, wire.MethodStaticCode, "", nil)
	a.AwaitHeld()
	press("p")
	if e := p.wait("pairing_window"); e["open"] != true || e["for_ms"].(float64) < 200_000 {
		t.Errorf("%v", e)
	}
	a.AwaitQuestion(1)
	a.Enter("1234 5678")
	finish(t, p, srv, a)
	press("q")
	if e := p.wait("goodbye"); e["reason"] != "shutdown" {
		t.Errorf("%v", e)
	}
	if err := p.end(); err != nil {
		t.Errorf("quit with %v", err)
	}
}

func TestNoCodeIsOfferedOnRequest(t *testing.T) {
	url, accepted := server(t)
	start(t, "--connect", url, "--pairing", "none")
	srv := sendspintest.NewServer(t, <-accepted, sendspintest.ServerOptions{})
	if m := srv.Greet().PairMethods; m.PSK == nil || m.DynamicCode != nil || m.StaticCode != nil {
		t.Errorf("offers %+v", m)
	}
}

// The token of the command is the one that the player with this identity takes.
func TestTokenPairsThePlayer(t *testing.T) {
	id := filepath.Join(t.TempDir(), "id.json")
	run := func(args ...string) string {
		t.Helper()
		var out bytes.Buffer
		c := New()
		c.SetArgs(append([]string{"token", "--identity", id}, args...))
		c.SetOut(&out)
		if err := c.ExecuteContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	var told struct{ Token string }
	if err := json.Unmarshal([]byte(run("--json")), &told); err != nil {
		t.Fatal(err)
	}
	text := run()
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if lines[0] != told.Token || !strings.HasPrefix(told.Token, "SP:0") || len(lines) > 22 {
		t.Errorf("%d lines, token %v", len(lines), lines[0] == told.Token)
	}

	url, accepted := server(t)
	p := start(t, "--connect", url, "--unpaired-access=false", "--identity", id)
	tr := <-accepted
	player, err := noise.ParsePublicKey(p.wait("identity")["client_id"].(string))
	if err != nil {
		t.Fatal(err)
	}
	psk, err := pairing.ParsePSKToken(told.Token, player)
	if err != nil {
		t.Fatal(err)
	}
	srv := sendspintest.NewServer(t, tr, sendspintest.ServerOptions{Credential: channel.Credential{PSK: psk, Category: noise.Pairing}})
	a := srv.Pair(srv.Greet(), wire.MethodPSK, "", nil)
	finish(t, p, srv, a)
}

func TestPanelStaysBelowTheLinesAndFits(t *testing.T) {
	for _, v := range []pairingView{
		{server: "Casa", code: "123-456", round: 2},
		{server: strings.Repeat("x", 30), token: "SP:1" + strings.Repeat("A", 39), round: 2},
	} {
		lines := codePanel(v, false)
		if len(lines) > 22 {
			t.Errorf("%d rows", len(lines))
		}
		for _, l := range lines {
			if n := len([]rune(l)); n > 79 {
				t.Errorf("a row of %d columns: %s", n, l)
			}
		}
	}
	var b bytes.Buffer
	r := &textReporter{w: &b, live: true, width: 100}
	r.status(status{})
	r.panel(pairingView{server: "Casa", code: "123-456", round: 1})
	if err := r.event("paired", fields{"server": "Casa"}); err != nil {
		t.Fatal(err)
	}
	s := newScreen(b.String())
	if s[0] != "paired with Casa" || !strings.Contains(strings.Join(s, "\n"), "enter 123-456 at Casa (c cancels)\nwaiting for a server") {
		t.Errorf("screen:\n%s", strings.Join(s, "\n"))
	}
	if err := r.logged("a line of the log"); err != nil {
		t.Fatal(err)
	}
	if s := newScreen(b.String()); s[1] != "a line of the log" || !strings.Contains(strings.Join(s, "\n"), "enter 123-456") {
		t.Errorf("screen:\n%s", strings.Join(s, "\n"))
	}
	r.panel(pairingView{})
	if s := newScreen(b.String()); strings.Join(s, "\n") != "paired with Casa\na line of the log\nwaiting for a server" {
		t.Errorf("screen:\n%s", strings.Join(s, "\n"))
	}
}

// newScreen is what a terminal shows of the text, as far as the reporter's sequences go.
func newScreen(s string) (rows []string) {
	row := 0
	rows = []string{""}
	for s != "" {
		var n int
		switch {
		case strings.HasPrefix(s, clearLine):
			rows[row], s = "", s[len(clearLine):]
		case strings.HasPrefix(s, clearDown):
			rows, s = append(rows[:row], ""), s[len(clearDown):]
		case s[0] == '\r':
			s = s[1:]
		case strings.HasPrefix(s, "\x1b["):
			end := strings.IndexByte(s, 'A')
			for _, d := range s[2:end] {
				n = n*10 + int(d-'0')
			}
			row, s = row-n, s[end+1:]
		case s[0] == '\n':
			row, s = row+1, s[1:]
			if row == len(rows) {
				rows = append(rows, "")
			}
		default:
			rows[row], s = rows[row]+s[:1], s[1:]
		}
	}
	return rows
}

func TestTokenNeedsAReadableIdentity(t *testing.T) {
	path := filepath.Join(t.TempDir(), "id.json")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := New()
	c.SetArgs([]string{"token", "--identity", path})
	c.SetOut(io.Discard)
	c.SilenceErrors, c.SilenceUsage = true, true
	if err := c.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("%v", err)
	}
}
