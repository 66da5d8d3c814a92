package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// dialTimeout bounds the opening of a WebSocket.
const dialTimeout = 10 * time.Second

// Dial connects to a server at a ws:// address and stays connected: when a connection
// fails or is lost it tries again, after a pause that grows with every failure and is
// spread at random. It returns ctx's error when ctx ends, and a [*GoodbyeError] when
// the client has said goodbye for a reason that does not call for another try.
func (c *Client) Dial(ctx context.Context, url string) error {
	return c.run(ctx, func(ctx context.Context) error {
		pause := backoff{min: c.cfg.BackoffMin, max: c.cfg.BackoffMax}
		for {
			o := c.connect(ctx, url)
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case o.goodbye != "" && !comesBack(o.goodbye):
				return o.err
			}
			if o.activated {
				pause.reset()
			}
			wait := pause.next()
			c.cfg.Log.Info("connecting again", "url", url, "in", wait, "error", o.err)
			again := Retrying{URL: url, Err: o.err, In: wait}
			select {
			case c.core.calls <- func(k *core) { k.emit(again) }:
			case <-ctx.Done():
				return ctx.Err()
			}
			select {
			case <-c.cfg.Clock.After(wait):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
}

// Connect is [Client.Dial] for one connection: it returns when that is over, with
// what ended it.
func (c *Client) Connect(ctx context.Context, url string) error {
	return c.run(ctx, func(ctx context.Context) error {
		o := c.connect(ctx, url)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return o.err
	})
}

func (c *Client) connect(ctx context.Context, url string) outcome {
	opening, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	t, err := channel.Dial(opening, url, channel.Options{})
	if err != nil {
		return outcome{err: fmt.Errorf("client: connect to %s: %w", url, err)}
	}
	return c.core.serve(ctx, t, false)
}

// comesBack reports whether a client connects again after it said goodbye (section
// client/goodbye; on these connections the guidance is the client's to follow).
func comesBack(reason string) bool {
	return reason == wire.GoodbyeRestart
}

// backoff is the pause between attempts.
type backoff struct {
	min, max time.Duration
	last     time.Duration
}

func (b *backoff) reset() { b.last = 0 }

// next returns a pause between half and all of a bound that doubles up to max.
func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, b.min), b.max)
	return b.last/2 + rand.N(b.last/2+1)
}

// IsRefused reports whether err is a server's answer to an init failure, with its
// reason: one of wire's Error constants.
func IsRefused(err error) (reason string, ok bool) {
	var refused *channel.RefusedError
	if errors.As(err, &refused) {
		return refused.Reason, true
	}
	return "", false
}
