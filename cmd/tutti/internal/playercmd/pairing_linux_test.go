package playercmd

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tutti-audio/tutti/sendspin/sendspintest"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// The gesture of a player that runs without a keyboard.
func TestSignalIsTheGesture(t *testing.T) {
	url, accepted := server(t)
	p := start(t, "--connect", url, "--static-code", "12345678")
	srv := sendspintest.NewServer(t, <-accepted, sendspintest.ServerOptions{})
	a := srv.Pair(srv.Greet(), wire.MethodStaticCode, "", nil)
	a.AwaitHeld()
	p.wait("pairing_held")
	if err := unix.Kill(unix.Getpid(), unix.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	a.AwaitQuestion(1)
	a.Enter("12345678")
	finish(t, p, srv, a)
}
