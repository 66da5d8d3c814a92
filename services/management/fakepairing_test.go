package management_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/nacl/box"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/pairtoken"
)

// fakePairing is the attempts' half of the fake pairing service. It is guarded by
// fakes.mu.
type fakePairing struct {
	public, private *[32]byte
	attempts        *bus.Bucket[pb.PairingAttempt, *pb.PairingAttempt]
	code            string // the right one
	enrolled        []*pb.Enrolment
	received        [][]byte // every request, as it came over the bus
	opened          []string // the secrets in them
	stops           map[string]func()
	started         int
	// ahead is what attempts say that the bucket does not show yet, by client_id.
	ahead map[string]*pb.PairingAttempt
	// late: the bucket shows what a code does a moment after the answer.
	late bool
}

func (f *fakes) makeSealingKey() []byte {
	public, private, err := box.GenerateKey(rand.Reader)
	if err != nil {
		f.t.Fatal(err)
	}
	f.pairing.public, f.pairing.private = public, private
	return public[:]
}

// saw notes a request and opens what is sealed in it.
func (f *fakes) saw(m proto.Message, sealed ...[]byte) (clear []string, err error) {
	raw, err := proto.Marshal(m)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pairing.received = append(f.pairing.received, raw)
	for _, s := range sealed {
		if len(s) == 0 {
			continue
		}
		b, ok := box.OpenAnonymous(nil, s, f.pairing.public, f.pairing.private)
		if !ok {
			return nil, errors.New("the box does not open")
		}
		clear = append(clear, string(b))
	}
	f.pairing.opened = append(f.pairing.opened, clear...)
	return clear, nil
}

func (f *fakes) startAttempts() {
	var err error
	f.pairing.attempts, err = bus.OpenBucket[pb.PairingAttempt](f.t.Context(), f.bus, subject.BucketPairings, bus.BucketOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	f.pairing.code, f.pairing.stops = "123456", map[string]func(){}
	f.pairing.ahead = map[string]*pb.PairingAttempt{}
	f.t.Cleanup(func() {
		f.mu.Lock()
		stops := f.pairing.stops
		f.pairing.stops = nil
		f.mu.Unlock()
		for _, stop := range stops {
			stop()
		}
	})
	s := f.service("attempts")
	handle(f, s, subject.PairingStart, f.startAttempt)
	handle(f, s, subject.PairingEnrol, f.enrol)
	handle(f, s, subject.PairingEnrolments, func(context.Context, *pb.ListEnrolmentsRequest) (*pb.ListEnrolmentsResponse, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		return &pb.ListEnrolmentsResponse{Enrolments: f.pairing.enrolled}, nil
	})
	handle(f, s, subject.PairingEnrolRemove, func(_ context.Context, r *pb.ClientRequest) (*pb.Empty, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		for i, e := range f.pairing.enrolled {
			if e.GetClientId() == r.GetClientId() {
				f.pairing.enrolled = append(f.pairing.enrolled[:i:i], f.pairing.enrolled[i+1:]...)
				return &pb.Empty{}, nil
			}
		}
		return nil, fault.New(fault.NotFound, "no such token")
	})
}

func (f *fakes) startAttempt(ctx context.Context, r *pb.StartPairingRequest) (*pb.PairingAttempt, error) {
	if _, err := f.saw(r, r.GetSealedSecret()); err != nil {
		return nil, err
	}
	if now, _, err := f.pairing.attempts.Get(ctx, r.GetClientId()); err == nil && !over(now.GetState()) {
		return nil, fault.New(fault.Conflict, "%s pairs the device already", now.GetActor())
	}
	f.mu.Lock()
	f.pairing.started++
	a := &pb.PairingAttempt{
		ClientId: r.GetClientId(), AttemptId: fmt.Sprint("a", f.pairing.started), State: "connecting",
		Method: r.GetMethod(), Format: r.GetFormat(), Actor: r.GetActor(), StartedAt: timestamppb.Now(), ExpiresAt: timestamppb.New(time.Now().Add(time.Minute)),
	}
	f.mu.Unlock()
	if err := f.setAttempt(ctx, a); err != nil {
		return nil, err
	}
	stop, err := bus.HandleExclusive(f.bus, subject.Attempt(r.GetClientId()), f.attempt)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.pairing.stops[a.GetClientId()] = stop
	f.mu.Unlock()
	return a, nil
}

func (f *fakes) attempt(ctx context.Context, r *pb.AttemptRequest) (*pb.PairingAttempt, error) {
	f.pass()
	clear, err := f.saw(r, r.GetSealedCode())
	if err != nil {
		return nil, err
	}
	keys, err := f.pairing.attempts.Keys(ctx)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		a, _, err := f.pairing.attempts.Get(ctx, k)
		if err != nil || over(a.GetState()) {
			continue
		}
		f.mu.Lock()
		ahead, late := f.pairing.ahead[k], f.pairing.late
		f.mu.Unlock()
		if ahead != nil {
			a = proto.CloneOf(ahead)
		}
		switch {
		case !r.GetCancel() && len(clear) == 0: // a look
			return a, nil
		case r.GetCancel():
			a.State, a.Reason = "cancelled", "cancelled"
		case strings.ReplaceAll(clear[0], "-", "") == f.pairing.code:
			a.State = "paired"
		default:
			a.Round++
		}
		if late {
			now := proto.CloneOf(a)
			now.State = "verifying"
			context.AfterFunc(ctx, func() { _ = f.setAttempt(context.WithoutCancel(ctx), a) }) // when this is answered
			return now, nil
		}
		return a, f.setAttempt(ctx, a)
	}
	return nil, fault.New(fault.Unavailable, "no attempt")
}

func (f *fakes) setAttempt(ctx context.Context, a *pb.PairingAttempt) error {
	_, err := f.pairing.attempts.Put(ctx, a.GetClientId(), a)
	return err
}

// moveAttempt lets the device and the server do their part of an attempt.
func (f *fakes) moveAttempt(id string, change func(*pb.PairingAttempt)) {
	f.t.Helper()
	a, _, err := f.pairing.attempts.Get(f.t.Context(), id)
	if err == nil {
		change(a)
		err = f.setAttempt(f.t.Context(), a)
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// leaveAttempt takes the attempt's address away, as when it has ended.
func (f *fakes) leaveAttempt(id string) {
	f.mu.Lock()
	stop := f.pairing.stops[id]
	delete(f.pairing.stops, id)
	f.mu.Unlock()
	stop()
}

func over(state string) bool { return state == "paired" || state == "failed" || state == "cancelled" }

func (f *fakes) enrol(_ context.Context, r *pb.EnrolRequest) (*pb.EnrolResponse, error) {
	clear, err := f.saw(r, r.GetSealedTokens()...)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	out := &pb.EnrolResponse{}
	for i, c := range clear {
		if _, err := pairtoken.DecodePSK(c); err != nil {
			out.Results = append(out.Results, &pb.EnrolResult{State: "invalid", Error: "the token is damaged"})
			continue
		}
		e := &pb.Enrolment{ClientId: clientID(fmt.Sprint("box", i)), Fingerprint: "wolf-two", State: "waiting", Actor: r.GetActor(), AddedAt: timestamppb.Now()}
		f.pairing.enrolled = append(f.pairing.enrolled, e)
		out.Results = append(out.Results, &pb.EnrolResult{ClientId: e.GetClientId(), State: "waiting"})
	}
	return out, nil
}

// warned holds a warning against a device's key.
func warned(warning string) func(*pb.ClientPresence, *pb.TrustRecord) {
	return func(_ *pb.ClientPresence, t *pb.TrustRecord) { t.Warning = warning }
}
