package client

import (
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/pairing"
	"github.com/tutti-audio/tutti/sendspin/sendspintest"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// passUntil lets the client's time pass in steps until an event of type E comes, and
// returns how much did. Between two steps it has as long as a slow machine may need.
func passUntil[E Event](t *testing.T, r *recorder, clock *clockwork.FakeClock, step time.Duration) (e E, passed time.Duration) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); passed += step {
		for wait := time.After(300 * time.Millisecond); wait != nil; {
			select {
			case got := <-r.events:
				if want, ok := got.(E); ok {
					return want, passed
				}
			case <-wait:
				wait = nil
			}
		}
		clock.Advance(step)
	}
	t.Fatalf("no %T", e)
	return e, 0
}

func TestAttemptTimesOut(t *testing.T) {
	clock := clockwork.NewFakeClock()
	r := newRig(t, sendspintest.ServerOptions{}, func(c *Config) { withDynamic(c); c.Clock = clock })
	a := r.srv.Pair(r.srv.Greet(), wire.MethodDynamicCode, wire.FormatDigits, nil)
	a.AwaitQuestion(1)
	waitFor[PairingCode](t, r.recorder)
	r.settle(t) // with group/update, which is owed before the time passes
	e, passed := passUntil[PairingEnded](t, r.recorder, clock, 20*time.Second)
	if e.Outcome != pairing.AbortedHere || e.Reason != wire.AbortAttemptTimeout || passed < pairing.AttemptTimeout || passed > pairing.AttemptTimeout+time.Minute {
		t.Errorf("%+v after %v", e, passed)
	}
	if got := a.AwaitEnd(); got.Reason != wire.AbortAttemptTimeout {
		t.Errorf("%+v", got)
	}
	r.wantNoViolations(t)
}

func TestWindowExpires(t *testing.T) {
	clock := clockwork.NewFakeClock()
	r := newRig(t, sendspintest.ServerOptions{}, func(c *Config) { withStatic(t)(c); c.Clock = clock })
	hello := r.srv.Greet()
	r.srv.Activate([]string{})
	waitFor[Activated](t, r.recorder) // owed before the time passes
	if err := r.c.OpenPairingWindow(); err != nil {
		t.Fatal(err)
	}
	if e := waitFor[PairingWindow](t, r.recorder); !e.Open || e.For != pairing.WindowLifetime {
		t.Errorf("%+v", e)
	}
	if e, passed := passUntil[PairingWindow](t, r.recorder, clock, 30*time.Second); e.Open || passed < pairing.WindowLifetime {
		t.Errorf("%+v after %v", e, passed)
	}
	a := r.srv.Pair(hello, wire.MethodStaticCode, "", nil)
	a.AwaitHeld()
}

func TestWindowClosesAfterFiveFailures(t *testing.T) {
	r := newRig(t, sendspintest.ServerOptions{}, withStatic(t))
	hello := r.srv.Greet()
	if err := r.c.OpenPairingWindow(); err != nil {
		t.Fatal(err)
	}
	for range pairing.WindowFailures {
		a := r.srv.Pair(hello, wire.MethodStaticCode, "", nil)
		a.AwaitQuestion(1)
		a.Enter("00000000")
		if e := a.AwaitEnd(); e.Reason != wire.AbortCodeMismatch {
			t.Fatalf("%+v", e)
		}
		r.srv.Activate([]string{})
	}
	for waitFor[PairingWindow](t, r.recorder).Open {
	}
	a := r.srv.Pair(hello, wire.MethodStaticCode, "", nil)
	a.AwaitHeld()
	a.Cancel(nil)
	if e := waitFor[PairingEnded](t, r.recorder); e.Outcome != pairing.AbortedByPeer || e.Reason != wire.AbortUserCancelled {
		t.Errorf("%+v", e)
	}
	r.wantNoViolations(t)
}

// The window belongs to the connection of its first attempt, and goes with it.
func TestWindowIsBoundToItsConnection(t *testing.T) {
	l := newListening(t, withStatic(t))
	if err := l.c.OpenPairingWindow(); err != nil {
		t.Fatal(err)
	}
	first, hello := l.greeted(t, newKey(t), channel.Credential{})
	a := first.Pair(hello, wire.MethodStaticCode, "", nil)
	a.AwaitQuestion(1)
	a.Cancel(nil) // does not close it
	waitFor[PairingEnded](t, l.recorder)
	waitFor[Activated](t, l.recorder) // without pairing: another connection's messages may overtake it

	second, hello := l.greeted(t, newKey(t), channel.Credential{})
	b := second.Pair(hello, wire.MethodStaticCode, "", nil)
	b.AwaitHeld()
	wantGoodbye(t, first, wire.GoodbyeAnotherServer) // it had left pairing
	for waitFor[PairingWindow](t, l.recorder).Open {
	}
	if err := l.c.OpenPairingWindow(); err != nil {
		t.Fatal(err)
	}
	b.AwaitQuestion(1)
	if err := l.c.ClosePairingWindow(); err != nil { // the attempt goes on
		t.Fatal(err)
	}
	b.Enter(staticDigits)
	if e := b.AwaitEnd(); e.Outcome != pairing.Success {
		t.Errorf("%+v", e)
	}
}

// greeted is a new server's connection to the client, and the client's hello.
func (l *listening) greeted(t *testing.T, key *noise.PrivateKey, cred channel.Credential) (*sendspintest.Server, *wire.ClientHello) {
	t.Helper()
	tr, err := channel.Dial(t.Context(), "ws://"+l.addr+"/sendspin", channel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	srv := sendspintest.NewServer(t, tr, sendspintest.ServerOptions{Identity: key, Credential: cred})
	return srv, srv.Greet()
}

func TestEitherSideCancels(t *testing.T) {
	r := newRig(t, sendspintest.ServerOptions{}, withDynamic)
	hello := r.srv.Greet()
	a := r.srv.Pair(hello, wire.MethodDynamicCode, wire.FormatDigits, nil)
	a.AwaitQuestion(1)
	waitFor[PairingCode](t, r.recorder)
	if err := r.c.CancelPairing(); err != nil {
		t.Fatal(err)
	}
	if e := a.AwaitEnd(); e.Outcome != pairing.AbortedByPeer || e.Reason != wire.AbortUserCancelled {
		t.Errorf("%+v", e)
	}
	if e := waitFor[PairingEnded](t, r.recorder); e.Outcome != pairing.AbortedHere {
		t.Errorf("%+v", e)
	}
	r.srv.Send(&wire.ServerPairAuth{PAKEMsg1: make([]byte, 32)}) // was under way: dropped
	a = r.srv.Pair(hello, wire.MethodDynamicCode, wire.FormatQRCode, nil)
	a.AwaitQuestion(1)
	a.Cancel(nil)
	if e := waitFor[PairingEnded](t, r.recorder); e.Outcome != pairing.AbortedByPeer || e.Reason != wire.AbortUserCancelled {
		t.Errorf("%+v", e)
	}
	a = r.srv.Pair(hello, wire.MethodDynamicCode, wire.FormatDigits, nil)
	a.AwaitQuestion(1)
	r.srv.Activate([]string{}) // without a word
	if e := waitFor[PairingEnded](t, r.recorder); e.Outcome != pairing.Left {
		t.Errorf("%+v", e)
	}
	if n := r.c.Store().rounds(); n != 3 {
		t.Errorf("%d rounds: those of abandoned attempts count", n)
	}
	r.settle(t)
	r.wantNoViolations(t)
}

// Server and client agree on the index also after refused activations.
func TestIndexCountsRefusedActivations(t *testing.T) {
	r := newRig(t, sendspintest.ServerOptions{}, withDynamic)
	hello := r.srv.Greet()
	offered := *hello
	offered.PairMethods.StaticCode = &wire.SecretMethod{}
	if e := r.srv.Pair(&offered, wire.MethodStaticCode, "", nil).AwaitEnd(); e.Reason != wire.AbortMethodNotSupported {
		t.Errorf("%+v", e)
	}
	if e := waitFor[PairingRefused](t, r.recorder); e.Reason != wire.AbortMethodNotSupported {
		t.Errorf("%+v", e)
	}
	a := r.srv.Pair(hello, wire.MethodDynamicCode, wire.FormatDigits, nil)
	a.AwaitQuestion(1)
	a.Enter(waitFor[PairingCode](t, r.recorder).Code.Text())
	if e := a.AwaitEnd(); e.Outcome != pairing.Success {
		t.Errorf("%+v", e)
	}
}

// The pairing PSK is a candidate at all times: also on a paired session, which pairs
// anew with it.
func TestPairingPSKOnAPairedSession(t *testing.T) {
	key := newKey(t)
	r := newRig(t, sendspintest.ServerOptions{Identity: key}, withDynamic)
	hello := r.srv.Greet()
	a := pair(t, r.recorder, r.c, r.srv, hello, wire.MethodDynamicCode, wire.FormatDigits)
	r.srv.Rekey(tokenCredential(t, r.c), nil)
	if e := waitFor[Rekeyed](t, r.recorder); e.Paired || e.Category != noise.Pairing {
		t.Errorf("%+v", e)
	}
	b := pair(t, r.recorder, r.c, r.srv, hello, wire.MethodPSK, "")
	if rec := r.c.Store().Records(); len(rec) != 1 || rec[0].PSKID != b.PSK.ID() || a.PSK.Equal(b.PSK) {
		t.Errorf("%+v", rec)
	}
}

// A server that has stored its record and cancels all the same leaves none here.
func TestActivateInsteadOfFinalize(t *testing.T) {
	r := newRig(t, sendspintest.ServerOptions{}, withDynamic)
	a := r.srv.Pair(r.srv.Greet(), wire.MethodDynamicCode, wire.FormatDigits, nil)
	a.KeepWaiting = true
	a.AwaitQuestion(1)
	a.Enter(waitFor[PairingCode](t, r.recorder).Code.Text())
	a.AwaitStoring()
	r.srv.Activate([]string{})
	if e := waitFor[PairingEnded](t, r.recorder); e.Outcome != pairing.Left || len(r.c.Store().Records()) != 0 {
		t.Errorf("%+v, %d records", e, len(r.c.Store().Records()))
	}
	// The acknowledgement is out of order now.
	r.srv.Send(&wire.ServerPairFinalize{})
	if err := r.end(t); err == nil {
		t.Error("no error")
	}
	if v := r.violations(); len(v) != 1 || v[0].Rule != "Pairing" {
		t.Errorf("violations %v", v)
	}
}

// A client that speaks the code is silent meanwhile; one that shows it is not.
func TestSpokenCodeSuspendsTheOutput(t *testing.T) {
	for _, channels := range [][]string{{wire.OutSpeaker}, {wire.OutDisplay}} {
		r := newRig(t, sendspintest.ServerOptions{}, func(c *Config) {
			c.Pairing.DynamicCode = &wire.DynamicMethod{OutChannels: channels, Formats: []string{wire.FormatDigits}}
		})
		a := r.srv.Pair(r.srv.Greet(), wire.MethodDynamicCode, wire.FormatDigits, []string{wire.ActivityPlayback}, wire.RolePlayerV1)
		a.AwaitQuestion(1)
		a.Cancel([]string{wire.ActivityPlayback}, wire.RolePlayerV1)
		r.settle2(t, func(seen []Event) {
			var got []bool
			for _, e := range seen {
				if s, ok := e.(OutputSuspended); ok {
					got = append(got, s.Suspended)
				}
			}
			if spoken := channels[0] == wire.OutSpeaker; spoken && (len(got) != 2 || !got[0] || got[1]) || !spoken && len(got) != 0 {
				t.Errorf("%v: suspended %v", channels, got)
			}
		})
	}
}

// settle2 is settle with what was told before.
func (r *rig) settle2(t *testing.T, look func([]Event)) {
	t.Helper()
	r.srv.Send(&wire.GroupUpdate{PlaybackState: wire.PlaybackStopped, GroupID: t.Name(), GroupName: ""})
	var seen []Event
	for deadline := time.After(patience); ; {
		select {
		case e := <-r.events:
			if g, ok := e.(GroupChanged); ok && g.Group.GroupID == t.Name() {
				look(seen)
				return
			}
			seen = append(seen, e)
		case <-deadline:
			t.Fatal("the client does not settle")
		}
	}
}

// Pairing beside playback on one connection, and the re-handshake, leave the stream alone.
func TestPairingLeavesTheStreamAlone(t *testing.T) {
	r := newRig(t, sendspintest.ServerOptions{}, withDynamic)
	hello := r.srv.Greet()
	playback := []string{wire.ActivityPlayback}
	r.srv.Activate(playback, wire.RolePlayerV1)
	sendspintest.Expect[*wire.ClientState](r.srv)
	r.srv.Send(&wire.StreamStart{ServerTransmitted: r.srv.Now(), Player: &wire.PlayerStream{Format: pcm}})
	at := r.srv.Now() + 20_000_000
	var stream uint64
	chunk := func() {
		t.Helper()
		r.srv.SendAudio(at, pcm20)
		at += 20_000
		c := r.nextChunk(t)
		if stream != 0 && c.Stream != stream {
			t.Error("another stream")
		}
		stream = c.Stream
	}
	chunk()
	a := r.srv.Pair(hello, wire.MethodDynamicCode, wire.FormatDigits, playback, wire.RolePlayerV1)
	chunk()
	a.AwaitQuestion(1)
	a.Enter(waitFor[PairingCode](t, r.recorder).Code.Text())
	chunk()
	a.AwaitEnd()
	a.Promote(playback, wire.RolePlayerV1)
	chunk()
	r.settle2(t, func(seen []Event) {
		for _, e := range seen {
			switch e := e.(type) {
			case StreamStarted, StreamEnded, StreamCleared:
				t.Errorf("%T", e)
			case Activated:
				if len(e.Removed) != 0 {
					t.Errorf("%+v", e)
				}
			}
		}
	})
	r.wantNoViolations(t)
}

func TestEvictionSparesOpenConnections(t *testing.T) {
	store, err := NewStore(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.SetMaxRecords(4); err == nil {
		t.Error("a store of four records")
	}
	if err := store.SetMaxRecords(MinRecords); err != nil {
		t.Fatal(err)
	}
	keys, psks := make([]*noise.PrivateKey, MinRecords), make([]noise.PSK, MinRecords)
	for i := range keys {
		keys[i], psks[i] = newKey(t), newPSK(t)
		if err := store.PutRecord(keys[i].Public().ID(), psks[i]); err != nil {
			t.Fatal(err)
		}
	}
	l := newListening(t, func(c *Config) { withDynamic(c); c.Store = store })
	lt := func(i int) channel.Credential { return channel.Credential{PSK: psks[i], Category: noise.LongTerm} }
	first, _ := l.greeted(t, keys[0], lt(0)) // used, and open: provisional
	second, _ := l.greeted(t, keys[1], lt(1))
	second.Activate([]string{wire.ActivityPlayback}, wire.RolePlayerV1)
	sendspintest.Expect[*wire.ClientState](second)

	srv, hello := l.greeted(t, newKey(t), channel.Credential{})
	a := srv.Pair(hello, wire.MethodDynamicCode, wire.FormatDigits, nil)
	a.AwaitQuestion(1)
	a.Enter(waitFor[PairingCode](t, l.recorder).Code.Text())
	a.AwaitEnd()
	waitFor[Paired](t, l.recorder)
	have := map[string]bool{}
	for _, r := range store.Records() {
		have[r.ServerID] = true
	}
	for i, want := range []bool{true, true, false, true, true} {
		if have[keys[i].Public().ID()] != want {
			t.Errorf("record %d: there %v", i, !want)
		}
	}
	// With four paired connections open, a fifth is refused.
	_ = first
	a.Promote([]string{wire.ActivityPlayback}, wire.RolePlayerV1) // third; displaces the second
	wantGoodbye(t, second, wire.GoodbyeAnotherServer)
	third, _ := l.greeted(t, keys[3], lt(3))
	fourth, _ := l.greeted(t, keys[4], lt(4))
	_, _ = third, fourth
	tr, err := channel.Dial(t.Context(), "ws://"+l.addr+"/sendspin", channel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	fifth := sendspintest.NewServer(t, tr, sendspintest.ServerOptions{Identity: keys[1], Credential: lt(1)})
	wantGoodbye(t, fifth, wire.GoodbyeConcurrentAttempt)
}
