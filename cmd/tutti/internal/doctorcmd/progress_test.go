//go:build unix

package doctorcmd

import (
	"bytes"
	"strings"
	"testing"

	"github.com/creack/pty"
)

func TestProgressIsShownOnATerminalOnly(t *testing.T) {
	master, slave, err := pty.Open()
	if err != nil {
		t.Skipf("no pseudo terminal here: %v", err)
	}
	defer master.Close()
	defer slave.Close()
	p := newProgress(slave)
	p.count(t.Context(), listenTime, "listening on eth0")
	var shown strings.Builder
	buf := make([]byte, 100)
	for !strings.Contains(shown.String(), "listening on eth0: 3s …") { // the test's limit ends the wait
		n, err := master.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		shown.Write(buf[:n])
	}
	p.end()
	for !strings.HasSuffix(shown.String(), clearLine) {
		n, err := master.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		shown.Write(buf[:n])
	}

	var pipe bytes.Buffer
	p = newProgress(&pipe)
	p.count(t.Context(), listenTime, "listening")
	p.say("dialling")
	p.end()
	if pipe.Len() > 0 {
		t.Errorf("a pipe got %q", pipe.String())
	}
}
