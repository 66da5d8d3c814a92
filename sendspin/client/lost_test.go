package client

import (
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/sendspin/sendspintest"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// A connection that breaks ends nothing: what is buffered may sound, by the clock that it
// came with, until another server has the client.
func TestStreamOfALostConnectionMaySoundOn(t *testing.T) {
	l := newListening(t, nil)
	first, _ := l.server(t)
	first.Activate([]string{"playback"}, wire.RolePlayerV1)
	sendspintest.Expect[*wire.ClientState](first)
	first.Send(&wire.StreamStart{ServerTransmitted: first.Now(), Player: &wire.PlayerStream{Format: pcm}})
	waitFor[StreamStarted](t, l.recorder)
	if _, ok := l.c.ClientTime(0); !ok {
		t.Fatal("there is no clock")
	}
	first.Close()
	if e := waitFor[StreamEnded](t, l.recorder); !e.Lost {
		t.Error("a broken connection ended the stream for good")
	}
	if _, ok := l.c.ClientTime(0); !ok {
		t.Error("the clock that the buffer plays by is gone")
	}

	second, _ := l.server(t) // another identity: its place, not the first one's
	second.Activate([]string{"playback"}, wire.RolePlayerV1)
	if e := waitFor[StreamEnded](t, l.recorder); e.Lost {
		t.Error("another server has the client, and the first one's audio may sound on")
	}
}

func TestStreamThatTheServerEndsIsNotLost(t *testing.T) {
	l := newListening(t, nil)
	s, _ := l.server(t)
	s.Activate([]string{"playback"}, wire.RolePlayerV1)
	sendspintest.Expect[*wire.ClientState](s)
	s.Send(&wire.StreamStart{ServerTransmitted: s.Now(), Player: &wire.PlayerStream{Format: pcm}})
	waitFor[StreamStarted](t, l.recorder)
	s.Send(&wire.StreamEnd{})
	if e := waitFor[StreamEnded](t, l.recorder); e.Lost {
		t.Error("stream/end is no loss")
	}
}

// A host that loses its network sends no FIN: a player that hears nothing asks, and gives
// the connection up while it has audio left, not after the ten questions that one without
// a stream waits for.
func TestASilentServerIsGivenUpWhileTheBufferLasts(t *testing.T) {
	l := newListening(t, nil)
	s, _ := l.server(t)
	s.Activate([]string{"playback"}, wire.RolePlayerV1)
	sendspintest.Expect[*wire.ClientState](s)
	s.Send(&wire.StreamStart{ServerTransmitted: s.Now(), Player: &wire.PlayerStream{Format: pcm}})
	waitFor[StreamStarted](t, l.recorder)
	s.AnswerTime(false)
	if e := waitFor[Disconnected](t, l.recorder); e.Err == nil || !strings.Contains(e.Err.Error(), "does not answer") {
		t.Errorf("the connection ended with %v", e.Err)
	}
}

func TestDeafness(t *testing.T) {
	// A minute of a plan: a server that answers keeps its connection, however little it says.
	s := &session{core: &core{}, phase: admitted, timing: newTiming(0)}
	s.stream.Store(&stream{})
	s.timing.Begin(1)
	asked := 0
	for now := int64(1); now < 60_000_000; now += 100_000 {
		if now >= s.quietDue() {
			s.timing.Ask(now)
		}
		if send, _ := s.timing.Tick(now, 1); send && s.timing.Sending(now) {
			asked++
			s.timing.Answer(now, now+100, now+110, now+300)
			s.heard.Store(now)
		}
	}
	if asked < 30 || asked > 60 {
		t.Errorf("a silent server was asked %d times in a minute, want one question every 1.5 s", asked)
	}
	if s.timing.Lost() != 0 {
		t.Error("answers were taken for lost")
	}
}
