package session

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/sendspintest"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// strangers is a Trust that knows nobody.
type strangers struct{}

func (strangers) Credential(context.Context, string) (noise.Credential, *noise.PrivateKey, error) {
	return noise.Credential{PSK: noise.SentinelPSK(), Category: noise.Sentinel}, nil, nil
}
func (strangers) RecipientKey() []byte              { return nil }
func (strangers) OpenPSK([]byte) (noise.PSK, error) { return noise.PSK{}, errors.New("none") }
func (strangers) Forget(string)                     {}
func (strangers) Admit(context.Context, *tuttiv1.AdmitRequest) (*tuttiv1.AdmitResponse, error) {
	return &tuttiv1.AdmitResponse{}, nil
}

// TestSilenceAfterNoiseEndsByTheDeadline: a client that is secured and then never says
// client/hello is given up when the time for it is over, not before, and the error names
// what was waited for.
func TestSilenceAfterNoiseEndsByTheDeadline(t *testing.T) {
	const timeout = 30 * time.Second
	server, err := noise.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	device, err := noise.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	clock := clockwork.NewFakeClock()
	here, there := sendspintest.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := Open(t.Context(), here, OpenConfig{
			Identity: server, Name: "Tutti", Languages: []string{"en"}, SourceCodecs: []string{"flac", "pcm"}, Codec: wire.Current(), Trust: strangers{},
			Clock: clock, Timeout: timeout, MaxMessage: 1 << 16,
		})
		done <- err
	}()
	conn, err := channel.OpenClient(t.Context(), there, channel.ClientConfig{
		Identity: device, Suite: noise.ChaChaPoly,
		Candidates: func(string, string, noise.Category) (noise.PSK, bool, error) { return noise.PSK{}, false, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, _, err := conn.Read(ctx); err != nil { // server/hello
		t.Fatal(err)
	}
	if err := clock.BlockUntilContext(ctx, 1); err != nil {
		t.Fatal("the server waits for client/hello without a deadline")
	}
	clock.Advance(timeout - time.Millisecond)
	select {
	case err := <-done:
		t.Fatalf("given up before its time: %v", err)
	default:
	}
	clock.Advance(time.Millisecond)
	select {
	case err = <-done:
	case <-ctx.Done():
		t.Fatal("a client that says nothing is still waited for")
	}
	var failed *OpenError
	if !errors.As(err, &failed) || !errors.Is(err, context.DeadlineExceeded) || failed.Stage != stageHello || failed.ClientID != device.Public().ID() {
		t.Errorf("got %v, want a deadline at %q", err, stageHello)
	}
	if _, _, err := conn.Read(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("the connection is still open: %v", err)
	}
}
