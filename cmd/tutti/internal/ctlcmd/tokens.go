package ctlcmd

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func tokensCommand() *cobra.Command {
	c := command("tokens", "List the API tokens; make or delete one", "", `  tutti tokens
  tutti tokens create 'night manager' --role operator
  tutti tokens create 'bar panel' --zone Bar:operator --expires 90d
  tutti tokens delete 'night manager'`,
		cobra.NoArgs, func(r *run, _ []string) error {
			l, raw, err := get[apiTokens](r, "/api/v1/tokens")
			if err != nil {
				return err
			}
			return r.show(raw, func() error { return r.printTokens(l.Tokens) })
		})
	var s scopeFlags
	var expires string
	create := command("create <name>", "Make a token; its secret is shown this once", "", `  tutti tokens create 'night manager' --role operator
  tutti tokens create 'bar panel' --zone Bar:operator --expires 90d`,
		cobra.ExactArgs(1), func(r *run, args []string) error {
			body, err := s.body(r, "operator")
			if err != nil {
				return err
			}
			if body["name"] = args[0]; expires != "" {
				if body["expires_at"], err = expiry(expires, time.Now()); err != nil {
					return err
				}
			}
			v, raw, err := call[apiToken](r, http.MethodPost, "/api/v1/tokens", body)
			if err != nil {
				return err
			}
			return r.done(raw, "%s", v.Token)
		})
	s.bind(create)
	create.Flags().StringVar(&expires, "expires", "", "when it ends: 12h, 90d, or a date such as 2027-01-31 (default: never)")
	c.AddCommand(create, command("delete <name|id>", "Delete a token", "", "  tutti tokens delete 'night manager'",
		cobra.ExactArgs(1), func(r *run, args []string) error {
			l, _, err := get[apiTokens](r, "/api/v1/tokens")
			if err != nil {
				return err
			}
			var all []candidate
			for _, x := range l.Tokens {
				all = append(all, candidate{id: x.TokenID, names: []string{x.Name}, keys: []string{x.TokenID}, says: x.Name + " (" + x.TokenID + ")"})
			}
			m, err := match("token", args[0], all, "'tutti tokens' lists them")
			if err != nil {
				return err
			}
			if _, err := r.api.do(r.ctx, http.MethodDelete, "/api/v1/tokens/"+url.PathEscape(m.id), nil); err != nil {
				return err
			}
			raw, _ := json.Marshal(map[string]string{"token_id": m.id})
			return r.done(raw, "deleted token %s", clean(m.names[0]))
		}))
	return c
}

func (r *run) printTokens(tokens []apiToken) error {
	name, err := r.groupNames(len(tokens) > 0)
	if err != nil {
		return err
	}
	t := newTable("NAME", "ROLE", "ZONES", "ID", "MADE", "BY", "ENDS", "LAST USED")
	for _, x := range tokens {
		ends, used := "-", "-"
		if x.ExpiresAt != nil {
			ends = x.ExpiresAt.Local().Format("2006-01-02 15:04")
		}
		if x.LastUsedAt != nil {
			used = ago(*x.LastUsedAt, time.Now())
		}
		t.add(x.Name, x.Role, dash(zonesText(x.Zones, name)), x.TokenID, ago(x.CreatedAt, time.Now()), dash(x.CreatedBy), ends, used)
	}
	return t.print(r.out)
}

// expiry reads --expires: a time from now, or a date (its beginning, here).
func expiry(s string, now time.Time) (time.Time, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 {
			return now.AddDate(0, 0, n), nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return now.Add(d), nil
	}
	for _, form := range []string{time.RFC3339, "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(form, s, time.Local); err == nil {
			return t, nil
		}
	}
	return now, usagef("--expires %q is no time: write 12h, 90d or 2027-01-31", s)
}
