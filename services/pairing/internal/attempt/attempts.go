// Package attempt runs pairing attempts: one actor for each, which drives the
// server's side of the flow (sendspin/pairing.ServerFlow) and asks the client's
// session, wherever it is, to send, to re-handshake and to activate. The contract
// is docs/adr/0014.
//
// How an attempt runs: [Attempts.Start] checks the request, takes the lease
// attempt.<client_id>, asks the session what an attempt has to know, and spawns the
// actor. The actor answers at tutti.v1.attempt.<client_id>: operators bring codes and
// cancel, the gateway relays what the client sends. Whatever takes time (commands to
// the session, the store) is a job; jobs run one after the other beside the actor, so
// that a cancellation is heard at any moment and effects keep their order.
//
//	connecting ──► pending ──► awaiting_code ──► verifying ──► paired
//	     └──────────────────────────┴──────────────┴──► failed, cancelled
//
// Every wait has a limit on the injected clock (limits.go). What people see is the
// entry of the bucket "pairings", written at each change before anybody is answered,
// without any secret.
package attempt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/lease"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/pairing"
	"github.com/tutti-audio/tutti/sendspin/wire"
	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
	"github.com/tutti-audio/tutti/services/pairing/internal/trust"
)

// Bucket is what people see: PairingAttempt by client_id.
type Bucket = bus.Bucket[pb.PairingAttempt, *pb.PairingAttempt]

// OpenBucket opens or makes the bucket.
func OpenBucket(ctx context.Context, c *bus.Conn) (*Bucket, error) {
	return bus.OpenBucket[pb.PairingAttempt](ctx, c, subject.BucketPairings, bus.BucketOptions{History: 1})
}

// Options of Attempts. All fields but Leases are required.
type Options struct {
	Desk       *desk.Desk
	Bus        *bus.Conn
	Bucket     *Bucket
	Supervisor *actor.Supervisor
	// Leases makes attempts unique in the deployment; nil: in this process.
	Leases     *lease.Manager
	Clock      clockwork.Clock
	Log        *slog.Logger
	Metrics    *Metrics
	InstanceID string
}

// Attempts starts attempts and knows those that run in this process. Safe for
// concurrent use.
type Attempts struct {
	Options

	// mu guards running, which several endpoints ask at once. An entry is nil while
	// its attempt starts.
	mu      sync.Mutex
	running map[string]*Running
}

// New makes Attempts and starts what looks after lost ones.
func New(o Options) (*Attempts, error) {
	a := &Attempts{Options: o, running: map[string]*Running{}}
	return a, a.startJanitor()
}

// Request is what an attempt starts from.
type Request struct {
	ClientID, Actor string
	Method, Format  string
	// PSK is the device's pairing PSK, for pairing_psk. The attempt wipes it.
	PSK noise.PSK
	// Code is the static code. Empty: it is asked for.
	Code []byte
	// Operator: a person asked for this very attempt, so its failure is a line in the
	// ledger. An enrolment is tried again and again, and has lines of its own.
	Operator bool
}

func (r *Request) wipe() {
	r.PSK.Wipe()
	clear(r.Code)
}

// Running is an attempt of this process.
type Running struct {
	ref   *actor.Ref[message]
	last  *entry
	first *pb.PairingAttempt
}

// View is the attempt as people see it now.
func (r *Running) View() *pb.PairingAttempt { return r.last.load() }

// Done is closed when the attempt has ended and holds nothing any more.
func (r *Running) Done() <-chan struct{} { return r.ref.Done() }

// Start answers tutti.v1.pairing.start.
func (a *Attempts) Start(ctx context.Context, req *pb.StartPairingRequest) (*pb.PairingAttempt, error) {
	who, err := desk.CheckActor(req.GetActor())
	if err != nil {
		return nil, err
	}
	r := Request{ClientID: req.GetClientId(), Actor: who, Method: req.GetMethod(), Format: req.GetFormat(), Operator: true}
	if err := r.check(); err != nil {
		return nil, err
	}
	if _, err := a.Desk.Pairable(ctx, r.ClientID); err != nil { // before anything secret is opened
		return nil, err
	}
	if err := a.readSecret(&r, req.GetSealedSecret()); err != nil {
		return nil, err
	}
	run, err := a.Begin(ctx, r)
	if err != nil {
		return nil, err
	}
	return run.first, nil
}

// check refuses what is no method.
func (r *Request) check() error {
	switch r.Method {
	case wire.MethodPSK, wire.MethodStaticCode:
		if r.Format != "" {
			return fault.New(fault.OutOfRange, "method %s has no format", r.Method).WithField("format", "must be empty")
		}
	case wire.MethodDynamicCode:
		if r.Format != wire.FormatDigits && r.Format != wire.FormatQRCode {
			return fault.New(fault.OutOfRange, "method %s needs a format: %s or %s", r.Method, wire.FormatDigits, wire.FormatQRCode).
				WithField("format", "is unknown")
		}
	default:
		return fault.New(fault.OutOfRange, "there is no such pairing method: use %s, %s or %s",
			wire.MethodPSK, wire.MethodDynamicCode, wire.MethodStaticCode).WithField("method", "is unknown")
	}
	return nil
}

// readSecret opens the token or the static code. Errors never repeat it.
func (a *Attempts) readSecret(r *Request, sealed []byte) error {
	if r.Method == wire.MethodDynamicCode || r.Method == wire.MethodStaticCode && len(sealed) == 0 {
		return nil
	}
	if len(sealed) == 0 {
		return fault.New(fault.Invalid, "method %s needs the device's pairing token", r.Method).WithField("token", "is missing")
	}
	plain, err := a.Desk.OpenSealed(sealed)
	if err != nil {
		return err
	}
	if r.Method == wire.MethodStaticCode {
		code, err := pairing.ParseDigits(string(plain), pairing.StaticLen)
		if err != nil {
			clear(plain)
			return fault.New(fault.OutOfRange, "%v", err).WithField("code", fmt.Sprintf("must be %d digits", pairing.StaticLen))
		}
		code.Wipe() // the flow reads it again
		r.Code = plain
		return nil
	}
	defer clear(plain)
	key, err := noise.ParsePublicKey(r.ClientID)
	if err == nil {
		r.PSK, err = pairing.ParsePSKToken(string(plain), key)
	}
	if errors.Is(err, pairing.ErrTokenClient) {
		return fault.New(fault.Invalid, "the pairing token belongs to another device than client %s (key %s): take the token of this one",
			r.ClientID, key.Fingerprint()).WithField("token", "is another device's")
	}
	if err != nil {
		return fault.New(fault.Invalid, "the pairing token cannot be read: %s; copy it again, whole", strings.TrimPrefix(err.Error(), "pairtoken: ")).
			WithField("token", "is no pairing token")
	}
	return nil
}

// Begin starts an attempt for a checked request and returns when it runs; the
// client need not have answered yet. The errors are Conflict (another attempt runs,
// the client is denied, is not connected, or does not offer the method), NotFound and
// Unavailable. It wipes the secrets of r when it fails.
func (a *Attempts) Begin(ctx context.Context, r Request) (*Running, error) {
	run, err := a.begin(ctx, r)
	if err != nil {
		r.wipe()
	}
	return run, err
}

func (a *Attempts) begin(ctx context.Context, r Request) (*Running, error) {
	client, err := a.Desk.Pairable(ctx, r.ClientID)
	if err != nil {
		return nil, err
	}
	held, err := a.reserve(ctx, r.ClientID)
	if err != nil {
		return nil, err
	}
	s, err := a.reach(ctx, r)
	if err == nil && !s.offers.Offers(r.Method, r.Format) {
		err = fault.New(fault.Conflict, "client %s does not offer %s; it offers %s", r.ClientID, methodName(r.Method, r.Format), offered(s.offers))
	}
	if err != nil {
		a.free(r.ClientID, held)
		return nil, err
	}
	return a.spawn(r, client, s, held)
}

// spawn starts the actor and waits until it can be addressed.
func (a *Attempts) spawn(r Request, client trust.Client, s session, held *lease.Lease) (*Running, error) {
	stopping := fault.New(fault.Unavailable, "the pairing service is stopping")
	run := &Running{last: &entry{}}
	ready := make(chan answer, 1)
	ref, err := actor.Spawn(a.Supervisor, actor.Options{Key: "attempt/" + r.ClientID, Restart: actor.Never},
		func(self *actor.Ref[message]) actor.Handler[message] {
			return newAttempt(a, self, run.last, r, client, s, held, ready)
		})
	if err != nil {
		a.free(r.ClientID, held)
		return nil, stopping
	}
	run.ref = ref
	first := answer{err: stopping}
	select { // from here on the actor frees the reservation
	case first = <-ready:
	case <-ref.Done():
	}
	if first.err != nil {
		<-ref.Done()
		return nil, first.err
	}
	run.first = first.v
	return run, nil
}

// reserve makes sure that no other attempt with the client runs, in this process and
// in the deployment. One that is about to end is waited for.
func (a *Attempts) reserve(ctx context.Context, id string) (*lease.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, endingPatience)
	defer cancel()
	for {
		if free, err := a.reserveHere(ctx, id); err != nil || !free {
			if err == nil {
				continue
			}
			return nil, err
		}
		if a.Leases == nil {
			return nil, nil
		}
		held, err := a.Leases.Acquire(ctx, leaseKey(id))
		if err == nil {
			return held, nil
		}
		a.free(id, nil)
		if fault.CodeOf(err) != fault.Conflict {
			return nil, err
		}
		last, _, lerr := a.Bucket.Get(ctx, id)
		if lerr != nil || !over(last) {
			return nil, busy(id, last)
		}
		select { // it ends elsewhere: its lease goes any moment
		case <-ctx.Done():
			return nil, busy(id, last)
		case <-a.Clock.After(endingPoll):
		}
	}
}

// reserveHere takes the place in this process. false: look again.
func (a *Attempts) reserveHere(ctx context.Context, id string) (bool, error) {
	a.mu.Lock()
	run, taken := a.running[id]
	if !taken {
		a.running[id] = nil
	}
	a.mu.Unlock()
	switch {
	case !taken:
		return true, nil
	case run == nil || !over(run.View()):
		return false, busy(id, run.view())
	}
	select {
	case <-run.Done():
		return false, nil
	case <-ctx.Done():
		return false, busy(id, run.View())
	}
}

func (r *Running) view() *pb.PairingAttempt {
	if r == nil {
		return nil
	}
	return r.View()
}

// took makes a running attempt known, so that others wait for its end.
func (a *Attempts) took(id string, run *Running) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running[id] = run
}

// free takes a reservation back.
func (a *Attempts) free(id string, held *lease.Lease) {
	if held != nil {
		ctx, cancel := context.WithTimeout(context.Background(), releaseLimit)
		defer cancel()
		if err := held.Release(ctx); err != nil {
			a.Log.Warn("the lease of an attempt was not released; it ends by itself", "key", held.Key(), "err", err)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.running, id)
}

// runs reports whether an attempt with the client runs in this process.
func (a *Attempts) runs(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, ok := a.running[id]
	return ok
}

func leaseKey(id string) string { return "attempt." + id }

var errBusy = errors.New("another attempt runs")

// Busy reports whether an attempt did not start because another runs.
func Busy(err error) bool { return errors.Is(err, errBusy) }

// busy says who pairs already.
func busy(id string, v *pb.PairingAttempt) error {
	msg := fmt.Sprintf("client %s is being paired already", id)
	switch {
	case v == nil:
	case over(v):
		msg = fmt.Sprintf("an attempt with client %s by %s is just ending: try again in a moment", id, v.GetActor())
	default:
		msg += fmt.Sprintf(": %s began at %s with %s; wait for the end, or cancel it",
			v.GetActor(), v.GetStartedAt().AsTime().Format(time.RFC3339), methodName(v.GetMethod(), v.GetFormat()))
	}
	return &fault.Error{Code: fault.Conflict, Msg: msg, Err: errBusy}
}
