package main

import (
	"os"
	"path/filepath"
	"testing"
)

// The committed dashboard is what the generator gives.
func TestTheDashboardIsFresh(t *testing.T) {
	fresh := filepath.Join(t.TempDir(), "dashboard.json")
	if err := write(fresh); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(fresh)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../grafana-dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Error("deploy/observability/grafana-dashboard.json is stale: cd deploy && go run ./observability/gen")
	}
}

// The committed list of metrics is what the sources have.
func TestTheListOfMetricsIsFresh(t *testing.T) {
	const root = "../../.."
	want, err := list(root)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(root + "/docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/metrics.md is stale: cd deploy && go run ./observability/gen")
	}
}
