package vitals

import (
	"runtime"
	"testing"
	"time"
)

func TestCoresAreTheAverageSinceTheReadBefore(t *testing.T) {
	now, used, ok := time.Unix(0, 0), 7*time.Second, true
	m := newMeter(func() time.Time { return now }, func() (time.Duration, bool) { return used, ok })
	for _, step := range []struct {
		name         string
		passed, more time.Duration
		gone         bool
		want         float64
	}{
		{"half a core", 4 * time.Second, 2 * time.Second, false, 0.5},
		{"two and a half cores", 2 * time.Second, 5 * time.Second, false, 2.5},
		{"too soon: as before", 100 * time.Millisecond, 0, false, 2.5},
		{"what was too soon counts later", 900 * time.Millisecond, time.Second, false, 1},
		{"the system does not tell: as before", time.Second, time.Second, true, 1},
	} {
		now, used, ok = now.Add(step.passed), used+step.more, !step.gone
		if got := m.Read().CPU; got != step.want {
			t.Errorf("%s: %v cores, want %v", step.name, got, step.want)
		}
	}
}

func TestThisProcessHasVitals(t *testing.T) {
	l := New().Read()
	if l.Goroutines < 1 || l.CPUs < 1 || l.PID < 1 {
		t.Errorf("load %+v", l)
	}
	if runtime.GOOS == "linux" && l.Memory < 1<<20 {
		t.Errorf("%d bytes resident: a Go process has more than a MiB", l.Memory)
	}
}
