package ctlcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/tutti-audio/tutti/sendspin/pairtoken"
)

const pairingOfNew = "/api/v1/clients/" + newID + "/pairing"

// pairs makes the fake API a server with a device that takes the code 123456.
func (f *fakeAPI) pairs(first string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	round := 1
	say := func(state, rest string) string {
		a := fmt.Sprintf(`{"client_id":%q,"attempt_id":"a1","state":%q,"method":"dynamic_pairing_code","format":"digits","code_length":6,"round":%d%s}`, newID, state, round, rest)
		f.get[pairingOfNew] = a
		return a
	}
	f.react = func(key, body string) {
		switch {
		case key == "POST "+pairingOfNew && first == "connecting":
			f.answers[key] = say("connecting", "")
			say("awaiting_code", "")
		case key == "POST "+pairingOfNew:
			f.answers[key] = say(first, "")
		case key == "POST "+pairingOfNew+"/code" && strings.Contains(body, "123"):
			f.answers[key] = say("verifying", "")
			say("paired", "")
		case key == "POST "+pairingOfNew+"/code":
			f.answers[key] = say("verifying", "")
			round++
			say("awaiting_code", "")
		case key == "DELETE "+pairingOfNew:
			f.answers[key] = say("cancelled", `,"reason":"cancelled"`)
		}
	}
}

// turn lets the attempt go on by itself.
func (f *fakeAPI) turn(attempt string) {
	f.mu.Lock()
	f.get[pairingOfNew] = attempt
	f.mu.Unlock()
	f.feed <- "event: pairing.updated\nid: e-1\ndata: {\"client_id\":\"" + newID + "\"}\n\n"
}

// console runs a command with a person or script at its input.
type console struct {
	out, err *syncBuffer
	in       *io.PipeWriter
	cancel   context.CancelFunc
	done     chan error
}

func (f *fakeAPI) console(t *testing.T, args ...string) *console {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	c := &console{out: &syncBuffer{}, err: &syncBuffer{}, in: w, cancel: cancel, done: make(chan error, 1)}
	root := &cobra.Command{Use: "tutti", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(Commands()...)
	root.SetArgs(append(args, f.access(args)...))
	root.SetIn(r)
	root.SetOut(c.out)
	root.SetErr(c.err)
	go func() { c.done <- root.ExecuteContext(ctx) }()
	t.Cleanup(func() { cancel(); _ = w.Close() })
	return c
}

func (c *console) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-c.done:
		_ = c.in.Close()
		return err
	case <-time.After(time.Minute):
		t.Fatalf("the command did not end:\n%s%s", c.out, c.err)
		return nil
	}
}

func (c *console) typeIn(s string) { go func() { _, _ = io.WriteString(c.in, s) }() }

func TestPairByCode(t *testing.T) {
	f := newFakeAPI(t)
	f.pairs("connecting")
	c := f.console(t, "pair", "wolf")
	eventually(t, c.out, "expects 6 digits")
	c.typeIn("99 99 99\n\n123-456\n")
	if err := c.wait(t); err != nil {
		t.Fatal(err)
	}
	out := c.out.String()
	for _, want := range []string{"Pairing Bad·[2J (wolf-two-elm) by a code that it shows", "asking Bad·[2J to pair", "that code was wrong; round 2", "✓ Bad·[2J is paired"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in:\n%s", want, out)
		}
	}
	if strings.Contains(out, "123-456") || strings.Contains(out, "999999") {
		t.Errorf("a code was echoed:\n%s", out)
	}
	want := []string{"POST " + pairingOfNew + ` {"format":"digits","method":"dynamic_pairing_code"}`, "POST " + pairingOfNew + `/code {"code":"99 99 99"}`, "POST " + pairingOfNew + `/code {"code":"123-456"}`}
	if got := f.sent(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("sent %q, want %q", got, want)
	}
}

func TestPairWithFlags(t *testing.T) {
	tok := tokenOf("x", 1)
	for line, want := range map[string]string{
		"pair wolf --method static --code 1234-5678": `{"code":"1234-5678","method":"static_pairing_code"}`,
		"pair wolf --token " + tok:                   `{"method":"pairing_psk","token":"` + tok + `"}`,
		"pair wolf --code 123456":                    `{"format":"digits","method":"dynamic_pairing_code"}`,
		"pair wolf --format qr":                      `{"format":"qr_code","method":"dynamic_pairing_code"}`,
	} {
		f := newFakeAPI(t)
		first := "paired"
		if strings.Contains(line, "--code 123456") {
			first = "connecting"
		}
		f.pairs(first)
		out, err := f.run(t, strings.Fields(line)...)
		if err != nil || !strings.Contains(out, "is paired") {
			t.Errorf("%s: %v\n%s", line, err, out)
		}
		if got := f.sent(); got[0] != "POST "+pairingOfNew+" "+want {
			t.Errorf("%s: sent %q", line, got)
		}
	}
}

func TestPairAsksForWhatGoesBeforeTheStart(t *testing.T) {
	tok := tokenOf("x", 2)
	for line, answer := range map[string]string{"pair wolf --method static": "1234 5678", "pair wolf --method token": tok} {
		f := newFakeAPI(t)
		f.pairs("paired")
		c := f.console(t, strings.Fields(line)...)
		c.typeIn(answer + "\n")
		if err := c.wait(t); err != nil || !strings.Contains(f.sent()[0], answer) {
			t.Errorf("%s: %v, sent %q", line, err, f.sent())
		}
	}
	f := newFakeAPI(t)
	c := f.console(t, "pair", "wolf", "--method", "static")
	_ = c.in.Close()
	if err := c.wait(t); err == nil || !strings.Contains(err.Error(), "no code came on standard input") {
		t.Errorf("err = %v", err)
	}
	if got := f.sent(); len(got) != 0 {
		t.Errorf("sent %q", got)
	}
}

func TestPairShowsWhatTheDeviceSays(t *testing.T) {
	f := newFakeAPI(t)
	f.pairs("pending")
	c := f.console(t, "pair", "wolf")
	eventually(t, c.out, "holds the attempt back: look whether")
	f.turn(`{"client_id":"` + newID + `","attempt_id":"a1","state":"pending","round":0,"message":"Press\u001b[2J the button"}`)
	eventually(t, c.out, "The device says: “Press·[2J the button”")
	f.turn(`{"client_id":"` + newID + `","attempt_id":"a1","state":"failed","reason":"attempt_timeout"}`)
	if err := c.wait(t); err == nil || !strings.Contains(err.Error(), "waited too long") || !strings.Contains(err.Error(), "'tutti pair wolf'") {
		t.Errorf("err = %v", err)
	}
}

func TestEveryFailureHasANextStep(t *testing.T) {
	seen := map[string]bool{}
	for _, reason := range []string{"pairing_code_mismatch", "attempt_timeout", "method_not_supported", "concurrent_attempt", "user_cancelled", "cancelled",
		"server_timeout", "protocol_error", "disconnected", "not_connected", "interrupted", "storage_failed", "a_reason_of_tomorrow"} {
		s := failure("Kitchen", "kitchen", apiPairing{State: "failed", Reason: reason})
		if !strings.Contains(s, "tutti ") || seen[s] || strings.Contains(s, "\n") {
			t.Errorf("%s: %q", reason, s)
		}
		seen[s] = true
	}
	if s := failure("K", "k", apiPairing{State: "failed", Reason: "server_timeout", Detail: "no code was entered in time"}); s != "no code was entered in time ('tutti pair k')" {
		t.Errorf("got %q", s)
	}
	if s := failure("K", "k", apiPairing{State: "failed", Reason: "new", Detail: "Do this."}); s != "Do this." {
		t.Errorf("a reason that is not known here: %q", s)
	}
}

func TestCtrlCCancelsAtTheServer(t *testing.T) {
	f := newFakeAPI(t)
	f.pairs("connecting")
	c := f.console(t, "pair", "wolf")
	eventually(t, c.out, "expects 6 digits")
	c.cancel()
	err := c.wait(t)
	if err == nil || errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "ended at the server") {
		t.Errorf("err = %v", err)
	}
	if got := f.sent(); got[len(got)-1] != "DELETE "+pairingOfNew {
		t.Errorf("sent %q", got)
	}
	// A server that cannot be told is said so.
	f = newFakeAPI(t)
	f.pairs("connecting")
	f.status["DELETE "+pairingOfNew] = 503
	c = f.console(t, "pair", "wolf")
	eventually(t, c.out, "expects 6 digits")
	c.cancel()
	if err := c.wait(t); err == nil || !strings.Contains(err.Error(), "could not be cancelled") {
		t.Errorf("err = %v", err)
	}
}

func TestEndOfInputCancels(t *testing.T) {
	f := newFakeAPI(t)
	f.pairs("connecting")
	c := f.console(t, "pair", "wolf")
	c.typeIn("000000\n")
	eventually(t, c.out, "round 2")
	_ = c.in.Close()
	if err := c.wait(t); err == nil || !strings.Contains(err.Error(), "standard input ended") {
		t.Errorf("err = %v", err)
	}
	if got := f.sent(); got[len(got)-1] != "DELETE "+pairingOfNew {
		t.Errorf("sent %q", got)
	}
}

func TestABadLineIsNamedAndCancels(t *testing.T) {
	f := newFakeAPI(t)
	f.pairs("connecting")
	c := f.console(t, "pair", "wolf")
	c.typeIn("12a456\n")
	err := c.wait(t)
	if err == nil || !strings.Contains(err.Error(), "digits only") || strings.Contains(err.Error(), "12a456") {
		t.Errorf("err = %v", err)
	}
}

func TestPairWhileAnotherPairs(t *testing.T) {
	f := newFakeAPI(t)
	f.status["POST "+pairingOfNew] = 409
	if _, err := f.run(t, "pair", "wolf"); err == nil || !strings.Contains(err.Error(), "because of") {
		t.Errorf("err = %v", err)
	}
	f = newFakeAPI(t)
	f.pairs("pending")
	c := f.console(t, "pair", "wolf")
	eventually(t, c.out, "holds the attempt back")
	f.turn(`{"client_id":"` + newID + `","attempt_id":"a2","state":"connecting","actor":"token:bob"}`)
	if err := c.wait(t); err == nil || !strings.Contains(err.Error(), "token:bob began another attempt") {
		t.Errorf("err = %v", err)
	}
}

// TestPairWithoutTheFeed: the feed is a help and no condition.
func TestPairWithoutTheFeed(t *testing.T) {
	f := newFakeAPI(t)
	f.pairs("pending")
	f.feed <- "cut"
	c := f.console(t, "pair", "wolf")
	eventually(t, c.out, "holds the attempt back")
	f.mu.Lock()
	f.get[pairingOfNew] = `{"client_id":"` + newID + `","attempt_id":"a1","state":"paired"}`
	f.mu.Unlock()
	if err := c.wait(t); err != nil {
		t.Errorf("err = %v", err)
	}
}

func TestPairJSONIsOneEventPerLine(t *testing.T) {
	f := newFakeAPI(t)
	f.pairs("connecting")
	c := f.console(t, "pair", "wolf", "--json")
	c.typeIn("123456\n")
	if err := c.wait(t); err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for line := range strings.Lines(c.out.String()) {
		var e struct {
			Event string
			Data  struct{ State string }
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		kinds = append(kinds, e.Event+" "+e.Data.State)
	}
	want := []string{"pairing.updated connecting", "pairing.updated awaiting_code", "code.wanted ", "pairing.updated paired"}
	if strings.Join(kinds, "\n") != strings.Join(want, "\n") {
		t.Errorf("events %q, want %q", kinds, want)
	}
}

// tokenOf is a pairing token of a made-up device.
func tokenOf(name string, n byte) string {
	var key, psk [32]byte
	copy(key[:], name)
	key[31], psk[0] = n, n+1
	return pairtoken.EncodePSK(key, psk)
}
