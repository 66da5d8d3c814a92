package sendspintest

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/tutti-audio/tutti/sendspin/channel"
)

func TestPipe(t *testing.T) {
	ctx := context.Background()
	a, b := Pipe()
	data := []byte{1, 2}
	if err := a.Write(ctx, false, data); err != nil {
		t.Fatal(err)
	}
	data[0] = 9 // the writer's own again
	if text, got, err := b.Read(ctx); err != nil || text || got[0] != 1 {
		t.Errorf("%v %v %v", text, got, err)
	}
	_ = b.Write(ctx, true, []byte("last"))
	_ = b.Close(4001, "done")
	_ = b.CloseNow()
	if text, got, err := a.Read(ctx); err != nil || !text || string(got) != "last" {
		t.Errorf("what was sent before the close: %q, %v", got, err)
	}
	var closed *channel.CloseError
	if _, _, err := a.Read(ctx); !errors.As(err, &closed) || closed.Code != 4001 {
		t.Errorf("after Close: %v", err)
	}
	if err := a.Write(ctx, true, nil); err != nil {
		t.Errorf("write to a closed end: %v", err)
	}
	if _, _, err := b.Read(ctx); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read on the closed end: %v", err)
	}
}

func TestPipeCloseNowFailsBothEnds(t *testing.T) {
	a, b := Pipe()
	_ = a.Write(context.Background(), false, []byte{1})
	_ = a.CloseNow()
	if _, _, err := b.Read(context.Background()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v", err)
	}
	if err := b.Ping(context.Background()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v", err)
	}
}

func TestPipeReadEndsWithItsContext(t *testing.T) {
	a, b := Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := a.Read(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, _, err := b.Read(context.Background()); err == nil {
		t.Error("the other end lives on")
	}
}
