package ctlcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/tutti-audio/tutti/sendspin/pairtoken"
)

// cancelTime is how long the command tries to cancel an attempt before it ends itself.
const cancelTime = 5 * time.Second

// pairOne walks a person through pairing one device.
func (r *run) pairOne(fl pairFlags, word string) error {
	c, err := r.toPair(word)
	if err != nil {
		return err
	}
	pl, err := choose(c, word, fl)
	if err != nil {
		return err
	}
	w := &pairWalk{r: r, dev: c, name: clean(c.display()), word: quoted(word), plan: pl, code: fl.code, in: newInput(r.in), say: r.out, ask: r.out}
	if r.json {
		w.say = io.Discard
		w.ask = r.err
	}
	defer w.in.stop()
	return w.walk(fl.token)
}

// pairWalk is one attempt as the person at the terminal sees it.
type pairWalk struct {
	r          *run
	dev        apiClient
	name, word string
	plan       plan
	code       string // of --code, for the first question
	in         *input
	say, ask   io.Writer // progress; questions

	attempt apiPairing // as it was last shown
	tried   int        // the last round that a code was sent in
	prompt  *prompt
}

func (w *pairWalk) walk(token string) error {
	w.printf("Pairing %s (%s) by %s.", w.name, dash(w.dev.Fingerprint), methodWords(w.plan.method))
	body := map[string]string{"method": w.plan.method.Method}
	if w.plan.format != "" {
		body["format"] = w.plan.format
	}
	if err := w.secret(body, token); err != nil {
		return err
	}
	// Not cut off by Ctrl-C: what was started must be known, to be cancelled.
	started := context.WithoutCancel(w.r.ctx)
	raw, err := w.r.api.do(started, http.MethodPost, pairingPath(w.dev.ClientID), body)
	if err != nil {
		return err
	}
	var p apiPairing
	if err := json.Unmarshal(raw, &p); err != nil {
		return fmt.Errorf("the server's answer cannot be read: %w", err)
	}
	return w.follow(p, raw)
}

// secret puts what has to be known before the start into the request.
func (w *pairWalk) secret(body map[string]string, token string) error {
	var q question
	field, given := "", ""
	switch w.plan.method.Method {
	case methodToken:
		field, given, q = "token", token, question{label: "Pairing token: ", token: pairtoken.VersionPSK}
	case methodStatic:
		field, given, q = "code", w.code, question{label: "Code: ", digits: staticDigits}
		w.tried, w.code = 1, ""
	default:
		return nil
	}
	if given != "" {
		if wrong := q.check(given); wrong != "" {
			return usagef("--%s cannot be used: %s", field, wrong)
		}
		body[field] = given
		return nil
	}
	answer, err := w.in.answer(w.r.ctx, q, w.ask)
	switch {
	case errors.Is(err, errInterrupted):
		return errors.New("cancelled before anything was started")
	case errors.Is(err, errNoInput):
		return fmt.Errorf("no %s came on standard input: pipe it in, or run the command at a terminal", field)
	case err != nil:
		return err
	}
	body[field] = answer
	return nil
}

// follow shows the attempt until its end.
func (w *pairWalk) follow(p apiPairing, raw json.RawMessage) error {
	updates, stop := w.r.watchPairing(w.r.ctx, w.dev.ClientID)
	defer stop()
	defer w.closePrompt()
	id := p.AttemptID
	if done, err := w.show(p, raw); done || err != nil {
		return err
	}
	for {
		select {
		case u, more := <-updates:
			switch {
			case !more:
				return w.cancel()
			case u.err != nil:
				w.closePrompt()
				return fmt.Errorf("the attempt cannot be watched any more: %w", u.err)
			case u.p.AttemptID != id:
				w.closePrompt()
				return fmt.Errorf("%s began another attempt to pair %s, and this one is over; see 'tutti audit'", clean(u.p.Actor), w.name)
			}
			if done, err := w.show(u.p, u.raw); done || err != nil {
				return err
			}
		case chunk, more := <-w.keys():
			if w.prompt == nil {
				if !more {
					return w.cancel() // the terminal was closed
				}
				continue // typed between two questions
			}
			if err := w.typed(chunk, more); err != nil {
				return err
			}
		case <-w.r.ctx.Done():
			return w.cancel()
		}
	}
}

// keys is where the answer to an open question comes from; nil while there is none, so
// that a script's next line waits for the next question. What is typed at a terminal
// between two questions is dropped.
func (w *pairWalk) keys() <-chan []byte {
	if w.prompt == nil && (w.in.terminal() == nil || w.in.cancel == nil) {
		return nil
	}
	return w.in.read(w.r.ctx)
}

// show tells of one state of the attempt, and asks for the code when it is wanted.
// done says that the device is paired.
func (w *pairWalk) show(p apiPairing, raw json.RawMessage) (done bool, err error) {
	if p.same(w.attempt) {
		return false, nil
	}
	w.attempt = p
	w.event("pairing.updated", raw)
	if p.State != "awaiting_code" || p.Round > w.tried {
		w.closePrompt()
	}
	switch {
	case p.State == "paired":
		w.printf("✓ %s is paired.", w.name)
		return true, nil
	case p.ended():
		return false, errors.New("not paired: " + failure(w.name, w.word, p))
	case p.State == "awaiting_code" && p.Round <= w.tried && p.Round > 0:
		return false, nil // the code is on its way
	}
	if line := stateLine(w.name, p); line != "" {
		w.printf("%s", line)
	}
	if p.State == "awaiting_code" {
		return false, w.wantCode(p)
	}
	return false, nil
}

// wantCode opens the question for the code, or answers it with --code.
func (w *pairWalk) wantCode(p apiPairing) error {
	q := question{label: "Code: ", digits: p.CodeLength}
	if p.Format == formatQR {
		q = question{label: "Scan or paste the QR code's text (SP:1…): ", token: pairtoken.VersionCode}
	} else if q.digits == 0 {
		q.digits = dynamicDigits
		if p.Method == methodStatic {
			q.digits = staticDigits
		}
	}
	w.event("code.wanted", mustJSON(map[string]any{"client_id": w.dev.ClientID, "round": p.Round, "code_length": q.digits}))
	if code := w.code; code != "" {
		w.code = ""
		if wrong := q.check(code); wrong != "" {
			return errors.Join(usagef("--code cannot be used: %s", wrong), w.cancelled())
		}
		return w.send(code)
	}
	var err error
	if w.prompt, err = w.in.ask(q, w.ask); err != nil {
		return errors.Join(err, w.cancelled())
	}
	if w.prompt.editor == nil && q.digits > 0 {
		w.printf("%s expects %d digits; reading a line from standard input.", w.name, q.digits)
	}
	return w.typed(nil, true) // what a script has piped in already
}

// typed feeds the open question.
func (w *pairWalk) typed(chunk []byte, more bool) error {
	answer, done, err := w.prompt.feed(chunk, more)
	switch {
	case errors.Is(err, errInterrupted):
		return w.cancel()
	case errors.Is(err, errNoInput):
		w.closePrompt()
		return errors.Join(errors.New("not paired: standard input ended before a code came that the device takes"), w.cancelled())
	case err != nil:
		w.closePrompt()
		return errors.Join(err, w.cancelled())
	case done:
		w.closePrompt()
		return w.send(answer)
	}
	return nil
}

// send hands a code in. When the server refuses it while it still wants one, it is asked
// for again in the same round.
func (w *pairWalk) send(code string) error {
	w.tried = max(w.attempt.Round, 1)
	_, err := w.r.api.do(w.r.ctx, http.MethodPost, pairingPath(w.dev.ClientID)+"/code", map[string]string{"code": code})
	var p *problem
	switch {
	case err == nil, w.r.ctx.Err() != nil:
		return nil
	case errors.As(err, &p) && (p.Status == http.StatusConflict || p.Status == http.StatusUnprocessableEntity):
		now, _, gerr := get[apiPairing](w.r, pairingPath(w.dev.ClientID))
		if gerr != nil || !now.same(w.attempt) {
			return nil // it has moved on; what it is now will be told
		}
		w.printf("%s", clean(p.Error()))
		w.tried--
		return w.wantCode(w.attempt)
	}
	return errors.Join(err, w.cancelled())
}

// cancel ends the attempt at the server, and says so.
func (w *pairWalk) cancel() error {
	w.closePrompt()
	if err := w.cancelled(); err != nil {
		return err
	}
	if w.attempt.State == "paired" {
		w.printf("✓ %s is paired: it was done a moment before you stopped it.", w.name)
		return nil
	}
	return errors.New("cancelled: the attempt was ended at the server, and nothing was changed")
}

// cancelled ends the attempt at the server; an error says that it could not.
func (w *pairWalk) cancelled() error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(w.r.ctx), cancelTime)
	defer stop()
	raw, err := w.r.api.do(ctx, http.MethodDelete, pairingPath(w.dev.ClientID), nil)
	if err != nil {
		return fmt.Errorf("the attempt could not be cancelled at the server (%w): it ends by itself", err)
	}
	var p apiPairing
	if json.Unmarshal(raw, &p) == nil && p.AttemptID == w.attempt.AttemptID {
		w.attempt = p
		w.event("pairing.updated", raw)
	}
	return nil
}

func (w *pairWalk) closePrompt() {
	w.prompt.close()
	w.prompt = nil
}

func (w *pairWalk) printf(format string, a ...any) { _, _ = fmt.Fprintf(w.say, format+"\n", a...) }

// event prints one line of JSON, where that is wanted.
func (w *pairWalk) event(kind string, data json.RawMessage) {
	if w.r.json {
		_ = w.r.printEvent(feedEvent{kind: kind, data: string(data)})
	}
}

func mustJSON(v any) json.RawMessage {
	b, _ := json.Marshal(v) // maps of plain values always encode
	return b
}
