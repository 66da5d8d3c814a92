package pairing

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// answersCalls makes the device one that has no session, and connects when the gateways
// are told to dial it, keyed as they are told. Each order is in the channel.
func (d *device) answersCalls() <-chan *pb.DialRequest {
	d.t.Helper()
	orders := make(chan *pb.DialRequest, 8)
	stop, err := bus.HandleExclusive(d.bus, subject.GatewayDial, func(ctx context.Context, req *pb.DialRequest) (*pb.Empty, error) {
		orders <- req
		if req.GetPskCategory() == "pr" {
			var c pb.CredentialResponse
			ask := &pb.CredentialRequest{ClientId: d.id, RecipientKey: d.box.pub[:], InstanceId: "gw"}
			if err := d.bus.Request(ctx, subject.AttemptKey(d.id), ask, &c); err != nil {
				return nil, err
			}
			if psk, err := noise.NewPSK(d.box.open(d.t, c.GetSealedPsk())); err != nil || !psk.Equal(d.psk) || c.GetCategory() != "pr" {
				d.t.Errorf("the attempt lends %v: %v", c.GetCategory(), err)
			}
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.stop != nil {
			return &pb.Empty{}, nil // it came for an earlier call, too late for that one
		}
		stop, err := bus.HandleExclusive(d.bus, subject.Session(d.id), d.command)
		if err != nil {
			return nil, err
		}
		d.session, d.stop = fmt.Sprintf("s-%d", time.Now().UnixNano()), stop
		d.handshake(req.GetPskCategory())
		return &pb.Empty{}, nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(stop)
	return orders
}

// TestCalledToBePaired: a device that is with another server is called when a person
// wants to pair it, and paired in the session that comes of it.
func TestCalledToBePaired(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()}).serve()
	for _, k := range []kind{byToken, byDigits, byStatic} {
		t.Run(k.method, func(t *testing.T) {
			d := r.newDevice("Room " + k.method).connect()
			d.hangUp("another_server")
			orders := d.answersCalls()
			d.change(func() { d.suite = k.suite })
			r.eventually("pairing begins", func() error { // a busy machine may need more than one call
				err := r.request(subject.PairingStart, d.request(k), &pb.PairingAttempt{})
				if err != nil && !notConnected(err) {
					t.Fatal(err)
				}
				return err
			})
			if v := d.finish(k); v.GetState() != "paired" {
				t.Fatalf("not paired: %v", v)
			}
			d.wantPaired()
			o := <-orders
			want := "sn"
			if k.method == wire.MethodPSK {
				want = "pr"
			}
			if o.GetClientId() != d.id || o.GetPurpose() != "pairing" || o.GetPskCategory() != want || o.GetWithinMs() <= 0 {
				t.Errorf("order %v", o)
			}
			var c pb.CredentialResponse
			err := r.request(subject.AttemptKey(d.id), &pb.CredentialRequest{ClientId: d.id, RecipientKey: d.box.pub[:]}, &c)
			if fault.CodeOf(err) != fault.Unavailable {
				t.Errorf("the key is still lent: %v", err)
			}
		})
	}
}

// TestACallThatNobodyAnswers: the operator hears that the device is away; nothing is held,
// and a device that is there is not called.
func TestACallThatNobodyAnswers(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()}).serve()
	d := r.newDevice("Kitchen").connect()
	d.hangUp("another_server")
	orders := make(chan *pb.DialRequest, 8)
	stop, err := bus.HandleExclusive(r.bus, subject.GatewayDial, func(_ context.Context, req *pb.DialRequest) (*pb.Empty, error) {
		orders <- req
		return &pb.Empty{}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	r.wantFault(fault.Conflict, "not connected", subject.PairingStart, d.request(byToken))
	if len(orders) != 1 {
		t.Errorf("%d orders to dial, want 1", len(orders))
	}
	d.connect() // the refused start holds nothing
	d.pairBy(byToken)
	if len(orders) != 1 {
		t.Errorf("a device that is there is called: %d orders", len(orders))
	}
}
