package cluster

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Link says what frames between two hosts meet on their way.
type Link struct {
	Delay  time.Duration // one way
	Jitter time.Duration // how far a delay is from Delay at most, all alike, as in tc's netem; frames of a host stay in order
	Loss   float64       // share of the frames that do not arrive, 0 to 1
}

// Wire is a switch between the hosts that delays and loses frames as the Link says. It
// is this process's own, since not every kernel has netem (sch_netem): each port is a
// TAP device inside a host's namespace. What crosses it is real Ethernet, so the hosts'
// TCP sees round-trip times, retransmits and backs off as on a cable.
type Wire struct {
	link  Link
	mu    sync.RWMutex // guards ports while they are plugged in
	ports []*port
	// table is where an address was seen last: MAC -> *port.
	table sync.Map
	done  chan struct{} // closed by Close
	work  sync.WaitGroup
}

// port is one host's end.
type port struct {
	w    *Wire
	tap  *os.File
	cut  atomic.Bool
	out  chan frame // what the host will get; bounded: a full port drops, as a switch does
	rng  *rand.Rand // of the goroutine that reads
	last time.Time  // when the newest frame from this host is due
	drop atomic.Uint64
}

type frame struct {
	due  time.Time
	data []byte
}

const (
	portFrames = 4096 // frames that wait at a port, some 6 MB
	maxFrame   = 2048
)

// NewWire is a switch without ports. Close ends it.
func NewWire(link Link) *Wire { return &Wire{link: link, done: make(chan struct{})} }

// Plug makes a TAP device with the given name in this process's namespace and connects it. The
// caller moves the device where it belongs. seed fixes jitter and loss.
func (w *Wire) Plug(name string, seed uint64) (*port, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	req, err := unix.NewIfreq(name)
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("make TAP device %s: %w", name, err)
	}
	p := &port{w: w, tap: os.NewFile(uintptr(fd), name), out: make(chan frame, portFrames), rng: rand.New(rand.NewPCG(seed, 1))}
	w.mu.Lock()
	w.ports = append(w.ports, p)
	w.mu.Unlock()
	w.work.Go(p.read)
	w.work.Go(p.write)
	return p, nil
}

// Close unplugs all ports, which removes the devices, and waits.
func (w *Wire) Close() {
	close(w.done)
	w.mu.RLock()
	for _, p := range w.ports {
		_ = p.tap.Close() // read ends
	}
	w.mu.RUnlock()
	w.work.Wait()
}

// Dropped counts the frames that found a full port.
func (w *Wire) Dropped() (n uint64) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	for _, p := range w.ports {
		n += p.drop.Load()
	}
	return n
}

// read takes what the host sends.
func (p *port) read() {
	buf := make([]byte, maxFrame)
	for {
		n, err := p.tap.Read(buf)
		if err != nil {
			return // closed
		}
		if n < 14 || p.cut.Load() || p.w.link.Loss > 0 && p.rng.Float64() < p.w.link.Loss {
			continue
		}
		p.forward(append([]byte(nil), buf[:n]...))
	}
}

// forward sends a frame on its way to one port, or to all when the address is not known.
func (p *port) forward(data []byte) {
	delay := p.w.link.Delay + time.Duration((2*p.rng.Float64()-1)*float64(p.w.link.Jitter))
	due := time.Now().Add(max(delay, 0))
	if due.Before(p.last) {
		due = p.last
	}
	p.last = due
	var src, dst [6]byte
	copy(dst[:], data)
	copy(src[:], data[6:])
	p.w.table.Store(src, p)
	f := frame{due: due, data: data}
	if to, ok := p.w.table.Load(dst); ok && dst[0]&1 == 0 {
		to.(*port).put(f)
		return
	}
	p.w.mu.RLock()
	defer p.w.mu.RUnlock()
	for _, to := range p.w.ports {
		if to != p {
			to.put(f)
		}
	}
}

func (p *port) put(f frame) {
	select {
	case p.out <- f:
	default:
		p.drop.Add(1)
	}
}

// write hands frames to the host when they are due. The runtime's timers are as coarse as
// a millisecond, so a thread of its own sleeps in the kernel.
func (p *port) write() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1000, 0, 0, 0) // ns
	for {
		var f frame
		select {
		case f = <-p.out:
		case <-p.w.done:
			return
		}
		for d := time.Until(f.due); d > 0; d = time.Until(f.due) {
			ts := unix.NsecToTimespec(int64(d))
			_ = unix.Nanosleep(&ts, nil) // interrupted: the loop looks again
		}
		if !p.cut.Load() {
			_, _ = p.tap.Write(f.data) // a device that is down takes nothing
		}
	}
}
