// Command gen writes the Grafana dashboard of this folder and docs/metrics.md: go run
// ./observability/gen (from deploy/). The dashboard is generated because forty panels of JSON are
// not reviewed by anybody, the list because one written by hand is out of date.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/tutti-audio/tutti/deploy/observability/metrics"
)

// panel is one plot of the dashboard: title, what a reader should see in it, unit (Grafana's
// ids) and the queries, legend → PromQL.
type panel struct {
	title, says, unit string
	kind              string // "timeseries" or "stat"
	queries           [][2]string
}

type row struct {
	title  string
	panels []panel
}

// perInstance sums a rate over everything but the instance.
func perInstance(counter string) [2]string {
	return [2]string{"{{instance}}", fmt.Sprintf("sum by (instance) (rate(%s[$__rate_interval]))", counter)}
}

var rows = []row{
	{"Is it playing?", []panel{
		{"Zones that play", "In the whole deployment.", "short", "stat", [][2]string{{"", "max(tutti_management_groups_playing)"}}},
		{"Sessions", "Live connections with devices, all gateways together.", "short", "stat", [][2]string{{"", "sum(tutti_gateway_sessions)"}}},
		{"Chunks too late", "Above 0, listeners hear gaps.", "cps", "stat", [][2]string{{"", "sum(rate(tutti_gateway_chunks_late_total[$__rate_interval]))"}}},
		{"Devices that wait", "Somebody has to approve, pair or deny them.", "short", "stat", [][2]string{{"", "max(tutti_management_inbox_waiting)"}}},
		{"Clock, worst", "Below 1 ms, speakers of all gateways sound together.", "s", "stat", [][2]string{{"", "max(tutti_house_clock_uncertainty_seconds)"}}},
		{"Findings", "What Health has to say, by severity.", "short", "stat", [][2]string{{"{{severity}}", "max by (severity) (tutti_health_findings)"}}},
	}},
	{"Sound", []panel{
		{"Late chunks", "By gateway: one gateway is its host or network, one zone is its Wi-Fi.", "cps", "timeseries", [][2]string{perInstance("tutti_gateway_chunks_late_total")}},
		{"Underruns", "A source or the bus was too slow.", "cps", "timeseries", [][2]string{perInstance("tutti_stream_underruns_total")}},
		{"Ahead of the present", "The shortest tape: what a fail-over can live on. Live sources do not count.", "s", "timeseries", [][2]string{{"{{instance}}", "min by (instance) (tutti_stream_tape_least_ahead_seconds)"}}},
		{"Time to encode a chunk (p99)", "Against 100 ms of audio in a chunk.", "s", "timeseries", [][2]string{{"{{codec}}", "histogram_quantile(0.99, sum by (codec, le) (rate(tutti_stream_encode_seconds_bucket[$__rate_interval])))"}}},
		{"Audio sent", "", "Bps", "timeseries", [][2]string{perInstance("tutti_gateway_audio_bytes_total")}},
		{"Groups by instance", "Placement keeps them even.", "short", "timeseries", [][2]string{{"{{instance}}", "sum by (instance) (tutti_stream_groups)"}}},
	}},
	{"Sessions", []panel{
		{"Sessions by gateway", "", "short", "timeseries", [][2]string{{"{{instance}}", "sum by (instance) (tutti_gateway_sessions)"}}},
		{"Fill of gateways", "Of --max-sessions. What is left must hold the devices of a gateway that goes.", "percentunit", "timeseries", [][2]string{{"{{instance}}", "sum by (instance) (tutti_gateway_sessions) / sum by (instance) (tutti_gateway_capacity_sessions)"}}},
		{"Sessions that ended", "By reason.", "cps", "timeseries", [][2]string{{"{{reason}}", "sum by (reason) (rate(tutti_gateway_closes_total[$__rate_interval]))"}}},
		{"Handshakes", "By result.", "cps", "timeseries", [][2]string{{"{{result}}", "sum by (result) (rate(tutti_gateway_handshakes_total[$__rate_interval]))"}}},
		{"Handshake time (p95)", "From the socket to client/hello.", "s", "timeseries", [][2]string{{"{{instance}}", "histogram_quantile(0.95, sum by (instance, le) (rate(tutti_gateway_handshake_seconds_bucket[$__rate_interval])))"}}},
		{"Refused connections", "Before their handshake, and why.", "cps", "timeseries", [][2]string{{"{{why}}", "sum by (why) (rate(tutti_gateway_connections_refused_total[$__rate_interval]))"}}},
		{"Stuck writes", "Devices that stopped reading.", "cps", "timeseries", [][2]string{perInstance("tutti_gateway_write_stalls_total")}},
	}},
	{"Clock", []panel{
		{"Uncertainty of the house clock", "0 on the leader's host.", "s", "timeseries", [][2]string{{"{{instance}}", "max by (instance) (tutti_house_clock_uncertainty_seconds)"}}},
		{"Leader", "One line at 1; a change of line is a hand-over.", "short", "timeseries", [][2]string{{"{{instance}}", "max by (instance) (tutti_house_clock_leader)"}}},
		{"Clock replies", "What devices ask for.", "cps", "timeseries", [][2]string{perInstance("tutti_gateway_clock_replies_total")}},
	}},
	{"Services and bus", []panel{
		{"Requests that failed", "By code.", "cps", "timeseries", [][2]string{{"{{code}}", `sum by (code) (rate(tutti_bus_requests_total{code!="ok"}[$__rate_interval]))`}}},
		{"Time to answer (p99)", "By endpoint.", "s", "timeseries", [][2]string{{"{{endpoint}}", "histogram_quantile(0.99, sum by (endpoint, le) (rate(tutti_bus_handle_seconds_bucket[$__rate_interval])))"}}},
		{"Reconnects to NATS", "", "cps", "timeseries", [][2]string{perInstance("tutti_bus_reconnects_total")}},
		{"Refused by NATS", "Should be empty: auth.conf is older than the service, or it has another's key.", "cps", "timeseries", [][2]string{perInstance("tutti_bus_refused_total")}},
		{"Messages lost by slow readers", "Should be empty.", "cps", "timeseries", [][2]string{perInstance("tutti_bus_slow_consumer_total")}},
		{"Fenced", "Messages of a holder that was replaced, by who dropped them: a few at a fail-over.", "cps", "timeseries", [][2]string{{"{{receiver}}", "sum by (receiver) (rate(tutti_fenced_total[$__rate_interval]))"}}},
		{"Instances", "By service, as management sees them.", "short", "timeseries", [][2]string{{"{{service}}", "max by (service) (tutti_management_instances)"}}},
		{"API, time to answer (p95)", "", "s", "timeseries", [][2]string{{"{{route}}", "histogram_quantile(0.95, sum by (route, le) (rate(tutti_management_http_request_duration_seconds_bucket[$__rate_interval])))"}}},
		{"CPU", "Cores.", "short", "timeseries", [][2]string{perInstance("process_cpu_seconds_total")}},
		{"Memory", "", "bytes", "timeseries", [][2]string{{"{{instance}}", "sum by (instance) (process_resident_memory_bytes)"}}},
		{"Crashes of actors", "Should be empty.", "cps", "timeseries", [][2]string{perInstance("tutti_actor_crashes_total")}},
		{"Database", "1 while pairing can use it.", "short", "timeseries", [][2]string{{"{{instance}}", "max by (instance) (tutti_pairing_store_up)"}}},
	}},
	{"Trust", []panel{
		{"Admissions", "By trust state.", "cps", "timeseries", [][2]string{{"{{state}}", "sum by (state) (rate(tutti_pairing_admits_total[$__rate_interval]))"}}},
		{"Wrong pairing codes", "", "cps", "timeseries", [][2]string{perInstance("tutti_pairing_wrong_codes_total")}},
		{"Refused sign-ins and tokens", "", "cps", "timeseries", [][2]string{perInstance("tutti_management_auth_failures_total")}},
	}},
}

const width = 24 // of Grafana's grid

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run() error {
	if err := write("observability/grafana-dashboard.json"); err != nil {
		return err
	}
	list, err := list("..")
	if err != nil {
		return err
	}
	return os.WriteFile("../docs/metrics.md", []byte(list), 0o644)
}

func write(file string) error {
	b, err := json.MarshalIndent(dashboard(), "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}

// sections of the list, by the beginning of a metric's name; the first that fits has it.
var sections = []struct{ title, says, prefix string }{
	{"session-gateway", "", "tutti_gateway_"},
	{"stream", "", "tutti_stream_"},
	{"pairing", "", "tutti_pairing_"},
	{"discovery", "", "tutti_discovery_"},
	{"management", "", "tutti_management_"},
	{"Health, as management sees it", "", "tutti_health_"},
	{"The house clock", "In every process that has one.", "tutti_house_clock_"},
	{"NATS, as a process sees it", "In every process.", "tutti_bus_"},
	{"Every process", "", "tutti_"},
}

// list is docs/metrics.md: every metric of the repository at root.
func list(root string) (string, error) {
	all, err := metrics.Read(root+"/platform", root+"/services", root+"/cmd")
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("# Metrics\n\n" +
		"Every metric of Tutti. The list is made from the sources (`cd deploy && go run ./observability/gen`);\n" +
		"a test holds it to them, and them to what a running process tells. Each service has `/metrics` on\n" +
		"`--internal-http`, `tutti serve` on `--http`; Go's and the process's own (`go_…`, `process_…`) are there,\n" +
		"too. No label names a device or a group. Dashboard and alerts: [deploy/observability](../deploy/observability/README.md).\n")
	told := map[string]bool{}
	for _, s := range sections {
		fmt.Fprintf(&b, "\n## %s\n\n", s.title)
		if s.says != "" {
			b.WriteString(s.says + "\n\n")
		}
		b.WriteString("| name | type | |\n|---|---|---|\n")
		for _, m := range all {
			if told[m.Name] || !strings.HasPrefix(m.Name, s.prefix) {
				continue
			}
			told[m.Name] = true
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", m.Name, m.Type, m.Help)
		}
	}
	if len(told) != len(all) {
		return "", fmt.Errorf("%d metrics, %d in a section of the list", len(all), len(told))
	}
	return b.String(), nil
}

func dashboard() map[string]any {
	var panels []any
	id, y := 0, 0
	next := func() int { id++; return id }
	for _, r := range rows {
		panels = append(panels, map[string]any{"id": next(), "type": "row", "title": r.title, "collapsed": false,
			"gridPos": map[string]int{"x": 0, "y": y, "w": width, "h": 1}})
		y++
		w, h := width/3, 8
		if r.panels[0].kind == "stat" {
			w, h = width/len(r.panels), 4
		}
		x := 0
		for _, p := range r.panels {
			if x+w > width {
				x, y = 0, y+h
			}
			panels = append(panels, p.json(next(), x, y, w, h))
			x += w
		}
		y += h
	}
	return map[string]any{
		"title": "Tutti", "uid": "tutti", "schemaVersion": 39, "tags": []string{"tutti"}, "timezone": "browser",
		"refresh": "10s", "time": map[string]string{"from": "now-3h", "to": "now"}, "editable": true,
		"templating": map[string]any{"list": []any{map[string]any{
			"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus",
		}}},
		"panels": panels,
	}
}

func (p panel) json(id, x, y, w, h int) map[string]any {
	source := map[string]string{"type": "prometheus", "uid": "${datasource}"}
	var targets []any
	for i, q := range p.queries {
		targets = append(targets, map[string]any{"refId": string(rune('A' + i)), "datasource": source, "expr": q[1], "legendFormat": q[0]})
	}
	return map[string]any{
		"id": id, "type": p.kind, "title": p.title, "description": p.says, "datasource": source,
		"gridPos":     map[string]int{"x": x, "y": y, "w": w, "h": h},
		"fieldConfig": map[string]any{"defaults": map[string]any{"unit": p.unit, "min": 0}, "overrides": []any{}},
		"targets":     targets,
	}
}
