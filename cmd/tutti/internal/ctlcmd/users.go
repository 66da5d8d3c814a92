package ctlcmd

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tutti-audio/tutti/cmd/tutti/internal/passphrase"
)

func usersCommand() *cobra.Command {
	c := command("users", "List the people who may sign in to the console; make, change or remove one",
		`The admin token, which is in the server's data directory, is the way out when nobody
knows an administrator's password any more: 'tutti users passwd NAME' sets a new one.`,
		`  tutti users
  tutti users add Maria --role admin
  tutti users add Anna --zone Bar:operator --zone Terrace:operator
  tutti users passwd Maria
  tutti users disable Anna
  tutti users unlink Anna
  tutti users remove Anna`,
		cobra.NoArgs, func(r *run, _ []string) error {
			l, raw, err := get[apiUsers](r, "/api/v1/users")
			if err != nil {
				return err
			}
			return r.show(raw, func() error { return r.printUsers(l.Users) })
		})
	c.AddCommand(usersAdd(), usersPasswd(), usersSet(), usersUnlink(),
		usersDo("disable <name>", "Keep a user from signing in, and end the user's sessions", "tutti users disable Anna", map[string]any{"disabled": true}),
		usersDo("enable <name>", "Let a user sign in again", "tutti users enable Anna", map[string]any{"disabled": false}),
		command("remove <name>", "Remove a user", "", "  tutti users remove Anna", cobra.ExactArgs(1), func(r *run, args []string) error {
			u, err := r.user(args[0])
			if err != nil {
				return err
			}
			if _, err := r.api.do(r.ctx, http.MethodDelete, userPath(u), nil); err != nil {
				return err
			}
			raw, _ := json.Marshal(map[string]string{"user_id": u.UserID})
			return r.done(raw, "removed user %s", clean(u.Name))
		}))
	return c
}

func userPath(u apiUser) string { return "/api/v1/users/" + url.PathEscape(u.UserID) }

// user finds the user that a word names.
func (r *run) user(word string) (apiUser, error) {
	l, _, err := get[apiUsers](r, "/api/v1/users")
	if err != nil {
		return apiUser{}, err
	}
	var all []candidate
	byID := map[string]apiUser{}
	for _, u := range l.Users {
		byID[u.UserID] = u
		all = append(all, candidate{id: u.UserID, names: []string{u.Name}, keys: []string{u.UserID}, says: u.Name + " (" + u.UserID + ")"})
	}
	m, err := match("user", word, all, "'tutti users' lists them")
	return byID[m.id], err
}

func (r *run) printUsers(users []apiUser) error {
	name, err := r.groupNames(len(users) > 0)
	if err != nil {
		return err
	}
	t := newTable("NAME", "ROLE", "ZONES", "ID", "MADE", "LAST SIGN-IN", "")
	for _, u := range users {
		seen, note := "never", ""
		if u.LastSignInAt != nil {
			seen = ago(*u.LastSignInAt, time.Now())
		}
		switch {
		case u.Disabled:
			note = "disabled"
		case !u.HasPassword:
			note = "no password"
		}
		if u.Account != nil {
			note = strings.TrimPrefix(note+", linked account", ", ")
		}
		t.add(u.Name, u.Role, dash(zonesText(u.Zones, name)), u.UserID, ago(u.CreatedAt, time.Now()), seen, note)
	}
	return t.print(r.out)
}

func usersAdd() *cobra.Command {
	var s scopeFlags
	c := command("add <name>", "Make a user",
		"The password is asked for; when standard input is no terminal it is its first line.",
		`  tutti users add Maria --role admin
  tutti users add Anna --zone Bar:operator < password.txt`,
		cobra.ExactArgs(1), func(r *run, args []string) error {
			body, err := s.body(r, "operator")
			if err != nil {
				return err
			}
			if body["password"], err = r.newPassword(args[0]); err != nil {
				return err
			}
			body["name"] = args[0]
			u, raw, err := call[apiUser](r, http.MethodPost, "/api/v1/users", body)
			if err != nil {
				return err
			}
			return r.done(raw, "made user %s (%s)", clean(u.Name), u.UserID)
		})
	s.bind(c)
	return c
}

// newPassword asks for a new password.
func (r *run) newPassword(name string) (string, error) {
	return passphrase.NewPassword(r.ctx, r.in, clean(name))
}

func usersPasswd() *cobra.Command {
	return command("passwd <name>", "Set a new password; the user's sessions end",
		"The password is asked for; when standard input is no terminal it is its first line.",
		"  tutti users passwd Maria", cobra.ExactArgs(1), func(r *run, args []string) error {
			u, err := r.user(args[0])
			if err != nil {
				return err
			}
			pass, err := r.newPassword(u.Name)
			if err != nil {
				return err
			}
			_, raw, err := call[apiUser](r, http.MethodPatch, userPath(u), map[string]string{"password": pass})
			if err != nil {
				return err
			}
			return r.done(raw, "%s has a new password", clean(u.Name))
		})
}

func usersSet() *cobra.Command {
	var s scopeFlags
	c := command("set <name>", "Change what a user may do", "--zone replaces all zones of the user.",
		"  tutti users set Anna --role none --zone Bar:operator", cobra.ExactArgs(1), func(r *run, args []string) error {
			u, err := r.user(args[0])
			if err != nil {
				return err
			}
			body := map[string]any{}
			if s.role != "" {
				body["role"] = s.role
			}
			if len(s.zones) > 0 {
				if body["zones"], err = s.list(r); err != nil {
					return err
				}
			}
			if len(body) == 0 {
				return usagef("say what to change: --role, --zone")
			}
			_, raw, err := call[apiUser](r, http.MethodPatch, userPath(u), body)
			if err != nil {
				return err
			}
			return r.done(raw, "changed user %s", clean(u.Name))
		})
	s.bind(c)
	return c
}

func usersUnlink() *cobra.Command {
	return command("unlink <name>", "Take the single sign-on account away from a user; the user's sessions end",
		`The account of the provider does not sign in as this user any more. The next account with the
user's name does, and is linked: use it when the provider has made a person's account anew.
A password of the user stays.`,
		"  tutti users unlink Anna", cobra.ExactArgs(1), func(r *run, args []string) error {
			u, err := r.user(args[0])
			if err != nil {
				return err
			}
			if u.Account == nil {
				return fmt.Errorf("no account is linked to %s: there is nothing to take away", clean(u.Name))
			}
			_, raw, err := call[apiUser](r, http.MethodPatch, userPath(u), map[string]bool{"unlink_account": true})
			if err != nil {
				return err
			}
			return r.done(raw, "unlinked %s from its account at %s", clean(u.Name), clean(u.Account.Issuer))
		})
}

func usersDo(use, short, example string, body map[string]any) *cobra.Command {
	return command(use, short, "", "  "+example, cobra.ExactArgs(1), func(r *run, args []string) error {
		u, err := r.user(args[0])
		if err != nil {
			return err
		}
		_, raw, err := call[apiUser](r, http.MethodPatch, userPath(u), body)
		if err != nil {
			return err
		}
		return r.done(raw, "changed user %s", clean(u.Name))
	})
}
