package cluster

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// front is what stands before the instances of a service, as a Kubernetes Service does: one
// address, whose connections go to the instances that are ready, in turn. One that does not
// accept is passed over. Devices that dial in find gateways by one, and those who use the API
// find management by another.
type front struct {
	ln      net.Listener
	targets []target

	mu   sync.Mutex
	next int
	open map[net.Conn]string // the address of the instance that it goes to, once known
	work sync.WaitGroup
}

// target is an instance.
type target struct {
	addr, internal string
	leaves         *atomic.Bool // it answers that it is not ready
	// drop: when it does not answer, its connections are closed. Devices notice by themselves
	// that their gateway is gone, which is a part of what is measured.
	drop bool
}

const (
	// probeEvery is how often the front asks an instance whether it is ready. (Kubernetes takes a
	// pod that is being ended out of its Service at once.)
	probeEvery = 200 * time.Millisecond
	// probesLost are how many probes one after the other are not answered by one that is gone.
	probesLost = 2
)

// frontOfGateways is where devices dial in.
func frontOfGateways(t testing.TB, n *Network) (url string) {
	t.Helper()
	var to []target
	for _, h := range n.Hosts {
		to = append(to, target{net.JoinHostPort(h.IP, strconv.Itoa(sendspinPort)), net.JoinHostPort(h.IP, strconv.Itoa(gatewayPort)), &atomic.Bool{}, false})
	}
	return "ws://" + newFront(t, net.JoinHostPort(n.Devices.IP, strconv.Itoa(sendspinPort)), to) + "/sendspin"
}

// newFront listens until the test ends, and returns where.
func newFront(t testing.TB, addr string, to []target) string {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	f := &front{ln: ln, targets: to, open: map[net.Conn]string{}}
	f.work.Go(f.accept)
	stop := make(chan struct{})
	for _, g := range f.targets {
		f.work.Go(func() { f.probe(g, stop) })
	}
	t.Cleanup(func() {
		close(stop)
		_ = ln.Close()
		f.mu.Lock()
		for c := range f.open {
			_ = c.Close()
		}
		f.mu.Unlock()
		f.work.Wait()
	})
	return ln.Addr().String()
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
	f.keep(device, "")
	for range f.targets {
		f.mu.Lock()
		to := f.targets[f.next%len(f.targets)]
		f.next++
		f.mu.Unlock()
		if to.leaves.Load() {
			continue
		}
		instance, err := net.DialTimeout("tcp", to.addr, 300*time.Millisecond)
		if err != nil {
			continue
		}
		f.keep(instance, to.addr)
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = io.Copy(instance, device); f.drop(instance) })
		_, _ = io.Copy(device, instance)
		f.drop(device)
		wg.Wait()
		return
	}
}

// probe asks an instance until stop whether it is ready. A gateway that does not answer is left
// to those who dial it.
func (f *front) probe(g target, stop <-chan struct{}) {
	lost := 0
	for {
		resp, err := quick.Get("http://" + g.internal + "/readyz")
		if lost++; err == nil {
			lost = 0
			_ = resp.Body.Close()
		}
		g.leaves.Store(err == nil && resp.StatusCode != http.StatusOK || g.drop && lost >= probesLost)
		if g.drop && lost == probesLost {
			f.dropAll(g.addr)
		}
		select {
		case <-time.After(probeEvery):
		case <-stop:
			return
		}
	}
}

func (f *front) keep(c net.Conn, to string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open[c] = to
}

// dropAll closes the connections that go to an instance; their other ends follow.
func (f *front) dropAll(to string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c, addr := range f.open {
		if addr == to {
			_ = c.Close()
		}
	}
}

func (f *front) drop(c net.Conn) {
	_ = c.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.open, c)
}
