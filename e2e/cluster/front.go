package cluster

import (
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"
)

// front is what stands before the gateways for devices that dial in, as a Kubernetes
// Service does: one address, whose connections go to the gateways in turn. One that does
// not accept is passed over.
type front struct {
	ln      net.Listener
	targets []string

	mu   sync.Mutex
	next int
	open map[net.Conn]bool
	work sync.WaitGroup
}

// newFront listens on the devices' host until the test ends, and returns its URL.
func newFront(t testing.TB, n *Network) string {
	t.Helper()
	ln, err := net.Listen("tcp", net.JoinHostPort(n.Devices.IP, strconv.Itoa(sendspinPort)))
	if err != nil {
		t.Fatal(err)
	}
	f := &front{ln: ln, open: map[net.Conn]bool{}}
	for _, h := range n.Hosts {
		f.targets = append(f.targets, net.JoinHostPort(h.IP, strconv.Itoa(sendspinPort)))
	}
	f.work.Go(f.accept)
	t.Cleanup(func() {
		_ = ln.Close()
		f.mu.Lock()
		for c := range f.open {
			_ = c.Close()
		}
		f.mu.Unlock()
		f.work.Wait()
	})
	return "ws://" + ln.Addr().String() + "/sendspin"
}

func (f *front) accept() {
	for {
		c, err := f.ln.Accept()
		if err != nil {
			return // closed
		}
		f.work.Go(func() { f.serve(c) })
	}
}

func (f *front) serve(device net.Conn) {
	defer f.drop(device)
	f.keep(device)
	for range f.targets {
		f.mu.Lock()
		to := f.targets[f.next%len(f.targets)]
		f.next++
		f.mu.Unlock()
		gateway, err := net.DialTimeout("tcp", to, 300*time.Millisecond)
		if err != nil {
			continue
		}
		f.keep(gateway)
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = io.Copy(gateway, device); f.drop(gateway) })
		_, _ = io.Copy(device, gateway)
		f.drop(device)
		wg.Wait()
		return
	}
}

func (f *front) keep(c net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open[c] = true
}

func (f *front) drop(c net.Conn) {
	_ = c.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.open, c)
}
