package metrics

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// source makes a folder with one Go file.
func source(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "metrics.go"), []byte("package p\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// All the ways in which our sources write a metric.
func TestReadFindsNamesTypesAndHelp(t *testing.T) {
	got, err := Read(source(t, `
const ns = "tutti_gate_"

func whole() { prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "tutti_doors", Help: "Doors."}, nil) }

func parts() { prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "tutti", Subsystem: "pairing", Name: "wait_seconds", Help: "Waiting."}) }

func made() {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: ns + name, Help: help})
	}
	opts := func(name string) prometheus.SummaryOpts { return prometheus.SummaryOpts{Namespace: "tutti", Name: name, Help: "Always this."} }
	_, _ = counter("opened_total", "Times " + "opened."), prometheus.NewSummary(opts("size_bytes"))
}
`))
	if err != nil {
		t.Fatal(err)
	}
	collector, err := Read(source(t, `
func describe() *prometheus.Desc { return prometheus.NewDesc("tutti_least_seconds", "Least.", nil, nil) }

func collect(c chan<- prometheus.Metric) { c <- prometheus.MustNewConstMetric(describe(), prometheus.GaugeValue, 1) }
`))
	if want := []Metric{{"tutti_least_seconds", Gauge, "Least."}}; err != nil || !slices.Equal(collector, want) {
		t.Errorf("a collector's own: %v, %v, want %v", collector, err, want)
	}
	want := []Metric{
		{"tutti_doors", Gauge, "Doors."},
		{"tutti_gate_opened_total", Counter, "Times opened."},
		{"tutti_pairing_wait_seconds", Histogram, "Waiting."},
		{"tutti_size_bytes", Summary, "Always this."},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

// A metric that cannot be read must not be left out in silence.
func TestReadRefusesWhatItCannotName(t *testing.T) {
	for name, text := range map[string]string{
		"a name that is computed": `func f() { prometheus.NewGauge(prometheus.GaugeOpts{Name: name()}) }`,
		"a maker's name that is computed": `func f() {
	gauge := func(name string) { prometheus.NewGauge(prometheus.GaugeOpts{Name: name}) }
	gauge(name())
}`,
		"a description without a type": `func f() { prometheus.NewDesc("tutti_x", "X.", nil, nil) }`,
		"one name, two types":          `func f() { _, _ = prometheus.GaugeOpts{Name: "tutti_x"}, prometheus.CounterOpts{Name: "tutti_x"} }`,
	} {
		if got, err := Read(source(t, text)); err == nil || !strings.Contains(err.Error(), "metrics.go") {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}
