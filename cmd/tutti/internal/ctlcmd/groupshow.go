package ctlcmd

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func groupShowCommand() *cobra.Command {
	return command("show <group>", "Show one group: who is late or away, which format each gets, for whom all wait",
		"The name of a device means the group that it plays in.", "  tutti groups show Downstairs",
		cobra.ExactArgs(1), func(r *run, args []string) error {
			found, err := r.group(args[0])
			if err != nil {
				return err
			}
			g, raw, err := get[apiGroup](r, groupPath(found))
			if err != nil {
				return err
			}
			clients, _, err := get[apiClients](r, "/api/v1/clients")
			if err != nil {
				return err
			}
			return r.show(raw, func() error {
				t := &table{}
				for _, row := range groupRows(g, displayNames(clients.Clients)) {
					if row[1] != "" {
						t.add(row[0], row[1])
					}
				}
				if err := t.print(r.out); err != nil || len(g.Status) == 0 {
					return err
				}
				return memberTable(g, displayNames(clients.Clients)).print(r.out)
			})
		})
}

// groupRows are the facts of a group in the order in which a person wants them; an empty
// one is left out.
func groupRows(g apiGroup, name func(string) string) [][2]string {
	rows := [][2]string{
		{"name", g.display()}, {"id", g.GroupID}, {"state", playState(g)}, {"plays", title(g)}, {"place", place(g)}, {"", announces(g)},
		{"volume", groupVolume(g) + rangeWords(g)}, {"stopped by itself", clip(g.LastError)},
	}
	if g.LeadClient != "" {
		rows = append(rows, [2]string{"starts after", fmt.Sprintf("%.1f s, for %s", float64(g.SendAheadMS)/1000, name(g.LeadClient))})
	}
	return rows
}

// rangeWords says what the volume can be, where limits make it less than everything.
func rangeWords(g apiGroup) string {
	if v := g.VolumeRange; v.Max > 0 && (v.Min > 0 || v.Max < 100) {
		return fmt.Sprintf(" (of %d to %d)", v.Min, v.Max)
	}
	return ""
}

// memberTable lists the members with what would make a person ask.
func memberTable(g apiGroup, name func(string) string) *table {
	t := newTable("MEMBER", "STATE", "FORMAT", "BUFFER", "LATE", "LEAD", "")
	for _, m := range g.Status {
		buffer, lead := "-", "-"
		if m.Format != nil {
			buffer, lead = fmt.Sprintf("%.1f s", float64(m.BufferedMS)/1000), fmt.Sprintf("%d ms", m.LeadMS)
		}
		t.add(name(m.ClientID), memberWord(m), m.Format.String(), buffer, fmt.Sprint(m.ChunksLate), lead, m.Detail)
	}
	return t
}

// memberWord is a member's state as a word with a sign.
func memberWord(m apiMember) string {
	sign := map[string]string{"ok": "✓", "late": "!", "absent": "-", "unavailable": "~", "not_streaming": "?"}[m.State]
	return sign + " " + strings.ReplaceAll(m.State, "_", " ")
}
