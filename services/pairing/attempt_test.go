package pairing

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// wiretap keeps every message of the bus as it is.
type wiretap struct {
	mu  sync.Mutex
	all strings.Builder
}

// tap listens to requests, events, answers and buckets. Empty keeps what it does not
// know, which is everything.
func (r *rig) tap() *wiretap {
	r.t.Helper()
	w := &wiretap{}
	for _, subj := range []string{"tutti.v1.>", "_INBOX.>", "$KV.>"} {
		stop, err := bus.Subscribe(r.bus, subj, func(_ context.Context, _ string, m *pb.Empty) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.all.Write(m.ProtoReflect().GetUnknown())
			w.all.WriteByte('\n')
		})
		if err != nil {
			r.t.Fatal(err)
		}
		r.t.Cleanup(stop)
	}
	return w
}

func (w *wiretap) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.String()
}

// wantNoSecret fails when a text holds one of the secrets in any usual form.
func wantNoSecret(t *testing.T, where, text string, secrets map[string][]byte) {
	t.Helper()
	for name, s := range secrets {
		for _, form := range []string{string(s), hex.EncodeToString(s), strings.ToUpper(hex.EncodeToString(s)),
			base64.StdEncoding.EncodeToString(s), base64.RawURLEncoding.EncodeToString(s), fmt.Sprint(s)} {
			if holds(text, form) {
				t.Errorf("%s holds the %s", where, name)
			}
		}
	}
}

// holds looks for a secret. A short one may stand inside of a random name by chance.
func holds(text, secret string) bool {
	for at := 0; ; at++ {
		i := strings.Index(text[at:], secret)
		if i < 0 {
			return false
		}
		at += i
		if len(secret) > 12 || !alnum(text, at-1) && !alnum(text, at+len(secret)) {
			return true
		}
	}
}

func alnum(s string, i int) bool {
	return i >= 0 && i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i]|0x20 >= 'a' && s[i]|0x20 <= 'z')
}

// TestPairEveryWay: three methods, both formats, both suites, both databases, from
// start to a session on the new key, without a secret in sight.
func TestPairEveryWay(t *testing.T) {
	forEachStore(t, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg).serve()
		w := r.tap()
		secrets := map[string][]byte{"static code": []byte(staticDigits), "static code in groups": []byte("8364-0275")}
		for _, suite := range []noise.Suite{noise.ChaChaPoly, noise.AESGCM} {
			for i, k := range fourWays {
				k.suite = suite
				name := fmt.Sprintf("Room %d %s", i, suite)
				d := r.newDevice(name).connect()
				r.ask(subject.PairingApprove, &pb.ApproveRequest{ClientId: d.id, Actor: "admin", Source: true}, &pb.TrustRecord{})
				begun := time.Now()
				v := d.pairBy(k)
				r.timed(begun)
				if v.GetMethod() != k.method || v.GetActor() != "admin" || v.GetDetail() != "" || v.GetSessionId() == "" {
					t.Errorf("%s: %v", k, v)
				}
				e := d.lastEnd()
				if e.GetClose() || e.GetCategory() != "lt" || e.GetState() != paired || !slices.Contains(e.GetAllowedFamilies(), "player") ||
					slices.Contains(e.GetAllowedFamilies(), "source") || len(e.GetBodies()) != 1 {
					t.Errorf("%s: PairingEnd %v", k, e)
				}
				got := d.admit()
				if got.GetState() != paired || len(got.GetAllowedFamilies()) == 0 || slices.Contains(got.GetAllowedFamilies(), "source") {
					t.Errorf("%s: admitted as %v", k, got)
				}
				r.atOnce(fmt.Sprintf("%s: trust", k), func() error {
					if rec := r.trustEntry(d.id); rec.GetState() != paired || !rec.GetPaired() || rec.GetApprovedAt() != nil || rec.GetWaitingReason() != "" {
						return fmt.Errorf("%v", rec)
					}
					return nil
				})
				secrets["token of "+name] = []byte(d.token())
				secrets["pairing PSK of "+name] = d.psk.Bytes()
				secrets["PSK of "+name] = d.kept().Bytes()
				for _, c := range d.shown {
					secrets["code of "+name] = []byte(c)
					secrets["digits of "+name] = []byte(strings.ReplaceAll(c, "-", ""))
				}
			}
		}
		if n := len(slices.DeleteFunc(r.auditKinds(), func(k string) bool { return k != "client.paired" })); n != 8 {
			t.Errorf("audit lines: %d", n)
		}
		for _, e := range r.trustEvents() {
			if e.GetKind() == "paired" && (e.GetDisconnect() || e.GetState() != paired) {
				t.Errorf("event %v", e)
			}
		}
		wantNoSecret(t, "the log", r.logs.String(), secrets)
		wantNoSecret(t, "the bus", w.String(), secrets)
		if !strings.Contains(w.String(), "dynamic_pairing_code") || !strings.Contains(r.logs.String(), "pairing attempt succeeded") {
			t.Fatal("nothing was overheard: the check above says nothing")
		}
		verifyChain(t, r.backstage())
	})
}

func TestWrongThenRightCode(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()}).serve()
	for _, k := range []kind{byDigits, byQR} {
		d := r.newDevice("Room " + k.format).connect()
		d.start(k)
		d.shows("awaiting_code")
		right := d.code()
		wrong := "000-000"
		if right == wrong {
			wrong = "000-001"
		}
		if k.format == wire.FormatQRCode {
			wrong = "SP:14DQ6FY7E4XTOP9HJ5LV6Z3PO57YPD4XT6T97N5Y"
		}
		if v, err := d.enter(wrong); err != nil || v.GetState() != "verifying" {
			t.Fatalf("%s: %v, %v", k, v, err)
		}
		r.eventually("the second round", func() error {
			if v := d.shows("awaiting_code", "verifying"); v.GetRound() != 2 || v.GetState() != "awaiting_code" || !strings.Contains(v.GetDetail(), "wrong") {
				return fmt.Errorf("%v", v)
			}
			return nil
		})
		if _, err := d.enter(right); err != nil {
			t.Fatal(err)
		}
		if v := d.shows("paired", "failed"); v.GetState() != "paired" || v.GetRound() != 2 || v.GetDetail() != "" {
			t.Fatalf("%s: %v", k, v)
		}
		d.wantPaired()
	}
}

// TestTwentyRounds: the device ends it then, and holds the next attempt back.
func TestTwentyRounds(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()}).serve()
	d := r.newDevice("Kitchen").connect()
	d.start(byDigits)
	d.shows("awaiting_code")
	wrong := "123 456"
	if strings.ReplaceAll(d.code(), "-", "") == "123456" {
		wrong = "123 457"
	}
	for n := range uint32(20) {
		r.eventually("the round", func() error {
			if v := d.shows("awaiting_code", "verifying"); v.GetState() != "awaiting_code" || v.GetRound() != n+1 {
				return fmt.Errorf("%v", v)
			}
			return nil
		})
		if _, err := d.enter(wrong); err != nil {
			t.Fatal(err)
		}
	}
	if v := d.shows("failed"); v.GetReason() != "pairing_code_mismatch" || v.GetRound() != 20 {
		t.Fatalf("%v", v)
	}
	d.wantNothing(noise.PSK{})
	d.start(byDigits)
	d.shows("pending")
}

// wantNothing: neither end has a record but the one before.
func (d *device) wantNothing(before noise.PSK) {
	d.t.Helper()
	eventually(d.t, "nothing is stored", func() error {
		if got := d.serverRecord(); got.IsZero() != before.IsZero() || !got.IsZero() && !got.Equal(before) {
			return fmt.Errorf("the server has a record")
		}
		return nil
	})
	if got := d.kept(); got.IsZero() != before.IsZero() || !got.IsZero() && !got.Equal(before) {
		d.t.Fatal("the device has a record")
	}
}

// TestTheCodeIsJudgedBeforeItIsUsed: an operator's slip costs nothing.
func TestTheCodeIsJudgedBeforeItIsUsed(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()}).serve()
	d := r.newDevice("Kitchen").connect()
	d.start(byDigits)
	if v := d.shows("awaiting_code"); v.GetCodeLength() != 6 || v.GetRound() != 1 {
		t.Fatalf("%v", v)
	}
	for code, text := range map[string]string{"12345": "6 digits, and 5", "1234567": "and 7", "12345x": "digits only"} {
		if _, err := d.enter(code); fault.CodeOf(err) != fault.OutOfRange || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", code, err)
		}
	}
	if _, err := d.ask(&pb.AttemptRequest{Message: &pb.AttemptRequest_SealedCode{SealedCode: []byte("123456")}}); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("a code in clear: %v", err)
	}
	if _, err := d.ask(&pb.AttemptRequest{AttemptId: "a-other", Message: &pb.AttemptRequest_Cancel{Cancel: true}}); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("another attempt: %v", err)
	}
	if v := d.shows("awaiting_code"); v.GetRound() != 1 {
		t.Fatalf("a slip cost a round: %v", v)
	}
	if v := d.finish(byDigits); v.GetState() != "paired" {
		t.Fatalf("%v", v)
	}
	r.eventually("nobody takes a code after the end", func() error { // one that comes with the end may get no answer
		if _, err := d.enter("123456"); fault.CodeOf(err) != fault.Unavailable {
			return fmt.Errorf("got %v", err)
		}
		return nil
	})
}

func TestStartNamesWhatIsWrong(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()}).serve()
	d, other := r.newDevice("Kitchen").connect(), r.newDevice("Bath")
	start := func(change func(*pb.StartPairingRequest)) *pb.StartPairingRequest {
		req := d.request(byToken)
		change(req)
		return req
	}
	stranger := newClientID()
	for name, tt := range map[string]struct {
		req  *pb.StartPairingRequest
		code fault.Code
		text string
	}{
		"unknown client": {start(func(q *pb.StartPairingRequest) { q.ClientId = stranger }), fault.NotFound, stranger},
		"no client":      {start(func(q *pb.StartPairingRequest) { q.ClientId = "x" }), fault.Invalid, "client_id"},
		"nobody":         {start(func(q *pb.StartPairingRequest) { q.Actor = "" }), fault.Invalid, "who asks"},
		"no method":      {start(func(q *pb.StartPairingRequest) { q.Method = "magic" }), fault.OutOfRange, "no such pairing method"},
		"no format":      {start(func(q *pb.StartPairingRequest) { q.Method, q.SealedSecret = wire.MethodDynamicCode, nil }), fault.OutOfRange, "needs a format"},
		"format":         {start(func(q *pb.StartPairingRequest) { q.Format = "digits" }), fault.OutOfRange, "no format"},
		"no token":       {start(func(q *pb.StartPairingRequest) { q.SealedSecret = nil }), fault.Invalid, "pairing token"},
		"clear token":    {start(func(q *pb.StartPairingRequest) { q.SealedSecret = []byte(d.token()) }), fault.Invalid, "does not open"},
		"damaged token":  {start(func(q *pb.StartPairingRequest) { q.SealedSecret = d.seal(d.token()[:60]) }), fault.Invalid, "cannot be read"},
		"QR code": {start(func(q *pb.StartPairingRequest) {
			q.SealedSecret = d.seal("SP:14DQ6FY7E4XTOP9HJ5LV6Z3PO57YPD4XT6T97N5Y")
		}), fault.Invalid, "another version"},
		"other's token": {start(func(q *pb.StartPairingRequest) { q.SealedSecret = d.seal(other.token()) }), fault.Invalid, "another device"},
		"short code": {start(func(q *pb.StartPairingRequest) { q.Method, q.SealedSecret = wire.MethodStaticCode, d.seal("1234567") }),
			fault.OutOfRange, "8 digits, and 7"},
	} {
		err := r.request(subject.PairingStart, tt.req, &pb.PairingAttempt{})
		if fault.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v (%s)", name, err, fault.CodeOf(err))
		}
		if err != nil && strings.Contains(err.Error(), d.token()[4:40]) {
			t.Errorf("%s: the error repeats the token", name)
		}
	}
	d.change(func() { d.offers = d.offers[:1] })
	r.wantFault(fault.Conflict, "it offers pairing_psk", subject.PairingStart, d.request(byDigits))
	r.decide(subject.PairingDeny, d.id)
	r.wantFault(fault.Conflict, "denied", subject.PairingStart, d.request(byToken))
	r.admit(knock(other.id, "Bath"))
	r.wantFault(fault.Conflict, "not connected", subject.PairingStart, other.request(byToken))
	if _, _, err := r.pairings().Get(t.Context(), d.id); fault.CodeOf(err) != fault.NotFound {
		t.Fatalf("a refused start left an entry: %v", err)
	}
}

// TestTwoOperators: one wins, the others are told who is at it.
func TestTwoOperators(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()}).serve()
	d := r.newDevice("Kitchen").connect()
	const n = 8
	errs := make(chan error, n)
	for i := range n {
		req := d.request(byDigits)
		req.Actor = fmt.Sprintf("operator-%d", i)
		go func() { errs <- r.request(subject.PairingStart, req, &pb.PairingAttempt{}) }()
	}
	won := 0
	for range n {
		switch err := <-errs; {
		case err == nil:
			won++
		case fault.CodeOf(err) != fault.Conflict || !strings.Contains(err.Error(), "being paired already"):
			t.Errorf("%v", err)
		}
	}
	v := d.shows("awaiting_code")
	if won != 1 || !strings.HasPrefix(v.GetActor(), "operator-") {
		t.Fatalf("%d have won: %v", won, v)
	}
	r.wantFault(fault.Conflict, v.GetActor()+" began at ", subject.PairingStart, d.request(byToken))
	if v := d.finish(byDigits); v.GetState() != "paired" {
		t.Fatalf("the attempt was disturbed: %v", v)
	}
}

// TestSealingKey: it is in the settings that every service reads, and outlives a
// restart.
func TestSealingKey(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()}).serve()
	key := func() string {
		b, err := bus.OpenBucket[pb.ServerSettings](t.Context(), r.bus, subject.BucketSettings, bus.BucketOptions{})
		if err != nil {
			t.Fatal(err)
		}
		shown, _, err := b.Get(t.Context(), subject.SettingsKey)
		if err != nil {
			t.Fatal(err)
		}
		var asked pb.ServerSettings
		r.ask(subject.PairingSettings, &pb.UpdateSettingsRequest{}, &asked)
		if len(shown.GetSealingKey()) != 32 || string(shown.GetSealingKey()) != string(asked.GetSealingKey()) {
			t.Fatalf("bucket %x, answer %x", shown.GetSealingKey(), asked.GetSealingKey())
		}
		return hex.EncodeToString(asked.GetSealingKey())
	}
	before := key()
	if before == hex.EncodeToString(r.identity().Bytes()) {
		t.Fatal("the sealing key is the server's")
	}
	r.restart()
	if after := key(); after != before {
		t.Fatalf("%s after a restart, was %s", after, before)
	}
}
