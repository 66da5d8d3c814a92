package pairing

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/lease"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/services/pairing/pgtest"
)

// withLeases holds attempts under leases, as a deployment does.
func (r *rig) withLeases(ttl time.Duration) *rig {
	r.t.Helper()
	var err error
	if r.held, err = lease.NewManager(r.bus, r.cfg.InstanceID, lease.Options{TTL: ttl}); err != nil {
		r.t.Fatal(err)
	}
	return r
}

// TestKilledAtEveryStep: kill -9 of the service at any command and any relay leaves
// both ends without a record, with the same one, or in a credential mismatch that
// pairing again mends; and the attempt does not seem to run on.
func TestKilledAtEveryStep(t *testing.T) {
	forEachStore(t, func(t *testing.T, cfg Config) {
		k := byToken // the others end in the same way, and every step costs a process
		cfg.InstanceID = "pairing-1"
		server := bustest.StartServer(t)
		r := &rig{t: t, cfg: cfg, logs: &logBuffer{}, bus: bustest.Connect(t, server)}
		r.withLeases(leaseTTL)
		r.serve() // before the first child: it makes the identity and counts the steps
		steps := variant{kind: k}.steps(r)
		outcomes := map[string]int{}
		for n := 1; n < steps; n++ { // 0 is the query, before there is an attempt
			outcomes[killAt(t, r, server, k, n, false)]++
		}
		outcomes[killAt(t, r, server, k, steps-1, true)]++
		if outcomes["nothing"] == 0 || outcomes["mismatch"] != 1 || outcomes["paired"] != 1 {
			t.Errorf("the kills did not reach both sides of the storing: %v", outcomes)
		}
		verifyChain(t, r.backstage())
	})
}

// killAt runs one attempt in a child that is killed at step n; lost: what it sent last
// does not reach the device.
func killAt(t *testing.T, r *rig, server bustest.Server, k kind, n int, lost bool) string {
	t.Helper()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r.clk = nil
	kill := startChild(t, server, r.cfg)
	r.eventually("the child answers", func() error {
		return r.request(subject.PairingSettings, &pb.UpdateSettingsRequest{}, &pb.ServerSettings{})
	})
	d := r.newDevice(fmt.Sprintf("Room %s %d", k.method, n)).connect()
	killed := make(chan struct{})
	d.change(func() {
		var step atomic.Int64 // since the last query: an earlier one came too late to begin the attempt
		d.onStep = func(_ int, what string) {
			if strings.HasSuffix(what, "PairingQuery") {
				step.Store(0)
			} else if step.Add(1) == int64(n) {
				kill()
				if lost {
					d.drop()
				}
				close(killed)
			}
		}
	})
	// It may die before it answers. A device whose answer to the query takes a busy machine
	// too long is not connected, and the operator tries again.
	again := true
	r.eventually(fmt.Sprintf("%s: step %d is reached", k, n), func() error {
		var err error
		if again {
			err = r.request(subject.PairingStart, d.request(k), &pb.PairingAttempt{})
			again = notConnected(err)
		}
		select {
		case <-killed:
			return nil
		default:
			return fmt.Errorf("not yet; start: %v", err)
		}
	})
	r.clk = clockwork.NewFakeClock()
	r.serve()
	b := r.pairings()
	r.eventually("the attempt is marked", func() error {
		r.clk.Advance(time.Second)
		v, _, err := b.Get(context.Background(), d.id)
		if err != nil || v.GetState() != "failed" || v.GetReason() != "interrupted" {
			return fmt.Errorf("%v, %v", v, err)
		}
		return nil
	})
	d.drop() // the gateway would leave by itself; the device dials again in any case
	d.change(func() { d.onStep = nil })
	outcome := d.consistent()
	d.connect()
	d.wantUsable(k)
	return outcome
}

// notConnected: a device did not answer the query of PairingStart, or not in time.
func notConnected(err error) bool {
	return fault.CodeOf(err) == fault.Conflict && strings.Contains(err.Error(), "is not connected")
}

// consistent names how the two ends stand to each other.
func (d *device) consistent() string {
	d.t.Helper()
	there, here := d.serverRecord(), d.kept()
	switch {
	case there.IsZero() && here.IsZero():
		return "nothing"
	case there.Equal(here):
		return "paired"
	case here.IsZero():
		return "mismatch"
	}
	d.t.Fatal("the device has a record that the server does not have")
	return ""
}

// TestStopMeanwhile: a service that is asked to stop ends its attempts in order.
func TestStopMeanwhile(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()}).withLeases(calmTTL).serve()
	d := r.newDevice("Kitchen").connect()
	d.start(byDigits)
	d.shows("awaiting_code")
	begun := time.Now()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	took := time.Since(begun)
	r.serve()
	if v := d.shows("failed"); v.GetReason() != "interrupted" {
		t.Fatalf("%v", v)
	}
	d.mu.Lock()
	left := len(d.ends) == 0 && took >= 1500*time.Millisecond // attempt.closeJob
	d.mu.Unlock()
	if left { // a gateway that could not be told in that time leaves by itself
		d.drop()
	} else if e := d.lastEnd(); e.GetClose() {
		t.Fatalf("%v", e)
	}
	d.wantUsable(byDigits)
}

// TestInterruptedIsFoundLater: an entry that nobody holds is found while the service
// runs, and one that is held is left alone.
func TestInterruptedIsFoundLater(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()}).withLeases(calmTTL)
	r.clk = clockwork.NewFakeClock()
	r.serve()
	d := r.newDevice("Kitchen").connect()
	d.start(byDigits)
	d.shows("awaiting_code")
	lost := newClientID()
	b := r.pairings()
	if _, err := b.Put(t.Context(), lost, &pb.PairingAttempt{ClientId: lost, State: "verifying", Method: "pairing_psk"}); err != nil {
		t.Fatal(err)
	}
	begun := r.clk.Now()
	r.eventually("the lost one is marked", func() error {
		if r.clk.Since(begun) < 2*time.Minute { // the other one waits for its code for three
			r.clk.Advance(time.Second)
		}
		if v, _, err := b.Get(t.Context(), lost); err != nil || v.GetReason() != "interrupted" {
			return fmt.Errorf("%v, %v", v, err)
		}
		return nil
	})
	d.shows("awaiting_code")
}

// TestTwoInstances: an attempt is where its messages go, whoever was asked to start
// it, and there is one in the deployment.
func TestTwoInstances(t *testing.T) {
	cfg := Config{DataDir: t.TempDir(), DatabaseURL: pgtest.Start(t), InstanceID: "pairing-1"}
	r := newRig(t, cfg).withLeases(calmTTL).serve()
	other := &rig{t: t, cfg: cfg, logs: &logBuffer{}, bus: r.bus}
	other.cfg.InstanceID = "pairing-2"
	other.withLeases(calmTTL).serve()
	var devices []*device
	where := map[string]int{}
	for n := 0; n < 12 || len(where) < 2 && n < 100; n++ { // NATS draws who is asked
		d := r.newDevice(fmt.Sprintf("Room %d", n)).connect()
		d.start(byDigits)
		where[d.shows("awaiting_code").GetInstanceId()]++
		devices = append(devices, d)
	}
	if len(where) != 2 {
		t.Fatalf("the attempts run on %v", where)
	}
	for n, d := range devices {
		r.wantFault(fault.Conflict, "admin began at", subject.PairingStart, d.request(byToken))
		if n%2 == 0 {
			if v := d.finish(byDigits); v.GetState() != "paired" {
				t.Fatalf("%v", v)
			}
			d.wantPaired()
		}
	}
	if err := other.stop(); err != nil {
		t.Fatal(err)
	}
	for n, d := range devices {
		if n%2 == 0 {
			continue
		}
		v := d.shows("awaiting_code", "failed")
		if onOther := v.GetInstanceId() == "pairing-2"; onOther != (v.GetState() == "failed") {
			t.Fatalf("%v", v)
		}
		if v.GetState() == "failed" {
			d.wantUsable(byDigits)
		}
	}
}

// TestTheStoreIsAway: a verified pairing that cannot be stored is given up, and
// nothing is left of it.
func TestTheStoreIsAway(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()})
	r.clk = clockwork.NewFakeClock()
	r.serve()
	d := r.newDevice("Kitchen").connect()
	unlock := r.lockStore(d)
	d.start(byToken)
	r.eventually("it is being stored", func() error {
		if v := d.shows("verifying"); !strings.Contains(r.logs.String(), "not stored yet") {
			return fmt.Errorf("%v", v)
		}
		return nil
	})
	r.clk.Advance(31 * time.Second)
	if v := d.shows("failed"); v.GetReason() != "storage_failed" {
		t.Fatalf("%v", v)
	}
	unlock()
	r.eventually("the gateway ends the attempt", func() error {
		r.clk.Advance(time.Second)
		d.mu.Lock()
		defer d.mu.Unlock()
		if len(d.ends) == 0 {
			return fmt.Errorf("no PairingEnd")
		}
		return nil
	})
	d.wantNothing(noise.PSK{})
	// It may have been stored at the last moment; then it was taken back.
	kinds := r.auditKinds()
	if slices.Contains(kinds, "client.paired") != slices.Contains(kinds, "client.pairing_undone") {
		t.Fatalf("ledger: %v", kinds)
	}
}
