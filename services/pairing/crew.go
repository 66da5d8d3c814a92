package pairing

import (
	"context"
	"errors"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/pairing/internal/attempt"
	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
	"github.com/tutti-audio/tutti/services/pairing/internal/enrol"
)

// crew is what pairs devices.
type crew struct {
	desk     *desk.Desk
	attempts *attempt.Attempts
	enroller *enrol.Enroller
}

// newCrew starts what pairs devices.
func (s *Service) newCrew(sup *actor.Supervisor, d *desk.Desk, shown *attempt.Bucket, e *enrol.Enroller) (*crew, error) {
	a, err := attempt.New(attempt.Options{
		Desk: d, Bus: s.deps.Bus, Bucket: shown, Supervisor: sup, Leases: s.deps.Leases, Clock: s.deps.Clock,
		Log: s.deps.Log, Metrics: s.pairs, InstanceID: s.cfg.InstanceID,
	})
	if err != nil {
		return nil, err
	}
	if err := e.Start(sup, enrol.Options{Desk: d, Attempts: a, Clock: s.deps.Clock, Log: s.deps.Log}); err != nil {
		return nil, err
	}
	return &crew{desk: d, attempts: a, enroller: e}, nil
}

// serveAttempts adds the endpoints that are more than a decision of the desk.
func (s *Service) serveAttempts(svc *bus.Service) error {
	return errors.Join(
		bus.Handle[pb.StartPairingRequest, pb.PairingAttempt](svc, subject.PairingStart,
			func(ctx context.Context, req *pb.StartPairingRequest) (*pb.PairingAttempt, error) {
				c, err := s.state.pairs()
				if err != nil {
					return nil, err
				}
				return c.attempts.Start(ctx, req)
			}),
		bus.Handle[pb.EnrolRequest, pb.EnrolResponse](svc, subject.PairingEnrol,
			func(ctx context.Context, req *pb.EnrolRequest) (*pb.EnrolResponse, error) {
				c, err := s.state.pairs()
				if err != nil {
					return nil, err
				}
				return c.enroller.Add(ctx, c.desk, req)
			}),
	)
}

// pairs is the crew, or why there is none.
func (s *state) pairs() (*crew, error) {
	if _, err := s.open(); err != nil {
		return nil, err
	}
	if c := s.crew.Load(); c != nil {
		return c, nil
	}
	return nil, errStarting
}
