package independent

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// TestCrashAroundFinalize kills the process that runs the attempts (in the embedded
// form: everything) while devices stand at each step, some of them just at finalize.
// Afterwards both sides have the record, or neither, or the server alone: a credential
// mismatch. Pairing again mends every case, and none gives a role without a record.
func TestCrashAroundFinalize(t *testing.T) {
	for _, mode := range harness.Modes() {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := harness.StartServer(t, mode, harness.Options{})
			victim := map[string]string{"embedded": "serve", "distributed": "pairing"}[mode]
			for i, after := range []time.Duration{time.Millisecond, 6 * time.Millisecond} {
				c := &crash{t: t, s: s, round: i, killed: make(chan struct{})}
				c.kill = sync.OnceFunc(func() {
					time.AfterFunc(after, func() { s.Kill(victim); close(c.killed) })
				})
				c.run()
			}
			verifyAudit(t, s)
		})
	}
}

// crash is one kill with devices around it.
type crash struct {
	t      *testing.T
	s      *harness.Server
	round  int
	kill   func() // soon
	killed chan struct{}
}

func (c *crash) run() {
	var devices []*device
	for _, at := range []string{"client/pair-init", "client/pair-auth", "client/pair-confirm", "client/pair-finalize"} {
		d, reached := c.device("parked at "+at, at, func() { <-c.killed })
		c.begin(d, reached)
		select {
		case <-reached:
		case <-time.After(patience):
			c.t.Fatalf("%s: it does not get there; %s", d.o.name, d.tail())
		}
		devices = append(devices, d)
	}
	done, _ := c.device("done", "", nil)
	c.begin(done, nil)
	done.paired(c.s)
	// It dies itself when the server acknowledges: the mismatch that always works out.
	deaf, _ := c.device("deaf", "", nil)
	deaf.o.pair.deaf = true
	c.begin(deaf, nil)
	attemptIs(c.t, c.s, deaf.id, 0, "paired", "failed")
	devices = append(devices, done, deaf)
	racers := len(devices)
	for i := range 3 {
		d, _ := c.device(fmt.Sprint("racing ", i), "client/pair-finalize", c.kill)
		devices = append(devices, d)
	}
	var racing sync.WaitGroup
	for _, d := range devices[racers:] {
		racing.Go(func() { c.begin(d, nil) })
	}
	select {
	case <-c.killed:
	case <-time.After(2 * patience):
		c.t.Errorf("round %d: none of the racing devices got to its finalize", c.round)
		c.kill() // or the parked ones stand for ever
		<-c.killed
	}
	racing.Wait()
	c.s.Launch(c.t)
	c.t.Run(fmt.Sprint("after crash ", c.round), func(t *testing.T) {
		for _, d := range devices {
			t.Run(d.o.name, func(t *testing.T) { t.Parallel(); c.after(t, d) })
		}
	})
}

// device is one that does something before it sends a message for the first time; the
// channel is closed when it gets there.
func (c *crash) device(name, at string, do func()) (*device, chan struct{}) {
	p := dynamic("digits")
	reached := make(chan struct{})
	var before atomic.Bool
	p.edit = func(_ *device, typ string, _ obj) bool {
		if typ == at && !before.Swap(true) {
			close(reached)
			do()
		}
		return true
	}
	d := connect(c.t, c.s.Sendspin, options{name: fmt.Sprintf("%s, %d", name, c.round), pair: p})
	d.awaitKnown(c.s)
	return d, reached
}

// begin goes as far as the device and the server do; the server may be gone meanwhile,
// and the device parked.
func (c *crash) begin(d *device, parked <-chan struct{}) {
	_ = c.s.Do("POST", pairingPath(d.id), obj{"method": "dynamic_pairing_code", "format": "digits"}, nil)
	select {
	case code := <-d.o.pair.shown:
		for end := time.Now().Add(patience); time.Now().Before(end); {
			err := c.s.Do("POST", pairingPath(d.id)+"/code", obj{"code": code}, nil)
			if st := status(err); st != 409 {
				return
			}
			<-time.After(5 * time.Millisecond) // not at the point yet
		}
		c.t.Errorf("%s: the server does not take its code; %s", d.o.name, d.tail())
	case <-c.killed:
	case <-parked: // before there is a code
	case <-time.After(patience):
		c.t.Errorf("%s: it shows no code; %s", d.o.name, d.tail())
	}
}

// after connects a device again, as after a power cut, judges what the crash has left,
// and mends it.
func (c *crash) after(t *testing.T, d *device) {
	server := d.serverID
	d.leave()
	o := d.o
	o.pair = dynamic("digits")
	d = connect(t, c.s.Sendspin, o)
	if d.serverID != server {
		t.Fatalf("the server has another identity: %s, was %s", d.serverID, server)
	}
	d.sync(2)
	psk, missed := d.keyed()
	kept := o.vault.record(server) != nil
	t.Logf("a record on the device: %v, a session on %s, a fallback: %v", kept, psk, missed)
	switch {
	case kept && psk == "lt":
		d.onRecord(c.s)
		return
	case !kept && psk == "sn" && missed:
		awaitTrust(t, c.s, d.id, "credential_mismatch")
	case !kept && psk == "sn":
		awaitTrust(t, c.s, d.id, "unapproved")
	default:
		t.Error("neither consistent nor a mismatch that the operator sees")
	}
	d.never()
	harness.Eventually(t, patience, o.name+" can be paired again", func() string {
		if err := c.s.Do("POST", pairingPath(d.id), obj{"method": "dynamic_pairing_code", "format": "digits"}, nil); err != nil {
			return err.Error()
		}
		return ""
	})
	d.enter(c.s, d.code(), 1)
	d.paired(c.s)
}
