package ctlcmd

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

type apiHealth struct {
	Services []struct {
		Service     string    `json:"service"`
		InstanceID  string    `json:"instance_id"`
		Version     string    `json:"version"`
		Host        string    `json:"host"`
		StartedAt   time.Time `json:"started_at"`
		Up          bool      `json:"up"`
		CPU         float64   `json:"cpu"`
		MemoryBytes uint64    `json:"memory_bytes"`
		Sessions    *uint32   `json:"sessions"`
		Groups      *uint32   `json:"groups"`
		Capacity    uint32    `json:"capacity"`
		Draining    bool      `json:"draining"`
		Ready       *bool     `json:"ready"` // nil: an older server, which does not say
		Shared      bool      `json:"shared"`
	} `json:"services"`
	Clients  []apiClientHealth `json:"clients"`
	Findings []apiFinding      `json:"findings"`
}

type apiClientHealth struct {
	ClientID     string `json:"client_id"`
	Quality      string `json:"quality"`
	RTTUS        *int64 `json:"rtt_us"`
	BufferedMS   *int64 `json:"buffered_ms"`
	Late10M      int    `json:"late_10m"`
	Reconnects1H int    `json:"reconnects_1h"`
}

type apiFinding struct {
	Severity string    `json:"severity"`
	Since    time.Time `json:"since"`
	Text     string    `json:"text"`
	Remedy   *struct {
		Text string `json:"text"`
	} `json:"remedy"`
}

func healthCommand() *cobra.Command {
	return command("health", "What is wrong, in words, and how every device and service does",
		"Says in words what is wrong and what mends it, then shows the quality of each device and the load of each\nservice. Exit status 1 when a finding is serious, so that a script can ask.",
		"  tutti health\n  tutti health --json | jq .findings", cobra.NoArgs, func(r *run, _ []string) error {
			h, raw, err := get[apiHealth](r, "/api/v1/health")
			if err != nil {
				return err
			}
			clients, _, err := get[apiClients](r, "/api/v1/clients")
			if err != nil {
				return err
			}
			if err := r.show(raw, func() error { return r.health(h, clients.Clients) }); err != nil {
				return err
			}
			serious := 0
			for _, f := range h.Findings {
				if f.Severity == "serious" {
					serious++
				}
			}
			if serious > 0 {
				return fmt.Errorf("%s; the findings above say what to do", plural(serious, "serious finding"))
			}
			return nil
		})
}

// healthSigns tell severities and qualities apart without colour, too.
var healthSigns = map[string]string{
	"serious": "✗", "warning": "!", "info": "i",
	"good": "✓ good", "fair": "~ fair", "poor": "! poor", "idle": "· idle", "offline": "- offline",
}

func (r *run) health(h apiHealth, clients []apiClient) error {
	var b strings.Builder
	if len(h.Findings) == 0 {
		b.WriteString("All is well.\n")
	}
	for _, f := range h.Findings {
		fmt.Fprintf(&b, "%s %s (%s)\n", healthSigns[f.Severity], clean(f.Text), ago(f.Since, time.Now()))
		if f.Remedy != nil {
			fmt.Fprintf(&b, "  → %s\n", clean(f.Remedy.Text))
		}
	}
	if _, err := fmt.Fprintln(r.out, b.String()); err != nil {
		return err
	}
	byID := map[string]apiClient{}
	for _, c := range clients {
		byID[c.ClientID] = c
	}
	if len(h.Clients) > 0 {
		t := newTable("DEVICE", "QUALITY", "ROUND TRIP", "BUFFER", "LATE (10 MIN)", "CAME BACK (1 H)")
		for _, c := range h.Clients {
			t.addDevice(byID, c)
		}
		slices.SortFunc(t.rows[1:], func(a, b []string) int { return strings.Compare(a[0], b[0]) })
		if err := t.print(r.out); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(r.out); err != nil {
			return err
		}
	}
	t, shared := serviceTable(h, time.Now())
	if err := t.print(r.out); err != nil || !shared {
		return err
	}
	_, err := fmt.Fprintln(r.out, sharedNote)
	return err
}

// addDevice adds a device's line: name, quality, round trip, buffer, late chunks, returns.
func (t *table) addDevice(byID map[string]apiClient, c apiClientHealth) {
	name := short(c.ClientID)
	if known, ok := byID[c.ClientID]; ok {
		name = known.display()
	}
	rtt, buffered := "", ""
	if c.RTTUS != nil {
		rtt = fmt.Sprintf("%.1f ms", float64(*c.RTTUS)/1000)
	}
	if c.BufferedMS != nil {
		buffered = fmt.Sprintf("%.1f s", float64(*c.BufferedMS)/1000)
	}
	t.add(name, healthSigns[c.Quality], dash(rtt), dash(buffered), fmt.Sprint(c.Late10M), fmt.Sprint(c.Reconnects1H))
}

const sharedNote = "* of one process that these services share"

// serviceTable is a line for each process of each service; shared says that sharedNote
// belongs below it.
func serviceTable(h apiHealth, now time.Time) (t *table, shared bool) {
	t = newTable("SERVICE", "STATE", "VERSION", "HOST", "STARTED", "CORES", "MEMORY", "HOLDS")
	for _, s := range h.Services {
		state, cores, memory, holds := "✓ up", fmt.Sprintf("%.2f", s.CPU), fmt.Sprintf("%d MB", s.MemoryBytes/1_000_000), ""
		switch {
		case !s.Up:
			state, cores, memory = "✗ lost", "", ""
		case s.Draining:
			state = "↓ leaving"
		case s.Ready != nil && !*s.Ready:
			state = "! not ready"
		}
		if s.Shared {
			shared, cores, memory = true, cores+" *", memory+" *"
		}
		switch {
		case s.Sessions != nil:
			holds = load(*s.Sessions, s.Capacity, "session")
		case s.Groups != nil:
			holds = load(*s.Groups, s.Capacity, "group")
		}
		t.add(s.Service, state, dash(s.Version), dash(s.Host), ago(s.StartedAt, now), dash(cores), dash(memory), dash(holds))
	}
	return t, shared
}

// load is what an instance holds, of how much it takes where that is known.
func load(n, capacity uint32, what string) string {
	if capacity > 0 && n*2 > capacity { // the cap is of interest when it comes near
		return fmt.Sprintf("%d of %d %ss", n, capacity, what)
	}
	return plural(int(n), what)
}
