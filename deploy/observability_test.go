package deploy

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
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
	metrics := productMetrics(t)
	seen := map[string]bool{}
	for _, r := range alertRules(t) {
		if !strings.HasPrefix(r.Alert, "Tutti") || seen[r.Alert] {
			t.Errorf("%q: a name of its own that begins with Tutti", r.Alert)
		}
		seen[r.Alert] = true
		checkQuery(t, metrics, r.Alert, r.Expr)
		if s := r.Labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("%s: severity %q", r.Alert, s)
		}
		if r.Annotations["summary"] == "" || len(r.Annotations["description"]) < 40 {
			t.Errorf("%s does not say what is wrong and what to do", r.Alert)
		}
	}
}

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
	metrics := productMetrics(t)
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
			checkQuery(t, metrics, p.Title, strings.ReplaceAll(q.Expr, "$__rate_interval", "1m"))
		}
	}
	if queries < 20 {
		t.Errorf("%d queries", queries)
	}
}

// checkQuery parses a query and looks up every metric that it names.
func checkQuery(t *testing.T, metrics map[string]bool, where, expr string) {
	t.Helper()
	e, err := parser.ParseExpr(expr)
	if err != nil {
		t.Errorf("%s: %s: %v", where, expr, err)
		return
	}
	named := 0
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		v, ok := n.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		named++
		name := v.Name
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			name = strings.TrimSuffix(name, suffix)
		}
		if !metrics[name] && !strings.HasPrefix(name, "process_") && !strings.HasPrefix(name, "go_") {
			t.Errorf("%s: no service has a metric %s", where, v.Name)
		}
		return nil
	})
	if named == 0 {
		t.Errorf("%s: %s names no metric", where, expr)
	}
}

var (
	fullName = regexp.MustCompile(`"(tutti_[a-z0-9_]+[a-z0-9])"`)
	prefix   = regexp.MustCompile(`"(tutti_[a-z0-9]+_)"`)
	parts    = regexp.MustCompile(`Namespace: "(tutti)", Subsystem: "([a-z]+)"`)
	short    = regexp.MustCompile(`"([a-z][a-z0-9_]+)"`)
)

// productMetrics are the names that the services' sources spell: whole, or as a prefix of
// the file and the rest.
func productMetrics(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, root := range []string{"../platform", "../services", "../cmd"} {
		err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			src := string(b)
			for _, m := range fullName.FindAllStringSubmatch(src, -1) {
				names[m[1]] = true
			}
			var prefixes []string
			for _, m := range prefix.FindAllStringSubmatch(src, -1) {
				prefixes = append(prefixes, m[1])
			}
			for _, m := range parts.FindAllStringSubmatch(src, -1) {
				prefixes = append(prefixes, m[1]+"_"+m[2]+"_")
			}
			for _, p := range prefixes {
				for _, m := range short.FindAllStringSubmatch(src, -1) {
					names[p+m[1]] = true
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return names
}

// A check that finds nothing must not pass.
func TestAnUnknownMetricIsFound(t *testing.T) {
	metrics := productMetrics(t)
	for _, name := range []string{"tutti_gateway_sessions", "tutti_pairing_store_up", "tutti_stream_groups", "tutti_bus_reconnects_total"} {
		if !metrics[name] {
			t.Errorf("%s is not found in the sources", name)
		}
	}
	if metrics["tutti_gateway_tea_total"] {
		t.Error("a metric that nobody has is found")
	}
}
