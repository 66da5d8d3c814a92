package soak

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// footprint is what the server process needs.
type footprint struct {
	goroutines int
	heap       float64 // bytes that the last garbage collection found alive
	resident   float64 // bytes
}

func (f footprint) String() string {
	return fmt.Sprintf("%d goroutines, %.1f MB alive, %.1f MB resident", f.goroutines, f.heap/1e6, f.resident/1e6)
}

// weigh reads the server's metrics for a while and keeps the least of each.
func weigh(t *testing.T, s *harness.Server, d time.Duration) footprint {
	t.Helper()
	least := footprint{}
	for end := time.Now().Add(d); ; {
		m := metrics(t, s)
		// The next collection begins when the heap is twice what the last one found alive.
		now := footprint{goroutines: int(m["go_goroutines"]), heap: m["go_memstats_next_gc_bytes"] / 2, resident: m["process_resident_memory_bytes"]}
		if least.goroutines == 0 {
			least = now
		}
		least = footprint{min(least.goroutines, now.goroutines), min(least.heap, now.heap), min(least.resident, now.resident)}
		if time.Now().After(end) {
			return least
		}
		<-time.After(100 * time.Millisecond)
	}
}

// metrics reads those of the server's metrics that have no labels.
func metrics(t *testing.T, s *harness.Server) map[string]float64 {
	t.Helper()
	resp, err := http.Get(s.Base + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for line := range strings.SplitSeq(string(body), "\n") {
		if name, value, ok := strings.Cut(line, " "); ok {
			if v, err := strconv.ParseFloat(value, 64); err == nil {
				out[name] = v
			}
		}
	}
	if out["go_goroutines"] == 0 || out["go_memstats_next_gc_bytes"] == 0 {
		t.Fatal("/metrics lacks go_goroutines or go_memstats_next_gc_bytes")
	}
	return out
}

// full is how long a server of this size needs until its tapes hold what they hold at
// most (90 s of every rendition, or 256 MiB). Before, memory grows by that alone.
const full = 100 * time.Second

// tapes is the tapes' limit, with what the garbage collector makes of it.
const tapes = 300e6

// grew says what has grown more than what a settled server varies by; warm is how long
// it had run when it was weighed first. A leak of one goroutine or of some kilobytes for
// each step of a long walk is far more.
func grew(before, after footprint, warm time.Duration) string {
	heap, resident := before.heap*1.2+32e6, before.resident*1.2+64e6
	if warm < full {
		heap, resident = before.heap+tapes, before.resident+2*tapes
	}
	switch {
	case after.goroutines > before.goroutines+40:
		return fmt.Sprintf("goroutines: %d, were %d", after.goroutines, before.goroutines)
	case after.heap > heap:
		return fmt.Sprintf("memory alive: %.1f MB, was %.1f", after.heap/1e6, before.heap/1e6)
	case after.resident > resident:
		return fmt.Sprintf("resident memory: %.1f MB, was %.1f", after.resident/1e6, before.resident/1e6)
	}
	return ""
}
