package ctlcmd

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// approveFlags are the flags of "tutti approve".
type approveFlags struct {
	label, acceptWarning, during, until string
	source, controller, untilDisconnect bool
}

const approveLong = `Approves a device's key: it plays without pairing, for good or until the approval ends.
The beginning of a name, key or fingerprint is enough when it is unique.

An approval is no proof of who the device is: 'tutti pair' is. When a warning is held
against the key (it came as a device you know), name the device by its fingerprint and
the warning by its name.`

func approveCommand() *cobra.Command {
	var fl approveFlags
	c := command("approve <name|id|fingerprint>", "Let a waiting device play", approveLong,
		`  tutti approve kitchen
  tutti approve K9S9-R5AN --label "Kitchen, left"
  tutti approve turntable --source
  tutti approve tablet --controller --for 12h
  tutti approve guest --until-disconnect
  tutti approve stand --until 2026-12-24
  tutti approve YE1A-FXGC-2EAW --accept-warning name_reused_by_new_key`,
		cobra.ExactArgs(1), func(r *run, args []string) error { return r.approve(fl, args[0]) })
	f := c.Flags()
	f.StringVar(&fl.label, "label", "", "your name for the device")
	f.BoolVar(&fl.source, "source", false, "also let it send audio, such as a line-in")
	f.BoolVar(&fl.controller, "controller", false, "also let it control the music, whatever the server's policy says")
	f.BoolVar(&fl.untilDisconnect, "until-disconnect", false, "until its present session ends")
	f.StringVar(&fl.during, "for", "", "for this long: 90m, 12h, 3d")
	f.StringVar(&fl.until, "until", "", "until the end of a day, or a time: 2026-12-24, '2026-12-24 18:00' (local time)")
	f.StringVar(&fl.acceptWarning, "accept-warning", "", "approve in spite of this warning, as 'tutti inbox' names it")
	return c
}

func (r *run) approve(fl approveFlags, word string) error {
	body, err := fl.body(time.Now())
	if err != nil {
		return err
	}
	dev, err := r.waiting(word)
	if err != nil {
		return err
	}
	if dev.Warning != "" && dev.Warning != fl.acceptWarning {
		return fmt.Errorf("the warning %s is held against %s (%s): if you have compared the fingerprint and want to approve it nevertheless, add --accept-warning %s; 'tutti pair %s' proves who it is",
			dev.Warning, clean(dev.display()), dash(dev.Fingerprint), dev.Warning, quoted(word))
	}
	v, raw, err := call[apiClient](r, http.MethodPost, "/api/v1/clients/"+dev.ClientID+"/approve", body)
	if err != nil {
		return err
	}
	end := approvalEnd(v.ApprovalEndsAt, v.ApprovalUntilDisconnect)
	if end != "" {
		end = " " + end
	}
	return r.done(raw, "approved %s (%s)%s", clean(v.display()), dash(v.Fingerprint), end)
}

// body is the request; now is where "for" counts from, for its check alone.
func (fl approveFlags) body(now time.Time) (map[string]any, error) {
	body := map[string]any{}
	if ends := [3]bool{fl.untilDisconnect, fl.during != "", fl.until != ""}; ends[0] && ends[1] || ends[0] && ends[2] || ends[1] && ends[2] {
		return nil, usagef("an approval has one end: --until-disconnect, --for or --until")
	}
	if fl.label != "" {
		body["label"] = fl.label
	}
	if fl.source {
		body["source"] = true
	}
	if fl.controller {
		body["controller"] = true
	}
	if fl.untilDisconnect {
		body["until_disconnect"] = true
	}
	if fl.acceptWarning != "" {
		body["accept_warning"] = fl.acceptWarning
	}
	if fl.during != "" {
		d, err := parseSpan(fl.during)
		if err != nil {
			return nil, err
		}
		body["ends_in_ms"] = d.Milliseconds()
	}
	if fl.until != "" {
		at, err := parseUntil(fl.until)
		if err != nil {
			return nil, err
		}
		if !at.After(now) {
			return nil, usagef("--until %s is over already", fl.until)
		}
		body["ends_at"] = at.UTC().Format(time.RFC3339)
	}
	return body, nil
}

// parseSpan takes Go's durations and days.
func parseSpan(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n <= 3650 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	} else if d, err := time.ParseDuration(s); err == nil && d >= time.Second {
		return d, nil
	}
	return 0, usagef("--for %q is no time such as 90m, 12h or 3d", s)
}

// parseUntil takes a date, whose end counts, a local time, and RFC 3339.
func parseUntil(s string) (time.Time, error) {
	if t, err := time.ParseInLocation(time.DateOnly, s, time.Local); err == nil {
		return t.AddDate(0, 0, 1).Add(-time.Second), nil
	}
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02T15:04", time.DateTime} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	return time.Time{}, usagef("--until %q is no date such as 2026-12-24 or '2026-12-24 18:00'", s)
}
