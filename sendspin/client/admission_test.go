package client

import (
	"testing"

	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/pairing"
	"github.com/tutti-audio/tutti/sendspin/sendspintest"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

var playbackOnly = []string{wire.ActivityPlayback}

// playing is a server that plays on a listening client.
func (l *listening) playing(t *testing.T) *sendspintest.Server {
	t.Helper()
	srv, _ := l.greeted(t, newKey(t), channel.Credential{})
	srv.Activate(playbackOnly, wire.RolePlayerV1)
	sendspintest.Expect[*wire.ClientState](srv)
	srv.Send(&wire.GroupUpdate{PlaybackState: wire.PlaybackStopped, GroupID: "g"})
	return srv
}

// wantAbort reads up to a pair/abort and the end of the connection.
func wantAbort(t *testing.T, srv *sendspintest.Server, reason string) {
	t.Helper()
	for {
		switch m := srv.Next().(type) {
		case *wire.PairAbort:
			if m.Reason != reason {
				t.Errorf("pair/abort %s, want %s", m.Reason, reason)
			}
			if err := srv.WaitClosed(); err == nil {
				t.Error("the connection stays open")
			}
			return
		case *wire.ClientGoodbye:
			t.Fatalf("client/goodbye %s, want pair/abort", m.Reason)
		}
	}
}

// A second server pairs while the first one plays, and takes over when it plays too.
func TestPairingBesideAnotherServersPlayback(t *testing.T) {
	l := newListening(t, withDynamic)
	first := l.playing(t)
	first.Send(&wire.StreamStart{ServerTransmitted: first.Now(), Player: &wire.PlayerStream{Format: pcm}})
	waitFor[StreamStarted](t, l.recorder)

	key := newKey(t)
	second, hello := l.greeted(t, key, channel.Credential{})
	a := second.Pair(hello, wire.MethodDynamicCode, wire.FormatDigits, nil)
	a.AwaitQuestion(1)
	shown := waitFor[PairingCode](t, l.recorder)
	first.SendAudio(first.Now()+20_000_000, pcm20)
	l.nextChunk(t)

	// Beside the two nobody else pairs, and who is idle waits outside.
	third, hello3 := l.greeted(t, newKey(t), channel.Credential{})
	third.Pair(hello3, wire.MethodDynamicCode, wire.FormatDigits, nil)
	wantAbort(t, third, wire.AbortConcurrentAttempt)
	if e := waitFor[PairingRefused](t, l.recorder); e.Reason != wire.AbortConcurrentAttempt {
		t.Errorf("%+v", e)
	}
	idle, _ := l.greeted(t, newKey(t), channel.Credential{})
	idle.Activate(nil)
	wantGoodbye(t, idle, wire.GoodbyeConcurrentAttempt)

	// The pairing goes on through a change of the server that plays.
	other := l.playing(t)
	wantGoodbye(t, first, wire.GoodbyeAnotherServer)
	a.Enter(shown.Code.Text())
	if e := a.AwaitEnd(); e.Outcome != pairing.Success {
		t.Errorf("%+v", e)
	}
	waitFor[Paired](t, l.recorder)
	a.Promote(playbackOnly, wire.RolePlayerV1) // left pairing: arbitrated anew
	wantGoodbye(t, other, wire.GoodbyeAnotherServer)
	if s := sendspintest.Expect[*wire.ClientState](second); !s.Available {
		t.Errorf("%+v", s)
	}
	if got := l.c.Stats().ServerID; got != key.Public().ID() || l.c.Store().LastPlayback() != got {
		t.Errorf("the admitted server is %s", got)
	}
	for _, v := range l.violations() {
		t.Errorf("violation: %s", v)
	}
}

// Whoever has paired beside a server that plays and has nothing to play goes.
func TestIdleAfterPairingBesideIsTurnedAway(t *testing.T) {
	l := newListening(t, withDynamic)
	first := l.playing(t)
	second, hello := l.greeted(t, newKey(t), channel.Credential{})
	a := second.Pair(hello, wire.MethodDynamicCode, wire.FormatDigits, nil)
	a.AwaitQuestion(1)
	a.Enter(waitFor[PairingCode](t, l.recorder).Code.Text())
	a.AwaitEnd()
	a.TryPromote(nil, wire.RolePlayerV1)
	wantGoodbye(t, second, wire.GoodbyeConcurrentAttempt)
	first.Send(&wire.StreamStart{ServerTransmitted: first.Now(), Player: &wire.PlayerStream{Format: pcm}})
	waitFor[StreamStarted](t, l.recorder)
}

// When the server that plays goes, the one that pairs beside it moves up.
func TestTheOneBesideMovesUp(t *testing.T) {
	l := newListening(t, withDynamic)
	first := l.playing(t)
	key := newKey(t)
	second, hello := l.greeted(t, key, channel.Credential{})
	a := second.Pair(hello, wire.MethodDynamicCode, wire.FormatDigits, nil, wire.RolePlayerV1)
	a.AwaitQuestion(1)
	waitFor[PairingCode](t, l.recorder)
	if len(a.States) != 1 || a.States[0].Available {
		t.Errorf("available to two servers: %v", a.States)
	}
	first.Close()
	waitFor[Disconnected](t, l.recorder)
	if s := sendspintest.Expect[*wire.ClientState](second); !s.Available {
		t.Errorf("%+v", s)
	}
	if got := l.c.Stats(); got.ServerID != key.Public().ID() || len(got.Roles) != 1 {
		t.Errorf("%+v", got)
	}
}

func TestARunningAttemptIsNotDisplaced(t *testing.T) {
	l := newListening(t, withDynamic)
	holder, hello := l.greeted(t, newKey(t), channel.Credential{})
	a := holder.Pair(hello, wire.MethodDynamicCode, wire.FormatDigits, nil)
	a.AwaitQuestion(1)
	shown := waitFor[PairingCode](t, l.recorder)

	player, _ := l.greeted(t, newKey(t), channel.Credential{})
	player.Activate(playbackOnly, wire.RolePlayerV1)
	wantGoodbye(t, player, wire.GoodbyeConcurrentAttempt)
	pairer, hello2 := l.greeted(t, newKey(t), channel.Credential{})
	pairer.Pair(hello2, wire.MethodDynamicCode, wire.FormatDigits, nil)
	wantAbort(t, pairer, wire.AbortConcurrentAttempt)

	a.Enter(shown.Code.Text())
	if e := a.AwaitEnd(); e.Outcome != pairing.Success {
		t.Errorf("%+v", e)
	}
}

// An attempt that is held back has not begun: it is displaced, with pair/abort.
func TestAHeldAttemptIsDisplaced(t *testing.T) {
	l := newListening(t, withStatic(t))
	holder, hello := l.greeted(t, newKey(t), channel.Credential{})
	a := holder.Pair(hello, wire.MethodStaticCode, "", nil)
	a.AwaitHeld()
	waitFor[PairingHeld](t, l.recorder)
	l.playing(t)
	wantAbort(t, holder, wire.AbortConcurrentAttempt)
	if e := waitFor[PairingEnded](t, l.recorder); e.Outcome != pairing.AbortedHere || e.Reason != wire.AbortConcurrentAttempt {
		t.Errorf("%+v", e)
	}
}

// A server whose method was refused stays connected, provisional: it disturbs nobody
// and may try another method.
func TestRefusedMethodStaysProvisional(t *testing.T) {
	l := newListening(t, withDynamic)
	first := l.playing(t)
	second, hello := l.greeted(t, newKey(t), channel.Credential{})
	offered := *hello
	offered.PairMethods.StaticCode = &wire.SecretMethod{}
	if e := second.Pair(&offered, wire.MethodStaticCode, "", nil).AwaitEnd(); e.Reason != wire.AbortMethodNotSupported {
		t.Errorf("%+v", e)
	}
	a := second.Pair(hello, wire.MethodDynamicCode, wire.FormatQRCode, nil)
	a.AwaitQuestion(1)
	a.Enter(waitFor[PairingCode](t, l.recorder).Code.Text())
	a.AwaitEnd()
	first.Send(&wire.StreamStart{ServerTransmitted: first.Now(), Player: &wire.PlayerStream{Format: pcm}})
	waitFor[StreamStarted](t, l.recorder)
}
