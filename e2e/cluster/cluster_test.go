package cluster

import (
	"os"
	"strings"
	"testing"
	"time"
)

// Variables that choose what TestCluster does.
const (
	reportVar = "TUTTI_FAILOVER_REPORT" // the full form, and the file that gets its table
	onlyVar   = "TUTTI_CLUSTER_FAULTS"  // part of the names of the faults that strike
	keepVar   = "TUTTI_CLUSTER_DIR"     // where logs and stores are kept
)

// Players on a deployment of three hosts listen while one thing after the other goes
// wrong.
func TestCluster(t *testing.T) {
	limit, long := 8*time.Minute, os.Getenv(reportVar)+os.Getenv(onlyVar) != ""
	if long {
		limit = 40 * time.Minute
	}
	if !Inside(t, limit) {
		return
	}
	s := Setting{Players: 12, Groups: 3, Link: Link{Delay: time.Millisecond, Jitter: 300 * time.Microsecond, Loss: 0.0001}}
	report := os.Getenv(reportVar)
	if report != "" {
		s.Players, s.Groups = 60, 6
	}
	music := t.TempDir()
	n := NewNetwork(t, s.Link)
	f := NewFleet(t, n, s.Players, s.Groups)
	c := Deploy(t, n, Options{Dir: logDir(t), Music: music, Devices: f.Addresses()})
	t.Log("deployed")
	titles, seconds := 1, 600
	if long {
		titles, seconds = 3, 1200
	}
	f.Admit(t, c)
	f.Play(t, c, WriteMusic(t, music, titles, seconds), seconds)
	t.Log("all play")
	began := time.Now()
	calm := f.Suffer(t, c, Fault{Name: "nothing", Strike: func(testing.TB, *Cluster) func() { return func() {} }, Watch: 5 * time.Second})
	t.Log(calm.Line())
	rows := []Row{calm}
	if report != "" {
		t.Cleanup(func() { // of an aborted run too
			s.Took = time.Since(began)
			if err := Report(report, s, rows); err != nil {
				t.Error(err)
			}
		})
	}
	for _, fault := range Faults() {
		if only := os.Getenv(onlyVar); only != "" && !strings.Contains(fault.Name, only) || only == "" && report == "" && !fault.Short {
			continue
		}
		rows = append(rows, f.Suffer(t, c, fault))
		t.Log(rows[len(rows)-1].Line())
	}
	for _, r := range rows {
		for _, b := range r.Broken() {
			t.Error(b)
		}
	}
	if d := n.Wire.Dropped(); d > 0 {
		t.Logf("%d frames found a full port of the switch", d)
	}
}

// logDir is where stores and logs go: the folder that keepVar names, or one of the test's.
func logDir(t *testing.T) string {
	t.Helper()
	if d := os.Getenv(keepVar); d != "" {
		return d
	}
	return t.TempDir()
}
