package desk

import (
	"context"

	"github.com/tutti-audio/tutti/platform/fault"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/pairing/internal/trust"
)

// Unpair takes a pairing back. The record is of no use from that moment; it is
// deleted when the device has been told (specification: server/unpair), which for
// an absent one is at its next appearance.
func (d *Desk) Unpair(ctx context.Context, req *pb.ClientRequest) (*pb.TrustRecord, error) {
	id := req.GetClientId()
	return d.decide(ctx, id, req.GetActor(), func(c trust.Client) (ruling, error) {
		next, changed, err := c.Unpair(d.now())
		if err != nil || !changed {
			return ruling{next: next}, err
		}
		return ruling{next: next, audit: "client.unpaired", detail: "was " + was(c) + ": " + describe(c), event: "unpaired",
			record: func(ctx context.Context, tx Tx) error {
				if err := tx.MarkUnpairing(ctx, id); err != nil {
					return err
				}
				return d.dropEnrolment(ctx, tx, trust.Clean(req.GetActor(), maxActor), id)
			}}, nil
	})
}

// goodbyeUnpaired is the reason of a client that has processed server/unpair.
const goodbyeUnpaired = "unpaired"

// Report takes down what happened on a session. A report that comes twice, late,
// or about a client that is gone changes nothing.
func (d *Desk) Report(ctx context.Context, req *pb.SessionReport) (*pb.Empty, error) {
	id := req.GetClientId()
	if err := checkClient(id); err != nil {
		return nil, err
	}
	var err error
	switch req.GetEvent() {
	case pb.SessionEvent_SESSION_EVENT_UNPAIRED:
		err = d.report(ctx, id, d.unpairTold(id))
	case pb.SessionEvent_SESSION_EVENT_ENDED:
		if req.GetGoodbye() == goodbyeUnpaired {
			err = d.report(ctx, id, d.unpairTold(id))
		}
		if err == nil {
			err = d.report(ctx, id, d.sessionEnded(req.GetSessionId()))
		}
	case pb.SessionEvent_SESSION_EVENT_ROSTER:
		err = d.rosterTold(ctx, id, req.GetRosterSeq())
	default:
		err = fault.New(fault.Invalid, "the report does not say what happened").WithField("event", "is unknown")
	}
	if err != nil {
		return nil, err
	}
	return &pb.Empty{}, nil
}

// report settles what a device did, if it comes to anything.
func (d *Desk) report(ctx context.Context, id string, rule func(trust.Client) (ruling, error)) error {
	r, err := d.settle(ctx, id, trust.ActorDevice, rule)
	if fault.CodeOf(err) == fault.NotFound {
		return nil
	}
	if err != nil || r.audit == "" {
		return err
	}
	d.note(ctx, trust.ActorDevice, r)
	d.Announcer.Kick()
	return nil
}

func (d *Desk) unpairTold(id string) func(trust.Client) (ruling, error) {
	return func(c trust.Client) (ruling, error) {
		next, changed := c.UnpairTold()
		if !changed {
			return ruling{next: next}, nil
		}
		return ruling{next: next, audit: auditUnpairDelivered, detail: describe(c),
			record: func(ctx context.Context, tx Tx) error { return tx.DeletePairingRecord(ctx, id) }}, nil
	}
}

func (d *Desk) sessionEnded(session string) func(trust.Client) (ruling, error) {
	return func(c trust.Client) (ruling, error) {
		next, why := c.SessionEnded(trust.Clean(session, trust.MaxText), d.rules(), d.now())
		return d.ended(c, next, why), nil
	}
}
