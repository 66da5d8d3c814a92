// Package vitals reads how busy the own process is: what heartbeats tell an operator.
package vitals

import (
	"os"
	"runtime"
	"sync"
	"time"
)

// shortest is the least time over which a share of the processor means anything: within
// less of it Read repeats what it told before.
const shortest = 500 * time.Millisecond

// Load is what the process uses at one moment.
type Load struct {
	// CPU is how many cores were busy, on average since the Read before (2.5: two and a
	// half). 0 in the first Read, and where the system does not tell.
	CPU float64
	// CPUs is how many cores the process may use.
	CPUs int
	// Memory is what the process has resident, in bytes; 0 where the system does not tell.
	Memory uint64
	// Goroutines is how many there are.
	Goroutines int
	// PID is the process's id on its host.
	PID int
}

// Meter measures one process from Read to Read. Safe for concurrent use.
type Meter struct {
	now func() time.Time
	cpu func() (time.Duration, bool)

	mu     sync.Mutex // guards the reading before
	at     time.Time
	used   time.Duration
	before float64
}

// New begins to measure.
func New() *Meter { return newMeter(time.Now, processTime) }

func newMeter(now func() time.Time, cpu func() (time.Duration, bool)) *Meter {
	m := &Meter{now: now, cpu: cpu, at: now()}
	m.used, _ = cpu()
	return m
}

// Read is the load since the Read before.
func (m *Meter) Read() Load {
	return Load{
		CPU: m.cores(), CPUs: runtime.GOMAXPROCS(0), Memory: resident(),
		Goroutines: runtime.NumGoroutine(), PID: os.Getpid(),
	}
}

func (m *Meter) cores() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	passed := now.Sub(m.at)
	used, ok := m.cpu()
	if !ok || passed < shortest {
		return m.before
	}
	m.before = max(0, float64(used-m.used)/float64(passed))
	m.at, m.used = now, used
	return m.before
}
