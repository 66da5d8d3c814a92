package session

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/machine"
)

// This file is the writer's side of a re-handshake. It runs in its place in the
// control lane and holds everything behind it, audio included: the specification lets
// nothing else be sent, and what the player has buffered covers the round trip.

// rekey is a re-handshake in the control lane; activate is the first message under the
// new keys.
type rekey struct {
	cred     noise.Credential
	own      bool // the PSK is this item's alone and is wiped after use
	activate *wire.ServerActivate
}

// written is an item that tells that everything before it was sent. then must not wait
// for the writer.
type written struct{ then func(ctx context.Context) }

// rekeyError is a failed re-handshake: the connection is dead.
type rekeyError struct {
	category noise.Category
	err      error
}

// Error says what the device probably lacks. A device that cannot use the PSK closes
// the connection, and then our end of the socket is closed, too, which may be noticed
// first; what else may happen to a connection is not about keys.
func (e *rekeyError) Error() string {
	var refused *channel.CloseError
	switch {
	case errors.Is(e.err, context.DeadlineExceeded):
		return "the device did not answer when its session keys were to be replaced"
	case !errors.As(e.err, &refused) && !errors.Is(e.err, net.ErrClosed):
		return fmt.Sprintf("the connection was lost while its session keys were replaced: %v", e.err)
	case e.category == noise.Pairing:
		return fmt.Sprintf("the device did not accept the pairing token's secret; check that the token is this device's: %v", e.err)
	case e.category == noise.LongTerm:
		return fmt.Sprintf("the device did not accept its long-term key; if it comes back with a credential mismatch, pair it again: %v", e.err)
	}
	return fmt.Sprintf("the device did not accept new session keys: %v", e.err)
}

// Unwrap returns the cause.
func (e *rekeyError) Unwrap() error { return e.err }

// cause is how a session ends that failed to re-handshake.
func (e *rekeyError) cause() machine.Close {
	return machine.Close{Reason: machine.ReasonRehandshake, Detail: e.Error()}
}

func (w *writer) rehandshake(ctx context.Context, r rekey) error {
	category := r.cred.Category
	w.rekeying.Store(&category)
	err := w.conn.Rehandshake(ctx, r.cred, func() ([]byte, error) { return w.codec.Encode(r.activate) })
	r.wipe()
	if err != nil {
		return &rekeyError{category, err} // and rekeying stays: the reader may be first to tell
	}
	w.m.Rekeys.WithLabelValues(string(category)).Inc()
	w.rekeying.Store(nil)
	return nil
}

func (r rekey) wipe() {
	if r.own {
		r.cred.PSK.Wipe()
	}
}

// forgetKeys wipes the PSKs of re-handshakes that will not happen.
func (w *writer) forgetKeys() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, o := range w.ops {
		if r, ok := o.(rekey); ok {
			r.wipe()
		}
	}
}
