package sendspintest_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/client"
	"github.com/tutti-audio/tutti/sendspin/sendspintest"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestServerPlaysItsPart is also how a test with a real client looks.
func TestServerPlaysItsPart(t *testing.T) {
	pcm := wire.AudioFormat{Codec: wire.CodecPCM, Channels: 2, SampleRate: 48000, BitDepth: 16}
	chunks := make(chan int64, 10)
	c, err := client.New(client.Config{
		Name: "test", UnpairedAccess: true, Formats: []wire.AudioFormat{pcm}, BufferCapacity: 1 << 20,
		OnChunk: func(ch client.Chunk) { chunks <- ch.Timestamp },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ours, theirs := sendspintest.Pipe()
	var wg sync.WaitGroup
	wg.Go(func() { _ = c.Run(ctx, ours) })
	defer wg.Wait()
	defer cancel()

	srv := sendspintest.NewServer(t, theirs, sendspintest.ServerOptions{})
	if hello := srv.Greet(); hello.Name != "test" {
		t.Errorf("%+v", hello)
	}
	srv.Activate([]string{wire.ActivityPlayback}, wire.RolePlayerV1)
	if state := sendspintest.Expect[*wire.ClientState](srv); !state.Available {
		t.Errorf("%+v", state)
	}
	if srv.TimeQuestions() < 16 {
		t.Errorf("the client is available after %d time questions", srv.TimeQuestions())
	}
	srv.Send(&wire.StreamStart{ServerTransmitted: srv.Now(), Player: &wire.PlayerStream{Format: pcm}})
	at := srv.Now() + 500_000
	srv.SendAudio(at, make([]byte, 3840))
	if got := <-chunks; got != at {
		t.Errorf("chunk at %d, want %d", got, at)
	}
	if err := c.Goodbye(wire.GoodbyeUserRequest); err != nil {
		t.Fatal(err)
	}
	sendspintest.Expect[*wire.ClientGoodbye](srv)
	var closed *channel.CloseError
	if err := srv.WaitClosed(); !errors.As(err, &closed) {
		t.Errorf("the connection ended with %v, want a close frame", err)
	}
}
