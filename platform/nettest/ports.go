package nettest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
)

// FreeAddr is an address on loopback whose TCP port is free, and stays so until the test
// binds it: for what must be told its port beforehand, or come back to it. Whoever can
// listen on port 0 and ask for its port afterwards does that.
func FreeAddr(t testing.TB) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(FreePort(t)))
}

// FreePort is the port of a FreeAddr.
func FreePort(t testing.TB) int {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	first, n := share()
	for range 1000 {
		port := first + rand.IntN(n)
		if ports.given[port] {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		_ = l.Close()
		ports.given[port] = true
		return port
	}
	t.Fatal("no free port")
	return 0
}

// The ports that FreePort gives are below those that the system takes for outgoing
// connections and for listeners on port 0, and none is given twice: it must still be free
// when it is used. Those from lastPort to 32767 are left to tests that have no part.
const (
	firstPort = 10_000
	lastPort  = 32_000
)

var ports = struct {
	sync.Mutex
	given map[int]bool
	share *os.File // locked while this process lives
	first int
}{given: map[int]bool{}}

// shareSize is how many ports one test program has for itself.
const shareSize = 1000

// share is this process's part of the ports: test programs run side by side, and a port that
// one found free may be another's before it is used. Each holds the lock of its part until it
// ends; when all parts are taken, all ports are everybody's. The caller holds ports.
func share() (first, n int) {
	for part := 0; ports.share == nil && part < (lastPort-firstPort)/shareSize; part++ {
		f, err := os.OpenFile(filepath.Join(os.TempDir(), fmt.Sprintf("tutti-test-ports-%d.lock", part)), os.O_CREATE|os.O_RDWR, 0o666)
		if err != nil {
			break
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
			_ = f.Close()
			continue
		}
		ports.share, ports.first = f, firstPort+part*shareSize
	}
	if ports.share == nil {
		return firstPort, lastPort - firstPort
	}
	return ports.first, shareSize
}
