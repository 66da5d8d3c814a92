package cluster

import (
	"fmt"
	"math"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/e2e/harness"
	"github.com/tutti-audio/tutti/platform/nettest"
)

// vague is from where a reading of the short form says nothing of steps, in µs.
const vague = 1000

// plotVar names the folder for the plot of the clocks, and asks for the full form.
const plotVar = "TUTTI_CLUSTER_PLOTS"

// Gateways on three hosts, each with a kernel clock of its own, answer client/time. What
// they say of the same instant is compared by the clock that they really share, while
// the house clock's leader is killed.
func TestClockOverHosts(t *testing.T) {
	if !Inside(t, 8*time.Minute) {
		return
	}
	link := Link{Delay: time.Millisecond, Jitter: 300 * time.Microsecond} // one way
	n := NewNetwork(t, link)
	c := Deploy(t, n, Options{Dir: logDir(t), Music: t.TempDir()})
	probes := map[string]*nettest.Proc{}
	for _, h := range n.Hosts {
		probes[h.Name] = nettest.Exec(t, h.NS, "clock", fmt.Sprintf("ws://%s:%d/sendspin", h.IP, sendspinPort))
	}
	plots := os.Getenv(plotVar)
	settle, calm, after := 10*time.Second, 5*time.Second, 10*time.Second
	if plots != "" {
		settle, calm, after = 90*time.Second, 60*time.Second, 90*time.Second
	}
	wait(settle)
	from := nowUS()
	wait(calm)
	leader := c.Busiest(t, "stream", "tutti_house_clock_leader")
	killed := nowUS()
	leader.Kill()
	harness.Eventually(t, patience, "another instance leads the house clock", func() string {
		for _, in := range c.Of("stream") {
			if v, err := in.Metric("tutti_house_clock_leader"); in != leader && err == nil && v > 0 {
				return ""
			}
		}
		return "nobody"
	})
	took := time.Duration(nowUS()-killed) * time.Microsecond
	wait(after)
	all := map[string][]Reading{}
	for name, p := range probes {
		for _, line := range p.Lines() {
			if r, ok := parseReading(line); ok && r.At > from {
				all[name] = append(all[name], r)
			}
		}
		if least := int((calm + after) / askWindow / 2); len(all[name]) < least {
			t.Fatalf("the gateway on %s gave %d windows of answers, want %d: %v", name, len(all[name]), least, p.Lines())
		}
	}
	apart := compare(all)
	if len(apart) == 0 {
		t.Fatal("no two gateways were asked at the same time")
	}
	off := func(a Apart) float64 { return a.Error }
	if plots == "" { // on a busy machine a window may have no answer that came at once
		off = func(a Apart) float64 { return max(a.Error-a.Unsure, 0) }
	}
	p99, worst := quantile(apart, 0.99, off), quantile(apart, 1, off)
	unsure := quantile(apart, 0.5, func(a Apart) float64 { return a.Unsure })
	step := 0.0
	for _, rs := range all {
		if plots == "" {
			rs = slices.DeleteFunc(slices.Clone(rs), func(r Reading) bool { return r.Unsure > vague })
		}
		step = max(step, steps(rs))
	}
	t.Logf("%d pairs of answers: error p50 %.0f µs, p99 %.0f µs, worst %.0f µs (each measured to ± %.0f µs); largest step %.0f µs; another leader after %s",
		len(apart), quantile(apart, 0.5, off), p99, worst, unsure, step, took.Round(time.Millisecond))
	if os.Getenv(keepVar) != "" {
		if err := writeReadings(logDir(t), all); err != nil {
			t.Error(err)
		}
	}
	// A machine that does other things at the same time makes errors of its own: the limits of the
	// short form are only such that a clock which is not kept would not pass.
	limit, stepLimit := 5000.0, 5000.0
	if plots != "" {
		limit, stepLimit = 100, 100+unsure
		if err := plotClock(plots, all, from, killed); err != nil {
			t.Error(err)
		}
	}
	if math.IsNaN(p99) || p99 > limit {
		t.Errorf("gateways' answers to one instant are %.0f µs apart (p99), want at most %.0f", p99, limit)
	}
	if step > stepLimit {
		t.Errorf("a gateway's clock stepped by %.0f µs, want at most %.0f", step, stepLimit)
	}
}

func TestReadingsAreComparedAtOneInstant(t *testing.T) {
	line := func(off, rate float64) (rs []Reading) {
		for i := range 20 {
			rs = append(rs, Reading{At: int64(i) * 500_000, Off: off + rate*float64(i)*0.5})
		}
		return rs
	}
	late := line(130, 10)
	for i := range late {
		late[i].At += 200_000 // the same course, 2 µs later by its rate
		late[i].Off += 2
	}
	got := compare(map[string][]Reading{"a": line(100, 10), "b": late})
	if len(got) != 19 {
		t.Errorf("%d instants compared, want 19", len(got))
	}
	for _, a := range got {
		if math.Abs(a.Error-30) > 1e-6 {
			t.Errorf("at %d the two are %.3f µs apart, want 30", a.At, a.Error)
		}
	}
	if s := steps(line(100, 10)); s > 1e-6 {
		t.Errorf("a steady course has a step of %.3f µs", s)
	}
	jump := slices.Concat(line(0, 10)[:10], line(400, 10)[10:])
	if s := steps(jump); math.Abs(s-400) > 1e-6 {
		t.Errorf("the step is %.3f µs, want 400", s)
	}
	if _, ok := parseReading("clock 1000 -20 40 50"); !ok {
		t.Error("a line of the probe is not understood")
	}
	if _, ok := parseReading("lost connection"); ok {
		t.Error("a line that is no reading was taken for one")
	}
}
