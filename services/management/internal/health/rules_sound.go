package health

import (
	"fmt"
	"slices"

	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// flapping is how many reconnects within an hour are too many.
const flapping = 3

// lateChunks finds those to whom audio came too late in the last minutes.
func lateChunks(f *facts) []model.Finding {
	order, members := f.byGroup(func(c *model.Client) bool {
		s := f.series[c.ClientID]
		if s == nil || !c.Connected {
			return false
		}
		if f.active("late:" + c.GroupID) {
			return sum(s.last(30)).late > 0 // it ends after 5 min without any
		}
		return sum(s.last(12)).late >= 3
	})
	var out []model.Finding
	for _, g := range order {
		ids := members[g]
		late, playing := 0, 0
		for _, id := range ids {
			late += sum(f.series[id].last(30)).late
		}
		for _, c := range f.snap.Clients {
			if c.GroupID == g && streaming(c) {
				playing++
			}
		}
		x := model.Finding{
			FindingID: "late:" + g, Clients: ids, Groups: groupsOf(g),
			Params: map[string]any{"names": f.names(ids), "n": len(ids), "late": late, "zone": f.zone(g)},
		}
		if len(ids) > 1 && len(ids) == playing {
			x.Code, x.Severity = "late_all", model.SeveritySerious
			x.Text = fmt.Sprintf("Audio reaches every speaker%s too late (%d pieces were left out in 5 minutes): the server or its network is too slow.", in(f.zone(g)), late)
			x.Remedy = words("relieve_server", "Look at the load of the services, and at what else uses this network.")
		} else {
			x.Code, x.Severity = "late", model.SeverityWarning
			x.Text = fmt.Sprintf("Audio reaches %s%s too late (%d pieces were left out in 5 minutes): the link is too slow.", f.names(ids), in(f.zone(g)), late)
			x.Remedy = f.compress(ids)
		}
		out = append(out, x)
	}
	return out
}

// window is a span of hours of the day; to is the hour in which it ends, and may be
// smaller than from.
type window struct{ from, to int }

func (w window) has(h int) bool { return (h-w.from+24)%24 < w.length() }
func (w window) length() int    { return (w.to-w.from+23)%24 + 1 }

// An hour of the day is weak when in it (over two days) the buffer was lost in at least
// weakLeast samples (2 min) and a tenth of those that played; it is fine below a
// thirtieth of at least fineLeast (5 min). A finding that is shown stays down to half.
const (
	weakLeast = 12
	fineLeast = 30
)

// weakWindow is the longest span of weak hours. ok is false when there is none, or when no
// other hour is known to be fine: then the hour explains nothing.
func weakWindow(hours [24]hourSum, shown bool) (best window, ok bool) {
	least, part := weakLeast, 10
	if shown {
		least, part = weakLeast/2, 20
	}
	weak := func(h int) bool { x := hours[h]; return x.weak >= least && x.weak*part >= x.playing }
	fine := slices.ContainsFunc(hours[:], func(x hourSum) bool { return x.playing >= fineLeast && x.weak*30 < x.playing })
	if !fine {
		return window{}, false
	}
	length := 0
	for from := range 24 {
		if !weak(from) || weak((from+23)%24) {
			continue // not the begin of a span; there is one, as some hour is not weak
		}
		n := 1
		for n < 24 && weak((from+n)%24) {
			n++
		}
		if n > length {
			best, length = window{from, (from + n) % 24}, n
		}
	}
	return best, length > 0
}

// weakLinks finds players whose buffer their link loses: at certain hours, else in the
// last hour.
func weakLinks(f *facts) []model.Finding {
	windows := map[string]window{}
	order, members := f.byGroup(func(c *model.Client) bool {
		w, ok := weakWindow(f.hours[c.ClientID], f.active("weak_link_hours:"+c.GroupID))
		if ok {
			windows[c.ClientID] = w
		}
		return ok
	})
	var out []model.Finding
	for _, g := range order {
		for i, ids := range together(members[g], windows) {
			out = append(out, f.weakHours(g, i, ids, windows))
		}
	}
	order, members = f.byGroup(func(c *model.Client) bool {
		if _, ok := windows[c.ClientID]; ok {
			return false
		}
		h, least, part := f.hour[c.ClientID], weakLeast, 10
		if f.active("weak_link:" + c.GroupID) {
			least, part = weakLeast/2, 20
		}
		return h.weak >= least && h.weak*part >= h.playing
	})
	for _, g := range order {
		ids := members[g]
		out = append(out, model.Finding{
			FindingID: "weak_link:" + g, Severity: model.SeverityWarning, Code: "weak_link", Clients: ids, Groups: groupsOf(g),
			Params: map[string]any{"names": f.names(ids), "n": len(ids), "zone": f.zone(g)},
			Text: fmt.Sprintf("%s%s %s buffer again and again: the link is weak. Use a compressed format or a larger buffer.",
				f.names(ids), in(f.zone(g)), verb(len(ids), "loses", "lose")),
			Remedy: f.compress(ids),
		})
	}
	return out
}

// together puts clients whose windows overlap into one finding.
func together(ids []string, windows map[string]window) (out [][]string) {
next:
	for _, id := range ids {
		for i, have := range out {
			a, b := windows[id], windows[have[0]]
			if a.has(b.from) || b.has(a.from) {
				out[i] = append(out[i], id)
				continue next
			}
		}
		out = append(out, []string{id})
	}
	return out
}

func (f *facts) weakHours(g string, i int, ids []string, windows map[string]window) model.Finding {
	w := windows[ids[0]]
	for _, id := range ids[1:] {
		// The union of two spans that overlap.
		o := windows[id]
		if o.has(w.from) {
			w.from = o.from
		}
		if w.has(o.to) || w.to == o.to {
			continue
		}
		w.to = o.to
	}
	id := "weak_link_hours:" + g
	if i > 0 {
		id += fmt.Sprintf(":%d", i+1)
	}
	from, to := fmt.Sprintf("%02d:00", w.from), fmt.Sprintf("%02d:00", w.to)
	return model.Finding{
		FindingID: id, Severity: model.SeverityWarning, Code: "weak_link_hours", Clients: ids, Groups: groupsOf(g),
		Params: map[string]any{"names": f.names(ids), "n": len(ids), "zone": f.zone(g), "from": from, "to": to},
		Text: fmt.Sprintf("%s%s %s buffer between %s and %s: the link is weak then, as a Wi-Fi is that many use. Use a compressed format or a larger buffer.",
			f.names(ids), in(f.zone(g)), verb(len(ids), "loses", "lose"), from, to),
		Remedy: f.compress(ids),
	}
}

// silentMembers finds connected players that get no audio while their group plays.
func silentMembers(f *facts) []model.Finding {
	var out []model.Finding
	for _, g := range f.groups {
		if g.PlaybackState != "playing" {
			continue
		}
		for _, m := range g.MemberStatus {
			c := f.snap.Client(m.ClientID)
			if m.State != model.MemberNotStreaming || c == nil || c.Player == nil {
				continue
			}
			x := model.Finding{
				FindingID: "no_audio:" + m.ClientID, Severity: model.SeverityWarning, Code: "no_audio",
				Clients: []string{m.ClientID}, Groups: []string{g.GroupID},
				Params: map[string]any{"names": c.DisplayName(), "n": 1, "zone": f.zone(g.GroupID), "detail": m.Detail},
				Text:   fmt.Sprintf("%s gets no audio while%s plays: %s.", c.DisplayName(), theZone(f.zone(g.GroupID)), m.Detail),
			}
			if c.Waiting != "" && c.Warning == "" && c.UnpairedOK {
				x.Code = "no_audio_waiting"
				x.Params["fingerprint"] = c.Fingerprint
				x.Text = fmt.Sprintf("%s gets no audio while%s plays: it waits for approval.", c.DisplayName(), theZone(f.zone(g.GroupID)))
				x.Remedy = &model.Remedy{Code: "approve", Text: "Approve " + c.DisplayName() + ". Compare its fingerprint first: " + c.Fingerprint + ".",
					Role: "admin", Method: "POST", Path: clientPath(m.ClientID) + "/approve"}
			}
			out = append(out, x)
		}
	}
	return out
}

// theZone is " <zone>", or " its group" for one without a name.
func theZone(zone string) string {
	if zone == "" {
		return " its group"
	}
	return " " + zone
}

// stoppedGroups finds groups that stopped by themselves.
func stoppedGroups(f *facts) []model.Finding {
	var out []model.Finding
	for _, g := range f.groups {
		if g.LastError == "" || g.PlaybackState == "playing" {
			continue
		}
		name := f.zone(g.GroupID)
		if name == "" {
			name = f.names(g.Members)
		}
		x := model.Finding{
			FindingID: "group_error:" + g.GroupID, Severity: model.SeverityWarning, Code: "group_error", Groups: []string{g.GroupID},
			Params: map[string]any{"zone": name, "detail": g.LastError},
			Text:   fmt.Sprintf("%s stopped by itself: %s.", name, g.LastError),
		}
		if g.QueueLength > 0 {
			x.Remedy = &model.Remedy{Code: "play_again", Text: "Play " + name + " again.", Role: "operator",
				Method: "POST", Path: "/api/v1/groups/" + g.GroupID + "/play", Body: map[string]any{}}
		}
		out = append(out, x)
	}
	return out
}
