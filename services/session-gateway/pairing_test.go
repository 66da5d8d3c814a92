package gateway

import (
	"slices"
	"testing"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Every method, from every PSK that may key the session before.
func TestPairByEachMethodFromEachPSK(t *testing.T) {
	methods := []struct{ name, method, format string }{
		{"token", wire.MethodPSK, ""},
		{"digits", wire.MethodDynamicCode, wire.FormatDigits},
		{"qr code", wire.MethodDynamicCode, wire.FormatQRCode},
		{"static code", wire.MethodStaticCode, ""},
	}
	r := newRig(t)
	s := r.withSealing()
	r.pairing.unapprovedByDefault()
	for _, m := range methods {
		for _, from := range []string{"sn", "pr", "lt"} {
			t.Run(m.name+" from "+from, func(t *testing.T) {
				r := *r
				r.t = t
				code := m.method
				if code == wire.MethodPSK {
					code = ""
				}
				d := newDevice(&r, pairable(code), func(d *device) {
					d.hello.UnpairedAccess.Enabled = false
					if m.format == wire.FormatQRCode {
						d.suite = noise.AESGCM
					}
				})
				keyed(&r, d, from)
				d.join(&r)
				if from == "pr" { // a cancelled attempt by the token leaves it at that
					first := r.attempt(d, s, "a0")
					d.pair.mute = true
					first.mustBegin(wire.MethodPSK, "")
					cancelAttempt(first)
					first.stop()
					d.mu.Lock()
					d.pair.mute = false
					d.mu.Unlock()
				}
				a := r.attempt(d, s, "a1")
				if got := a.query().GetCategory(); got != from {
					t.Fatalf("the session is keyed %q, want %q", got, from)
				}
				a.mustBegin(m.method, m.format)
				a.waitPaired()
				waitPlaybackRoles(d)
				d.settle(&r)
				d.clean()
				// It comes back on its new record.
				d.cancel()
				d.waitEnd()
				d.join(&r)
				if d.conn.Matched() != noise.LongTerm {
					t.Errorf("reconnected with %s", d.conn.Matched())
				}
			})
		}
	}
}

// keyed makes the next session of the device be keyed like that.
func keyed(r *rig, d *device, category string) {
	if category != "lt" {
		return
	}
	d.psk, _ = noise.GeneratePSK(nil)
	r.pairing.mu.Lock()
	defer r.pairing.mu.Unlock()
	r.pairing.psk[d.id()] = d.psk
	r.pairing.of[d.id()] = &tuttiv1.AdmitResponse{State: paired, AllowedFamilies: []string{"player", "metadata", "controller"}}
}

// cancelAttempt is the operator's.
func cancelAttempt(a *attempt) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.obey(a.flow.Cancel())
}

func waitPlaybackRoles(d *device) {
	d.t.Helper()
	eventually(d.t, func() string {
		d.mu.Lock()
		defer d.mu.Unlock()
		if len(d.active) != 3 {
			return "the device has other roles than a paired one"
		}
		return ""
	})
}

func TestWrongCodeThenRightCode(t *testing.T) {
	r := newRig(t)
	s := r.withSealing()
	r.pairing.unapprovedByDefault()
	d := newDevice(r, pairable(wire.MethodDynamicCode)).join(r)
	a := r.attempt(d, s, "a1")
	a.enter = func(round uint32) string {
		code := a.shown()
		if round < 3 {
			wrong := []byte(code)
			wrong[0] = '0' + (wrong[0]-'0'+1)%10
			return string(wrong)
		}
		return code
	}
	a.mustBegin(wire.MethodDynamicCode, wire.FormatDigits)
	a.waitPaired()
	want := []string{
		wire.TypeClientPairInit, wire.TypeClientPairAuth, wire.TypeClientPairRetry, wire.TypeClientPairAuth, wire.TypeClientPairRetry,
		wire.TypeClientPairAuth, wire.TypeClientPairConfirm, wire.TypeClientPairFinalize,
	}
	if got := a.relayed(); !slices.Equal(got, want) {
		t.Errorf("relayed %v, want %v", got, want)
	}
	d.clean()
}

// An approved device goes on playing while it is paired, without a word about it.
func TestPairingBesidePlayback(t *testing.T) {
	r := newRig(t)
	s := r.withSealing()
	d := r.ready(pairable(wire.MethodDynamicCode))
	begin := r.soon()
	rec := r.recorder("g1", "a", 1, begin)
	rec.write(10)
	r.mustCommand(d.id(), startCmd("g1", "a", 1, begin))
	d.waitChunks(10)
	a := r.attempt(d, s, "a1")
	a.families, a.state = []string{"player", "metadata", "controller"}, approved
	a.enter = func(uint32) string {
		rec.write(10)
		d.waitChunks(20)
		return a.shown()
	}
	a.mustBegin(wire.MethodDynamicCode, wire.FormatDigits)
	pairing := d.waitFor("pairing beside playback", func(m wire.Message) bool {
		act, ok := m.(*wire.ServerActivate)
		return ok && act.Has(wire.ActivityPairing)
	}).(*wire.ServerActivate)
	if !pairing.Has(wire.ActivityPlayback) || len(pairing.ActiveRoles) != 3 {
		t.Errorf("activation beside playback: %v %v", pairing.Activities, pairing.ActiveRoles)
	}
	a.waitPaired()
	rec.write(10)
	noGap(t, d.waitChunks(30), begin)
	if slices.Contains(d.types(), wire.TypeStreamEnd) || slices.Contains(d.types(), wire.TypeStreamClear) {
		t.Errorf("the stream was touched: %v", d.types())
	}
	last := waitLastActivation(d)
	if !slices.Equal(last.Activities, []string{wire.ActivityPlayback}) {
		t.Errorf("after pairing: activities %v", last.Activities)
	}
	if p := r.presence(d.id()); p.GetStream().GetChunksLate() != 0 {
		t.Errorf("%d chunks late", p.GetStream().GetChunksLate())
	}
	d.clean()
}

// noGap checks that the chunks are one timeline.
func noGap(t *testing.T, chunks []got, begin int64) {
	t.Helper()
	for i, c := range chunks {
		if c.ts != begin+int64(i)*chunkUS || c.data[0] != byte(i) {
			t.Fatalf("chunk %d is at %d, want %d", i, c.ts, begin+int64(i)*chunkUS)
		}
	}
}

func waitLastActivation(d *device) *wire.ServerActivate {
	d.t.Helper()
	var last *wire.ServerActivate
	for _, m := range d.messages() {
		if a, ok := m.(*wire.ServerActivate); ok {
			last = a
		}
	}
	return last
}

// The same over a connection that the gateway dialled.
func TestPairOverAnOutboundConnection(t *testing.T) {
	r := newDiallingRig(t)
	s := r.withSealing()
	r.pairing.unapprovedByDefault()
	d := newDevice(r, pairable(wire.MethodStaticCode))
	r.sight(&tuttiv1.Sighting{Key: "mdns/a", Url: d.listen(), Present: true, Appearances: 1})
	if p := r.waitConnected(d, true); p.GetConnection() != "outbound" {
		t.Fatalf("presence: %v", p)
	}
	a := r.attempt(d, s, "a1")
	a.mustBegin(wire.MethodStaticCode, "")
	a.waitPaired()
	d.clean()
}

// A paired device that plays loses its stream before it is keyed for pairing: its
// session is not to be used meanwhile.
func TestPairingAgainEndsTheStreamFirst(t *testing.T) {
	r := newRig(t)
	s := r.withSealing()
	d := newDevice(r, pairable(wire.MethodDynamicCode))
	keyed(r, d, "lt")
	d.join(r)
	r.waitPlayer(d)
	begin := r.soon()
	r.recorder("g1", "a", 1, begin).write(5)
	r.mustCommand(d.id(), startCmd("g1", "a", 1, begin))
	d.waitChunks(5)
	a := r.attempt(d, s, "a1")
	a.mustBegin(wire.MethodDynamicCode, wire.FormatDigits)
	if a.begun.GetCategory() != "sn" || a.begun.GetPairingIndex() != 1 {
		t.Errorf("begun: %v", a.begun)
	}
	a.waitPaired()
	types := d.types()
	end := slices.Index(types, wire.TypeStreamEnd)
	next := slices.IndexFunc(d.messages(), func(m wire.Message) bool {
		act, ok := m.(*wire.ServerActivate)
		return ok && act.Has(wire.ActivityPairing)
	})
	if end < 0 || next < end {
		t.Errorf("messages %v", types)
	}
	d.clean()
}
