package ctlcmd

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

func statusCommand() *cobra.Command {
	return command("status", "What plays where, at a glance",
		"Shows each group with its title, place and volume, what is announced, and each member with its\nbuffer and what is wrong with it.",
		"  tutti status", cobra.NoArgs, func(r *run, _ []string) error {
			s, sraw, err := get[apiServer](r, "/api/v1/server")
			if err != nil {
				return err
			}
			clients, craw, err := get[apiClients](r, "/api/v1/clients")
			if err != nil {
				return err
			}
			groups, graw, err := get[apiGroups](r, "/api/v1/groups")
			if err != nil {
				return err
			}
			inbox, iraw, err := get[apiInbox](r, "/api/v1/inbox")
			if err != nil {
				return err
			}
			raw, err := json.Marshal(map[string]json.RawMessage{
				"server": sraw, "clients": field(craw, "clients"), "groups": field(graw, "groups"), "inbox": iraw,
			})
			if err != nil {
				return err
			}
			return r.show(raw, func() error {
				_, err := io.WriteString(r.out, picture(s, clients.Clients, groups.Groups, inbox.Waiting))
				return err
			})
		})
}

func field(raw json.RawMessage, name string) json.RawMessage {
	m := map[string]json.RawMessage{}
	if json.Unmarshal(raw, &m) != nil || m[name] == nil {
		return json.RawMessage("null")
	}
	return m[name]
}

// picture is the whole of "tutti status".
func picture(s apiServer, clients []apiClient, groups []apiGroup, waiting []apiWaiting) string {
	var b strings.Builder
	connected := 0
	byID := map[string]apiClient{}
	for _, c := range clients {
		byID[c.ClientID] = c
		if c.Connected {
			connected++
		}
	}
	fmt.Fprintf(&b, "%s (Tutti %s, %s): %d of %d devices connected", clean(dash(s.Name)), s.Version, s.Mode, connected, len(clients))
	if n := len(waiting); n > 0 {
		fmt.Fprintf(&b, ", %d in the inbox", n)
	}
	b.WriteString("\n")
	sortGroups(groups)
	var idle []string
	for _, g := range groups {
		if g.Solo && playState(g) == "stopped" && g.LastError == "" {
			idle = append(idle, g.display())
			continue
		}
		b.WriteString("\n" + pictureGroup(g, byID))
	}
	if len(idle) > 0 {
		fmt.Fprintf(&b, "\nAlone and silent: %s\n", clean(strings.Join(idle, ", ")))
	}
	return b.String()
}

// place is how far the title is; "" where nothing plays.
func place(g apiGroup) string {
	n := g.NowPlaying
	switch {
	case n == nil || playState(g) == "stopped":
		return ""
	case g.Live:
		return "live, since " + clock(n.PositionMS)
	case n.DurationMS > 0:
		return fmt.Sprintf("%s %s / %s", bar(n.PositionMS, n.DurationMS, 30, "━", "─"), clock(n.PositionMS), clock(n.DurationMS))
	}
	return clock(n.PositionMS)
}

// announces is what is announced now; "" when nothing is.
func announces(g apiGroup) string {
	a := g.Announcement
	if a == nil || a.State != "playing" {
		return ""
	}
	what := a.URI
	if a.Text != "" {
		what = fmt.Sprintf("%q", a.Text)
	}
	return fmt.Sprintf("announces %s (%s)", clean(clip(what)), clock(a.DurationMS))
}

func pictureGroup(g apiGroup, byID map[string]apiClient) string {
	var b strings.Builder
	sign := map[string]string{"playing": "▶", "paused": "⏸", "stopped": "■"}[playState(g)]
	fmt.Fprintf(&b, "%s %s", sign, clean(g.display()))
	if t := title(g); t != "" && playState(g) != "stopped" {
		fmt.Fprintf(&b, "  %s", clean(t))
	}
	b.WriteString("\n")
	if line := place(g); line != "" {
		b.WriteString("  " + line + "\n")
	}
	if line := announces(g); line != "" {
		b.WriteString("  " + line + "\n")
	}
	fmt.Fprintf(&b, "  volume %s %s\n", bar(int64(g.Volume), 100, 10, "▮", "▯"), groupVolume(g))
	if g.LastError != "" {
		fmt.Fprintf(&b, "  stopped by itself: %s\n", clean(g.LastError))
	}
	ill := map[string]apiMember{}
	for _, m := range g.Status {
		if m.State == "late" || m.State == "unavailable" || m.State == "not_streaming" {
			ill[m.ClientID] = m
		}
	}
	t := &table{}
	for _, id := range g.Members {
		c, known := byID[id]
		switch {
		case !known:
			t.add("   ", short(id), "not known")
		case !c.Connected:
			t.add("   ", c.display(), "away")
		case ill[id].State != "":
			t.add("   ", c.display(), format(c), "buffer "+buffer(c), "volume "+volume(c), memberWord(ill[id])+": "+ill[id].Detail)
		default:
			t.add("   ", c.display(), format(c), "buffer "+buffer(c), "volume "+volume(c))
		}
	}
	_ = t.print(&b) // a strings.Builder does not fail
	return b.String()
}
