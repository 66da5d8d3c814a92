package ctlcmd

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

const (
	// enrolBatch is how many tokens go into one request.
	enrolBatch = 500
	// enrolPoll is how often the list is asked for beside the feed.
	enrolPoll = 2 * time.Second
)

// apiEnrolment is a pairing token that waits for its device, or did.
type apiEnrolment struct {
	ClientID    string    `json:"client_id"`
	Fingerprint string    `json:"fingerprint"`
	Name        string    `json:"name"`
	State       string    `json:"state"`
	Detail      string    `json:"detail"`
	Actor       string    `json:"actor"`
	Attempts    int       `json:"attempts"`
	AddedAt     time.Time `json:"added_at"`
}

type apiEnrolments struct {
	Tokens []apiEnrolment `json:"tokens"`
}

type apiEnrolResults struct {
	Results []struct {
		Index    int    `json:"index"`
		ClientID string `json:"client_id"`
		State    string `json:"state"`
		Error    string `json:"error"`
	} `json:"results"`
}

const tokensPath = "/api/v1/pairing/tokens"

// enrolFile hands a file of tokens in and watches until each device is paired.
func (r *run) enrolFile(path string, wait time.Duration) error {
	file, err := readTokenFile(path, r.in)
	if err != nil {
		return err
	}
	for _, b := range file.bad {
		_, _ = fmt.Fprintf(r.err, "tutti: line %d %s; it is left out\n", b.line, b.why)
	}
	for _, d := range file.duplicates {
		_, _ = fmt.Fprintf(r.err, "tutti: line %d %s; it is left out\n", d.line, d.why)
	}
	if len(file.tokens) == 0 {
		return fmt.Errorf("%s holds no pairing token (SP:0…): it wants one per line%s", clean(path), apiTokenHint(file))
	}
	e := &enrolment{r: r, byID: map[string]*enrolled{}, unusable: len(file.bad)}
	if err := e.hand(file.tokens); err != nil {
		return err
	}
	if wait == 0 {
		return e.left()
	}
	return e.watch(wait)
}

// apiTokenHint is for who took --token-file for the API's.
func apiTokenHint(f tokenFile) string {
	if len(f.bad) == 1 && len(f.duplicates) == 0 {
		return "; a file with the API token is named with --api-token-file here"
	}
	return ""
}

// enrolled is one device of the file.
type enrolled struct {
	line   int
	id     string
	name   string // name or fingerprint, for a person
	state  string // "waiting", "pairing", "paired", "failed", "removed"
	detail string
}

func (e enrolled) done() bool { return e.state == "paired" || e.state == "removed" }

// enrolment is a run over a file of tokens.
type enrolment struct {
	r        *run
	all      []*enrolled
	byID     map[string]*enrolled
	unusable int
	board    board
}

// hand gives the tokens to the server, in batches. A batch may be sent again without
// harm: it has a key of its own.
func (e *enrolment) hand(tokens []tokenLine) error {
	for len(tokens) > 0 {
		batch := tokens[:min(enrolBatch, len(tokens))]
		tokens = tokens[len(batch):]
		list := make([]string, 0, len(batch))
		for _, t := range batch {
			list = append(list, t.token)
		}
		res, err := e.post(list)
		if err != nil {
			return err
		}
		if len(res.Results) != len(batch) {
			return fmt.Errorf("the server answered %d results for %d tokens: is it another version than this command?", len(res.Results), len(batch))
		}
		for i, x := range res.Results {
			e.take(batch[i], x.State, x.Error)
		}
	}
	return nil
}

func (e *enrolment) post(list []string) (res apiEnrolResults, err error) {
	key := http.Header{"Idempotency-Key": {rand.Text()}}
	for try := 0; ; try++ {
		raw, err := e.r.api.doWith(e.r.ctx, http.MethodPost, tokensPath, map[string][]string{"tokens": list}, key)
		var p *problem
		if err == nil {
			return res, json.Unmarshal(raw, &res)
		}
		if try == 2 || e.r.ctx.Err() != nil || errors.As(err, &p) && p.Status < 500 {
			return res, err
		}
		select {
		case <-time.After(time.Second):
		case <-e.r.ctx.Done():
			return res, err
		}
	}
}

// take notes what the server made of one token.
func (e *enrolment) take(t tokenLine, state, why string) {
	x := &enrolled{line: t.line, id: t.clientID, name: short(t.clientID), state: "waiting"}
	switch state {
	case "invalid":
		e.unusable++
		_, _ = fmt.Fprintf(e.r.err, "tutti: line %d was not accepted: %s\n", t.line, clean(dash(why)))
		return
	case "already_paired":
		x.state, x.detail = "paired", "was paired before"
	}
	e.all = append(e.all, x)
	e.byID[x.id] = x
}

func (e *enrolment) count(state string) (n int) {
	for _, x := range e.all {
		if x.state == state {
			n++
		}
	}
	return n
}

// left says what waits, for who does not stay to watch.
func (e *enrolment) left() error {
	paired, waiting := e.count("paired"), len(e.all)-e.count("paired")-e.count("removed")
	if e.r.json {
		return e.r.printEvent(feedEvent{kind: "enrolment.handed_in", data: string(mustJSON(map[string]int{"waiting": waiting, "paired": paired, "unusable": e.unusable}))})
	}
	_, _ = fmt.Fprintf(e.r.out, "%s handed in, %d paired before; each device is paired when it appears ('tutti pair --list' shows them)\n", plural(waiting, "token"), paired)
	return e.verdict()
}

// verdict is nil when every line of the file did its work.
func (e *enrolment) verdict() error {
	if e.unusable > 0 {
		return fmt.Errorf("%s of the file cannot be used (named above)", plural(e.unusable, "line"))
	}
	return nil
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// watch shows the progress until all are paired, the time is over or Ctrl-C.
func (e *enrolment) watch(wait time.Duration) error {
	ctx, cancel := context.WithTimeout(e.r.ctx, wait)
	defer cancel()
	e.board = newBoard(e.r, len(e.all))
	defer e.board.close()
	changed := make(chan struct{}, 1)
	feed := make(chan struct{})
	go func() {
		defer close(feed)
		e.r.onEvents(ctx, changed, func(ev feedEvent) bool { return ev.kind == "pairing.updated" })
	}()
	defer func() { cancel(); <-feed }()
	tick := time.NewTicker(enrolPoll)
	defer tick.Stop()
	heard := time.Now()
	for {
		err := e.look(ctx)
		switch {
		case err == nil:
			heard = time.Now()
		case ctx.Err() == nil && time.Since(heard) > patience:
			return fmt.Errorf("the tokens wait at the server, but it cannot be asked any more: %w", err)
		}
		e.board.draw(e.all)
		if e.finished() {
			return e.summary("")
		}
		select {
		case <-changed:
		case <-tick.C:
		case <-ctx.Done():
			if e.r.ctx.Err() != nil {
				return e.summary("stopped watching")
			}
			return e.summary(fmt.Sprintf("%s are over", wait))
		}
	}
}

func (e *enrolment) finished() bool {
	for _, x := range e.all {
		if !x.done() {
			return false
		}
	}
	return true
}

// look asks the server how far it is.
func (e *enrolment) look(ctx context.Context) error {
	r := &run{ctx: ctx, api: e.r.api}
	list, _, err := get[apiEnrolments](r, tokensPath)
	if err != nil {
		return err
	}
	clients, _, err := get[apiClients](r, "/api/v1/clients")
	if err != nil {
		return err
	}
	known := map[string]apiClient{}
	for _, c := range clients.Clients {
		known[c.ClientID] = c
	}
	waits := map[string]apiEnrolment{}
	for _, t := range list.Tokens {
		waits[t.ClientID] = t
	}
	for _, x := range e.all {
		t, there := waits[x.id]
		x.see(known[x.id], t, there)
		e.board.tell(x, e)
	}
	return nil
}

// see takes over what the server knows. A token that is not there any more has done its
// work, or was taken back.
func (x *enrolled) see(c apiClient, t apiEnrolment, there bool) {
	switch {
	case c.ClientID != "" && (c.Name != "" || c.Label != ""):
		x.name = c.display()
	case t.Fingerprint != "":
		x.name = t.Fingerprint
	}
	switch {
	case x.done():
	case there:
		x.state, x.detail = t.State, t.Detail
	case c.Trust == "paired":
		x.state, x.detail = "paired", ""
	default:
		x.state, x.detail = "removed", "its token was taken back"
	}
}

// summary ends the list with a sentence; it fails unless all are paired.
func (e *enrolment) summary(why string) error {
	e.board.close()
	paired := e.count("paired")
	open := len(e.all) - paired - e.count("removed")
	if e.r.json {
		_ = e.r.printEvent(feedEvent{kind: "enrolment.ended", data: string(mustJSON(map[string]int{"paired": paired, "waiting": open, "unusable": e.unusable}))})
	} else {
		_, _ = fmt.Fprintf(e.r.out, "%d of %d paired\n", paired, len(e.all))
	}
	switch {
	case open > 0:
		return fmt.Errorf("%s: %s still waiting at the server, and each device is paired when it appears; 'tutti pair --list' shows them, --remove takes one back", why, are(open, "token"))
	case paired < len(e.all):
		return fmt.Errorf("%s taken back before the device appeared", were(len(e.all)-paired, "token"))
	}
	return e.verdict()
}

func are(n int, what string) string {
	if n == 1 {
		return "1 " + what + " is"
	}
	return plural(n, what) + " are"
}

func were(n int, what string) string {
	if n == 1 {
		return "1 " + what + " was"
	}
	return plural(n, what) + " were"
}

// listEnrolled lists the tokens that wait.
func (r *run) listEnrolled() error {
	l, raw, err := get[apiEnrolments](r, tokensPath)
	if err != nil {
		return err
	}
	return r.show(raw, func() error {
		if len(l.Tokens) == 0 {
			_, err := fmt.Fprintln(r.out, "no pairing token waits: 'tutti pair --token-file FILE' hands some in")
			return err
		}
		t := newTable("DEVICE", "FINGERPRINT", "ID", "STATE", "TRIES", "ADDED", "BY", "DETAIL")
		for _, x := range l.Tokens {
			t.add(dash(x.Name), dash(x.Fingerprint), short(x.ClientID), x.State, fmt.Sprint(x.Attempts), ago(x.AddedAt, time.Now()), dash(x.Actor), dash(x.Detail))
		}
		return t.print(r.out)
	})
}

// removeEnrolled takes one token back.
func (r *run) removeEnrolled(word string) error {
	l, _, err := get[apiEnrolments](r, tokensPath)
	if err != nil {
		return err
	}
	var all []candidate
	for _, x := range l.Tokens {
		all = append(all, candidate{id: x.ClientID, names: []string{x.Name}, keys: []string{x.ClientID, x.Fingerprint}, says: fmt.Sprintf("%s (%s)", dash(x.Name), short(x.ClientID))})
	}
	m, err := match("waiting token", word, all, "'tutti pair --list' lists them")
	if err != nil {
		return err
	}
	if _, err := r.api.do(r.ctx, http.MethodDelete, tokensPath+"/"+url.PathEscape(m.id), nil); err != nil {
		return err
	}
	return r.done(mustJSON(map[string]string{"client_id": m.id}), "took the token of %s back", clean(m.says))
}
