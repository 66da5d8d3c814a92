package attempt

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/lease"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/pairing"
	"github.com/tutti-audio/tutti/sendspin/wire"
	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
	"github.com/tutti-audio/tutti/services/pairing/internal/trust"
)

// The messages of an attempt's mailbox.
type (
	message interface{ message() }

	// ask is a request from the bus. The reply is sent once.
	ask struct {
		ctx   context.Context
		req   *pb.AttemptRequest
		reply chan<- answer
	}
	// finished: the job is done.
	finished struct{ j *job }
	// expired: the wait of that generation took too long.
	expired struct{ gen uint64 }
	// storeAgain: it is time for another try to store the record.
	storeAgain struct{}
	// sessionLost: nobody has said why the session is gone.
	sessionLost struct{ e ending }
	// leaseLost: another instance may have the attempt by now.
	leaseLost struct{}
)

func (ask) message()         {}
func (finished) message()    {}
func (expired) message()     {}
func (storeAgain) message()  {}
func (sessionLost) message() {}
func (leaseLost) message()   {}

type answer struct {
	v   *pb.PairingAttempt
	err error
}

// attempt is the actor. Its fields belong to its goroutine; jobs get what they need
// as arguments.
type attempt struct {
	a       *Attempts
	self    *actor.Ref[message]
	log     *slog.Logger
	trace   string
	req     Request
	client  trust.Client // as it was at the start
	session session
	held    *lease.Lease // nil without leases
	ready   chan<- answer

	last        *entry
	view        *pb.PairingAttempt
	unpublished bool // the bucket does not show view yet

	flow      *pairing.ServerFlow // nil until the gateway has begun
	flowState pairing.ServerState // that the view shows
	round     uint32
	early     []*pb.PairingRelay // that came before the flow

	jobs    []*job
	busy    *job
	work    sync.WaitGroup
	begun   bool // the gateway may know of the attempt
	ended   bool // the outcome stands; only jobs are left
	psk     noise.PSK
	sealed  []byte     // psk as it is stored
	undo    *desk.Undo // not nil: the record may be stored
	success bool       // the record is stored, and the device is told

	gen         uint64
	cancelTimer func()
	cancelRetry func()
	cancelLost  func()    // not nil: the session does not take commands any more
	pendingBy   time.Time // of the first client/pair-pending
	codeBy      time.Time // of the attempt proper

	stopServing func()
	stopWatch   chan struct{}
}

func newAttempt(a *Attempts, self *actor.Ref[message], last *entry, r Request, c trust.Client, s session, held *lease.Lease, ready chan<- answer) *attempt {
	id := newID()
	return &attempt{
		a: a, self: self, req: r, client: c, session: s, held: held, ready: ready, last: last, trace: bus.NewTraceID(),
		log: a.Log.With(obs.KeyClient, r.ClientID, "attempt_id", id),
		view: &pb.PairingAttempt{
			ClientId: r.ClientID, AttemptId: id, State: stateConnecting, Method: r.Method, Format: r.Format,
			Actor: r.Actor, InstanceId: a.InstanceID, SessionId: s.id, CodeLength: codeLength(r.Method, r.Format),
			StartedAt: timestamppb.New(a.Clock.Now().UTC()),
		},
		stopWatch: make(chan struct{}),
	}
}

// newID is a short name for logs.
func newID() string {
	var b [10]byte
	_, _ = rand.Read(b[:]) // never fails
	return "a-" + strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}

// Start implements actor.Lifecycle: from here on the attempt can be addressed.
func (m *attempt) Start(ctx context.Context) error {
	m.a.Metrics.running.Inc()
	stop, err := bus.HandleExclusive(m.a.Bus, subject.Attempt(m.req.ClientID), m.serve)
	if err != nil {
		m.ended = true // nobody has heard of it
		m.ready <- answer{err: err}
		return actor.ErrStop
	}
	m.stopServing = stop
	if m.held != nil {
		m.work.Go(m.watchLease)
	}
	m.log.Info("pairing attempt started", "actor", m.req.Actor, "method", methodName(m.req.Method, m.req.Format),
		obs.KeyName, m.client.Name, "session_category", m.session.category, "trust", m.client.State().String())
	m.show(ctx, func(v *pb.PairingAttempt) { m.expect(v, connectLimit) })
	m.a.took(m.req.ClientID, &Running{ref: m.self, last: m.last})
	m.ready <- answer{v: m.view}
	m.begin()
	m.next()
	return nil
}

func (m *attempt) watchLease() {
	select {
	case <-m.held.Lost():
		_ = m.self.Send(context.Background(), leaseLost{}) // fails only when we are ending
	case <-m.stopWatch:
	}
}

// serve passes a request from the bus on to the actor. It is called one at a time.
func (m *attempt) serve(ctx context.Context, req *pb.AttemptRequest) (*pb.PairingAttempt, error) {
	reply := make(chan answer, 1)
	ending := fault.New(fault.Unavailable, "the attempt has ended")
	if m.self.Send(ctx, ask{ctx, req, reply}) != nil {
		return nil, ending
	}
	select {
	case r := <-reply:
		return r.v, r.err
	case <-ctx.Done(): // also when the address is taken away
	case <-m.self.Done():
	}
	select {
	case r := <-reply: // it was answered on the way out
		return r.v, r.err
	default:
		return nil, ending
	}
}

// Handle implements actor.Handler.
func (m *attempt) Handle(ctx context.Context, msg message) error {
	switch msg := msg.(type) {
	case ask:
		v, err := m.request(ctx, msg.req)
		msg.reply <- answer{v, err}
	case finished:
		if msg.j == m.busy {
			m.busy = nil
			msg.j.done(ctx, msg.j.err)
		}
	case expired:
		if msg.gen == m.gen {
			m.expired(ctx)
		}
	case sessionLost:
		m.leave(ctx, msg.e)
	case storeAgain:
		m.store()
	case leaseLost:
		m.leave(ctx, failed(reasonInterrupted, "the pairing service lost the bus while it paired; start again"))
	}
	m.next()
	if m.ended && m.busy == nil && len(m.jobs) == 0 {
		return actor.ErrStop
	}
	return nil
}

// request is an operator's or the gateway's.
func (m *attempt) request(ctx context.Context, req *pb.AttemptRequest) (*pb.PairingAttempt, error) {
	another := req.GetAttemptId() != "" && req.GetAttemptId() != m.view.GetAttemptId()
	switch r := req.GetMessage().(type) {
	case *pb.AttemptRequest_Relay:
		if another || r.Relay.GetSessionId() != m.session.id {
			return m.view, nil // a leftover
		}
		return m.view, m.relayed(ctx, r.Relay)
	case *pb.AttemptRequest_Gone:
		if !another && r.Gone.GetSessionId() == m.session.id {
			m.goneAway(ctx, r.Gone)
		}
		return m.view, nil
	}
	if another {
		return nil, fault.New(fault.Conflict, "attempt %s with client %s is over, and another has begun", req.GetAttemptId(), m.req.ClientID)
	}
	if req.GetCancel() {
		return m.view, m.cancel(ctx, req.GetActor())
	}
	if sealed := req.GetSealedCode(); len(sealed) > 0 {
		return m.view, m.enter(ctx, sealed, req.GetActor())
	}
	return m.view, nil // a look
}

// enter takes the operator's code.
func (m *attempt) enter(ctx context.Context, sealed []byte, by string) error {
	plain, err := m.a.Desk.OpenSealed(sealed)
	if err != nil {
		return err
	}
	defer clear(plain)
	if m.flow == nil || m.ended {
		return codeFault(m.view, pairing.ErrCodeNotWanted)
	}
	effects, err := m.flow.EnterCode(string(plain))
	if err != nil {
		return codeFault(m.view, err)
	}
	m.log.Info("pairing code entered", "actor", trust.Clean(by, 128), "round", m.flow.Round())
	m.apply(ctx, effects)
	return nil
}

// cancel ends the attempt for an operator.
func (m *attempt) cancel(ctx context.Context, by string) error {
	switch {
	case m.success:
		return fault.New(fault.Conflict, "it is too late to cancel: the pairing of client %s is stored; unpair it instead", m.req.ClientID)
	case m.ended:
		return nil
	}
	if by = trust.Clean(by, 128); by == "" {
		by = "an operator"
	}
	e := ending{state: stateCancelled, reason: reasonCancelled, detail: "cancelled by " + by}
	if m.flow != nil {
		for _, f := range m.flow.Cancel() {
			if s, ok := f.(pairing.Send); ok {
				e.bodies = m.encode(e.bodies, s.Message)
			}
		}
	}
	m.finish(ctx, e)
	return nil
}

// goneAway: the session is over, or has left pairing by itself.
func (m *attempt) goneAway(ctx context.Context, g *pb.SessionGone) {
	if m.success {
		return // the job that ends the attempt says how that went
	}
	e := failed(reasonDisconnected, "the connection to the device ended; start again when it is back")
	if m.flow == nil && m.req.Method == wire.MethodPSK {
		e.detail = "the device did not accept the token, or went away; check that the token is the one that it shows now"
	}
	if bye := trust.Clean(g.GetGoodbye(), 64); bye != "" {
		e.detail = "the device said goodbye (" + bye + "); start again when it is back"
	}
	if g.GetProtocolError() {
		e = failed(reasonProtocol, protocolDetail)
	}
	e.gone = true
	m.log.Info("the session of a pairing attempt is gone", "goodbye", trust.Clean(g.GetGoodbye(), 64), obs.KeyReason, trust.Clean(g.GetDetail(), 200))
	m.leave(ctx, e)
}

// expired: the present wait is over.
func (m *attempt) expired(ctx context.Context) {
	if m.success || m.ended {
		if m.busy != nil && !m.busy.keep {
			m.busy.cancel() // its own end says the rest
		}
		return
	}
	m.leave(ctx, tookTooLong(m.view, m.flowState == pairing.ServerStoring))
}

// leave ends the attempt without a word to the device but the activation.
func (m *attempt) leave(ctx context.Context, e ending) {
	if m.ended || m.success {
		return
	}
	if m.flow != nil {
		m.flow.Leave()
	}
	m.finish(ctx, e)
}

// finish takes the outcome of an attempt that did not pair down, and queues what is
// left to do: the record goes again, and the session leaves pairing.
func (m *attempt) finish(ctx context.Context, e ending) {
	if m.ended {
		return
	}
	m.ended = true
	m.stopTimers()
	m.jobs = slices.DeleteFunc(m.jobs, func(j *job) bool { return j.void || e.gone })
	if m.busy != nil && !m.busy.keep {
		m.busy.cancel()
	}
	if m.undo != nil || m.flowState == pairing.ServerStoring {
		m.queueUndo(e.detail)
	}
	if m.begun && !e.gone {
		m.queueEnd(e)
	}
	if m.req.Operator {
		m.queueLine(e)
	}
	m.a.Metrics.ended.WithLabelValues(m.req.Method, e.reason).Inc()
	l := m.log.With("actor", m.req.Actor, "method", methodName(m.req.Method, m.req.Format), obs.KeyReason, e.reason,
		"detail", e.detail, obs.KeyState, m.view.GetState(), obs.KeyDuration, m.took())
	if e.cause != nil {
		l = l.With(obs.KeyErr, e.cause)
	}
	if e.state == stateCancelled {
		l.Info("pairing attempt cancelled")
	} else {
		l.Warn("pairing attempt failed")
	}
	m.show(ctx, func(v *pb.PairingAttempt) {
		v.State, v.Reason, v.Detail, v.Message, v.ExpiresAt = e.state, e.reason, e.detail, "", nil
	})
}

func (m *attempt) took() int64 { return m.now().Sub(m.view.GetStartedAt().AsTime()).Milliseconds() }

func (m *attempt) after(d time.Duration, msg message) func() {
	return actor.After(m.self, m.a.Clock, d, msg)
}

func (m *attempt) stopTimer() {
	if m.cancelTimer != nil {
		m.cancelTimer()
	}
	m.cancelTimer = nil
	m.gen++ // one that is in the mailbox already is void
}

func (m *attempt) stopTimers() {
	m.stopTimer()
	for _, cancel := range []*func(){&m.cancelRetry, &m.cancelLost} {
		if *cancel != nil {
			(*cancel)()
		}
		*cancel = nil
	}
}

// Close implements actor.Lifecycle. An attempt that has not ended is interrupted: the
// service stops, or the actor crashed. What is left to do is done here, in order.
func (m *attempt) Close(ctx context.Context) {
	defer m.a.Metrics.running.Dec()
	if m.stopServing != nil {
		m.stopServing()
	}
	if !m.success {
		m.leave(ctx, failed(reasonInterrupted, "the pairing service was stopped while it paired; start again"))
	}
	m.stopTimers()
	m.drain(ctx)
	close(m.stopWatch)
	m.work.Wait()
	if m.unpublished {
		m.publish(ctx)
	}
	m.req.wipe()
	m.psk.Wipe()
	m.a.free(m.req.ClientID, m.held)
}
