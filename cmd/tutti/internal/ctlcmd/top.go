package ctlcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// topMin is the shortest time between two looks: Health judges every 10 s, and the API is
// there for others, too.
const topMin = 500 * time.Millisecond

func topCommand() *cobra.Command {
	interval := 2 * time.Second
	once := false
	c := command("top", "The whole deployment, live, in one screen",
		`Shows what is wrong, every service with its load, what plays, and the devices that do worst first, and
goes on until q or Ctrl-C. Where the output is no terminal, or with --once, it shows one look and ends;
with --json each look is one line.`,
		"  tutti top\n  tutti top --interval 10s\n  tutti top --once --json | jq .health.findings", cobra.NoArgs,
		func(r *run, _ []string) error {
			if interval < topMin {
				return usagef("--interval %v: choose %v or more", interval, topMin)
			}
			return r.top(interval, once)
		})
	c.Flags().DurationVar(&interval, "interval", interval, "time between two looks")
	c.Flags().BoolVar(&once, "once", false, "one look, then end")
	return c
}

// look is what one frame shows.
type look struct {
	server  apiServer
	health  apiHealth
	groups  []apiGroup
	clients []apiClient
	waiting int
	raw     json.RawMessage
}

func (r *run) look() (look, error) {
	server, sraw, err := get[apiServer](r, "/api/v1/server")
	if err != nil {
		return look{}, err
	}
	health, hraw, err := get[apiHealth](r, "/api/v1/health")
	if err != nil {
		return look{}, err
	}
	groups, graw, err := get[apiGroups](r, "/api/v1/groups")
	if err != nil {
		return look{}, err
	}
	clients, craw, err := get[apiClients](r, "/api/v1/clients")
	if err != nil {
		return look{}, err
	}
	inbox, iraw, err := get[apiInbox](r, "/api/v1/inbox")
	if err != nil {
		return look{}, err
	}
	raw, err := json.Marshal(map[string]json.RawMessage{"server": sraw, "health": hraw,
		"groups": field(graw, "groups"), "clients": field(craw, "clients"), "inbox": iraw})
	return look{server, health, groups.Groups, clients.Clients, len(inbox.Waiting), raw}, err
}

// top looks again and again. The first look must succeed; later ones may fail while the
// server is away, which the screen says.
func (r *run) top(interval time.Duration, once bool) error {
	l, err := r.look()
	if err != nil {
		return err
	}
	f, isFile := r.out.(*os.File)
	live := isFile && !r.json && !once && term.IsTerminal(int(f.Fd()))
	if !live {
		return r.frames(l, interval, once || !r.json)
	}
	s, err := openScreen(r.ctx, f, r.in)
	if err != nil {
		return err
	}
	defer s.close()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		width, height := s.size()
		s.draw(topLines(l, err, time.Now(), width, height))
		select {
		case <-r.ctx.Done():
			return nil
		case <-s.quit:
			return nil
		case <-s.resized:
		case <-tick.C:
			var next look
			if next, err = r.look(); err == nil {
				l = next
			} else if errors.Is(err, context.Canceled) {
				return nil
			}
		}
	}
}

// frames prints looks for programs and files.
func (r *run) frames(l look, interval time.Duration, once bool) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		var err error
		if r.json {
			_, err = fmt.Fprintln(r.out, string(l.raw))
		} else {
			_, err = fmt.Fprintln(r.out, strings.Join(topLines(l, nil, time.Now(), 120, 1<<20), "\n"))
		}
		if err != nil || once {
			return err
		}
		select {
		case <-r.ctx.Done():
			return nil
		case <-tick.C:
		}
		if l, err = r.look(); err != nil {
			return err
		}
	}
}

// topLines is one frame of at most height lines. What is wrong comes first, and what
// finds no place is counted.
func topLines(l look, away error, now time.Time, width, height int) []string {
	var out []string
	add := func(lines ...string) { out = append(out, lines...) }
	add(topHead(l, now))
	if away != nil {
		add(fmt.Sprintf("✗ no answer: %s; what follows is older", clean(clip(away.Error()))))
	}
	add("")
	for i, f := range l.health.Findings {
		if i == 4 && len(l.health.Findings) > 5 {
			add(fmt.Sprintf("  and %d more: tutti health", len(l.health.Findings)-i))
			break
		}
		add(fmt.Sprintf("%s %s", healthSigns[f.Severity], clean(f.Text)))
	}
	if len(l.health.Findings) == 0 {
		add("✓ all is well")
	}
	services, shared := serviceTable(l.health, now)
	add("")
	add(services.lines()...)
	if shared {
		add(sharedNote)
	}
	if playing := playingTable(l.groups); len(playing.rows) > 1 {
		add("")
		add(playing.lines()...)
	}
	add("")
	add(deviceTable(l).lines()...)
	if len(out) > height {
		more := len(out) - height + 1
		out = append(out[:height-1], fmt.Sprintf("  and %d more lines: make the window higher", more))
	}
	for i := range out {
		out[i] = cut(out[i], width)
	}
	return out
}

func topHead(l look, now time.Time) string {
	connected := 0
	for _, c := range l.clients {
		if c.Connected {
			connected++
		}
	}
	playing := 0
	for _, g := range l.groups {
		if playState(g) == "playing" {
			playing++
		}
	}
	head := fmt.Sprintf("%s  Tutti %s  %s   %s   %d of %s connected   %s", clean(dash(l.server.Name)), l.server.Version, l.server.Mode,
		plural(playing, "zone")+" playing", connected, plural(len(l.clients), "device"), now.Format("15:04:05"))
	if l.waiting > 0 {
		head += fmt.Sprintf("   ⚑ %d in the inbox", l.waiting)
	}
	if c := l.server.HouseClock; c.Leader != "" {
		head += fmt.Sprintf("   clock ± %d µs", c.UncertaintyUS)
	} else {
		head += "   clock: no leader"
	}
	return head
}

func playingTable(groups []apiGroup) *table {
	t := newTable("ZONE", "PLAYS", "AT", "VOLUME", "SPEAKERS")
	sortGroups(groups)
	for _, g := range groups {
		if playState(g) != "playing" {
			continue
		}
		at := ""
		if n := g.NowPlaying; n != nil {
			at = clock(n.PositionMS)
			if n.DurationMS > 0 {
				at += " / " + clock(n.DurationMS)
			}
		}
		t.add(clip(g.display()), dash(clip(title(g))), dash(at), groupVolume(g), fmt.Sprint(len(g.Members)))
	}
	return t
}

// qualityOrder is worst first.
var qualityOrder = []string{"poor", "fair", "good", "idle", "offline"}

func deviceTable(l look) *table {
	names := map[string]apiClient{}
	for _, c := range l.clients {
		names[c.ClientID] = c
	}
	devices := slices.Clone(l.health.Clients)
	slices.SortStableFunc(devices, func(a, b apiClientHealth) int {
		if d := slices.Index(qualityOrder, a.Quality) - slices.Index(qualityOrder, b.Quality); d != 0 {
			return d
		}
		return strings.Compare(names[a.ClientID].display(), names[b.ClientID].display())
	})
	t := newTable("DEVICE", "QUALITY", "ROUND TRIP", "BUFFER", "LATE (10 MIN)", "CAME BACK (1 H)")
	for _, d := range devices {
		t.addDevice(names, d)
	}
	return t
}
