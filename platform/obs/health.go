package obs

import (
	"fmt"
	"sort"
	"sync"
)

// Health is the readiness of a process: the checks of its parts. Safe for
// concurrent use.
type Health struct {
	mu     sync.Mutex
	checks map[string]func() error
}

// NewHealth makes a Health without checks, which is ready.
func NewHealth() *Health { return &Health{checks: map[string]func() error{}} }

// Add adds a part; its check must not block: it is asked by every probe. A second
// check of the same name replaces the first.
func (h *Health) Add(name string, check func() error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checks[name] = check
}

// Remove takes a part away.
func (h *Health) Remove(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.checks, name)
}

// Check is one part's answer; Err is nil when it is ready.
type Check struct {
	Name string
	Err  error
}

// Check asks every part and returns the answers by name.
func (h *Health) Check() []Check {
	h.mu.Lock()
	checks := make(map[string]func() error, len(h.checks))
	for n, f := range h.checks {
		checks[n] = f
	}
	h.mu.Unlock()
	out := make([]Check, 0, len(checks))
	for n, f := range checks {
		out = append(out, Check{n, ask(f)})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// Ready is nil when every part is, else it names the first that is not.
func (h *Health) Ready() error {
	for _, c := range h.Check() {
		if c.Err != nil {
			return fmt.Errorf("%s: %w", c.Name, c.Err)
		}
	}
	return nil
}

// ask makes a panicking check a failing one: a probe must not end the process.
func ask(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the check panicked: %v", p)
		}
	}()
	return f()
}
