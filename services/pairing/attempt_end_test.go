package pairing

import (
	"bytes"
	"context"
	databasesql "database/sql"
	"errors"
	"fmt"
	"path/filepath"
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
	"github.com/tutti-audio/tutti/sendspin/pairing"
	"github.com/tutti-audio/tutti/sendspin/wire"
	"github.com/tutti-audio/tutti/services/pairing/internal/store"
)

// press is the gesture at the device that opens the window or lifts the hold.
func (d *device) press() {
	d.mu.Lock()
	d.window.Open(time.Now())
	d.hold = ""
	d.mu.Unlock()
	d.now(func(f *pairing.ClientFlow) []pairing.Effect { return f.Release(time.Now()) })
}

// drive does what people do until the attempt is over: press the button, enter the
// code that the device shows.
func (d *device) drive(k kind) *pb.PairingAttempt {
	d.t.Helper()
	d.start(k)
	b := d.r.pairings()
	var v *pb.PairingAttempt
	entered := uint32(0)
	eventually(d.t, "the attempt is over", func() (err error) {
		if v, _, err = b.Get(context.Background(), d.id); err != nil {
			return err
		}
		switch v.GetState() {
		case "paired", "failed", "cancelled":
			return nil
		case "pending":
			d.press()
		case "awaiting_code":
			d.mu.Lock()
			shown := slices.Clone(d.shown)
			d.mu.Unlock()
			if len(shown) > 0 && entered < v.GetRound() {
				entered = v.GetRound()
				_, _ = d.enter(shown[len(shown)-1]) // it may end meanwhile
			}
		}
		return fmt.Errorf("it is %v", v)
	})
	return v
}

// drop ends the session at once, also from inside of a step.
func (d *device) drop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.session != "" {
		_ = d.lost("")
	}
}

// variant is a kind, perhaps held back first.
type variant struct {
	kind
	held bool
}

var variants = []variant{{byToken, false}, {byDigits, false}, {byDigits, true}, {byQR, false}, {byStatic, false}, {byStatic, true}}

func (v variant) device(r *rig, name string) *device {
	d := r.newDevice(name).connect()
	if v.held {
		d.change(func() { d.closed, d.hold = true, "press the button" })
	}
	return d
}

// steps counts the commands and relays of an undisturbed attempt.
func (v variant) steps(r *rig) int {
	d := v.device(r, "Undisturbed")
	if got := d.drive(v.kind); got.GetState() != "paired" {
		r.t.Fatalf("%v: %v", v, got)
	}
	d.wantPaired()
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.steps
}

// TestCancelAtEveryStep: whenever an operator cancels, either nothing is stored at
// both ends, or it is too late and both ends are paired.
func TestCancelAtEveryStep(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()}).serve()
	late := 0
	for i, k := range variants {
		for n := range k.steps(r) {
			d := k.device(r, fmt.Sprintf("Room %d-%d", i, n))
			heard := make(chan error, 1)
			cancelled := make(chan string, 1)
			d.change(func() {
				d.onStep = func(step int, name string) {
					if step == n {
						cancelled <- name
						_, err := d.cancel()
						heard <- err
					}
				}
			})
			v := d.drive(k.kind)
			what, answer := <-cancelled, <-heard
			switch {
			case v.GetState() == "cancelled":
				if v.GetReason() != "cancelled" || !strings.Contains(v.GetDetail(), "admin") || answer != nil {
					t.Fatalf("%v, step %d (%s): %v, %v", k, n, what, v, answer)
				}
				d.wantNothing(noise.PSK{})
				if e := d.lastEnd(); e.GetClose() || len(e.GetSealedPsk()) > 0 {
					t.Fatalf("%v, step %d: %v", k, n, e)
				}
			case v.GetState() == "paired" && fault.CodeOf(answer) == fault.Conflict:
				late++
				d.wantPaired()
			case v.GetState() == "paired" && n == 0: // the attempt did not exist yet
				d.wantPaired()
			default:
				t.Fatalf("%v, step %d (%s): %v, the operator heard %v", k, n, what, v, answer)
			}
			d.wantUsable(k.kind)
		}
	}
	if late != len(variants) {
		t.Errorf("%d cancellations came too late, want one for each variant", late)
	}
	verifyChain(t, r.backstage())
}

// wantUsable: whatever happened, the device can be paired afterwards.
func (d *device) wantUsable(k kind) {
	d.t.Helper()
	d.mu.Lock()
	d.onStep, d.onRelay, d.onCommand, d.closed = nil, nil, nil, false
	d.hold, d.shown = "", nil
	there := d.session != ""
	d.mu.Unlock()
	if !there {
		d.connect()
	}
	if v := d.drive(k); v.GetState() != "paired" {
		d.t.Fatalf("afterwards: %v", v)
	}
	d.wantPaired()
}

// TestDisconnectAtEveryStep: the same for a connection that breaks. When the record
// was stored and the device did not hear of it, pairing again mends that.
func TestDisconnectAtEveryStep(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()}).serve()
	stored := 0
	for i, k := range variants {
		for n := range k.steps(r) {
			if n == 0 {
				continue // the query: no attempt begins
			}
			d := k.device(r, fmt.Sprintf("Room %d-%d", i, n))
			dropped := make(chan string, 1)
			d.change(func() {
				d.onStep = func(step int, name string) {
					if step == n {
						d.drop()
						dropped <- name
					}
				}
			})
			v := d.drive(k.kind)
			what := <-dropped
			switch {
			case v.GetState() == "failed" && slices.Contains([]string{"disconnected", "not_connected"}, v.GetReason()):
				d.wantNothing(noise.PSK{})
			case v.GetState() == "paired" && strings.Contains(v.GetDetail(), "credential mismatch"):
				stored++
				d.change(func() { d.onStep = nil })
				if got := d.connect().admit(); got.GetState() != mismatch || len(got.GetAllowedFamilies()) > 0 {
					t.Fatalf("%v, step %d (%s): %v", k, n, what, got)
				}
			default:
				t.Fatalf("%v, step %d (%s): %v", k, n, what, v)
			}
			d.wantUsable(k.kind)
		}
	}
	if stored < len(variants) { // at the last step, and perhaps just before it
		t.Errorf("%d records were stored, want one for each variant at least", stored)
	}
}

func TestTheDeviceEndsIt(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()}).serve()
	for _, tt := range []struct{ reason, state, word string }{
		{wire.AbortAttemptTimeout, "failed", wire.AbortAttemptTimeout},
		{wire.AbortConcurrentAttempt, "failed", wire.AbortConcurrentAttempt},
		{wire.AbortMethodNotSupported, "failed", wire.AbortMethodNotSupported},
		{wire.AbortCodeMismatch, "failed", wire.AbortCodeMismatch},
		{wire.AbortUserCancelled, "cancelled", wire.AbortUserCancelled},
		{"of_its_own", "failed", "device_aborted"},
	} {
		d := r.newDevice("Room " + tt.reason).connect()
		d.start(byDigits)
		d.shows("awaiting_code")
		d.mu.Lock()
		d.post(relay{session: d.session, attempt: d.attempt, body: fmt.Appendf(nil, `{"type":"pair/abort","payload":{"reason":%q}}`, tt.reason)})
		d.mu.Unlock()
		if v := d.shows("failed", "cancelled"); v.GetState() != tt.state || v.GetReason() != tt.word || v.GetDetail() == "" {
			t.Errorf("%s: %v", tt.reason, v)
		}
		if e := d.lastEnd(); e.GetClose() || len(e.GetBodies()) > 0 {
			t.Errorf("%s: %v", tt.reason, e)
		}
		d.wantNothing(noise.PSK{})
		r.eventually("the ledger has a line of it", func() error {
			lines := r.audit()
			if l := lines[len(lines)-1]; l.GetKind() != "client.pairing_"+tt.state || l.GetClientId() != d.id ||
				l.GetActor() != "admin" || !strings.Contains(l.GetDetail(), tt.word) {
				return fmt.Errorf("%v", l)
			}
			return nil
		})
	}
}

func TestTheDeviceHoldsItBack(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()}).serve()
	d := r.newDevice("Kitchen").connect()
	d.change(func() { d.closed, d.hold = true, "hold\x1b[31m the button\u202e for 3 s" })
	for _, k := range []kind{byDigits, byStatic} {
		d.start(k)
		if v := d.shows("pending"); k.method == wire.MethodDynamicCode && v.GetMessage() != "hold[31m the button for 3 s" && v.GetMessage() != "hold [31m the button for 3 s" {
			t.Fatalf("%v", v)
		}
		d.press()
		d.mu.Lock()
		d.window = &pairing.Window{}
		d.hold = "later"
		d.mu.Unlock()
		if v := d.finish(k); v.GetState() != "paired" || v.GetMessage() != "" {
			t.Fatalf("%v", v)
		}
	}
}

// TestProtocolErrors: what no conformant device does closes the connection without a
// word and leaves nothing behind.
func TestProtocolErrors(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()}).serve()
	flip := func(b []byte) []byte {
		b = bytes.Clone(b)
		b[0] ^= 1
		return b
	}
	sentinel := noise.SentinelPSK()
	for _, tt := range []struct {
		name   string
		kind   kind
		change func(m wire.Message) wire.Message
		reason string
	}{
		{"share of low order", byDigits, func(m wire.Message) wire.Message {
			if a, ok := m.(*wire.ClientPairAuth); ok {
				a.PAKEMsg2 = make([]byte, 32)
			}
			return m
		}, "protocol_error"},
		{"another nonce than the committed one", byDigits, func(m wire.Message) wire.Message {
			if a, ok := m.(*wire.ClientPairInit); ok {
				a.Commit = flip(a.Commit)
			}
			return m
		}, "protocol_error"},
		{"sealed nonce that does not open", byQR, func(m wire.Message) wire.Message {
			if a, ok := m.(*wire.ClientPairConfirm); ok {
				a.WrappedNonce = flip(a.WrappedNonce)
			}
			return m
		}, "protocol_error"},
		{"sealed PSK that does not open", byStatic, func(m wire.Message) wire.Message {
			if a, ok := m.(*wire.ClientPairFinalize); ok {
				a.WrappedPSK = flip(a.WrappedPSK)
			}
			return m
		}, "protocol_error"},
		{"bad tag", byStatic, func(m wire.Message) wire.Message {
			if a, ok := m.(*wire.ClientPairConfirm); ok {
				a.ClientKC = flip(a.ClientKC)
			}
			return m
		}, "pairing_code_mismatch"},
		{"out of sequence", byDigits, func(m wire.Message) wire.Message {
			if _, ok := m.(*wire.ClientPairInit); ok {
				return &wire.ClientPairRetry{}
			}
			return m
		}, "protocol_error"},
		{"an index ahead of the activations", byToken, func(m wire.Message) wire.Message {
			if a, ok := m.(*wire.ClientPairInit); ok {
				a.PairingIndex += 7
			}
			return m
		}, "protocol_error"},
		{"a published PSK", byToken, func(m wire.Message) wire.Message {
			if a, ok := m.(*wire.ClientPairFinalize); ok {
				a.LongTermPSK = sentinel.Bytes()
			}
			return m
		}, "protocol_error"},
		{"PSK in clear where it is to be sealed", byDigits, func(m wire.Message) wire.Message {
			if a, ok := m.(*wire.ClientPairFinalize); ok {
				a.LongTermPSK, a.WrappedPSK = make([]byte, 32), nil
			}
			return m
		}, "protocol_error"},
	} {
		d := r.newDevice("Room " + tt.name).connect()
		d.change(func() { d.onRelay = tt.change })
		v := d.drive(tt.kind)
		if v.GetState() != "failed" || v.GetReason() != tt.reason {
			t.Errorf("%s: %v", tt.name, v)
			continue
		}
		closed := tt.reason == "protocol_error"
		if e := d.lastEnd(); e.GetClose() != closed || closed && len(e.GetBodies()) > 0 {
			t.Errorf("%s: %v", tt.name, e)
		}
		d.wantNothing(noise.PSK{})
	}
}

// TestTheGatewayRefusesAMessage: what its decoder does not take closes the session, and
// the attempt says why.
func TestTheGatewayRefusesAMessage(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()}).serve()
	d := r.newDevice("Kitchen").connect()
	v := d.start(byDigits)
	d.shows("awaiting_code")
	if _, err := d.ask(&pb.AttemptRequest{AttemptId: v.GetAttemptId(),
		Message: &pb.AttemptRequest_Gone{Gone: &pb.SessionGone{SessionId: v.GetSessionId(), ProtocolError: true}}}); err != nil {
		t.Fatal(err)
	}
	if v := d.shows("failed"); v.GetReason() != "protocol_error" || v.GetDetail() == "" {
		t.Fatalf("%v", v)
	}
	d.wantNothing(noise.PSK{})
}

// TestMalformedRelays: bytes that are no message close the connection, a box that
// does not open is refused, and leftovers are dropped.
func TestMalformedRelays(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()}).serve()
	d := r.newDevice("Kitchen").connect()
	v := d.start(byDigits)
	d.shows("awaiting_code")
	relay := func(session string, sealed []byte) error {
		_, err := d.ask(&pb.AttemptRequest{AttemptId: v.GetAttemptId(),
			Message: &pb.AttemptRequest_Relay{Relay: &pb.PairingRelay{SessionId: session, SealedBody: sealed}}})
		return err
	}
	bad := d.seal(`{"type":"client/pair-auth","payload":{"pake_msg_2":7}}`)
	if err := relay("s-other", bad); err != nil {
		t.Errorf("another session: %v", err)
	}
	if err := relay(v.GetSessionId(), []byte("in clear")); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("a message in clear: %v", err)
	}
	if _, err := d.ask(&pb.AttemptRequest{AttemptId: "a-other", Message: &pb.AttemptRequest_Gone{Gone: &pb.SessionGone{SessionId: v.GetSessionId()}}}); err != nil {
		t.Errorf("the end of another attempt: %v", err)
	}
	if _, err := d.ask(&pb.AttemptRequest{Message: &pb.AttemptRequest_Gone{Gone: &pb.SessionGone{SessionId: "s-other"}}}); err != nil {
		t.Errorf("the end of another session: %v", err)
	}
	d.shows("awaiting_code")
	if err := relay(v.GetSessionId(), bad); err != nil {
		t.Errorf("a malformed message: %v", err)
	}
	if v := d.shows("failed"); v.GetReason() != "protocol_error" {
		t.Fatalf("%v", v)
	}
	if !d.lastEnd().GetClose() {
		t.Fatal("the connection is not closed")
	}
}

// TestEveryWaitHasALimit: a device or a gateway that says nothing does not keep an
// attempt for ever.
func TestEveryWaitHasALimit(t *testing.T) {
	var dropped atomic.Bool
	drop := func(types ...string) func(*device) {
		return func(d *device) {
			d.onRelay = func(m wire.Message) wire.Message {
				if slices.Contains(types, m.Type()) {
					dropped.Store(true)
					return nil
				}
				return m
			}
		}
	}
	asItIs := func(*device) { dropped.Store(true) }
	for _, tt := range []struct {
		name   string
		kind   kind
		setup  func(d *device)
		state  string
		limit  time.Duration
		reason string
	}{
		{"client/pair-init", byDigits, drop(wire.TypeClientPairInit), "connecting", time.Minute, "server_timeout"},
		{"held back", byStatic, func(d *device) { asItIs(d); d.closed = true }, "pending", 6 * time.Minute, "server_timeout"},
		{"the code", byDigits, asItIs, "awaiting_code", 3 * time.Minute, "server_timeout"},
		{"client/pair-auth", byStatic, drop(wire.TypeClientPairAuth), "verifying", 30 * time.Second, "server_timeout"},
		{"client/pair-confirm", byStatic, drop(wire.TypeClientPairConfirm, wire.TypeClientPairFinalize), "verifying", 30 * time.Second, "server_timeout"},
		{"client/pair-finalize", byStatic, drop(wire.TypeClientPairFinalize), "verifying", 30 * time.Second, "server_timeout"},
		{"client/pair-finalize with a token", byToken, drop(wire.TypeClientPairFinalize), "verifying", 30 * time.Second, "server_timeout"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, Config{DataDir: t.TempDir()})
			r.clk = clockwork.NewFakeClock()
			r.serve()
			d := r.newDevice("Kitchen").connect()
			dropped.Store(false)
			d.change(func() { tt.setup(d) })
			d.start(tt.kind)
			r.eventually("the wait", func() error {
				if !dropped.Load() || d.unsent.Load() > 0 {
					return errors.New("not there yet")
				}
				v := d.shows(tt.state)
				if left := v.GetExpiresAt().AsTime().Sub(r.clk.Now()); left != tt.limit {
					return fmt.Errorf("%s are left: %v", left, v)
				}
				return nil
			})
			r.clk.Advance(tt.limit - time.Second)
			if v, err := d.ask(&pb.AttemptRequest{}); err != nil || v.GetState() != tt.state {
				t.Fatalf("before the limit: %v, %v", v, err)
			}
			r.clk.Advance(2 * time.Second)
			if v := d.shows("failed"); v.GetReason() != tt.reason || v.GetDetail() == "" {
				t.Fatalf("%v", v)
			}
			if e := d.lastEnd(); e.GetClose() || len(e.GetBodies()) > 0 {
				t.Fatalf("%v", e)
			}
			d.wantNothing(noise.PSK{})
		})
	}
}

// TestAGatewayThatHangs: the commands of an attempt have limits too.
func TestAGatewayThatHangs(t *testing.T) {
	for _, tt := range []struct {
		name  string
		hangs func(c *pb.SessionCommand) bool
		limit time.Duration
		state string
	}{
		{"at the begin", func(c *pb.SessionCommand) bool { return c.GetPairingBegin() != nil }, time.Minute, "failed"},
		{"at the end", func(c *pb.SessionCommand) bool { return c.GetPairingEnd() != nil }, 30 * time.Second, "paired"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, Config{DataDir: t.TempDir()})
			r.clk = clockwork.NewFakeClock()
			r.serve()
			d := r.newDevice("Kitchen").connect()
			hung, release := make(chan struct{}), make(chan struct{})
			d.change(func() {
				d.onCommand = func(c *pb.SessionCommand) error {
					if tt.hangs(c) {
						close(hung)
						<-release
						return errors.New("too late")
					}
					return nil
				}
			})
			d.start(byToken)
			<-hung
			r.clk.Advance(tt.limit + time.Second)
			v := d.shows("failed", "paired")
			close(release)
			if v.GetState() != tt.state || v.GetDetail() == "" {
				t.Fatalf("%v", v)
			}
			if tt.state == "failed" {
				d.wantNothing(noise.PSK{})
			} else if d.serverRecord().IsZero() {
				t.Fatal("no record")
			}
		})
	}
}

// TestRepairing: a new record takes the place of the old one, which is of no use from
// then on; an attempt that fails leaves the old one, and the session on it.
func TestRepairing(t *testing.T) {
	forEachStore(t, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg).serve()
		d := r.newDevice("Kitchen").connect()
		d.pairBy(byToken)
		first := d.kept()

		for _, k := range []kind{byDigits, byToken} {
			d.change(func() {
				d.unpaired, d.shown = k == byToken, nil
				d.onRelay = func(m wire.Message) wire.Message {
					if m.Type() == wire.TypeClientPairFinalize || m.Type() == wire.TypeClientPairAuth {
						return &wire.PairAbort{Reason: wire.AbortUserCancelled}
					}
					return m
				}
			})
			if v := d.drive(k); v.GetState() != "cancelled" {
				t.Fatalf("%s: %v", k, v)
			}
			r.eventually("the session is back on its key", func() error {
				if got := d.keyedBy(); got != "lt" {
					return fmt.Errorf("keyed by %s", got)
				}
				return nil
			})
			d.wantNothing(first)
			d.mu.Lock()
			begin, end := d.begins[len(d.begins)-1], d.ends[len(d.ends)-1]
			d.mu.Unlock()
			if (len(begin.GetAllowedFamilies()) > 0) != d.unpaired { // the device's table of activity sets
				t.Fatalf("%s: roles beside the attempt: %v", k, begin)
			}
			if end.GetCategory() != "lt" || end.GetState() != paired || !slices.Contains(end.GetAllowedFamilies(), "player") {
				t.Fatalf("%s: %v", k, end)
			}
			d.change(func() { d.onRelay, d.shown = nil, nil })
		}

		d.pairBy(byDigits)
		if d.kept().Equal(first) || d.serverRecord().Equal(first) {
			t.Fatal("the old record is still there")
		}
		got := slices.DeleteFunc(r.auditKinds(), func(k string) bool { return strings.HasPrefix(k, "client.pairing_") })
		if !slices.Equal(got, []string{"identity.created", "client.paired", "client.paired"}) {
			t.Fatalf("ledger: %v", got)
		}
	})
}

// TestRolesBesideTheAttempt: an approved device plays on while it is paired.
func TestRolesBesideTheAttempt(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()}).serve()
	d := r.newDevice("Kitchen").connect()
	r.approve(d.id)
	d.start(byDigits)
	d.shows("awaiting_code")
	d.mu.Lock()
	begin := d.begins[0]
	d.mu.Unlock()
	if !slices.Contains(begin.GetAllowedFamilies(), "player") || begin.GetState() != approved || begin.GetLimitMs() <= 0 {
		t.Fatalf("%v", begin)
	}
	if _, err := d.cancel(); err != nil {
		t.Fatal(err)
	}
	if e := d.lastEnd(); !slices.Contains(e.GetAllowedFamilies(), "player") || e.GetState() != approved || len(e.GetBodies()) != 1 {
		t.Fatalf("%v", e)
	}
	r.wantState(knock(d.id, "Kitchen"), approved, true)
}

// TestAWrongTokenOfTheRightDevice: it was reset since the token was printed. The
// handshake fails, which ends the connection.
func TestAWrongTokenOfTheRightDevice(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()}).serve()
	d := r.newDevice("Kitchen").connect()
	req := d.request(byToken)
	other, err := noise.GeneratePSK(nil)
	if err != nil {
		t.Fatal(err)
	}
	d.change(func() { d.psk = other })
	r.ask(subject.PairingStart, req, &pb.PairingAttempt{})
	if v := d.shows("failed"); v.GetReason() != "disconnected" || !strings.Contains(v.GetDetail(), "did not accept the token") {
		t.Fatalf("%v", v)
	}
	d.wantNothing(noise.PSK{})
}

// lockStore makes SQLite unusable for writers from the moment at which the device sends
// its last message, until unlock. It does so past the store, whose transactions last 4 s at
// most: the service's own may have to wait longer on a slow machine before it gives up.
func (r *rig) lockStore(d *device) (unlock func()) {
	r.t.Helper()
	db, err := databasesql.Open("sqlite", filepath.Join(r.cfg.DataDir, store.SQLiteFile)+"?_txlock=immediate&_pragma=busy_timeout(60000)")
	if err != nil {
		r.t.Fatal(err)
	}
	var lock *databasesql.Tx
	r.t.Cleanup(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if lock != nil {
			_ = lock.Rollback()
		}
		_ = db.Close()
	})
	d.change(func() {
		d.onRelay = func(m wire.Message) wire.Message {
			if m.Type() == wire.TypeClientPairFinalize && lock == nil {
				if lock, err = db.BeginTx(context.Background(), nil); err != nil {
					r.t.Errorf("lock the store: %v", err)
				}
			}
			return m
		}
	})
	return func() {
		r.t.Helper()
		d.mu.Lock()
		defer d.mu.Unlock()
		if lock == nil {
			r.t.Fatal("the store was not locked")
		}
		if err := lock.Rollback(); err != nil {
			r.t.Fatal(err)
		}
	}
}

// TestCancelWhileStoring: what is stored at that moment is taken back.
func TestCancelWhileStoring(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()}).serve()
	d := r.newDevice("Kitchen").connect()
	r.approve(d.id)
	unlock := r.lockStore(d)
	d.start(byToken)
	d.shows("verifying")
	if v, err := d.cancel(); err != nil || v.GetState() != "cancelled" {
		t.Fatalf("%v, %v", v, err)
	}
	unlock()
	d.lastEnd() // follows the undoing
	d.wantNothing(noise.PSK{})
	r.wantState(knock(d.id, "Kitchen"), approved, true) // its approval is back, if it was away
	verifyChain(t, r.backstage())
}

// TestDeniedMeanwhile: a denial ends what was begun before it.
func TestDeniedMeanwhile(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()}).serve()
	d := r.newDevice("Kitchen").connect()
	d.start(byDigits)
	d.shows("awaiting_code")
	r.decide(subject.PairingDeny, d.id)
	if v := d.finish(byDigits); v.GetState() != "cancelled" || !strings.Contains(v.GetDetail(), "denied") {
		t.Fatalf("%v", v)
	}
	d.wantNothing(noise.PSK{})
	r.wantState(knock(d.id, "Kitchen"), denied, false)
}
