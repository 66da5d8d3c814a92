package ctlcmd

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// announcePoll is how often an announcement is looked at.
const announcePoll = 300 * time.Millisecond

// reportWait is how long after an announcement's end its report may still change.
const reportWait = 6 * time.Second

type apiAnnouncing struct {
	AnnouncementID string   `json:"announcement_id"`
	Groups         []string `json:"groups"`
}

type apiAnnouncement struct {
	URI        string       `json:"uri"`
	Text       string       `json:"text"`
	State      string       `json:"state"`
	DurationMS int64        `json:"duration_ms"`
	PositionMS int64        `json:"position_ms"`
	Error      string       `json:"error"`
	Players    []apiSpeaker `json:"players"`
}

type apiSpeaker struct {
	ClientID string `json:"client_id"`
	State    string `json:"state"`
	SentMS   int64  `json:"sent_ms"`
	Reason   string `json:"reason"`
}

func (a apiAnnouncement) ended() bool {
	return a.State == "done" || a.State == "failed" || a.State == "cancelled"
}

// announceFlags are what "announce" takes.
type announceFlags struct {
	text, language         string
	volume, duck, priority int
	also                   []string
	detach                 bool
}

func announceCommand() *cobra.Command {
	f := announceFlags{volume: -1, duck: -1}
	c := command("announce <group> [file|url]", "Play a clip over the music of a group, or say something",
		`The music goes on quietly meanwhile, and as before afterwards; where nothing plays, the
clip plays alone. Text is spoken where the server has espeak-ng. It waits for the end
and shows what each speaker received.`,
		`  tutti announce Downstairs bell.flac
  tutti announce Downstairs --text "Dinner is ready" --volume 60 --also Garden
  tutti announce Downstairs https://example.org/bell.mp3 --duck 30 --priority 10`,
		cobra.RangeArgs(1, 2), func(r *run, args []string) error {
			body, err := f.body(args[1:])
			if err != nil {
				return err
			}
			return r.announce(args[0], body, f)
		})
	c.Flags().StringVar(&f.text, "text", "", "what to say, instead of a file")
	c.Flags().StringVar(&f.language, "language", "", "of the text, such as en or de-AT (default: the server's first)")
	c.Flags().IntVar(&f.volume, "volume", -1, "volume of the speakers meanwhile, 0 to 100 (default: as they are)")
	c.Flags().IntVar(&f.duck, "duck", -1, "how much quieter the music is meanwhile, 0 to 60 dB (default 18)")
	c.Flags().IntVar(&f.priority, "priority", 0, "a higher one interrupts; the same or a lower one waits")
	c.Flags().StringArrayVar(&f.also, "also", nil, "one more group (may be repeated)")
	c.Flags().BoolVar(&f.detach, "detach", false, "do not wait for the end")
	return c
}

// body is the request, without the other groups.
func (f announceFlags) body(what []string) (map[string]any, error) {
	b := map[string]any{}
	switch {
	case (len(what) == 1) == (f.text != ""):
		return nil, usagef("say what to announce: a file or an address, or --text, not both")
	case f.volume > 100 || f.volume < -1:
		return nil, usagef("the volume %d is not a number from 0 to 100", f.volume)
	case f.duck > 60 || f.duck < -1:
		return nil, usagef("--duck takes 0 to 60 dB")
	case f.text != "":
		b["text"] = f.text
	default:
		b["uri"] = what[0]
	}
	if f.language != "" {
		b["language"] = f.language
	}
	if f.volume >= 0 {
		b["volume"] = f.volume
	}
	if f.duck >= 0 {
		b["duck_db"] = f.duck
	}
	if f.priority != 0 {
		b["priority"] = f.priority
	}
	return b, nil
}

func (r *run) announce(word string, body map[string]any, f announceFlags) error {
	list, _, err := get[apiGroups](r, "/api/v1/groups")
	if err != nil {
		return err
	}
	var groups []apiGroup
	for _, w := range append([]string{word}, f.also...) {
		g, err := r.groupIn(list.Groups, w)
		if err != nil {
			return err
		}
		groups = append(groups, g)
	}
	var more []string
	for _, g := range groups[1:] {
		more = append(more, g.GroupID)
	}
	if len(more) > 0 {
		body["groups"] = more
	}
	a, raw, err := call[apiAnnouncing](r, http.MethodPost, groupPath(groups[0])+"/announce", body)
	if err != nil {
		return err
	}
	if f.detach {
		return r.done(raw, "announced in %s (%s)", groupNames(groups), a.AnnouncementID)
	}
	return r.followAnnouncement(groups, a.AnnouncementID)
}

// followAnnouncement shows an announcement until it has ended in every group. It fails
// when it failed in one of them.
func (r *run) followAnnouncement(groups []apiGroup, id string) error {
	clients, _, err := get[apiClients](r, "/api/v1/clients")
	if err != nil {
		return err
	}
	s := &announceScreen{run: r, names: displayNames(clients.Clients), groups: groups}
	if f, ok := r.out.(*os.File); ok && !r.json && term.IsTerminal(int(f.Fd())) {
		s.file = f
	}
	tick := time.NewTicker(announcePoll)
	defer tick.Stop()
	var ended time.Time
	for {
		now, raws, err := r.announcements(groups, id)
		if err != nil {
			return err
		}
		s.draw(now)
		if done, complete := over(now); done {
			if ended.IsZero() {
				ended = time.Now()
			}
			if complete || time.Since(ended) > reportWait {
				return s.finish(now, raws)
			}
		}
		select {
		case <-tick.C:
		case <-r.ctx.Done():
			return r.ctx.Err()
		}
	}
}

func (r *run) announcements(groups []apiGroup, id string) (out []apiAnnouncement, raws []json.RawMessage, err error) {
	for _, g := range groups {
		a, raw, err := get[apiAnnouncement](r, groupPath(g)+"/announcements/"+id)
		if err != nil {
			return nil, nil, err
		}
		out, raws = append(out, a), append(raws, raw)
	}
	return out, raws, nil
}

// over reports whether all have ended, and whether their reports say that all was played,
// so that they will not change.
func over(all []apiAnnouncement) (done, complete bool) {
	done, complete = true, true
	for _, a := range all {
		done = done && a.ended()
		for _, p := range a.Players {
			complete = complete && (a.State != "done" || p.State == "played" || p.Reason == "it is not connected")
		}
	}
	return done, complete
}

// announceScreen is a line for each group that stays in its place at a terminal.
type announceScreen struct {
	run    *run
	file   *os.File // nil: no terminal
	names  func(id string) string
	groups []apiGroup
	drawn  int
	since  time.Time // when it was first seen to sound: the record's position stands still
}

func (s *announceScreen) draw(all []apiAnnouncement) {
	if s.file == nil {
		return
	}
	var b strings.Builder
	if s.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", s.drawn)
	}
	for i, a := range all {
		b.WriteString("\r\x1b[K" + s.line(s.groups[i], a) + "\n")
	}
	s.drawn = len(all)
	_, _ = s.file.WriteString(b.String())
}

// line is how far an announcement is in one group.
func (s *announceScreen) line(g apiGroup, a apiAnnouncement) string {
	name := clean(g.display())
	switch {
	case a.State == "playing" && a.DurationMS > 0:
		if s.since.IsZero() {
			s.since = time.Now()
		}
		at := min(a.PositionMS+time.Since(s.since).Milliseconds(), a.DurationMS)
		return fmt.Sprintf("%s  %s %s / %s", name, bar(at, a.DurationMS, 20, "█", "░"), clock(at), clock(a.DurationMS))
	case a.Error != "":
		return fmt.Sprintf("%s  %s: %s", name, a.State, clean(a.Error))
	}
	return fmt.Sprintf("%s  %s", name, a.State)
}

// finish prints what each speaker received.
func (s *announceScreen) finish(all []apiAnnouncement, raws []json.RawMessage) error {
	raw, _ := json.Marshal(map[string]any{"announcements": raws})
	err := s.run.show(raw, func() error {
		for i, a := range all {
			if s.file == nil {
				if _, err := fmt.Fprintln(s.run.out, s.line(s.groups[i], a)); err != nil {
					return err
				}
			}
			for _, p := range a.Players {
				if _, err := fmt.Fprintln(s.run.out, "   "+s.speaker(a, p)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	for i, a := range all {
		if a.State == "failed" && err == nil {
			err = fmt.Errorf("the announcement failed in %s: %s", clean(s.groups[i].display()), clean(a.Error))
		}
	}
	return err
}

var speakerSigns = map[string]string{"played": "✓", "partly": "!", "missed": "✗", "pending": "·"}

func (s *announceScreen) speaker(a apiAnnouncement, p apiSpeaker) string {
	out := fmt.Sprintf("%s %-7s %s", speakerSigns[p.State], p.State, clean(s.names(p.ClientID)))
	if p.State == "partly" {
		out += fmt.Sprintf("  %.1f of %.1f s", float64(p.SentMS)/1000, float64(a.DurationMS)/1000)
	}
	if p.Reason != "" {
		out += "  " + clean(p.Reason)
	}
	return out
}
