package ctlcmd

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func groupsCommand() *cobra.Command {
	c := command("groups", "List the groups; make one",
		"A device that is in no named group plays in one of its own.",
		`  tutti groups
  tutti groups create Downstairs kitchen lobby`,
		cobra.NoArgs, func(r *run, _ []string) error {
			list, raw, err := get[apiGroups](r, "/api/v1/groups")
			if err != nil {
				return err
			}
			return r.show(raw, func() error { return r.printGroups(list.Groups) })
		})
	c.AddCommand(command("create <name> [members...]", "Make a group",
		"Each member leaves the group it is in.", "  tutti groups create Downstairs kitchen lobby",
		cobra.MinimumNArgs(1), func(r *run, args []string) error {
			clients, _, err := get[apiClients](r, "/api/v1/clients")
			if err != nil {
				return err
			}
			ids, names := []string{}, []string{}
			for _, word := range args[1:] {
				m, err := pickClient(clients.Clients, word)
				if err != nil {
					return err
				}
				ids, names = append(ids, m.ClientID), append(names, m.display())
			}
			g, raw, err := call[apiGroup](r, http.MethodPost, "/api/v1/groups", map[string]any{"name": args[0], "members": ids})
			if err != nil {
				return err
			}
			return r.done(raw, "made group %s (%s) of %s", clean(g.display()), g.GroupID, clean(dash(strings.Join(names, ", "))))
		}), groupShowCommand())
	return c
}

func (r *run) printGroups(groups []apiGroup) error {
	if len(groups) == 0 {
		_, err := fmt.Fprintln(r.out, "no groups: they come with the first approved device, or make one with 'tutti groups create NAME'")
		return err
	}
	clients, _, err := get[apiClients](r, "/api/v1/clients")
	if err != nil {
		return err
	}
	names := displayNames(clients.Clients)
	sortGroups(groups)
	t := newTable("NAME", "ID", "STATE", "VOLUME", "PLAYS", "QUEUE", "MEMBERS")
	for _, g := range groups {
		members := make([]string, 0, len(g.Members))
		for _, id := range g.Members {
			members = append(members, names(id))
		}
		name := g.display()
		if g.alone() {
			name += " (alone)"
		}
		t.add(name, g.GroupID, playState(g), groupVolume(g), dash(title(g)), fmt.Sprint(g.QueueLength), dash(strings.Join(members, ", ")))
	}
	return t.print(r.out)
}

func displayNames(clients []apiClient) func(id string) string {
	m := map[string]string{}
	for _, c := range clients {
		m[c.ClientID] = c.display()
	}
	return func(id string) string {
		if n := m[id]; n != "" {
			return n
		}
		return short(id)
	}
}

// sortGroups puts named groups first, by name.
func sortGroups(groups []apiGroup) {
	slices.SortFunc(groups, func(a, b apiGroup) int {
		switch {
		case a.Solo != b.Solo && b.Solo:
			return -1
		case a.Solo != b.Solo:
			return 1
		}
		return byName(a.Name, a.GroupID, b.Name, b.GroupID)
	})
}

func playState(g apiGroup) string {
	switch {
	case g.PlaybackState == "playing":
		return "playing"
	case g.Paused:
		return "paused"
	}
	return "stopped"
}

func groupVolume(g apiGroup) string {
	s := fmt.Sprint(g.Volume)
	if g.Muted {
		s += " muted"
	}
	return s
}

// title is what a group plays, for a person.
func title(g apiGroup) string {
	if n := g.NowPlaying; n != nil && n.Title != "" {
		if n.Artist != "" {
			return n.Title + " — " + n.Artist
		}
		return n.Title
	}
	return g.Source
}

func groupCommand() *cobra.Command {
	member := func(verb, method, short, said string) *cobra.Command {
		return command(verb+" <group> <client...>", short, "", "  tutti group "+verb+" Downstairs kitchen",
			cobra.MinimumNArgs(2), func(r *run, args []string) error { return r.members(method, said, args[0], args[1:]) })
	}
	c := parent("group", "Change a group",
		member("add", http.MethodPut, "Put devices into a group", "added to"),
		member("remove", http.MethodDelete, "Take devices out of a group", "removed from"),
		command("rename <group> <new-name>", "Rename a group", "", "  tutti group rename Downstairs 'Ground floor'",
			cobra.ExactArgs(2), func(r *run, args []string) error {
				g, err := r.group(args[0])
				if err != nil {
					return err
				}
				v, raw, err := call[apiGroup](r, http.MethodPatch, groupPath(g), map[string]string{"name": args[1]})
				if err != nil {
					return err
				}
				return r.done(raw, "%s is now %s", clean(g.display()), clean(v.display()))
			}),
		groupSet(),
		command("delete <group>", "Delete a group", "Its members play alone from then on.", "  tutti group delete Downstairs",
			cobra.ExactArgs(1), func(r *run, args []string) error {
				g, err := r.group(args[0])
				if err != nil {
					return err
				}
				if _, err := r.api.do(r.ctx, http.MethodDelete, groupPath(g), nil); err != nil {
					return err
				}
				raw, _ := json.Marshal(map[string]string{"group_id": g.GroupID})
				return r.done(raw, "deleted %s", clean(g.display()))
			}),
	)
	c.Example = `  tutti group add Downstairs kitchen lobby
  tutti group remove Downstairs lobby
  tutti group rename Downstairs 'Ground floor'
  tutti group set Downstairs --crossfade 4s --normalization track
  tutti group delete Downstairs`
	return c
}

// groupSet changes how titles follow each other, and how loud they are.
func groupSet() *cobra.Command {
	var fade, normalization string
	c := command("set <group>", "Set crossfade and loudness normalization", "They count from the next title on. Consecutive tracks of an album always follow each other without a gap.",
		"  tutti group set Downstairs --crossfade 4s --normalization track", cobra.ExactArgs(1), func(r *run, args []string) error {
			body := map[string]any{}
			if fade != "" {
				d, err := parseFade(fade)
				if err != nil || d < 0 || d > 15*time.Second {
					return usagef("%q is no crossfade: write 4s or 1500ms, up to 15s, or 0s for gapless", fade)
				}
				body["crossfade_ms"] = d.Milliseconds()
			}
			if normalization != "" {
				body["normalization"] = normalization
			}
			if len(body) == 0 {
				return usagef("say what to set: --crossfade or --normalization")
			}
			g, err := r.group(args[0])
			if err != nil {
				return err
			}
			v, raw, err := call[apiGroup](r, http.MethodPatch, groupPath(g), body)
			if err != nil {
				return err
			}
			return r.done(raw, "%s: crossfade %v, normalization %s", clean(g.display()), time.Duration(v.CrossfadeMS)*time.Millisecond, clean(dash(v.Normalization)))
		})
	c.Flags().StringVar(&fade, "crossfade", "", "how long a title and the next sound together, such as 4s; 0s is gapless")
	c.Flags().StringVar(&normalization, "normalization", "", "off, track or album: titles alike loud by their tags, or measured")
	return c
}

// parseFade reads a crossfade: a duration, or bare seconds.
func parseFade(s string) (time.Duration, error) {
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		s += "s"
	}
	return time.ParseDuration(s)
}

// members puts clients into a group or takes them out, one after the other.
func (r *run) members(method, said, group string, words []string) error {
	g, err := r.group(group)
	if err != nil {
		return err
	}
	list, _, err := get[apiClients](r, "/api/v1/clients")
	if err != nil {
		return err
	}
	var who []apiClient
	for _, word := range words { // all names first: nothing is done when one is wrong
		c, err := pickClient(list.Clients, word)
		if err != nil {
			return err
		}
		who = append(who, c)
	}
	var raw json.RawMessage
	var names []string
	for _, c := range who {
		if raw, err = r.api.do(r.ctx, method, groupPath(g)+"/members/"+c.ClientID, nil); err != nil {
			return err
		}
		names = append(names, c.display())
	}
	return r.done(raw, "%s %s %s", clean(strings.Join(names, ", ")), said, clean(g.display()))
}

func groupPath(g apiGroup) string { return "/api/v1/groups/" + url.PathEscape(g.GroupID) }
