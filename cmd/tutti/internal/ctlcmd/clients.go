package ctlcmd

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// watchPause gathers changes before the table is drawn again.
const watchPause = 300 * time.Millisecond

const clientsLong = `Lists every device that was ever seen and not forgotten, by name. The column TRUST says
how far each may go:
  ✓ paired        it proved who it is, and nobody can pose as it
  + approved      you let its key play without pairing
  ? waiting       it waits in 'tutti inbox'
  ! pretending?   it came as a device you know, with another key
  ≠ mismatch      it was paired and has lost its credential: pair it again
  - denied        not now; it may knock again
  ✗ blocked       never
  ~ unpairing     you unpaired it, and it will be told`

func clientsCommand() *cobra.Command {
	watch := false
	c := command("clients [name|id|fingerprint]", "List the devices that are known, or show one",
		clientsLong,
		`  tutti clients
  tutti clients kitchen
  tutti clients --watch
  tutti clients --json | jq '.clients[] | select(.connected | not) | .name'`,
		cobra.MaximumNArgs(1), func(r *run, args []string) error {
			switch {
			case watch && len(args) > 0:
				return usagef("--watch is for the whole list: leave %q out", args[0])
			case watch:
				return r.watchClients()
			case len(args) > 0:
				return r.showClient(args[0])
			}
			raw, err := r.printClients()
			if err != nil {
				return err
			}
			if r.json {
				return r.done(raw, "")
			}
			return nil
		})
	c.Flags().BoolVar(&watch, "watch", false, "draw the list again whenever something changes, until Ctrl-C")
	return c
}

// printClients draws the table, unless JSON is wanted.
func (r *run) printClients() (json.RawMessage, error) {
	list, raw, err := get[apiClients](r, "/api/v1/clients")
	if err != nil || r.json {
		return raw, err
	}
	groups, _, err := get[apiGroups](r, "/api/v1/groups")
	if err != nil {
		return raw, err
	}
	if len(list.Clients) == 0 {
		_, err := fmt.Fprintln(r.out, "no devices yet: they appear when mDNS shows them, or add one with 'tutti add ws://host:8928/sendspin'")
		return raw, err
	}
	names := map[string]string{}
	for _, g := range groups.Groups {
		if !g.alone() {
			names[g.GroupID] = g.display()
		}
	}
	slices.SortFunc(list.Clients, func(a, b apiClient) int {
		return byName(a.display(), a.ClientID, b.display(), b.ClientID)
	})
	t := newTable("NAME", "ID", "STATE", "TRUST", "GROUP", "VOLUME", "FORMAT", "BUFFER")
	for _, c := range list.Clients {
		t.add(c.display(), short(c.ClientID), state(c, time.Now()), trust(c), dash(names[c.GroupID]), volume(c), format(c), buffer(c))
	}
	return raw, t.print(r.out)
}

func state(c apiClient, now time.Time) string {
	switch {
	case c.Connected && c.Stage != "":
		return "connecting: " + c.Stage
	case c.Connected:
		return "connected"
	}
	if c.LastGoodbye == "another_server" || c.LastGoodbye == "concurrent_attempt" {
		return "with another server, seen " + ago(c.LastSeenAt, now)
	}
	return "away, seen " + ago(c.LastSeenAt, now)
}

func volume(c apiClient) string {
	if c.Player == nil || c.Player.Volume == nil {
		return "-"
	}
	s := fmt.Sprint(*c.Player.Volume)
	if c.Player.Muted != nil && *c.Player.Muted {
		s += " muted"
	}
	return s
}

func format(c apiClient) string {
	if c.Player == nil {
		return "-"
	}
	return c.Player.StreamFormat.String()
}

func buffer(c apiClient) string {
	if c.Player == nil || c.Player.StreamFormat == nil {
		return "-"
	}
	s := fmt.Sprintf("%.1f s", float64(c.Player.BufferedMS)/1000)
	if c.Player.ChunksLate > 0 {
		s += fmt.Sprintf(", %d late", c.Player.ChunksLate)
	}
	return s
}

// watchClients draws the list again after each change.
func (r *run) watchClients() error {
	return r.following(func(events <-chan feedEvent, failed <-chan error) error {
		for {
			if isTerminal(r.out) {
				_, _ = fmt.Fprint(r.out, "\x1b[H\x1b[2J")
			}
			raw, err := r.printClients()
			if err != nil {
				return err
			}
			if r.json {
				if err := r.done(raw, ""); err != nil {
					return err
				}
			}
			if err := waitForChange(r, events, failed); err != nil {
				return err
			}
		}
	})
}

func waitForChange(r *run, events <-chan feedEvent, failed <-chan error) error {
	for {
		select {
		case e := <-events:
			if !strings.HasPrefix(e.kind, "client.") && !strings.HasPrefix(e.kind, "group.") && e.kind != "reset" {
				continue
			}
		case err := <-failed:
			return err
		}
		pause := time.After(watchPause)
		for {
			select {
			case <-events: // the next drawing shows it
			case err := <-failed:
				return err
			case <-pause:
				return nil
			case <-r.ctx.Done():
				return r.ctx.Err()
			}
		}
	}
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func addCommand() *cobra.Command {
	return command("add <ws-url>", "Add a device by address, where mDNS does not reach",
		"The server dials the address from now on. The device waits in the inbox when it has answered.",
		`  tutti add ws://192.168.20.15:8928/sendspin
  tutti add ws://kitchen.lan`,
		cobra.ExactArgs(1), func(r *run, args []string) error {
			url := args[0]
			if !strings.Contains(url, "://") {
				url = "ws://" + url
			}
			v, raw, err := call[struct {
				URL string `json:"url"`
			}](r, http.MethodPost, "/api/v1/clients", map[string]string{"url": url})
			if err != nil {
				return err
			}
			return r.done(raw, "added %s: the server dials it now; see 'tutti inbox' when it has answered", v.URL)
		})
}
