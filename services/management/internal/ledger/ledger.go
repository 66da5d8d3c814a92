// Package ledger carries administrative acts to the append-only audit ledger,
// which the pairing service keeps.
//
// Music must go on while pairing is away, so most acts are handed over (Append)
// and delivered as soon as it answers. Acts that create credentials wait for
// their line first (Record): no token without a trace.
package ledger

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
)

const (
	// mailboxSize is how many acts wait while pairing is away: an operator who
	// presses a button each second for ten minutes.
	mailboxSize = 600
	// sendTimeout bounds one attempt to hand over a line.
	sendTimeout = 3 * time.Second
	// The pause between attempts grows from minPause to maxPause.
	minPause = 250 * time.Millisecond
	maxPause = 10 * time.Second
)

// Act is one line of the ledger to be.
type Act struct {
	Actor    string // "token:<name>"
	Kind     string // "group.created"
	ClientID string // of the client it is about, if any
	Detail   string // never a secret
}

// Requester is the part of bus.Conn that this package uses.
type Requester interface {
	Request(ctx context.Context, subject string, req, resp proto.Message) error
}

// Ledger hands acts to pairing. Safe for concurrent use.
type Ledger struct {
	bus  Requester
	ref  *actor.Ref[item]
	log  *slog.Logger
	lost prometheus.Counter
}

type item struct {
	act   Act
	trace string
}

// New spawns the ledger's actor under sup.
func New(sup *actor.Supervisor, b Requester, clock clockwork.Clock, log *slog.Logger, reg prometheus.Registerer) (*Ledger, error) {
	l := &Ledger{bus: b, log: log, lost: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "tutti_management_audit_lost_total",
		Help: "Administrative acts that could not be handed to the audit ledger; each has an error line in the log.",
	})}
	if err := reg.Register(l.lost); err != nil {
		return nil, fmt.Errorf("management: register metrics: %w", err)
	}
	ref, err := actor.Spawn(sup, actor.Options{Key: "ledger", Size: mailboxSize, Full: actor.Fail, Clock: clock, Log: log},
		func(*actor.Ref[item]) actor.Handler[item] { return &deliverer{l: l, clock: clock} })
	if err != nil {
		return nil, fmt.Errorf("management: start ledger: %w", err)
	}
	l.ref = ref
	return l, nil
}

// Append hands an act over and returns at once. When too many wait already the
// act is written to the log instead and counted.
func (l *Ledger) Append(ctx context.Context, a Act) {
	// The request may end before its line is delivered: its end must not take the line along.
	if err := l.ref.Send(context.WithoutCancel(ctx), item{a, bus.TraceID(ctx)}); err != nil {
		l.drop(a, bus.TraceID(ctx), err)
	}
}

// Record appends an act and waits for the ledger's answer.
func (l *Ledger) Record(ctx context.Context, a Act) error {
	err := l.bus.Request(ctx, subject.PairingAuditAppend, a.request(), &pb.AuditEvent{})
	if err != nil {
		return fmt.Errorf("management: write the audit ledger: %w", err)
	}
	return nil
}

func (l *Ledger) drop(a Act, trace string, err error) {
	l.lost.Inc()
	l.log.Error("audit line lost", "actor", a.Actor, "kind", a.Kind, obs.KeyClient, a.ClientID,
		"detail", a.Detail, obs.KeyTrace, trace, obs.KeyErr, err)
}

func (a Act) request() *pb.AuditAppendRequest {
	return &pb.AuditAppendRequest{Actor: a.Actor, Kind: a.Kind, ClientId: a.ClientID, Detail: a.Detail}
}

// deliverer is the actor: one line at a time, in order.
type deliverer struct {
	l     *Ledger
	clock clockwork.Clock
}

// Handle delivers one act and tries again until it is done, refused, or the
// service stops.
func (d *deliverer) Handle(ctx context.Context, it item) error {
	pause := minPause
	for {
		err := d.send(ctx, it)
		switch fault.CodeOf(err) {
		case "":
			return nil
		case fault.Unavailable, fault.Timeout:
		default: // refused: it will be refused again
			d.l.drop(it.act, it.trace, err)
			return nil
		}
		select {
		case <-d.clock.After(pause):
			pause = min(2*pause, maxPause)
		case <-ctx.Done():
			d.l.drop(it.act, it.trace, err)
			return nil
		}
	}
}

func (d *deliverer) send(ctx context.Context, it item) error {
	ctx, cancel := context.WithTimeout(bus.WithTraceID(ctx, it.trace), sendTimeout)
	defer cancel()
	return d.l.bus.Request(ctx, subject.PairingAuditAppend, it.act.request(), &pb.AuditEvent{})
}
