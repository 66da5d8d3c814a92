package independent

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// TestTrustSoak walks at random over what operators decide, what devices do and what
// dies. However it goes: no device has a role that nobody gave it, no pairing record
// is lost, and the ledger verifies. The walk is seeded; TUTTI_SOAK makes it longer.
func TestTrustSoak(t *testing.T) {
	for i, mode := range harness.Modes() {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := &walk{t: t, s: harness.StartServer(t, mode, harness.Options{}), rnd: rand.New(rand.NewPCG(3, uint64(i)))}
			for k := range 4 {
				w.add(fmt.Sprintf("Walker %d", k), false)
			}
			w.add("walker 1", true)
			w.add("Walker  2", true)
			steps := 0
			for end := time.Now().Add(walkTime(t)); time.Now().Before(end) && !t.Failed(); steps++ {
				w.step()
				w.judge()
			}
			t.Logf("%d steps", steps)
			if t.Failed() {
				t.Logf("the walk: %v", w.trail)
			}
			verifyAudit(t, w.s)
		})
	}
}

func walkTime(t *testing.T) time.Duration {
	v := os.Getenv("TUTTI_SOAK")
	if v == "" {
		return 8 * time.Second
	}
	d, err := time.ParseDuration(v)
	check(t, err)
	return d
}

// walker is one device and what the operator has decided about its key.
type walker struct {
	o        options
	d        *device // nil while it is away
	impostor bool    // has the name of another
	known    bool    // the server has met this key
	cleared  bool    // its warning: an operator named it, or it was paired

	record   bool // the server has a pairing record for it
	holds    bool // and the device holds it
	approved bool // by a person
	pinned   bool // the policy "optional" may have approved it, which lasts
	decided  bool // denied, blocked or revoked: the policy approves it no more
}

type walk struct {
	t        *testing.T
	s        *harness.Server
	rnd      *rand.Rand
	all      []*walker
	optional bool
	trail    []string
}

func (w *walk) add(name string, impostor bool) {
	x := &walker{o: options{name: name, pair: &pairer{}}, impostor: impostor}
	x.o.fill(w.t)
	w.all = append(w.all, x)
	w.connect(x) // the honest ones first: they are the ones that are known
}

func (x *walker) id() string { return idOf(x.o.key) }

func (x *walker) String() string {
	return fmt.Sprintf("record %v, holds %v, approved %v, pinned %v, decided %v", x.record, x.holds, x.approved, x.pinned, x.decided)
}

func (w *walk) path(x *walker, verb string) string { return "/api/v1/clients/" + x.id() + verb }

func (w *walk) connect(x *walker) {
	w.away(x)
	x.d = knock(w.t, w.s, x.o)
	x.known = true
}

func (w *walk) away(x *walker) {
	if x.d != nil {
		x.d.leave()
		x.d = nil
	}
}

// may tells whether the device may have roles on the wire.
func (w *walk) may(x *walker) bool {
	switch {
	case x.record:
		return x.holds
	case x.approved:
		return true
	}
	return x.pinned && !x.decided
}

// step does one thing that an operator, a device or fate may do. A conflict with the
// state of the moment is a fair answer; only success changes what we expect.
func (w *walk) step() {
	x := w.all[w.rnd.IntN(len(w.all))]
	verb := ""
	do := func(method, path string, body any) bool {
		w.t.Helper()
		err := w.s.Do(method, path, body, nil)
		if st := status(err); err != nil && st != 409 && st != 404 && st != 422 {
			w.t.Fatalf("%s %s: %v; the walk so far: %v", method, path, err, w.trail)
		}
		return err == nil
	}
	switch n := w.rnd.IntN(16); {
	case n < 3:
		verb = "connects"
		w.connect(x)
	case n < 4:
		verb = "leaves"
		w.away(x)
	case n < 6:
		verb = "is approved"
		body := obj{}
		if w.rnd.IntN(2) == 0 {
			verb += " with its warning"
			body["accept_warning"] = "name_reused_by_new_key"
		}
		ok := do("POST", w.path(x, "/approve"), body)
		if ok && x.impostor && len(body) == 0 && !x.cleared {
			w.t.Errorf("an impostor is approved without naming the warning; the walk: %v", w.trail)
		}
		if ok {
			x.approved, x.decided, x.cleared = true, false, true
		}
	case n < 7:
		verb = "is denied"
		if do("POST", w.path(x, "/deny"), nil) {
			x.approved, x.decided = false, true
		}
	case n < 8:
		verb = "is blocked"
		if do("POST", w.path(x, "/block"), nil) {
			x.approved, x.decided = false, true
		}
	case n < 9:
		verb = "is revoked"
		if do("DELETE", w.path(x, "/approval"), nil) {
			x.approved, x.decided = false, true
		}
	case n < 12:
		verb = "is paired"
		w.pair(x)
	case n < 13:
		verb = "is unpaired"
		if x.record && do("POST", w.path(x, "/unpair"), nil) {
			x.record, x.holds, x.approved = false, false, false
			x.o.vault.unpaired()
		}
	case n < 14:
		verb = "loses its records"
		w.away(x)
		x.o.vault.forget()
		x.holds = false
		w.connect(x)
	case n < 15:
		w.optional = !w.optional
		policy := map[bool]string{true: "optional", false: "required"}[w.optional]
		verb = "sees policy " + policy
		do("PATCH", "/api/v1/server", obj{"policy": obj{"pairing": policy}})
	default:
		verb = "sees a power cut"
		w.s.KillAll()
		w.s.Launch(w.t)
		for _, y := range w.all {
			if y.d != nil {
				w.connect(y)
			}
		}
	}
	w.trail = append(w.trail, x.o.name+" "+verb)
}

// pair pairs by token; at times everything dies in the middle of it.
func (w *walk) pair(x *walker) {
	if x.d == nil || x.d.closedNow() != nil {
		return
	}
	before := x.o.vault.record(x.d.serverID)
	err := w.s.Do("POST", w.path(x, "/pairing"), obj{"method": "pairing_psk", "token": x.d.pskToken()}, nil)
	if st := status(err); err != nil {
		if st < 400 || st > 422 {
			w.t.Fatalf("pairing %s: %v; the walk so far: %v", x.o.name, err, w.trail)
		}
		return
	}
	crash := w.rnd.IntN(4) == 0
	if crash {
		<-time.After(time.Duration(w.rnd.IntN(20)) * time.Millisecond)
		w.s.KillAll()
		w.s.Launch(w.t)
		for _, y := range w.all {
			if y.d != nil {
				w.connect(y)
			}
		}
	}
	if crash { // either side may have got there, or none
		psk, missed := x.d.keyed()
		got := psk == "lt" || missed
		if got && !x.record {
			x.approved, x.decided = false, false
		}
		x.record, x.holds = x.record || got, psk == "lt"
		x.cleared = x.cleared || got
		return
	}
	if p := attemptIs(w.t, w.s, x.id(), 0, "paired", "failed", "cancelled"); p.State != "paired" {
		w.t.Fatalf("pairing %s: %+v; the walk so far: %v", x.o.name, p, w.trail)
	}
	x.record, x.holds, x.approved, x.decided, x.cleared = true, true, false, false, true
	if after := x.o.vault.record(x.d.serverID); after == nil || string(after) == string(before) {
		w.t.Errorf("%s is paired and kept no new record", x.o.name)
	}
}

// judge waits until no device has roles that it may not have, and checks that the
// server has the records that it should have.
func (w *walk) judge() {
	w.t.Helper()
	for _, x := range w.all {
		x.pinned = !x.decided && (x.pinned || w.optional && !x.impostor)
		if x.d != nil && !w.may(x) {
			harness.Eventually(w.t, patience, x.o.name+" has no roles", func() string {
				x.d.mu.Lock()
				defer x.d.mu.Unlock()
				if x.d.closed == nil && len(x.d.ref.roles) > 0 {
					return fmt.Sprintf("%v; %s; optional %v; the walk: %v", x.d.ref.roles, x, w.optional, w.trail)
				}
				return ""
			})
		}
		if !x.known {
			continue
		}
		var c trusted
		harness.Eventually(w.t, patience, x.o.name+" is shown with its record", func() string {
			c = trusted{}
			if err := w.s.Do("GET", w.path(x, ""), nil, &c); err != nil {
				w.t.Fatalf("%s: %v; the walk: %v", x.o.name, err, w.trail)
			}
			// The news of an attempt's end may overtake that of the record.
			if x.record && !x.decided && c.Trust != "paired" && c.Trust != "credential_mismatch" {
				return fmt.Sprintf("the record is lost: it is %s; the walk: %v", c.Trust, w.trail)
			}
			return ""
		})
		if !w.may(x) && len(c.ActiveRoles) > 0 && c.Connected && (x.d == nil || x.d.closedNow() == nil) {
			harness.Eventually(w.t, patience, x.o.name+" is shown without roles", func() string {
				if c := x.d; c != nil && len(c.known(w.s).ActiveRoles) > 0 {
					return fmt.Sprintf("%s; the walk: %v", x, w.trail)
				}
				return ""
			})
		}
	}
}
