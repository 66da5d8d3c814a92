package management_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/platform/fault"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/pairtoken"
	"github.com/tutti-audio/tutti/services/management/internal/model"

	"github.com/tutti-audio/tutti/proto/subject"
)

// token is the pairing token of a device that the fakes made.
func token(t *testing.T, name string) string {
	t.Helper()
	key, err := base64.RawURLEncoding.DecodeString(clientID(name))
	if err != nil {
		t.Fatal(err)
	}
	var psk [32]byte
	copy(psk[:], "the pairing psk of "+name)
	return pairtoken.EncodePSK([32]byte(key), psk)
}

func awaitCode(a *pb.PairingAttempt) { a.State, a.Round, a.CodeLength = "awaiting_code", 1, 6 }

// state waits until the API shows an attempt in a state.
func (w *world) pairingIs(id, state string) model.Pairing {
	w.t.Helper()
	var p model.Pairing
	eventually(w.t, func() error {
		r := w.get("/api/v1/clients/" + id + "/pairing")
		if r.status != http.StatusOK {
			return fmt.Errorf("status %d", r.status)
		}
		p = decode[model.Pairing](r)
		if p.State != state {
			return fmt.Errorf("state %q, want %q", p.State, state)
		}
		return nil
	})
	return p
}

func TestPairingByCode(t *testing.T) {
	w := newWorld(t)
	id := w.fakes.device("Kitchen")
	w.known(id)
	l := w.listen("")
	path := "/api/v1/clients/" + id + "/pairing"
	r := w.post(path, `{"method":"dynamic_pairing_code"}`).want(http.StatusAccepted)
	p := decode[model.Pairing](r)
	if p.ClientID != id || p.State != "connecting" || p.Format != "digits" || p.Actor != "token:admin" || p.StartedAt.IsZero() || p.ExpiresAt == nil || r.header.Get("Location") != path {
		t.Fatalf("started %+v, Location %q", p, r.header.Get("Location"))
	}
	l.next("pairing.updated", `"state":"connecting"`)
	// The GET shows it from the POST's answer on.
	if got := decode[model.Pairing](w.get(path).want(http.StatusOK)); got.AttemptID != p.AttemptID {
		t.Errorf("GET shows %+v", got)
	}
	if d := w.post(path+"/code", `{"code":"123456"}`).problem(http.StatusConflict).Detail; !strings.Contains(d, "connecting") || !strings.Contains(d, "awaiting_code") {
		t.Errorf("too early: %q", d)
	}
	w.fakes.moveAttempt(id, func(a *pb.PairingAttempt) { a.State, a.Message = "pending", "Press the button" })
	l.next("pairing.updated", `"message":"Press the button"`)
	w.fakes.moveAttempt(id, awaitCode)
	l.next("pairing.updated", `"code_length":6`)
	if p = w.pairingIs(id, "awaiting_code"); p.Message != "" {
		t.Errorf("the message outlived its state: %+v", p)
	}
	problem := w.post(path+"/code", `{"code":"98-76"}`).problem(http.StatusUnprocessableEntity)
	if !strings.Contains(problem.Detail, "6 digits") || strings.Contains(problem.Detail, "98") || problem.Errors[0].Location != "body.code" {
		t.Errorf("too short: %+v", problem)
	}
	if p = decode[model.Pairing](w.post(path+"/code", `{"code":"000-000"}`).want(http.StatusAccepted)); p.Round != 2 {
		t.Errorf("after a wrong code: %+v", p)
	}
	l.next("pairing.updated", `"round":2`)
	if p = decode[model.Pairing](w.post(path+"/code", `{"code":"123-456"}`).want(http.StatusAccepted)); p.State != "paired" {
		t.Errorf("after the right code: %+v", p)
	}
	l.next("pairing.updated", `"state":"paired"`)
	w.fakes.leaveAttempt(id)
	if d := w.post(path+"/code", `{"code":"123456"}`).problem(http.StatusConflict).Detail; !strings.Contains(d, "the last one is paired") {
		t.Errorf("after the end: %q", d)
	}
	// What is over is not cancelled, and to ask is no mistake.
	for range 2 {
		if p = decode[model.Pairing](w.delete(path).want(http.StatusOK)); p.State != "paired" {
			t.Errorf("DELETE answered %+v", p)
		}
	}
	w.secretsStayed("000-000", "123-456")
}

// Whoever reads the code off the device may send it before the news that it is wanted
// has reached this service.
func TestACodeMayOvertakeTheNews(t *testing.T) {
	w := newWorld(t)
	id := w.fakes.device("Kitchen")
	w.known(id)
	path := "/api/v1/clients/" + id + "/pairing"
	w.post(path, `{"method":"dynamic_pairing_code"}`).want(http.StatusAccepted)
	a, _, err := w.fakes.pairing.attempts.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	awaitCode(a)
	w.fakes.mu.Lock()
	w.fakes.pairing.ahead[id] = a
	w.fakes.mu.Unlock()
	if p := decode[model.Pairing](w.get(path).want(http.StatusOK)); p.State != "connecting" {
		t.Fatalf("the news are there already: %+v", p)
	}
	if p := decode[model.Pairing](w.post(path+"/code", `{"code":"123-456"}`).want(http.StatusAccepted)); p.State != "paired" {
		t.Errorf("after the right code: %+v", p)
	}
}

// A device that another server has is on: to switch it on is no advice.
func TestPairingADeviceOfAnotherServer(t *testing.T) {
	w := newWorld(t)
	for _, goodbye := range []string{"another_server", "concurrent_attempt", "shutdown"} {
		id := w.fakes.device(goodbye, offline, func(p *pb.ClientPresence, _ *pb.TrustRecord) { p.LastGoodbye = goodbye })
		w.known(id)
		w.fakes.mu.Lock()
		w.fakes.sick = fault.New(fault.Conflict, "client x is not connected: switch it on")
		w.fakes.mu.Unlock()
		d := w.post("/api/v1/clients/"+id+"/pairing", `{"method":"dynamic_pairing_code"}`).problem(http.StatusConflict).Detail
		if strings.Contains(d, "another Sendspin server has "+goodbye) != (goodbye != "shutdown") || strings.Contains(d, "switch it on") != (goodbye == "shutdown") {
			t.Errorf("%s: %q", goodbye, d)
		}
		w.fakes.mu.Lock()
		w.fakes.sick = nil
		w.fakes.mu.Unlock()
	}
}

// After a code is taken, a GET does not ask for it once more.
func TestAGetAfterACodeIsNotOlderThanTheCode(t *testing.T) {
	w := newWorld(t)
	id := w.fakes.device("Kitchen")
	w.known(id)
	path := "/api/v1/clients/" + id + "/pairing"
	w.post(path, `{"method":"dynamic_pairing_code"}`).want(http.StatusAccepted)
	w.fakes.moveAttempt(id, awaitCode)
	w.pairingIs(id, "awaiting_code")
	w.fakes.mu.Lock()
	w.fakes.pairing.late = true
	w.fakes.mu.Unlock()
	for round := uint32(2); round < 5; round++ {
		w.post(path+"/code", `{"code":"000-000"}`).want(http.StatusAccepted)
		if p := decode[model.Pairing](w.get(path).want(http.StatusOK)); p.Round != round {
			t.Errorf("after wrong code %d, GET shows %+v", round-1, p)
		}
	}
}

// secretsStayed checks that secrets reached the pairing service, and nothing else: not
// the bus in clear, the log, or the ledger.
func (w *world) secretsStayed(secrets ...string) {
	w.t.Helper()
	f := w.fakes
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range secrets {
		if !slices.Contains(f.pairing.opened, s) {
			w.t.Errorf("a secret did not arrive; %d did", len(f.pairing.opened))
		}
		bare := strings.ReplaceAll(s, "-", "")
		for _, raw := range f.pairing.received {
			if bytes.Contains(raw, []byte(s)) || bytes.Contains(raw, []byte(bare)) {
				w.t.Error("a secret crossed the bus in clear")
			}
		}
		if log := w.logs.String(); strings.Contains(log, s) || strings.Contains(log, bare) {
			w.t.Error("a secret is in the log")
		}
		for _, e := range f.audit {
			if strings.Contains(e.GetDetail(), s) {
				w.t.Error("a secret is in the ledger")
			}
		}
	}
}

func TestPairingByTokenAndByStaticCode(t *testing.T) {
	w := newWorld(t)
	a, b := w.fakes.device("A"), w.fakes.device("B")
	w.known(a, b)
	ta := token(t, "A")
	p := decode[model.Pairing](w.post("/api/v1/clients/"+a+"/pairing", map[string]string{"method": "pairing_psk", "token": ta}).want(http.StatusAccepted))
	if p.Method != "pairing_psk" || p.Format != "" {
		t.Errorf("started %+v", p)
	}
	if d := w.post("/api/v1/clients/"+a+"/pairing/code", `{"code":"123456"}`).problem(http.StatusConflict).Detail; !strings.Contains(d, "takes no code") {
		t.Errorf("a code for a token: %q", d)
	}
	w.post("/api/v1/clients/"+b+"/pairing", map[string]string{"method": "pairing_psk", "token": ta}).problem(http.StatusUnprocessableEntity)
	w.post("/api/v1/clients/"+b+"/pairing", `{"method":"static_pairing_code","code":"7654-3210"}`).want(http.StatusAccepted)
	w.secretsStayed(ta, "7654-3210")
}

func TestOneAttemptAtATime(t *testing.T) {
	w := newWorld(t)
	id := w.fakes.device("Kitchen")
	w.known(id)
	path := "/api/v1/clients/" + id + "/pairing"
	const body = `{"method":"dynamic_pairing_code","format":"qr_code"}`
	first := w.do("POST", path, adminToken, body, "Idempotency-Key", "once").want(http.StatusAccepted)
	again := w.do("POST", path, adminToken, body, "Idempotency-Key", "once").want(http.StatusAccepted)
	if !bytes.Equal(first.body, again.body) || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("the repeated POST answered %s", again.body)
	}
	d := w.post(path, body).problem(http.StatusConflict).Detail
	for _, want := range []string{"Kitchen", "token:admin", "connecting", "UTC", "DELETE"} {
		if !strings.Contains(d, want) {
			t.Errorf("the detail lacks %q: %s", want, d)
		}
	}
	// A QR code is longer than digits, and is told so.
	w.fakes.moveAttempt(id, func(a *pb.PairingAttempt) { a.State, a.Round = "awaiting_code", 1 })
	w.pairingIs(id, "awaiting_code")
	if d := w.post(path+"/code", `{"code":"123456"}`).problem(http.StatusUnprocessableEntity).Detail; !strings.Contains(d, "QR code") {
		t.Errorf("digits for a QR code: %q", d)
	}
	p := decode[model.Pairing](w.delete(path).want(http.StatusOK))
	if p.State != "cancelled" || p.Reason != "cancelled" {
		t.Errorf("DELETE answered %+v", p)
	}
	w.fakes.leaveAttempt(id)
	w.post(path, body).want(http.StatusAccepted)
}

// TestAnAttemptThatNobodyAnswersFor is the moment between its end and the bucket's
// word of it, and the death of the pairing service.
func TestAnAttemptThatNobodyAnswersFor(t *testing.T) {
	w := newHurriedWorld(t)
	patient := w.instance("m2")
	id := w.fakes.device("Kitchen")
	w.known(id)
	patient.known(id)
	path := "/api/v1/clients/" + id + "/pairing"
	patient.post(path, `{"method":"dynamic_pairing_code"}`).want(http.StatusAccepted)
	w.fakes.moveAttempt(id, awaitCode)
	w.pairingIs(id, "awaiting_code")
	patient.pairingIs(id, "awaiting_code")
	w.fakes.leaveAttempt(id)
	begun := time.Now()
	for _, r := range []reply{w.delete(path), w.post(path+"/code", `{"code":"123456"}`)} {
		if d := r.problem(http.StatusServiceUnavailable).Detail; !strings.Contains(d, "pairing service") || strings.Contains(d, "tutti.v1") {
			t.Errorf("%s: %q", r.what, d)
		}
	}
	if took := time.Since(begun); took > limit/2 {
		t.Errorf("two answers took %s", took)
	}
	done := make(chan reply, 1)
	go func() { done <- patient.post(path+"/code", `{"code":"123456"}`) }()
	w.fakes.moveAttempt(id, func(a *pb.PairingAttempt) { a.State, a.Reason = "failed", "interrupted" })
	if d := (<-done).problem(http.StatusConflict).Detail; !strings.Contains(d, "failed") {
		t.Errorf("detail = %q", d)
	}
	patient.delete(path).want(http.StatusOK)
}

func TestWithoutSealingKeyNothingSecretIsSent(t *testing.T) {
	w := newWorld(t)
	id := w.fakes.device("Kitchen")
	w.known(id)
	for _, key := range [][]byte{nil, make([]byte, 32)} { // unknown, and one that anybody could open
		s, _, err := w.fakes.settings.Get(t.Context(), subject.SettingsKey)
		if err != nil {
			t.Fatal(err)
		}
		s.SealingKey, s.Name = key, fmt.Sprintf("with a key of %d bytes", len(key))
		if _, err := w.fakes.settings.Put(t.Context(), subject.SettingsKey, s); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() error {
			if got := decode[model.Server](w.get("/api/v1/server")).Name; got != s.Name {
				return fmt.Errorf("name %q", got)
			}
			return nil
		})
		status := http.StatusServiceUnavailable
		if key != nil {
			status = http.StatusInternalServerError
		}
		w.post("/api/v1/clients/"+id+"/pairing", `{"method":"static_pairing_code","code":"12345678"}`).problem(status)
		w.post("/api/v1/pairing/tokens", map[string][]string{"tokens": {token(t, "A")}}).problem(status)
	}
	if n := len(w.fakes.pairing.received); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
	w.post("/api/v1/clients/"+id+"/pairing", `{"method":"dynamic_pairing_code"}`).want(http.StatusAccepted) // holds no secret
}

func TestEnrolment(t *testing.T) {
	w := newWorld(t)
	good, bad := token(t, "A"), "SP:0NOSUCHTOKEN"
	res := decode[model.EnrolResults](w.post("/api/v1/pairing/tokens", map[string][]string{"tokens": {good, bad}}).want(http.StatusAccepted))
	if len(res.Results) != 2 || res.Results[0].State != "waiting" || res.Results[0].ClientID == "" || res.Results[1].State != "invalid" || res.Results[1].Index != 1 || res.Results[1].Error == "" {
		t.Fatalf("results = %+v", res)
	}
	id := res.Results[0].ClientID
	list := decode[model.Enrolments](w.get("/api/v1/pairing/tokens").want(http.StatusOK))
	if len(list.Tokens) != 1 || list.Tokens[0].ClientID != id || list.Tokens[0].State != "waiting" || list.Tokens[0].AddedAt.IsZero() || list.Tokens[0].Actor != "token:admin" {
		t.Errorf("list = %+v", list)
	}
	w.secretsStayed(good, bad)
	w.delete("/api/v1/pairing/tokens/" + id).want(http.StatusNoContent)
	w.delete("/api/v1/pairing/tokens/" + id).problem(http.StatusNotFound)
	if list = decode[model.Enrolments](w.get("/api/v1/pairing/tokens")); len(list.Tokens) != 0 {
		t.Errorf("list = %+v", list)
	}
	many := slices.Repeat([]string{good}, 1001)
	w.post("/api/v1/pairing/tokens", map[string][]string{"tokens": many}).problem(http.StatusUnprocessableEntity)
	long := "SP:0" + strings.Repeat("A", 600)
	if p := w.post("/api/v1/pairing/tokens", map[string][]string{"tokens": {good, long}}).problem(http.StatusUnprocessableEntity); p.Errors[0].Location != "body.tokens[1]" || strings.Contains(p.Detail, "AAAA") {
		t.Errorf("problem = %+v", p)
	}
}

func TestApprovalsHaveScopesAndEnds(t *testing.T) {
	w := newWorld(t)
	id := w.fakes.device("Stranger", waiting("new"))
	w.known(id)
	path := "/api/v1/clients/" + id + "/approve"
	c := decode[model.Client](w.post(path, `{"controller":true,"label":" Bar ","ends_in_ms":3600000}`).want(http.StatusOK))
	if !c.ControllerAllowed || c.SourceAllowed || c.Label != "Bar" || c.ApprovalEndsAt == nil || time.Until(*c.ApprovalEndsAt) > time.Hour || time.Until(*c.ApprovalEndsAt) < 50*time.Minute {
		t.Errorf("approved %+v", c)
	}
	end := time.Now().Add(24 * time.Hour).UTC().Truncate(time.Second)
	if c = decode[model.Client](w.post(path, map[string]any{"ends_at": end}).want(http.StatusOK)); c.ApprovalEndsAt == nil || !c.ApprovalEndsAt.Equal(end) || c.ControllerAllowed {
		t.Errorf("approved %+v", c)
	}
	if c = decode[model.Client](w.post(path, `{"until_disconnect":true}`).want(http.StatusOK)); !c.ApprovalUntilDisconnect || c.ApprovalEndsAt != nil {
		t.Errorf("approved %+v", c)
	}
}

func TestAWarningIsAcceptedByName(t *testing.T) {
	w := newWorld(t)
	id := w.fakes.device("Lobby", waiting("name_reused_by_new_key"), warned("name_reused_by_new_key"), func(p *pb.ClientPresence, _ *pb.TrustRecord) {
		p.DeviceInfo.MacAddress = "00:11:22:33:44:55"
	})
	w.known(id)
	e := decode[model.Inbox](w.get("/api/v1/inbox")).Waiting[0]
	if e.Warning != "name_reused_by_new_key" || !strings.Contains(e.Detail, "poses as it") || e.Manufacturer != "Acme" || e.MACAddress != "00:11:22:33:44:55" || len(e.PairMethods) != 1 {
		t.Errorf("entry = %+v", e)
	}
	path := "/api/v1/clients/" + id + "/approve"
	for _, body := range []any{nil, `{}`, `{"accept_warning":"identity_changed"}`} {
		if d := w.post(path, body).problem(http.StatusConflict).Detail; !strings.Contains(d, `"accept_warning": "name_reused_by_new_key"`) || !strings.Contains(d, "tiger-nine-Lobby") {
			t.Errorf("detail = %q", d)
		}
	}
	if c := decode[model.Client](w.post(path, `{"accept_warning":"name_reused_by_new_key"}`).want(http.StatusOK)); c.Trust != "approved" || c.Warning != "" {
		t.Errorf("approved %+v", c)
	}
}

func TestBlockAndUnpair(t *testing.T) {
	w := newWorld(t)
	id := w.fakes.device("Kitchen", func(_ *pb.ClientPresence, tr *pb.TrustRecord) {
		tr.State, tr.Paired = pb.TrustState_TRUST_STATE_PAIRED, true
	})
	w.known(id)
	if c := decode[model.Client](w.post("/api/v1/clients/"+id+"/unpair", nil).want(http.StatusOK)); !c.Unpairing || c.Trust != "unapproved" {
		t.Errorf("unpair answered %+v", c)
	}
	if c := decode[model.Client](w.post("/api/v1/clients/"+id+"/block", nil).want(http.StatusOK)); !c.Blocked || c.Trust != "denied" {
		t.Errorf("block answered %+v", c)
	}
	w.post("/api/v1/clients/nobody/block", nil).problem(http.StatusNotFound)
	w.post("/api/v1/clients/nobody/unpair", nil).problem(http.StatusNotFound)
}

func TestControllerPolicy(t *testing.T) {
	w := newWorld(t)
	if p := decode[model.Server](w.get("/api/v1/server")).Policy; p.Controller != "paired_only" {
		t.Errorf("policy = %+v", p)
	}
	if p := decode[model.Server](w.patch("/api/v1/server", `{"policy":{"controller":"approved"}}`).want(http.StatusOK)).Policy; p.Controller != "approved" || p.Pairing != "required" {
		t.Errorf("policy = %+v", p)
	}
}

// TestPairingIsForAdmins: attempts are shown to those who may start them, in the feed too.
func TestPairingIsForAdmins(t *testing.T) {
	w := newWorld(t)
	id := w.fakes.device("Kitchen")
	w.known(id)
	viewer := decode[model.NewToken](w.post("/api/v1/tokens", `{"name":"v","role":"viewer"}`).want(http.StatusCreated)).Secret
	l := w.listenAs(viewer, "")
	w.post("/api/v1/clients/"+id+"/pairing", `{"method":"dynamic_pairing_code"}`).want(http.StatusAccepted)
	w.patch("/api/v1/clients/"+id, `{"label":"Galley"}`).want(http.StatusOK)
	for {
		var e event
		select {
		case e = <-l.events:
		case <-time.After(limit):
			t.Fatal("no client.updated")
		}
		if e.kind == "pairing.updated" {
			t.Fatal("a viewer was told of an attempt")
		}
		if e.kind == "client.updated" && strings.Contains(e.data, "Galley") {
			return
		}
	}
}
