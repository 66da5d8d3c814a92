package ctlcmd

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func inboxCommand() *cobra.Command {
	return command("inbox", "List the devices that wait for approval or pairing",
		"Anybody can claim any name: compare the fingerprint with what the device shows or says. 'tutti pair' proves who it is; 'tutti approve' trusts the key as it is.",
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
	t := newTable("NAME", "TRUST", "FINGERPRINT", "MAKER", "ID", "ADDRESS", "SINCE", "LEAVES", "REASON", "PAIRING")
	for _, w := range in.Waiting {
		t.add(clip(w.Name), w.sign().String(), dash(w.Fingerprint), dash(w.maker()), short(w.ClientID), dash(w.Address),
			ago(w.FirstSeenAt, time.Now()), leaves(w.ExpiresAt, time.Now()), w.reason(), offers(w.PairMethods))
	}
	if err := t.print(r.out); err != nil {
		return err
	}
	return r.explainInbox(in)
}

// explainInbox says below the table what needs more words than a cell has.
func (r *run) explainInbox(in apiInbox) error {
	for _, w := range in.Waiting {
		if w.Warning == "" {
			continue
		}
		detail := w.Detail
		if detail == "" {
			detail = "A known name, address or device came with a new key: a replaced device, or somebody who poses as it."
		}
		if _, err := fmt.Fprintf(r.out, "\n! %s (%s): %s\n", clean(clip(w.Name)), dash(w.Fingerprint), clean(detail)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(r.out, "\n'tutti pair <fingerprint>' proves who it is; 'tutti approve', 'deny' and 'block' decide without proof")
	return err
}

func (w apiWaiting) sign() sign {
	return trustSign(apiClient{Warning: w.Warning, Waiting: w.Reason, Trust: map[bool]string{true: "credential_mismatch"}[w.Reason == "credential_mismatch"]})
}

func (w apiWaiting) maker() string {
	return maker(w.Manufacturer, w.ProductName)
}

func (w apiWaiting) reason() string {
	if w.Warning != "" && w.Warning != w.Reason {
		return w.Reason + " (" + w.Warning + ")"
	}
	return w.Reason
}

// maker is who made a device and what it is, as the device says it. A product that
// bears its maker's name is not named twice.
func maker(manufacturer, product string) string {
	if beginsFold(product, manufacturer) {
		manufacturer = ""
	}
	return strings.TrimSpace(clip(manufacturer) + " " + clip(product))
}

// leaves says when an entry of the inbox goes by itself.
func leaves(at *time.Time, now time.Time) string {
	if at == nil {
		return "-"
	}
	d := at.Sub(now)
	switch {
	case d <= 0:
		return "now"
	case d < time.Hour:
		return fmt.Sprintf("in %d min", int(d.Minutes())+1)
	case d < 48*time.Hour:
		return fmt.Sprintf("in %d h", int(d.Round(time.Hour).Hours()))
	}
	return fmt.Sprintf("in %d days", int(d.Round(24*time.Hour).Hours()/24))
}

// offers is how a device can be paired, in a word each.
func offers(methods []apiPairMethod) string {
	words := map[string]string{methodDynamic: "code", methodStatic: "static code", methodToken: "token"}
	var out []string
	for _, m := range methods {
		if w := words[m.Method]; w != "" {
			out = append(out, w)
		}
	}
	return dash(strings.Join(out, ", "))
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
		return apiClient{ClientID: w.ClientID, Name: w.Name, Fingerprint: w.Fingerprint, Warning: w.Warning}, nil
	}
	return apiClient{}, fmt.Errorf("device %s vanished; try again", m.id)
}

func denyCommand() *cobra.Command {
	return command("deny <name|id|fingerprint>", "Turn a waiting device away",
		"Not now: the device leaves the inbox and gets no roles. It may knock again later, and you can approve it at any time; 'tutti block' is for never.",
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
