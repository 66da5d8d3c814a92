package deploy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"

	"github.com/tutti-audio/tutti/deploy/observability/metrics"
)

// rules is a Prometheus rule file.
type rules struct {
	Groups []struct {
		Name  string `yaml:"name"`
		Rules []rule `yaml:"rules"`
	} `yaml:"groups"`
}

type rule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func alertRules(t *testing.T) []rule {
	t.Helper()
	f, err := os.Open("observability/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := yaml.NewDecoder(f)
	d.KnownFields(true)
	var r rules
	if err := d.Decode(&r); err != nil {
		t.Fatal(err)
	}
	var out []rule
	for _, g := range r.Groups {
		out = append(out, g.Rules...)
	}
	if len(out) < 10 {
		t.Fatalf("%d rules", len(out))
	}
	return out
}

func TestAlertsParseAndSayWhatToDo(t *testing.T) {
	known := productMetrics(t)
	seen := map[string]bool{}
	for _, r := range alertRules(t) {
		if !strings.HasPrefix(r.Alert, "Tutti") || seen[r.Alert] {
			t.Errorf("%q: a name of its own that begins with Tutti", r.Alert)
		}
		seen[r.Alert] = true
		checkQuery(t, known, r.Alert, r.Expr)
		if s := r.Labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("%s: severity %q", r.Alert, s)
		}
		if r.Annotations["summary"] == "" || len(r.Annotations["description"]) < 40 {
			t.Errorf("%s does not say what is wrong and what to do", r.Alert)
		}
	}
}

// What has gone wrong without anybody noticing has an alert.
func TestWhatIsSilentHasAnAlert(t *testing.T) {
	var all strings.Builder
	for _, r := range alertRules(t) {
		all.WriteString(r.Expr + "\n")
	}
	for what, part := range map[string]string{
		"an old holder that goes on talking":  "tutti_fenced_total",
		"gateways without room":               "tutti_gateway_capacity_sessions",
		"an auth.conf of an older version":    "tutti_bus_refused_total",
		"lost messages":                       "tutti_bus_slow_consumer_total",
		"management, which counts the others": "absent(tutti_management_instances)",
		"what Health calls serious":           `tutti_health_findings{severity="` + severitySerious + `"}`,
	} {
		if !strings.Contains(all.String(), part) {
			t.Errorf("no alert for %s: %s", what, part)
		}
	}
	// A label's value that nobody writes would never fire.
	b, err := os.ReadFile("../services/management/internal/model/health.go")
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`SeveritySerious\s*=\s*"` + severitySerious + `"`).Match(b) {
		t.Errorf("management does not call a finding %q", severitySerious)
	}
}

const severitySerious = "serious"

func TestTheDashboardShowsWhatExists(t *testing.T) {
	data, err := os.ReadFile("observability/grafana-dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		UID    string `json:"uid"`
		Panels []struct {
			ID      int            `json:"id"`
			Type    string         `json:"type"`
			Title   string         `json:"title"`
			GridPos map[string]int `json:"gridPos"`
			Targets []struct {
				Expr string `json:"expr"`
			} `json:"targets"`
		} `json:"panels"`
	}
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	known := productMetrics(t)
	queries, ids := 0, map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.GridPos["x"]+p.GridPos["w"] > 24 {
			t.Errorf("panel %q: id %d twice, or outside of the grid", p.Title, p.ID)
		}
		ids[p.ID] = true
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for _, q := range p.Targets {
			queries++
			checkQuery(t, known, p.Title, strings.ReplaceAll(q.Expr, "$__rate_interval", "1m"))
		}
	}
	if queries < 20 {
		t.Errorf("%d queries", queries)
	}
}

// checkQuery parses a query and looks up every metric that it names.
func checkQuery(t *testing.T, known map[string]metrics.Metric, where, expr string) {
	t.Helper()
	for _, fault := range faults(known, expr) {
		t.Errorf("%s: %s: %s", where, expr, fault)
	}
}

// faults are what is wrong with a query: it does not parse, or asks for series that no service
// has. A histogram has no series of its own name: such a query answers nothing for ever, which
// in an alert looks like health.
func faults(known map[string]metrics.Metric, expr string) (out []string) {
	e, err := parser.ParseExpr(expr)
	if err != nil {
		return []string{err.Error()}
	}
	named := 0
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		v, ok := n.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		named++
		if strings.HasPrefix(v.Name, "process_") || strings.HasPrefix(v.Name, "go_") {
			return nil
		}
		if m, ok := known[v.Name]; ok {
			if m.Type == metrics.Histogram || m.Type == metrics.Summary {
				out = append(out, v.Name+" is a "+m.Type+", which has no series of its own name")
			}
			return nil
		}
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			base, cut := strings.CutSuffix(v.Name, suffix)
			switch m, ok := known[base]; {
			case !cut || !ok:
			case m.Type == metrics.Histogram, m.Type == metrics.Summary && suffix != "_bucket":
				return nil
			default:
				out = append(out, base+" is a "+m.Type+": it has no "+suffix)
				return nil
			}
		}
		out = append(out, "no service has a metric "+v.Name)
		return nil
	})
	if named == 0 {
		out = append(out, "names no metric")
	}
	return out
}

// productMetrics are the metrics of the services' sources, by name.
func productMetrics(t *testing.T) map[string]metrics.Metric {
	t.Helper()
	all, err := metrics.Read("../platform", "../services", "../cmd")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]metrics.Metric{}
	for _, m := range all {
		known[m.Name] = m
	}
	return known
}

// A check that finds nothing must not pass.
func TestAQueryThatAnswersNothingIsFound(t *testing.T) {
	known := productMetrics(t)
	for expr, want := range map[string]string{
		"sum(tutti_gateway_sessions)":                     "",
		"max(tutti_pairing_store_up)":                     "",
		"rate(tutti_bus_handle_seconds_bucket[1m])":       "",
		"rate(tutti_bus_handle_seconds_count[1m])":        "",
		"process_resident_memory_bytes":                   "",
		"min(tutti_stream_tape_ahead_seconds) < 2":        "is a histogram",
		"rate(tutti_gateway_chunks_late_total_count[1m])": "is a counter",
		"tutti_gateway_sessions_sum":                      "is a gauge",
		"tutti_gateway_tea_total":                         "no service has",
		"sum(tutti_gateway_sessions":                      "unclosed",
		"vector(1)":                                       "names no metric",
	} {
		if got := strings.Join(faults(known, expr), "; "); (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
}

// What the sources say is what a running process says: each of its families is known, with the
// same type and help.
func TestMetricsOfTheSourcesAreThoseOfTheProcess(t *testing.T) {
	known := productMetrics(t)
	seen := 0
	var help string
	for line := range strings.Lines(serveMetrics(t)) {
		f := strings.SplitN(strings.TrimSpace(line), " ", 4)
		if len(f) < 4 || !strings.HasPrefix(f[2], "tutti_") {
			continue
		}
		switch f[1] {
		case "HELP":
			help = f[3]
		case "TYPE":
			seen++
			if m, ok := known[f[2]]; !ok || m.Type != f[3] || m.Help != help {
				t.Errorf("the process has a %s %s (%s); the sources say %+v", f[3], f[2], help, m)
			}
		}
	}
	// Families with labels are not told before something is counted.
	if seen < len(known)/2 {
		t.Errorf("a process with all services tells %d metrics of %d", seen, len(known))
	}
}

// serveMetrics starts all services in one process and returns what it tells Prometheus.
func serveMetrics(t *testing.T) string {
	t.Helper()
	bin, addr := mustBinary(t), nobody(t)
	var said bytes.Buffer
	cmd := exec.Command(bin, "serve", "--data-dir", t.TempDir(), "--http", addr, "--sendspin", nobody(t), "--mdns=false")
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("tutti serve: %s", said.String())
		}
	}()
	get := func(path string) (string, error) {
		r, err := http.Get("http://" + addr + path)
		if err != nil {
			return "", err
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		if err == nil && r.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %s: %s", path, r.Status, b)
		}
		return string(b), err
	}
	for end := time.Now().Add(60 * time.Second); ; <-time.After(50 * time.Millisecond) {
		_, err := get("/readyz")
		if err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("tutti serve is not ready: %v", err)
		}
	}
	text, err := get("/metrics")
	if err != nil {
		t.Fatal(err)
	}
	return text
}
