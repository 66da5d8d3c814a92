package health

import (
	"fmt"
	"slices"
	"time"

	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// flappingClients finds devices that come and go.
func flappingClients(f *facts) []model.Finding {
	const all = "reconnects_all"
	var out []model.Finding
	looked := 0
	for _, c := range f.snap.Clients {
		id, limit := "reconnects:"+c.ClientID, flapping
		if f.active(id) || f.active(all) {
			limit-- // it has to calm down, not only to pause
		}
		n := f.hour[c.ClientID].reconnects
		if trusted(c) && f.series[c.ClientID] != nil {
			looked++
		}
		if !trusted(c) || n < limit {
			continue
		}
		x := model.Finding{
			FindingID: id, Severity: model.SeverityWarning, Code: "reconnects", Clients: []string{c.ClientID}, Groups: groupsOf(c.GroupID),
			Params: map[string]any{"names": c.DisplayName(), "n": n},
			Text:   fmt.Sprintf("%s came back %d times within an hour: its power, its link or its software fails.", c.DisplayName(), n),
			Remedy: words("check_device", "Look at its power supply and its distance to the access point, and bring its software up to date."),
		}
		if c.LastError != "" {
			x.Code, x.Params["detail"] = "reconnects_error", c.LastError
			x.Text += " Its last session ended with: " + c.LastError + "."
		}
		out = append(out, x)
	}
	return f.together(all, looked, out, backTogether)
}

// Limits of the round trip, in µs: what is above the first is high; what is shown goes
// below the second. rttLeast samples of the last 5 min must be known.
const (
	highRTT     = 150_000
	highRTTEnd  = 100_000
	jumpRTT     = 120_000
	jumpRTTEnd  = 80_000
	rttLeast    = 10
	rttSamples  = 30
	staleAfter  = 3 * time.Minute
	staleEnd    = time.Minute
	awayAfter   = 24 * time.Hour
	houseLimit  = 1000 // µs
	houseEnd    = 500
	loadLimit   = 0.85 // of the cores
	loadEnd     = 0.70
	restartsMax = 3
)

// roundTrips finds players whose link is slow, or now fast and now slow.
func roundTrips(f *facts) []model.Finding {
	const all = "links_all"
	var out []model.Finding
	looked := 0
	for _, c := range f.snap.Clients {
		s := f.series[c.ClientID]
		if s == nil || !streaming(c) {
			continue
		}
		var rtts []uint32
		for _, x := range s.last(rttSamples) {
			if x.rtt != noRTT {
				rtts = append(rtts, x.rtt)
			}
		}
		if len(rtts) < rttLeast {
			continue
		}
		looked++
		slices.Sort(rtts)
		low, median, high := rtts[len(rtts)/10], rtts[len(rtts)/2], rtts[len(rtts)*9/10]
		id := "rtt:" + c.ClientID
		limit, jump := uint32(highRTT), uint32(jumpRTT)
		if f.active(id) || f.active(all) {
			limit, jump = highRTTEnd, jumpRTTEnd
		}
		x := model.Finding{FindingID: id, Clients: []string{c.ClientID}, Groups: groupsOf(c.GroupID), Remedy: f.compress([]string{c.ClientID})}
		switch {
		case median > limit:
			x.Code, x.Severity = "rtt_high", model.SeverityWarning
			x.Params = map[string]any{"names": c.DisplayName(), "n": 1, "ms": ms(median)}
			x.Text = fmt.Sprintf("The link of %s is slow: a round trip takes %d ms. Its clock is less certain for it, and its buffer fills slowly.", c.DisplayName(), ms(median))
		case high-low > jump && high > 3*median:
			x.Code, x.Severity = "rtt_jumps", model.SeverityInfo
			x.Params = map[string]any{"names": c.DisplayName(), "n": 1, "low": ms(low), "high": ms(high)}
			x.Text = fmt.Sprintf("The link of %s is unsteady: a round trip takes %d to %d ms.", c.DisplayName(), ms(low), ms(high))
		default:
			continue
		}
		out = append(out, x)
	}
	return f.together(all, looked, out, unsteadyTogether)
}

// ms is µs in whole milliseconds, at least 1.
func ms(us uint32) int { return max(1, int(us/1000)) }

// staleClocks finds players that have not asked for the time for long: their own clock
// runs away from the house's.
func staleClocks(f *facts) []model.Finding {
	var out []model.Finding
	for _, c := range f.snap.Clients {
		if !streaming(c) || c.ConnectedAt == nil {
			continue
		}
		last := *c.ConnectedAt
		if c.Sync != nil && c.Sync.LastTimeExchangeAt.After(last) {
			last = c.Sync.LastTimeExchangeAt
		}
		id, limit := "clock_stale:"+c.ClientID, staleAfter
		if f.active(id) {
			limit = staleEnd
		}
		age := f.now.Sub(last)
		if age < limit {
			continue
		}
		out = append(out, model.Finding{
			FindingID: id, Severity: model.SeverityWarning, Code: "clock_stale", Clients: []string{c.ClientID}, Groups: groupsOf(c.GroupID),
			Params: map[string]any{"names": c.DisplayName(), "n": int(age.Minutes())},
			Text:   fmt.Sprintf("%s has not asked for the time for %d minutes: it drifts from the other speakers.", c.DisplayName(), int(age.Minutes())),
			Remedy: words("restart_device", "Switch the device off and on."),
		})
	}
	return out
}

// mismatches finds paired devices that do not know their credential any more.
func mismatches(f *facts) []model.Finding {
	var out []model.Finding
	for _, c := range f.snap.Clients {
		if c.Trust != model.TrustMismatch {
			continue
		}
		out = append(out, model.Finding{
			FindingID: "credential_mismatch:" + c.ClientID, Severity: model.SeveritySerious, Code: "credential_mismatch",
			Clients: []string{c.ClientID}, Groups: groupsOf(c.GroupID), Params: map[string]any{"names": c.DisplayName(), "n": 1},
			Text:   c.DisplayName() + " was paired and does not know its credential any more: it was reset, or another device poses as it. It plays nothing.",
			Remedy: words("pair_again", "Pair it again."),
		})
	}
	return out
}

// warned finds keys against which something is held.
func warned(f *facts) []model.Finding {
	var out []model.Finding
	for _, c := range f.snap.Clients {
		if c.Warning == "" || c.Blocked || c.Trust == model.TrustDenied || trusted(c) {
			continue
		}
		out = append(out, model.Finding{
			FindingID: "impostor:" + c.ClientID, Severity: model.SeveritySerious, Code: "impostor",
			Clients: []string{c.ClientID}, Groups: groupsOf(c.GroupID), Params: map[string]any{"names": c.DisplayName(), "n": 1, "fingerprint": c.Fingerprint},
			Text:   c.DisplayName() + " may pose as a device that you know: it came with another key. It plays nothing until you decide.",
			Remedy: words("look_at_inbox", "Compare the fingerprint "+c.Fingerprint+" with the device, then pair it, or block it, in the inbox."),
		})
	}
	return out
}

// away finds trusted devices that nobody has heard of for a day.
func away(f *facts) []model.Finding {
	order, members := f.byGroup(func(c *model.Client) bool {
		return trusted(c) && !c.Connected && f.now.Sub(c.LastSeenAt) > awayAfter
	})
	var out []model.Finding
	for _, g := range order {
		ids := members[g]
		days := -1
		for _, id := range ids {
			d := int(f.now.Sub(f.snap.Client(id).LastSeenAt) / awayAfter)
			if days < 0 || d < days {
				days = d
			}
		}
		out = append(out, model.Finding{
			FindingID: "away:" + g, Severity: model.SeverityInfo, Code: "away", Clients: ids, Groups: groupsOf(g),
			Params: map[string]any{"names": f.names(ids), "n": len(ids), "zone": f.zone(g), "days": days},
			Text:   fmt.Sprintf("%s%s %s away for more than a day.", f.names(ids), in(f.zone(g)), verb(len(ids), "is", "are")),
			Remedy: words("power_or_forget", "Switch it on, or forget it if it is gone for good."),
		})
	}
	return out
}

// newerDevices finds devices that say what this server does not know.
func newerDevices(f *facts) []model.Finding {
	var ids []string
	for _, c := range f.snap.Clients {
		if len(c.Ignored)+len(c.UnknownRoles) > 0 && c.Connected {
			ids = append(ids, c.ClientID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return []model.Finding{{
		FindingID: "newer_device", Severity: model.SeverityInfo, Code: "newer_device", Clients: ids,
		Params: map[string]any{"names": f.names(ids), "n": len(ids)},
		Text:   fmt.Sprintf("%s %s a newer revision than this server; what it does not know it ignores.", f.names(ids), verb(len(ids), "speaks", "speak")),
		Remedy: words("upgrade_server", "Upgrade Tutti to use all that they can do."),
	}}
}
