package nettest_test

import (
	"net"
	"testing"

	"github.com/tutti-audio/tutti/platform/nettest"
)

// A port is given once, can be bound, and is none that a listener on port 0 may get.
func TestFreePorts(t *testing.T) {
	seen := map[string]bool{}
	for range 50 {
		addr := nettest.FreeAddr(t)
		if seen[addr] {
			t.Fatalf("%s is given twice", addr)
		}
		seen[addr] = true
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if port := l.Addr().(*net.TCPAddr).Port; port >= 32_000 {
			t.Errorf("port %d is of those that the system gives", port)
		}
		_ = l.Close()
	}
}
