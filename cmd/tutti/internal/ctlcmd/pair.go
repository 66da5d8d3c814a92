package ctlcmd

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const pairLong = `Pairing proves which device a key belongs to, and gives both sides a credential of
their own: nobody can pose as a paired device, or as the server to it.

The device decides what it offers, and this command takes the simplest of that:
  dynamic   the device shows or says a code of 6 digits (or a QR code): enter it here
  static    a code of 8 digits on the device or in its leaflet, and a press on the device
  token     the device's pairing token, SP:0…, from its label or leaflet

The code is asked for at the terminal, or read as a line from standard input. Separators
do not count. After a wrong code the device may take another: each is a round.
Ctrl-C cancels the attempt at the server. The exit status is 0 only when it is paired.

With --token-file many devices are enrolled at once: the file has one pairing token per
line. Blank lines and what follows a # are skipped; of a line with commas, semicolons or
tabs the first column counts. Each device is paired as soon as it appears. Ctrl-C ends
the watching; the tokens go on waiting at the server.

In this command --token and --token-file mean pairing tokens. The API token comes from
TUTTI_TOKEN, TUTTI_TOKEN_FILE, the data directory, or --api-token-file.`

// pairFlags are the flags of "tutti pair".
type pairFlags struct {
	method, format, token, code string
	tokenFile, remove           string
	list                        bool
	wait                        time.Duration
}

func pairCommand() *cobra.Command {
	var fl pairFlags
	c := commandWith(&options{prefix: "api-"}, "pair <name|id|fingerprint>", "Pair a device, or enrol a carton of them", pairLong,
		`  tutti pair kitchen                      # asks for the code that the kitchen shows
  tutti pair K9S9-R5AN --method static   # the code on its label
  tutti pair kitchen --format qr          # scan the QR code on its display
  echo 123-456 | tutti pair kitchen --json
  tutti pair --token-file boxes.txt       # pair each device when it appears
  tutti pair --token-file boxes.txt --wait 0
  tutti pair --list                       # tokens that wait for their device
  tutti pair --remove R07Q-QYT8            # take one back`,
		cobra.MaximumNArgs(1), func(r *run, args []string) error { return r.pair(fl, args) })
	f := c.Flags()
	f.StringVar(&fl.method, "method", "", "dynamic, static or token (default: the simplest that the device offers)")
	f.StringVar(&fl.format, "format", "", "with a dynamic code: digits or qr")
	f.StringVar(&fl.token, "token", "", "the device's pairing token; others on this machine can see it: better leave it out and paste it when asked")
	f.StringVar(&fl.code, "code", "", "the code; others on this machine can see it: better enter it when asked, or pipe it in")
	f.StringVar(&fl.tokenFile, "token-file", "", "file with pairing tokens, one per line (- is standard input)")
	f.DurationVar(&fl.wait, "wait", 10*time.Minute, "with --token-file: how long to watch; 0 returns at once")
	f.BoolVar(&fl.list, "list", false, "list the pairing tokens that wait for their device")
	f.StringVar(&fl.remove, "remove", "", "take back the pairing token of this device (name, id or fingerprint)")
	return c
}

// pair does what the flags say.
func (r *run) pair(fl pairFlags, args []string) error {
	many := fl.tokenFile != "" || fl.list || fl.remove != ""
	switch {
	case many && len(args) > 0:
		return usagef("--token-file, --list and --remove are not about one device: leave %q out", args[0])
	case many && (fl.method+fl.format+fl.code+fl.token) != "":
		return usagef("--method, --format, --token and --code go with the name of one device")
	case fl.list && fl.remove+fl.tokenFile != "" || fl.remove != "" && fl.tokenFile != "":
		return usagef("choose one of --token-file, --list and --remove")
	case fl.token != "" && fl.code != "":
		return usagef("choose one of --token and --code")
	case fl.list:
		return r.listEnrolled()
	case fl.remove != "":
		return r.removeEnrolled(fl.remove)
	case fl.wait < 0:
		return usagef("--wait %s is negative", fl.wait)
	case fl.tokenFile != "":
		return r.enrolFile(fl.tokenFile, fl.wait)
	case len(args) == 0:
		return usagef("say which device: tutti pair <name|id|fingerprint>, or --token-file for many (see 'tutti pair --help')")
	}
	return r.pairOne(fl, args[0])
}

// plan is how a device will be paired.
type plan struct {
	method apiPairMethod
	format string // of a dynamic code
}

// choose takes what the flags want, else the simplest that the device offers.
func choose(c apiClient, word string, fl pairFlags) (plan, error) {
	want, err := parseMethod(fl.method)
	if err != nil {
		return plan{}, err
	}
	format, err := parseFormat(fl.format)
	if err != nil {
		return plan{}, err
	}
	if want == "" {
		want = implied(c, format, fl)
	}
	if want == "" {
		return plan{}, nothingOffered(c, word)
	}
	switch {
	case format != "" && want != methodDynamic:
		return plan{}, usagef("--format goes with a dynamic code alone")
	case fl.token != "" && want != methodToken:
		return plan{}, usagef("--token goes with --method token alone")
	case fl.code != "" && want == methodToken:
		return plan{}, usagef("--code does not go with --method token")
	}
	p := plan{method: apiPairMethod{Method: want}, format: format}
	if i := slices.IndexFunc(c.PairMethods, func(m apiPairMethod) bool { return m.Method == want }); i >= 0 {
		p.method = c.PairMethods[i]
	}
	if want == methodDynamic && p.format == "" {
		p.format = formatDigits
		if len(p.method.Formats) > 0 && !slices.Contains(p.method.Formats, formatDigits) {
			p.format = formatQR
		}
	}
	if want == methodDynamic {
		p.method.Formats = []string{p.format}
	}
	return p, nil
}

// implied is the method that the other flags imply, else the simplest on offer.
func implied(c apiClient, format string, fl pairFlags) string {
	switch {
	case fl.token != "":
		return methodToken
	case format != "":
		return methodDynamic
	}
	for _, m := range []string{methodDynamic, methodStatic, methodToken} {
		if m == methodToken && fl.code != "" {
			continue
		}
		if slices.ContainsFunc(c.PairMethods, func(o apiPairMethod) bool { return o.Method == m }) {
			return m
		}
	}
	return ""
}

func nothingOffered(c apiClient, word string) error {
	if !c.Connected {
		return fmt.Errorf("%s is not connected, and what it offers for pairing is not known: switch it on and look for it in 'tutti clients', or name the way with --method", clean(c.display()))
	}
	return fmt.Errorf("%s offers no pairing at this moment: look for a pairing mode on the device, or let it play unpaired with 'tutti approve %s'", clean(c.display()), quoted(word))
}

// toPair finds the device. One that a warning is held against must be named by its key:
// a name is what an impostor has.
func (r *run) toPair(word string) (apiClient, error) {
	c, err := r.anyClient(word)
	if err != nil {
		return c, err
	}
	keys := []string{c.ClientID, c.Fingerprint}
	if c.Warning != "" && (len(plain(word)) < enoughOfKey || !has(keys, word, begins)) {
		return c, fmt.Errorf("%s waits with the warning %q: it may pose as a device you know; compare the fingerprint %s with the device, and then name it by that",
			clean(c.display()), c.Warning, c.Fingerprint)
	}
	return c, nil
}

func unpairCommand() *cobra.Command {
	return command("unpair <name|id|fingerprint>", "Take a device's pairing back",
		"Its credential is of no use from this moment on, and its music stops. The device is told: now, or when it next appears.",
		`  tutti unpair kitchen
  tutti unpair GM36-6ZEM`, cobra.ExactArgs(1), func(r *run, args []string) error {
			c, err := r.anyClient(args[0])
			if err != nil {
				return err
			}
			v, raw, err := call[apiClient](r, http.MethodPost, "/api/v1/clients/"+url.PathEscape(c.ClientID)+"/unpair", nil)
			if err != nil {
				return err
			}
			later := ""
			if v.Unpairing && !v.Connected {
				later = "; it is told when it next appears"
			}
			return r.done(raw, "unpaired %s (%s)%s", clean(c.display()), dash(c.Fingerprint), later)
		})
}

func blockCommand() *cobra.Command {
	return command("block <name|id|fingerprint>", "Turn a device away for good",
		"Its session ends, it gets no roles, and it does not show up in the inbox again. 'tutti deny' is for not now; 'tutti approve' or 'tutti forget' takes a block away.",
		"  tutti block 'Free Speaker'", cobra.ExactArgs(1), func(r *run, args []string) error {
			c, err := r.anyClient(args[0])
			if err != nil {
				return err
			}
			v, raw, err := call[apiClient](r, http.MethodPost, "/api/v1/clients/"+url.PathEscape(c.ClientID)+"/block", nil)
			if err != nil {
				return err
			}
			return r.done(raw, "blocked %s (%s)", clean(v.display()), dash(v.Fingerprint))
		})
}

// join is a list in a sentence.
func join(list []string) string { return strings.Join(list, ", ") }
