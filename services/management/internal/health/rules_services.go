package health

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// parts are the services of a deployment, and what is missing without each.
var parts = []struct{ name, without string }{
	{"discovery", "new devices are not found"},
	{"session-gateway", "no device can connect"},
	{"pairing", "no device can be admitted, approved or paired"},
	{"stream", "nothing plays"},
	{"management", "this API is not announced"},
}

// missingServices finds services of which no process is alive, and processes that were
// lost while others of their service go on.
func missingServices(f *facts) []model.Finding {
	up := map[string]bool{}
	for _, s := range f.services {
		up[s.Service] = up[s.Service] || s.Up
	}
	var out []model.Finding
	for _, p := range parts {
		if up[p.name] {
			continue
		}
		out = append(out, model.Finding{
			FindingID: "service_missing:" + p.name, Severity: model.SeveritySerious, Code: "service_missing", Params: map[string]any{"service": p.name},
			Text:   fmt.Sprintf("The %s service does not run: %s.", p.name, p.without),
			Remedy: words("start_service", "Start it, and look at its log if it ends again."),
		})
	}
	for _, s := range f.services {
		if s.Up || !up[s.Service] {
			continue
		}
		out = append(out, model.Finding{
			FindingID: "service_lost:" + s.Service + ":" + s.InstanceID, Severity: model.SeverityWarning, Code: "service_lost",
			Params: map[string]any{"service": s.Service, "host": s.Host},
			Text:   fmt.Sprintf("A %s process on %s is not heard of any more; another one of it goes on.", s.Service, s.Host),
			Remedy: words("start_service", "Start it, and look at its log if it ends again."),
		})
	}
	return out
}

// readyGrace is how long a process may take until it is ready: it waits for NATS or the
// database when all of them start together.
const readyGrace = time.Minute

// notReady finds processes that run and cannot do their work. One that hands over what it
// has is on its way out, and not ready by intent.
func notReady(f *facts) []model.Finding {
	ready, without := map[string]bool{}, map[string]string{}
	for _, s := range f.services {
		ready[s.Service] = ready[s.Service] || s.Up && s.Ready && !s.Draining
	}
	for _, p := range parts {
		without[p.name] = p.without
	}
	var out []model.Finding
	for _, s := range f.services {
		if !s.Up || s.Ready || s.Draining {
			continue
		}
		why := strings.TrimRight(cmp.Or(s.NotReady, "it does not say why"), ".")
		x := model.Finding{
			FindingID: "not_ready:" + s.Service + ":" + s.InstanceID, Severity: model.SeveritySerious, Code: "service_not_ready",
			Params: map[string]any{"service": s.Service, "host": s.Host, "detail": why},
			Text:   fmt.Sprintf("The %s service runs on %s and is not ready: %s. Until it is, %s.", s.Service, s.Host, why, without[s.Service]),
			Remedy: words("mend_cause", "Mend what it waits for; it becomes ready by itself, and needs no restart. Its log and GET /readyz at its --internal-http say the same."),
		}
		if ready[s.Service] {
			x.Code, x.Severity = "instance_not_ready", model.SeverityWarning
			x.Text = fmt.Sprintf("A %s process on %s runs and is not ready: %s. Another one of it serves.", s.Service, s.Host, why)
		}
		out = append(out, x)
	}
	return out
}

// restarts finds services that start again and again.
func restarts(f *facts) []model.Finding {
	var out []model.Finding
	for _, p := range parts {
		id, limit := "service_restarts:"+p.name, restartsMax
		if f.active(id) {
			limit--
		}
		if n := f.starts[p.name]; n >= limit {
			out = append(out, model.Finding{
				FindingID: id, Severity: model.SeverityWarning, Code: "service_restarts", Params: map[string]any{"service": p.name, "n": n},
				Text:   fmt.Sprintf("The %s service started %d times within an hour.", p.name, n),
				Remedy: words("read_log", "Its log says why it ended."),
			})
		}
	}
	return out
}

// versions finds services of different versions side by side.
func versions(f *facts) []model.Finding {
	var have []string
	for _, s := range f.services {
		if s.Up && s.Version != "" && !slices.Contains(have, s.Version) {
			have = append(have, s.Version)
		}
	}
	if len(have) < 2 {
		return nil
	}
	slices.Sort(have)
	return []model.Finding{{
		FindingID: "version_skew", Severity: model.SeverityWarning, Code: "version_skew", Params: map[string]any{"versions": strings.Join(have, ", ")},
		Text:   "Services of different versions run side by side: " + strings.Join(have, ", ") + ".",
		Remedy: words("finish_upgrade", "Finish the upgrade: bring all of them to one version."),
	}}
}

// overload finds processes that keep nearly all of their cores busy.
func overload(f *facts) []model.Finding {
	var out []model.Finding
	for _, s := range f.services {
		if !s.Up || s.CPUs == 0 {
			continue
		}
		// Of a process that several services share one of them speaks.
		id, name := "overload:"+s.InstanceID, s.Service
		if s.Shared {
			name = "Tutti"
		}
		limit := loadLimit
		if f.active(id) {
			limit = loadEnd
		}
		if s.CPU < limit*float64(s.CPUs) || slices.ContainsFunc(out, func(x model.Finding) bool { return x.FindingID == id }) {
			continue
		}
		percent := int(100 * s.CPU / float64(s.CPUs))
		out = append(out, model.Finding{
			FindingID: id, Severity: model.SeverityWarning, Code: "overload", Params: map[string]any{"service": name, "host": s.Host, "percent": percent},
			Text:   fmt.Sprintf("%s on %s uses %d %% of its processor: audio may come late.", name, s.Host, percent),
			Remedy: words("relieve_host", "Stop what else runs there, send fewer formats, or use a faster machine."),
		})
	}
	return out
}

// houseClock finds a clock that nobody leads, or that is known too badly here.
func houseClock(f *facts) []model.Finding {
	if f.house == nil {
		return nil
	}
	if f.house.Leader == "" {
		return []model.Finding{{
			FindingID: "house_clock", Severity: model.SeveritySerious, Code: "clock_no_leader",
			Text:   "Nobody leads the house clock: nothing can play in time.",
			Remedy: words("start_stream", "Start a stream service: one of them leads."),
		}}
	}
	limit := int64(houseLimit)
	if f.active("house_clock") {
		limit = houseEnd
	}
	if f.house.UncertaintyUS <= limit {
		return nil
	}
	return []model.Finding{{
		FindingID: "house_clock", Severity: model.SeverityWarning, Code: "clock_uncertain", Params: map[string]any{"us": f.house.UncertaintyUS},
		Text:   fmt.Sprintf("The house clock is known to %d µs only on this host: the network between the services is slow or busy.", f.house.UncertaintyUS),
		Remedy: words("wire_services", "Put the services on one host, or on a wired network."),
	}}
}

// failedLibrary finds an index that could not be made.
func failedLibrary(f *facts) []model.Finding {
	if f.library == nil || f.library.State != "failed" {
		return nil
	}
	return []model.Finding{{
		FindingID: "library_failed", Severity: model.SeverityWarning, Code: "library_failed", Params: map[string]any{"detail": f.library.Error},
		Text:   "The music folder could not be read: " + f.library.Error + ". What was found before can still be played.",
		Remedy: &model.Remedy{Code: "rescan", Text: "Look at every folder again.", Role: "operator", Method: "POST", Path: "/api/v1/library/rescan"},
	}}
}
