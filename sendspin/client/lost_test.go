package client

import (
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
