//go:build unix

package ctlcmd

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// terminal runs a command at a pseudo terminal. What it shows is collected in out.
type terminal struct {
	master, slave *os.File
	out           *syncBuffer
	done          chan error
	before        *term.State
}

func (f *fakeAPI) terminal(t *testing.T, args ...string) *terminal {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Skipf("no pseudo terminal here: %v", err)
	}
	if err := pty.Setsize(master, &pty.Winsize{Rows: 24, Cols: 100}); err != nil {
		t.Fatal(err)
	}
	tt := &terminal{master: master, slave: slave, out: &syncBuffer{}, done: make(chan error, 1)}
	if tt.before, err = term.GetState(int(slave.Fd())); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() { defer close(read); _, _ = io.Copy(tt.out, master) }()
	ctx, cancel := context.WithCancel(t.Context())
	root := &cobra.Command{Use: "tutti", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(Commands()...)
	root.SetArgs(append(args, f.access(args)...))
	root.SetIn(slave)
	root.SetOut(slave)
	root.SetErr(slave)
	go func() { tt.done <- root.ExecuteContext(ctx) }()
	t.Cleanup(func() {
		cancel()
		_ = slave.Close()
		_ = master.Close()
		<-read
	})
	return tt
}

func (tt *terminal) typeIn(t *testing.T, s string) {
	t.Helper()
	if _, err := io.WriteString(tt.master, s); err != nil {
		t.Fatal(err)
	}
}

// wait waits for the end, and checks that the terminal is as it was.
func (tt *terminal) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-tt.done:
		now, serr := term.GetState(int(tt.slave.Fd()))
		if serr != nil || *now != *tt.before {
			t.Errorf("the terminal was not given back as it was (%v)", serr)
		}
		return err
	case <-time.After(time.Minute):
		t.Fatalf("the command did not end:\n%q", tt.out)
		return nil
	}
}

func TestDigitEntryAtATerminal(t *testing.T) {
	f := newFakeAPI(t)
	f.pairs("connecting")
	tt := f.terminal(t, "pair", "wolf")
	eventually(t, tt.out, "Code: ___-___")
	tt.typeIn(t, "99x9")
	eventually(t, tt.out, "Code: 999-___")
	tt.typeIn(t, "\r")
	eventually(t, tt.out, "3 digits are missing")
	tt.typeIn(t, "998\x7f9\r")
	eventually(t, tt.out, "that code was wrong; round 2")
	tt.typeIn(t, "123 456\r") // pasted
	if err := tt.wait(t); err != nil {
		t.Fatal(err)
	}
	eventually(t, tt.out, "✓ Bad·[2J is paired.")
	if got := f.sent(); !strings.HasSuffix(got[1], `{"code":"999999"}`) || !strings.HasSuffix(got[2], `{"code":"123456"}`) {
		t.Errorf("sent %q", got)
	}
}

func TestCtrlCAtTheEntry(t *testing.T) {
	f := newFakeAPI(t)
	f.pairs("connecting")
	tt := f.terminal(t, "pair", "wolf")
	eventually(t, tt.out, "Code: ___-___")
	tt.typeIn(t, "12\x03")
	if err := tt.wait(t); err == nil || !strings.Contains(err.Error(), "ended at the server") {
		t.Errorf("err = %v", err)
	}
	if got := f.sent(); got[len(got)-1] != "DELETE "+pairingOfNew {
		t.Errorf("sent %q", got)
	}
}

// TestTheAttemptEndsDuringTheEntry: the question goes, and the terminal is given back.
func TestTheAttemptEndsDuringTheEntry(t *testing.T) {
	f := newFakeAPI(t)
	f.pairs("connecting")
	tt := f.terminal(t, "pair", "wolf")
	eventually(t, tt.out, "Code: ___-___")
	tt.typeIn(t, "12")
	eventually(t, tt.out, "Code: 12_-___")
	f.turn(`{"client_id":"` + newID + `","attempt_id":"a1","state":"failed","reason":"user_cancelled"}`)
	if err := tt.wait(t); err == nil || !strings.Contains(err.Error(), "somebody cancelled it at") {
		t.Errorf("err = %v", err)
	}
}

func TestATokenIsNotShown(t *testing.T) {
	f := newFakeAPI(t)
	f.pairs("paired")
	tt := f.terminal(t, "pair", "wolf", "--method", "token")
	eventually(t, tt.out, "Pairing token: ")
	tok := tokenOf("x", 9)
	tt.typeIn(t, "nonsense\r")
	eventually(t, tt.out, "no pairing token")
	tt.typeIn(t, tok+"\r")
	if err := tt.wait(t); err != nil {
		t.Fatal(err)
	}
	eventually(t, tt.out, "is paired") // the last that is shown
	if out := tt.out.String(); strings.Contains(out, tok[4:20]) || !strings.Contains(out, "characters)") {
		t.Errorf("shown: %q", out)
	}
}

func TestTheBoardIsDrawnAgain(t *testing.T) {
	f := newFakeAPI(t)
	path, ids := f.carton(t, 50)
	tt := f.terminal(t, "pair", "--token-file", path)
	eventually(t, tt.out, "0/50 paired, 50 waiting")
	f.enrolled(ids, 30)
	f.poke()
	eventually(t, tt.out, "30/50 paired, 20 waiting")
	f.enrolled(ids, 50)
	f.poke()
	if err := tt.wait(t); err != nil {
		t.Fatal(err)
	}
	eventually(t, tt.out, "50 of 50 paired")
	if !strings.Contains(tt.out.String(), "\x1b[22A") {
		t.Error("the table was not drawn in its place")
	}
}

func TestColours(t *testing.T) {
	f := newFakeAPI(t)
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	tt := f.terminal(t, "clients")
	if err := tt.wait(t); err != nil {
		t.Fatal(err)
	}
	eventually(t, tt.out, "\x1b[32m✓ paired\x1b[0m")
	t.Setenv("NO_COLOR", "1")
	tt = f.terminal(t, "clients")
	if err := tt.wait(t); err != nil {
		t.Fatal(err)
	}
	eventually(t, tt.out, "✓ paired")
	if strings.Contains(tt.out.String(), "\x1b") {
		t.Error("NO_COLOR is not heard")
	}
}
