package pairing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/pairtoken"
	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
)

// enrol brings tokens and returns what became of them.
func (r *rig) enrol(d *device, tokens ...string) []*pb.EnrolResult {
	r.t.Helper()
	req := &pb.EnrolRequest{Actor: "admin"}
	for _, t := range tokens {
		req.SealedTokens = append(req.SealedTokens, d.seal(t))
	}
	var resp pb.EnrolResponse
	r.ask(subject.PairingEnrol, req, &resp)
	if len(resp.GetResults()) != len(tokens) {
		r.t.Fatalf("%d results for %d tokens", len(resp.GetResults()), len(tokens))
	}
	return resp.GetResults()
}

func (r *rig) enrolments() map[string]*pb.Enrolment {
	r.t.Helper()
	var resp pb.ListEnrolmentsResponse
	r.ask(subject.PairingEnrolments, &pb.ListEnrolmentsRequest{}, &resp)
	all := map[string]*pb.Enrolment{}
	for _, e := range resp.GetEnrolments() {
		all[e.GetClientId()] = e
	}
	return all
}

func (r *rig) enrolment(id, state string) *pb.Enrolment {
	r.t.Helper()
	var e *pb.Enrolment
	r.eventually("the enrolment is "+state, func() error {
		if e = r.enrolments()[id]; e.GetState() != state {
			return fmt.Errorf("%v", e)
		}
		return nil
	})
	return e
}

// TestEnrolFifty: a carton of devices, some there before the tokens, some after, some
// seen before their session has its address: all are paired, a few at once.
func TestEnrolFifty(t *testing.T) {
	forEachStore(t, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg).serve()
		w := r.tap()
		const n = 50
		var running, most atomic.Int32
		var devices []*device
		var tokens []string
		for i := range n {
			d := r.newDevice(fmt.Sprintf("Speaker %d", i))
			d.onCommand = func(c *pb.SessionCommand) error {
				switch {
				case c.GetPairingBegin() != nil:
					now := running.Add(1)
					for m := most.Load(); now > m && !most.CompareAndSwap(m, now); m = most.Load() {
					}
				case c.GetPairingEnd() != nil:
					running.Add(-1)
				}
				return nil
			}
			devices, tokens = append(devices, d), append(tokens, d.token())
		}
		for _, d := range devices[:n/2] {
			d.connect()
		}
		for _, res := range r.enrol(devices[0], tokens...) {
			if res.GetState() != "waiting" || res.GetError() != "" || res.GetClientId() == "" {
				t.Fatalf("%v", res)
			}
		}
		for _, d := range devices[n/2:] {
			r.admit(knock(d.id, d.name)) // the session's address comes a little later
		}
		for _, d := range devices[n/2:] {
			d.connect()
		}
		secrets := map[string][]byte{}
		for _, d := range devices {
			e := r.enrolment(d.id, "paired")
			if e.GetActor() != "admin" || e.GetFingerprint() == "" || e.GetAttempts() == 0 || e.GetAddedAt() == nil {
				t.Errorf("%v", e)
			}
			d.wantPaired()
			secrets["token of "+d.name], secrets["pairing PSK of "+d.name] = []byte(d.token()), d.psk.Bytes()
		}
		if most.Load() > 8 {
			t.Errorf("%d attempts at once", most.Load())
		}
		count := map[string]int{}
		for _, k := range r.auditKinds() {
			count[k]++
		}
		if count["enrolment.added"] != n || count["client.paired"] != n {
			t.Errorf("ledger: %v", count)
		}
		wantNoSecret(t, "the log", r.logs.String(), secrets)
		wantNoSecret(t, "the bus", w.String(), secrets)
		err := r.backstage().View(t.Context(), func(ctx context.Context, tx desk.Tx) error {
			all, err := tx.Enrolments(ctx, 1000)
			for _, e := range all {
				if e.SealedPSK != nil {
					t.Errorf("the secret of %s is kept", e.ClientID)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestEnrolNamesWhatIsWrong(t *testing.T) {
	forEachStore(t, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg).serve()
		d, paired := r.newDevice("Kitchen"), r.newDevice("Bath").connect()
		paired.pairBy(byToken)
		other := pairtoken.EncodePSK(d.key, [32]byte{1})
		results := r.enrol(d, d.token(), "SP:0NONSENSE", d.token(), paired.token(), "SP:14DQ6FY7E4XTOP9HJ5LV6Z3PO57YPD4XT6T97N5Y", strings.ToLower(" "+d.token()[3:]))
		var states []string
		for _, res := range results {
			states = append(states, res.GetState())
			if (res.GetError() != "") != (res.GetState() == "invalid") || strings.Contains(res.GetError(), "NONSENSE") {
				t.Errorf("%v", res)
			}
		}
		if want := []string{"waiting", "invalid", "duplicate", "already_paired", "invalid", "duplicate"}; !slices.Equal(states, want) {
			t.Fatalf("got %v, want %v", states, want)
		}
		if got := r.enrol(d, d.token())[0].GetState(); got != "duplicate" {
			t.Errorf("the same token again: %s", got)
		}
		if got := r.enrol(d, other)[0].GetState(); got != "waiting" {
			t.Errorf("another token of the same device: %s", got)
		}
		r.wantFault(fault.OutOfRange, "1 to 1000", subject.PairingEnrol, &pb.EnrolRequest{Actor: "admin"})
		r.wantFault(fault.Invalid, "who asks", subject.PairingEnrol, &pb.EnrolRequest{SealedTokens: [][]byte{d.seal(d.token())}})
		if e := r.enrolments(); len(e) != 1 || e[d.id].GetState() != "waiting" {
			t.Fatalf("%v", e)
		}

		r.ask(subject.PairingEnrolRemove, &pb.ClientRequest{ClientId: d.id, Actor: "admin"}, &pb.Empty{})
		r.wantFault(fault.NotFound, "no token waits", subject.PairingEnrolRemove, &pb.ClientRequest{ClientId: d.id, Actor: "admin"})
		if e := r.enrolments(); len(e) != 0 {
			t.Fatalf("%v", e)
		}
		if !slices.Contains(r.auditKinds(), "enrolment.removed") {
			t.Error("the removal is not in the ledger")
		}
		d.connect()
		r.wantState(knock(d.id, "Kitchen"), unapproved, false)
	})
}

// TestEnrolledAndLost: a wrong token fails with a reason and is tried again with
// pauses; the right one mends it. A credential mismatch may be enrolled.
func TestEnrolledAndLost(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()})
	r.clk = clockwork.NewFakeClock()
	r.serve()
	d := r.newDevice("Kitchen")
	r.enrol(d, pairtoken.EncodePSK(d.key, [32]byte{1}))
	d.connect()
	var first *pb.Enrolment
	r.eventually("the first try", func() error {
		r.clk.Advance(10 * time.Millisecond) // it may have come just before the device, and comes again
		if first = r.enrolments()[d.id]; first.GetState() != "failed" {
			return fmt.Errorf("%v", first)
		}
		return nil
	})
	if !strings.Contains(first.GetDetail(), "did not accept the token") || first.GetAttempts() != 1 {
		t.Fatalf("%v", first)
	}
	d.connect() // at once, as a device does that hung up
	r.advanceUntil("another try", func() error {
		if e := r.enrolments()[d.id]; e.GetAttempts() < 2 || e.GetState() != "failed" {
			return fmt.Errorf("%v", e)
		}
		return nil
	})
	r.enrol(d, d.token())
	d.connect()
	r.advanceUntil("it is paired", func() error {
		if e := r.enrolments()[d.id]; e.GetState() != "paired" || e.GetDetail() != "" {
			return fmt.Errorf("%v", e)
		}
		return nil
	})
	d.wantPaired()

	d.hangUp("")
	d.change(func() { d.record = noise.PSK{} }) // a factory reset
	d.connect()
	if got := r.enrol(d, d.token())[0].GetState(); got != "waiting" {
		t.Fatalf("a credential mismatch: %s", got)
	}
	r.advanceUntil("it is paired again", func() error {
		if d.kept().IsZero() || r.enrolments()[d.id].GetState() != "paired" {
			return errors.New("not yet")
		}
		return nil
	})
	d.wantPaired()

	r.clk.Advance(25 * time.Hour)
	r.advanceUntil("it is swept", func() error {
		if n := len(r.enrolments()); n != 0 {
			return fmt.Errorf("%d are left", n)
		}
		return nil
	})
}

// advanceUntil lets time pass until a fact is there.
func (r *rig) advanceUntil(what string, fact func() error) {
	r.t.Helper()
	r.eventually(what, func() error {
		r.clk.Advance(100 * time.Millisecond)
		return fact()
	})
}

// TestEnrolledAcrossARestart: the list outlives the service.
func TestEnrolledAcrossARestart(t *testing.T) {
	forEachStore(t, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg).serve()
		d := r.newDevice("Kitchen")
		r.enrol(d, d.token())
		r.restart()
		r.enrolment(d.id, "waiting")
		d.connect()
		r.enrolment(d.id, "paired")
		d.wantPaired()
	})
}

// TestATokenGoesWithItsClient: what an operator forgets or unpairs must not pair itself
// again at its next appearance.
func TestATokenGoesWithItsClient(t *testing.T) {
	forEachStore(t, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg).serve()
		for _, subj := range []string{subject.PairingForget, subject.PairingUnpair} {
			d := r.newDevice("Speaker")
			d.connect()
			r.enrol(d, d.token())
			r.enrolment(d.id, "paired")
			d.hangUp("restart")
			mismatch := knock(d.id, d.name)
			mismatch.CredentialMismatch = true
			r.admit(mismatch)
			if got := r.enrol(d, d.token()); got[0].GetState() != "waiting" {
				t.Fatalf("a device that lost its record is enrolled anew: %v", got)
			}
			var resp pb.TrustRecord
			r.ask(subj, &pb.ClientRequest{ClientId: d.id, Actor: "admin"}, &resp)
			if e := r.enrolments()[d.id]; e != nil {
				t.Errorf("after %s the token still waits: %v", subj, e)
			}
			if kinds := r.auditKinds(); !slices.Contains(kinds, "enrolment.removed") {
				t.Errorf("the ledger does not say so: %q", kinds)
			}
		}
	})
}
