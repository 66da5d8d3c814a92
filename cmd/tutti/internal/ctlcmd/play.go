package ctlcmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"
)

// stopAtOnce is how many groups "stop --all" silences at the same time.
const stopAtOnce = 32

const playHelp = `The name of a device means the group that it plays in. What can be played:

  jazz/take-five.flac       a file, folder or playlist below the server's music folder
  file:///srv/music/a.flac  the same by its path on the server
  https://example.org/...   a file, a playlist, a radio station or an HLS stream
  source:NAME               what a device captures: a line-in, a microphone
  pipe:/run/spot            a named pipe that another program writes to
  tcp://HOST:PORT           what another program serves; tcp-listen:ADDRESS:PORT lets it come
  tone:440                  for setting up, as are noise:pink, sweep:20-20000 and channels:

pipe, tcp and tcp-listen take the format of the samples: pipe:/run/spot?format=s16le:44100:2.`

// sourcePrefix is the scheme of what a device captures.
const sourcePrefix = "source:"

// playable replaces the name of a device in source:NAME by its id, which is what the API
// takes.
func (r *run) playable(uri string) (string, error) {
	word, found := strings.CutPrefix(uri, sourcePrefix)
	if !found {
		return uri, nil
	}
	c, err := r.client(word)
	if err != nil {
		return "", err
	}
	return sourcePrefix + c.ClientID, nil
}

func playCommand() *cobra.Command {
	return command("play <group> [uri]", "Play something, or go on with what was paused or stopped",
		playHelp,
		`  tutti play Downstairs jazz/take-five.flac
  tutti play Downstairs                       # goes on
  tutti play Downstairs https://example.org/radio.m3u
  tutti play Downstairs source:Turntable
  tutti play kitchen tone:440`,
		cobra.RangeArgs(1, 2), func(r *run, args []string) error {
			var body any
			if len(args) == 2 {
				uri, err := r.playable(args[1])
				if err != nil {
					return err
				}
				body = map[string]string{"uri": uri}
			}
			return r.control(args[0], "play", body, func(g apiGroup) string {
				if t := title(g); t != "" {
					return fmt.Sprintf("%s plays %s", g.display(), t)
				}
				return g.display() + " plays"
			})
		})
}

func pauseCommand() *cobra.Command {
	return simple("pause", "Pause a group", func(g apiGroup) string { return g.display() + " is paused" })
}

func nextCommand() *cobra.Command {
	return simple("next", "Go to the next title of the queue", func(g apiGroup) string { return g.display() + " plays " + dash(title(g)) })
}

func previousCommand() *cobra.Command {
	return simple("previous", "Go to the title before", func(g apiGroup) string { return g.display() + " plays " + dash(title(g)) })
}

func repeatCommand() *cobra.Command {
	return command("repeat <group> <off|one|all>", "Repeat the title, the queue, or nothing", "", "  tutti repeat Downstairs all",
		cobra.ExactArgs(2), func(r *run, args []string) error {
			says, ok := map[string]string{"off": " repeats nothing", "one": " repeats its title", "all": " repeats its queue"}[args[1]]
			if !ok {
				return usagef("%q is none of off, one, all", args[1])
			}
			return r.control(args[0], "repeat", map[string]string{"mode": args[1]}, func(g apiGroup) string { return g.display() + says })
		})
}

func shuffleCommand() *cobra.Command {
	return command("shuffle <group> [on|off]", "Shuffle the queue, or restore its order", "The title that plays goes on.",
		`  tutti shuffle Downstairs
  tutti shuffle Downstairs off`,
		cobra.RangeArgs(1, 2), func(r *run, args []string) error {
			on := len(args) == 1 || args[1] == "on"
			if !on && args[1] != "off" {
				return usagef("%q is neither on nor off", args[1])
			}
			says := map[bool]string{true: " is shuffled", false: " plays in its order"}[on]
			return r.control(args[0], "shuffle", map[string]bool{"enabled": on}, func(g apiGroup) string { return g.display() + says })
		})
}

func simple(verb, short string, says func(apiGroup) string) *cobra.Command {
	return command(verb+" <group>", short, "", "  tutti "+verb+" Downstairs", cobra.ExactArgs(1),
		func(r *run, args []string) error { return r.control(args[0], verb, nil, says) })
}

// control gives one command to one group.
func (r *run) control(word, verb string, body any, says func(apiGroup) string) error {
	g, err := r.group(word)
	if err != nil {
		return err
	}
	v, raw, err := call[apiGroup](r, http.MethodPost, groupPath(g)+"/"+verb, body)
	if err != nil {
		return err
	}
	return r.done(raw, "%s", clean(says(v)))
}

func stopCommand() *cobra.Command {
	all := false
	c := command("stop [group]", "Stop a group, or all of them",
		"Without a name it stops the one group that plays.",
		`  tutti stop Downstairs
  tutti stop --all`,
		cobra.MaximumNArgs(1), func(r *run, args []string) error {
			if all && len(args) > 0 {
				return usagef("name a group or say --all, not both")
			}
			list, raw, err := get[apiGroups](r, "/api/v1/groups")
			if err != nil {
				return err
			}
			if len(args) == 1 {
				g, err := r.groupIn(list.Groups, args[0])
				if err != nil {
					return err
				}
				return r.stop([]apiGroup{g}, raw)
			}
			loud := playing(list.Groups)
			if !all && len(loud) > 1 {
				return usagef("more than one group plays (%s): name one, or say --all", groupNames(loud))
			}
			return r.stop(loud, raw)
		})
	c.Flags().BoolVar(&all, "all", false, "stop everything that plays")
	return c
}

func playing(groups []apiGroup) []apiGroup {
	var out []apiGroup
	for _, g := range groups {
		if g.PlaybackState == "playing" {
			out = append(out, g)
		}
	}
	return out
}

func groupNames(groups []apiGroup) string {
	names := make([]string, 0, len(groups))
	for _, g := range groups {
		names = append(names, g.display())
	}
	return clean(strings.Join(names, ", "))
}

// stop silences groups, all at the same time: somebody may be in a hurry.
func (r *run) stop(groups []apiGroup, raw json.RawMessage) error {
	if len(groups) == 0 {
		return r.done(raw, "nothing plays")
	}
	answers := make([]json.RawMessage, len(groups))
	errs := make([]error, len(groups))
	slots := make(chan struct{}, stopAtOnce)
	var wg sync.WaitGroup
	for i, g := range groups {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			answers[i], errs[i] = r.api.do(r.ctx, http.MethodPost, groupPath(g)+"/stop", nil)
			if errs[i] != nil {
				errs[i] = fmt.Errorf("%s: %w", clean(g.display()), errs[i])
			}
		})
	}
	wg.Wait()
	var stopped []apiGroup
	var bodies []json.RawMessage
	for i, g := range groups {
		if errs[i] == nil {
			stopped, bodies = append(stopped, g), append(bodies, answers[i])
		}
	}
	out, _ := json.Marshal(map[string]any{"groups": bodies})
	if len(stopped) > 0 {
		if err := r.done(out, "stopped %s", groupNames(stopped)); err != nil {
			return err
		}
	}
	return errors.Join(errs...)
}

func seekCommand() *cobra.Command {
	return command("seek <group> <position>", "Go to a place in the title",
		"A position is minutes and seconds (1:30), seconds (90), or a step from here (+30, -10).",
		`  tutti seek Downstairs 1:30
  tutti seek Downstairs -- -10`,
		cobra.ExactArgs(2), func(r *run, args []string) error {
			ms, relative, err := parsePosition(args[1])
			if err != nil {
				return err
			}
			g, err := r.group(args[0])
			if err != nil {
				return err
			}
			if relative {
				if g.NowPlaying == nil {
					return fmt.Errorf("%s plays nothing that one could seek in; start something with 'tutti play'", clean(g.display()))
				}
				ms = max(g.NowPlaying.PositionMS+ms, 0)
			}
			v, raw, err := call[apiGroup](r, http.MethodPost, groupPath(g)+"/seek", map[string]int64{"position_ms": ms})
			if err != nil {
				return err
			}
			return r.done(raw, "%s is at %s", clean(v.display()), clock(ms))
		})
}

// parsePosition reads 90, 1:30, 1:02:03, and +30 or -10 as steps.
func parsePosition(s string) (ms int64, relative bool, err error) {
	bad := usagef("%q is no position: write 1:30, 90, +30 or -10", s)
	sign, rest := int64(1), s
	if strings.HasPrefix(s, "+") || strings.HasPrefix(s, "-") {
		relative, rest = true, s[1:]
		if s[0] == '-' {
			sign = -1
		}
	}
	parts := strings.Split(rest, ":")
	if len(parts) > 3 {
		return 0, false, bad
	}
	for i, p := range parts {
		n, err := strconv.ParseInt(p, 10, 32)
		if err != nil || n < 0 || p[0] == '+' || i > 0 && n > 59 {
			return 0, false, bad
		}
		ms = ms*60 + n*1000
	}
	return sign * ms, relative, nil
}

func volumeCommand() *cobra.Command {
	return command("volume <group|client> <0-100>", "Set the volume of a group or of one device",
		"The name of a named group means the group, the name of a device that device. Write group:NAME or client:NAME where both exist.",
		`  tutti volume Downstairs 40
  tutti volume kitchen 25`,
		cobra.ExactArgs(2), func(r *run, args []string) error {
			n, err := strconv.Atoi(args[1])
			if err != nil || n < 0 || n > 100 {
				return usagef("the volume %q is not a number from 0 to 100", args[1])
			}
			return r.eitherOr(args[0],
				func(g apiGroup) (json.RawMessage, string, error) {
					raw, err := r.api.do(r.ctx, http.MethodPost, groupPath(g)+"/volume", map[string]int{"volume": n})
					return raw, fmt.Sprintf("%s is at volume %d", g.display(), n), err
				},
				func(c apiClient) (json.RawMessage, string, error) {
					raw, err := r.api.do(r.ctx, http.MethodPatch, "/api/v1/clients/"+c.ClientID, map[string]int{"volume": n})
					return raw, fmt.Sprintf("%s is at volume %d", c.display(), n), err
				})
		})
}

func muteCommand() *cobra.Command {
	return command("mute <group|client> [on|off]", "Mute a group or one device, or unmute it",
		"", `  tutti mute Downstairs
  tutti mute kitchen off`,
		cobra.RangeArgs(1, 2), func(r *run, args []string) error {
			on := true
			if len(args) == 2 {
				switch args[1] {
				case "on":
				case "off":
					on = false
				default:
					return usagef("%q is neither on nor off", args[1])
				}
			}
			said := map[bool]string{true: "is muted", false: "is not muted"}[on]
			return r.eitherOr(args[0],
				func(g apiGroup) (json.RawMessage, string, error) {
					raw, err := r.api.do(r.ctx, http.MethodPost, groupPath(g)+"/mute", map[string]bool{"muted": on})
					return raw, g.display() + " " + said, err
				},
				func(c apiClient) (json.RawMessage, string, error) {
					raw, err := r.api.do(r.ctx, http.MethodPatch, "/api/v1/clients/"+c.ClientID, map[string]bool{"muted": on})
					return raw, c.display() + " " + said, err
				})
		})
}

// eitherOr finds out whether word names a named group or a device, and does the
// one or the other.
func (r *run) eitherOr(word string, group func(apiGroup) (json.RawMessage, string, error), client func(apiClient) (json.RawMessage, string, error)) error {
	kind, name, explicit := strings.Cut(word, ":")
	if !explicit || kind != "group" && kind != "client" {
		kind, name = "", word
	}
	var raw json.RawMessage
	var says string
	g, isGroup, c, isClient, err := r.whichOf(kind, name)
	switch {
	case err != nil:
		return err
	case isGroup && isClient:
		return usagef("%q names the group %s and the device %s: write group:%s or client:%s", name, clean(g.display()), clean(c.display()), name, name)
	case isGroup:
		raw, says, err = group(g)
	case isClient:
		raw, says, err = client(c)
	default:
		return fmt.Errorf("no group and no device is named %q: 'tutti groups' and 'tutti clients' list them", name)
	}
	if err != nil {
		return err
	}
	return r.done(raw, "%s", clean(says))
}

func (r *run) whichOf(kind, name string) (g apiGroup, isGroup bool, c apiClient, isClient bool, err error) {
	if kind != "client" {
		var list apiGroups
		if list, _, err = get[apiGroups](r, "/api/v1/groups"); err != nil {
			return
		}
		m, merr := match("group", name, groupCandidates(named(list.Groups)), "")
		if _, none := merr.(notFound); merr != nil && !none {
			return g, false, c, false, merr
		}
		for _, x := range list.Groups {
			if merr == nil && x.GroupID == m.id {
				g, isGroup = x, true
			}
		}
	}
	if kind != "group" {
		var cerr error
		c, cerr = r.client(name)
		var none notFound
		if cerr != nil && !errors.As(cerr, &none) {
			return g, isGroup, c, false, cerr
		}
		isClient = cerr == nil
	}
	return
}
