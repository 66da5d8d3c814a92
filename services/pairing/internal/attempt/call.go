package attempt

import (
	"context"
	"errors"
	"time"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
)

const (
	// callBound is how long a device that is away may take to connect when it is called
	// to be paired: a person waits for the answer.
	callBound = 3 * time.Second
	// callPoll is the pause between two looks.
	callPoll = 50 * time.Millisecond
	// callStands is how long the gateways may open a connection for it: a little longer,
	// so that one that was late is not opened without its purpose.
	callStands = callBound + time.Second
)

// category is that of the PSK that a session needs for a method (specification,
// server/activate).
func category(method string) noise.Category {
	if method == wire.MethodPSK {
		return noise.Pairing
	}
	return noise.Sentinel
}

// reach is query for a client that a person wants to pair now: one that has no session
// here, because another Sendspin server has it or because it said goodbye, is called. Its
// first server/activate declares the pairing, so that it changes over.
func (a *Attempts) reach(ctx context.Context, r Request) (session, error) {
	s, err := a.query(ctx, r.ClientID)
	if !NotConnected(err) || !r.Operator {
		return s, err
	}
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	if r.Method == wire.MethodPSK {
		stop, herr := a.lendKey(r)
		if herr != nil {
			return session{}, herr
		}
		defer stop()
	}
	req := &pb.DialRequest{
		ClientId: r.ClientID, Purpose: wire.ActivityPairing, PskCategory: string(category(r.Method)), WithinMs: callStands.Milliseconds(),
	}
	if derr := a.Bus.Request(ctx, subject.GatewayDial, req, &pb.Empty{}); derr != nil {
		// Nobody dials here, or there is no address to dial: it has to come by itself.
		a.Log.Info("a client to be paired is not called", obs.KeyClient, r.ClientID, obs.KeyErr, derr)
		return session{}, err
	}
	for {
		select {
		case <-ctx.Done():
			return session{}, err
		case <-a.Clock.After(callPoll):
		}
		s, qerr := a.query(ctx, r.ClientID)
		switch {
		case qerr == nil:
			return s, nil
		case !NotConnected(qerr) && ctx.Err() == nil:
			return session{}, qerr
		}
	}
}

// lendKey gives the gateways the pairing PSK for the opening handshake: there is no
// re-handshake before the first activation. It is sealed to whoever asks.
func (a *Attempts) lendKey(r Request) (stop func(), err error) {
	psk := r.PSK
	return bus.HandleExclusive(a.Bus, subject.AttemptKey(r.ClientID),
		func(_ context.Context, req *pb.CredentialRequest) (*pb.CredentialResponse, error) {
			if req.GetClientId() != r.ClientID {
				return nil, fault.New(fault.Invalid, "the key of client %s is asked for at another client's address", req.GetClientId())
			}
			sealed, err := desk.SealTo(req.GetRecipientKey(), psk)
			if err != nil {
				return nil, errors.Join(fault.New(fault.Invalid, "the key for client %s cannot be sealed to gateway %s", r.ClientID, req.GetInstanceId()), err)
			}
			return &pb.CredentialResponse{Category: string(noise.Pairing), SealedPsk: sealed}, nil
		})
}
