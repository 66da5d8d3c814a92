package gateway

import (
	"slices"
	"testing"
	"time"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

func rotating(every time.Duration) rigOption {
	return func(c *Config, _ *Deps) { c.RekeyInterval = every }
}

// waitRotations waits until the device's keys were replaced n times.
func waitRotations(d *device, n uint64) {
	d.t.Helper()
	eventually(d.t, func() string {
		if got := d.conn.Rehandshakes(); got < n {
			return "too few rotations"
		}
		return ""
	})
}

// Keys are replaced again and again while a stream plays: the timeline has no gap and
// nothing comes late.
func TestKeysRotateWithoutAGap(t *testing.T) {
	for _, category := range []string{"sn", "lt"} {
		t.Run(category, func(t *testing.T) {
			r := newRig(t, rotating(60*time.Millisecond))
			d := newDevice(r)
			keyed(r, d, category)
			d.join(r)
			r.waitPlayer(d)
			// Late enough for the rounds that fill the device's buffer, whatever else runs.
			begin := r.house.NowMicros() + 10_000_000
			rec := r.recorder("g1", "a", 1, begin)
			r.mustCommand(d.id(), startCmd("g1", "a", 1, begin))
			const chunks = 60
			for n := 0; n < chunks; n += 5 {
				rec.write(5)
				d.waitChunks(min(n+5, chunks))
				waitRotations(d, d.conn.Rehandshakes()+1)
			}
			noGap(t, d.waitChunks(chunks), begin)
			if p := r.presence(d.id()); p.GetStream().GetChunksLate() != 0 {
				t.Errorf("%d chunks late", p.GetStream().GetChunksLate())
			}
			if string(d.conn.Matched()) != category {
				t.Errorf("keyed %s, want %s", d.conn.Matched(), category)
			}
			for _, typ := range []string{wire.TypeStreamEnd, wire.TypeStreamClear} {
				if slices.Contains(d.types(), typ) {
					t.Errorf("the stream was touched: %s", typ)
				}
			}
			messages := d.messages()
			// Keys may have been replaced before the start, too, as often as there was time for it.
			start := slices.IndexFunc(messages, func(m wire.Message) bool { return m.Type() == wire.TypeStreamStart })
			for _, m := range messages[start:] {
				if a, ok := m.(*wire.ServerActivate); ok && (len(a.ActiveRoles) != 3 || !a.Has(wire.ActivityPlayback)) {
					t.Errorf("a rotation changed the session: %v %v", a.ActiveRoles, a.Activities)
				}
			}
			d.settle(r)
			d.clean()
		})
	}
}

// Keys stay as they are while an attempt runs, which is bound to them, and rotate on
// the other side of it.
func TestKeysDoNotRotateDuringAnAttempt(t *testing.T) {
	r := newRig(t, rotating(30*time.Millisecond))
	s := r.withSealing()
	d := newDevice(r, pairable(wire.MethodDynamicCode)).join(r)
	a := r.attempt(d, s, "a1")
	a.enter = func(uint32) string {
		n := d.conn.Rehandshakes()
		time.Sleep(200 * time.Millisecond) // many intervals, in which nothing may happen
		if got := d.conn.Rehandshakes(); got != n {
			t.Errorf("%d re-handshakes while the operator types", got-n)
		}
		return a.shown()
	}
	a.mustBegin(wire.MethodDynamicCode, wire.FormatDigits)
	a.waitPaired()
	d.clean()
}

// While pairing is away the keys that were served lately do; a session is never given up
// for a rotation.
func TestRotationWhilePairingIsAway(t *testing.T) {
	r := newRig(t, rotating(50*time.Millisecond))
	d := newDevice(r)
	keyed(r, d, "lt")
	d.join(r)
	waitRotations(d, 1)
	r.pairing.stops()
	waitRotations(d, d.conn.Rehandshakes()+3)
	r.svc.trust.Forget(d.id())
	d.settle(r)
	r.pairing.start()
	waitRotations(d, d.conn.Rehandshakes()+2)
	d.clean()
}

// A device that knows only a former identity of the server is shown that one, also
// after the server's key was rotated under a running gateway.
func TestFormerIdentity(t *testing.T) {
	r := newRig(t, rotating(50*time.Millisecond))
	old := r.pairing.key
	d := newDevice(r)
	keyed(r, d, "lt")
	d.join(r)
	next, err := noise.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	r.pairing.mu.Lock()
	r.pairing.key, r.pairing.former = next, []*noise.PrivateKey{old}
	r.pairing.as[d.id()] = old.Public().ID()
	r.pairing.mu.Unlock()
	r.withSettings(func(s *tuttiv1.ServerSettings) { s.ServerId = next.Public().ID(); s.RosterSeq++ })
	waitRotations(d, d.conn.Rehandshakes()+2) // the running session goes on
	d.cancel()
	d.waitEnd()
	d.join(r)
	if d.conn.Peer() != old.Public().ID() || d.conn.Matched() != noise.LongTerm {
		t.Errorf("the device was shown %s, keyed %s", d.conn.Peer(), d.conn.Matched())
	}
	stranger := newDevice(r).join(r)
	if stranger.conn.Peer() != next.Public().ID() {
		t.Errorf("a stranger was shown %s", stranger.conn.Peer())
	}
	waitRotations(d, 1)
	d.clean()
}
