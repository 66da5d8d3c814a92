package ctlcmd

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/sendspin/pairtoken"
)

// carton is a file of n tokens, and makes the fake API take them.
func (f *fakeAPI) carton(t *testing.T, n int) (path string, ids []string) {
	t.Helper()
	var b strings.Builder
	for i := range n {
		tok := tokenOf(fmt.Sprint("box", i), byte(i))
		b.WriteString(tok + "\n")
		ids = append(ids, idOf(t, tok))
	}
	path = filepath.Join(t.TempDir(), "boxes.txt")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	f.enrolled(ids, 0)
	f.react = func(key, body string) {
		if key != "POST /api/v1/pairing/tokens" {
			return
		}
		var req struct{ Tokens []string }
		if err := json.Unmarshal([]byte(body), &req); err != nil {
			t.Error(err)
		}
		var res []string
		for i := range req.Tokens {
			res = append(res, fmt.Sprintf(`{"index":%d,"client_id":"x","state":"waiting"}`, i))
		}
		f.answers[key] = `{"results":[` + strings.Join(res, ",") + `]}`
	}
	return path, ids
}

func idOf(t *testing.T, tok string) string {
	t.Helper()
	file, err := parseTokens(strings.NewReader(tok))
	if err != nil || len(file.tokens) != 1 {
		t.Fatalf("%v %+v", err, file)
	}
	return file.tokens[0].clientID
}

// enrolled makes the first n of the devices paired.
func (f *fakeAPI) enrolled(ids []string, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []string
	for i, id := range ids {
		state := "waiting"
		if i < n {
			state = "paired"
		}
		list = append(list, fmt.Sprintf(`{"client_id":%q,"fingerprint":"fp-%d","state":%q}`, id, i, state))
	}
	f.get["/api/v1/pairing/tokens"] = `{"tokens":[` + strings.Join(list, ",") + `]}`
}

func (f *fakeAPI) poke() { f.feed <- "event: pairing.updated\nid: e-1\ndata: {}\n\n" }

func TestEnrolACarton(t *testing.T) {
	f := newFakeAPI(t)
	path, ids := f.carton(t, 50)
	c := f.console(t, "pair", "--token-file", path)
	for _, n := range []int{1, 20, 50} {
		f.enrolled(ids, n)
		f.poke()
		eventually(t, c.out, fmt.Sprintf("[%d/50] ✓ paired   fp-%d", n, n-1))
	}
	if err := c.wait(t); err != nil {
		t.Fatal(err)
	}
	if out := c.out.String(); !strings.Contains(out, "50 of 50 paired") || strings.Count(out, "paired   fp-") != 50 || strings.Contains(out, "SP:") {
		t.Errorf("said:\n%s", out)
	}
	if got := f.sent(); len(got) != 1 {
		t.Errorf("%d requests", len(got))
	}
}

func TestEnrolmentGoesInBatches(t *testing.T) {
	f := newFakeAPI(t)
	path, _ := f.carton(t, 10)
	var many strings.Builder
	for i := range 1001 {
		var key [32]byte
		key[0], key[1] = byte(i), byte(i>>8)
		many.WriteString(pairtoken.EncodePSK(key, [32]byte{1}) + "\n")
	}
	if err := os.WriteFile(path, []byte(many.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := f.run(t, "pair", "--token-file", path, "--wait", "0")
	if err != nil || !strings.Contains(out, "1001 tokens handed in") {
		t.Errorf("%v\n%s", err, out)
	}
	if got := f.sent(); len(got) != 3 || strings.Count(got[0], "SP:0") != 500 || strings.Count(got[2], "SP:0") != 1 {
		t.Errorf("%d requests", len(got))
	}
}

func TestEnrolmentTellsOfBadLines(t *testing.T) {
	f := newFakeAPI(t)
	path, ids := f.carton(t, 2)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("SP:0SECRETSE\n"+string(good)+string(good)), 0o600); err != nil {
		t.Fatal(err)
	}
	f.enrolled(ids, 2)
	c := f.console(t, "pair", "--token-file", path)
	err = c.wait(t)
	if err == nil || !strings.Contains(err.Error(), "1 line of the file cannot be used") {
		t.Errorf("err = %v", err)
	}
	said := c.err.String()
	for _, want := range []string{"line 1 holds a pairing token that was cut off", "line 4 names the same device as line 2", "line 5 names the same device as line 3"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is missing in:\n%s", want, said)
		}
	}
	if strings.Contains(said+c.out.String(), "SECRET") {
		t.Error("a token was printed")
	}
	// The API's token by mistake.
	if err := os.WriteFile(path, []byte("tutti_0123456789\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err = f.run(t, "pair", "--token-file", path); err == nil || !strings.Contains(err.Error(), "--api-token-file") {
		t.Errorf("err = %v", err)
	}
}

func TestCtrlCLeavesTheTokensWaiting(t *testing.T) {
	f := newFakeAPI(t)
	path, ids := f.carton(t, 3)
	f.enrolled(ids, 1)
	c := f.console(t, "pair", "--token-file", path)
	eventually(t, c.out, "[1/3]")
	c.cancel()
	err := c.wait(t)
	if err == nil || !strings.Contains(err.Error(), "stopped watching: 2 tokens are still waiting") {
		t.Errorf("err = %v", err)
	}
	for _, r := range f.sent() {
		if strings.HasPrefix(r, http.MethodDelete) {
			t.Errorf("sent %q", r)
		}
	}
}

func TestTheWaitEnds(t *testing.T) {
	f := newFakeAPI(t)
	path, _ := f.carton(t, 1)
	if out, err := f.run(t, "pair", "--token-file", path, "--wait", "50ms"); err == nil || !strings.Contains(err.Error(), "1 token is still waiting") || !strings.Contains(out, "0 of 1 paired") {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := f.run(t, "pair", "--token-file", path, "--wait", "-1s"); err == nil || !strings.Contains(err.Error(), "negative") {
		t.Errorf("err = %v", err)
	}
}

// TestATokenThatIsGone has paired its device, or was taken back.
func TestATokenThatIsGone(t *testing.T) {
	for trust, want := range map[string]string{"paired": "", "unapproved": "taken back"} {
		f := newFakeAPI(t)
		path, ids := f.carton(t, 1)
		f.get["/api/v1/pairing/tokens"] = `{"tokens":[]}`
		f.get["/api/v1/clients"] = fmt.Sprintf(`{"clients":[{"client_id":%q,"name":"Hall","trust":%q}]}`, ids[0], trust)
		_, err := f.run(t, "pair", "--token-file", path)
		if got := fmt.Sprint(err); want == "" && err != nil || !strings.Contains(got, want) {
			t.Errorf("%s: %v", trust, err)
		}
	}
}

func TestEnrolmentAsJSON(t *testing.T) {
	f := newFakeAPI(t)
	path, ids := f.carton(t, 2)
	f.enrolled(ids, 2)
	out, err := f.run(t, "pair", "--token-file", path, "--json")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(out) {
		if !json.Valid([]byte(line)) {
			t.Errorf("%q is no JSON", line)
		}
		n++
	}
	if n != 3 || !strings.Contains(out, `"enrolment.ended"`) {
		t.Errorf("said:\n%s", out)
	}
}

func TestTheBoardFitsTheScreen(t *testing.T) {
	var all []*enrolled
	for i := range 50 {
		state := []string{"waiting", "pairing", "paired", "paired", "failed"}[i%5]
		all = append(all, &enrolled{id: fmt.Sprint(i), name: fmt.Sprintf("box\x1b %d", i), state: state})
	}
	lines := boardLines(all, 22)
	if len(lines) != 22 || !strings.Contains(lines[0], "20/50 paired, 10 pairing, 10 waiting, 10 failed") || !strings.Contains(lines[1], "! failed") || lines[21] != "  and 30 more" {
		t.Errorf("%d lines:\n%s", len(lines), strings.Join(lines, "\n"))
	}
	if strings.Contains(strings.Join(lines, ""), "\x1b") {
		t.Error("a name moves the cursor")
	}
	if lines = boardLines(all[:3], 22); len(lines) != 4 {
		t.Errorf("%d lines for three devices", len(lines))
	}
}
