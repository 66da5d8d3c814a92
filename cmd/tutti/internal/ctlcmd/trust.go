package ctlcmd

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

func inboxCommand() *cobra.Command {
	return command("inbox", "List the devices that wait for approval",
		"Anybody can claim any name: compare the fingerprint with what the device shows or says.",
		"  tutti inbox", cobra.NoArgs, func(r *run, _ []string) error {
			in, raw, err := get[apiInbox](r, "/api/v1/inbox")
			if err != nil {
				return err
			}
			return r.show(raw, func() error { return r.printInbox(in) })
		})
}

func (r *run) printInbox(in apiInbox) error {
	if len(in.Waiting) == 0 {
		_, err := fmt.Fprintln(r.out, "nobody waits")
		return err
	}
	t := newTable("NAME", "FINGERPRINT", "ID", "ADDRESS", "SINCE", "REASON")
	warned := ""
	for _, w := range in.Waiting {
		reason := w.Reason
		if w.Warning != "" {
			reason += " (! " + w.Warning + ")"
			warned = w.Fingerprint
		}
		t.add(clip(w.Name), dash(w.Fingerprint), short(w.ClientID), dash(w.Address), ago(w.FirstSeenAt, time.Now()), reason)
	}
	if err := t.print(r.out); err != nil {
		return err
	}
	if warned != "" {
		_, err := fmt.Fprintln(r.out, "\n! A known name, address or device came with a new key. That is a replaced device, or somebody who poses as it.")
		return err
	}
	return nil
}

// enoughOfKey is how many characters of a fingerprint or key must be written to
// decide on a device that a warning is held against.
const enoughOfKey = 8

// waiting finds a device by what people call it: first among those that wait,
// then among all. With a warning against the key a name is not enough.
func (r *run) waiting(word string) (apiClient, error) {
	in, _, err := get[apiInbox](r, "/api/v1/inbox")
	if err != nil {
		return apiClient{}, err
	}
	var all []candidate
	for _, w := range in.Waiting {
		all = append(all, candidate{
			id: w.ClientID, names: []string{w.Name}, keys: []string{w.ClientID, w.Fingerprint},
			says: fmt.Sprintf("%s (fingerprint %s)", clip(w.Name), dash(w.Fingerprint)),
		})
	}
	m, err := match("waiting device", word, all, "'tutti inbox' lists them")
	if _, none := err.(notFound); none {
		return r.anyClient(word)
	}
	if err != nil {
		return apiClient{}, err
	}
	for _, w := range in.Waiting {
		if w.ClientID != m.id {
			continue
		}
		if w.Warning != "" && (len(plain(word)) < enoughOfKey || !has(m.keys, word, begins)) {
			return apiClient{}, fmt.Errorf("%s waits with the warning %q: it may pose as a device you know; compare the fingerprint %s with the device, and then name it by that",
				clip(w.Name), w.Warning, w.Fingerprint)
		}
		return apiClient{ClientID: w.ClientID, Name: w.Name, Fingerprint: w.Fingerprint}, nil
	}
	return apiClient{}, fmt.Errorf("device %s vanished; try again", m.id)
}

func approveCommand() *cobra.Command {
	label, source := "", false
	c := command("approve <name|id|fingerprint>", "Let a waiting device play",
		"Approves a device's key: it plays without pairing from now on. The beginning of a name, key or fingerprint is enough when it is unique.",
		`  tutti approve kitchen
  tutti approve tiger-nine --label "Kitchen, left"
  tutti approve turntable --source`,
		cobra.ExactArgs(1), func(r *run, args []string) error {
			dev, err := r.waiting(args[0])
			if err != nil {
				return err
			}
			body := map[string]any{}
			if label != "" {
				body["label"] = label
			}
			if source {
				body["source"] = true
			}
			v, raw, err := call[apiClient](r, http.MethodPost, "/api/v1/clients/"+dev.ClientID+"/approve", body)
			if err != nil {
				return err
			}
			return r.done(raw, "approved %s (%s)", clean(v.display()), dash(v.Fingerprint))
		})
	c.Flags().StringVar(&label, "label", "", "your name for the device")
	c.Flags().BoolVar(&source, "source", false, "also let it send audio, such as a line-in")
	return c
}

func denyCommand() *cobra.Command {
	return command("deny <name|id|fingerprint>", "Turn a waiting device away",
		"The device leaves the inbox and gets no roles. You can approve it later.",
		"  tutti deny 'Free Speaker'", cobra.ExactArgs(1), func(r *run, args []string) error {
			dev, err := r.waiting(args[0])
			if err != nil {
				return err
			}
			v, raw, err := call[apiClient](r, http.MethodPost, "/api/v1/clients/"+dev.ClientID+"/deny", nil)
			if err != nil {
				return err
			}
			return r.done(raw, "denied %s (%s)", clean(v.display()), dash(v.Fingerprint))
		})
}

// anyClient finds a device among all of them, strangers too: what is forgotten
// must be named without doubt.
func (r *run) anyClient(word string) (apiClient, error) {
	list, _, err := get[apiClients](r, "/api/v1/clients")
	if err != nil {
		return apiClient{}, err
	}
	m, err := match("device", word, clientCandidates(list.Clients), "'tutti clients' lists them")
	if err != nil {
		return apiClient{}, err
	}
	for _, c := range list.Clients {
		if c.ClientID == m.id {
			return c, nil
		}
	}
	return apiClient{}, fmt.Errorf("device %s vanished; try again", m.id)
}

func forgetCommand() *cobra.Command {
	return command("forget <name|id|fingerprint>", "Forget a device: unpair, revoke, remove",
		"If the device comes back it is a stranger and waits in the inbox.",
		"  tutti forget 'old kitchen speaker'", cobra.ExactArgs(1), func(r *run, args []string) error {
			c, err := r.anyClient(args[0])
			if err != nil {
				return err
			}
			if _, err := r.api.do(r.ctx, http.MethodDelete, "/api/v1/clients/"+c.ClientID, nil); err != nil {
				return err
			}
			raw, _ := json.Marshal(map[string]string{"client_id": c.ClientID})
			return r.done(raw, "forgot %s", clean(c.display()))
		})
}
