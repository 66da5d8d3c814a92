package bus

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"
)

// How RequestHedged asks: another instance when none has answered for hedgeAfter, and so on at
// pauses that grow by half, up to hedgeMost copies at once. Most handlers answer within some
// ms; one that is slow because its work is slow gets company that does the same work, so the
// copies are few.
const (
	hedgeAfter = 300 * time.Millisecond
	hedgeMost  = 6
)

// Copies have a budget per connection, so that instances which are slow because all ask at once
// are not asked six times as much: some for an instance that is gone, and more only as
// requests are answered.
const (
	hedgeBudget = 40 // copies
	hedgeShare  = 5  // answered requests that pay for one more
)

// budget counts copies that may be sent, in parts of hedgeShare.
type budget struct{ left atomic.Int64 }

func (b *budget) fill() { b.left.Store(hedgeBudget * hedgeShare) }

// earn is called for every answer.
func (b *budget) earn() {
	if b.left.Add(1) > hedgeBudget*hedgeShare {
		b.left.Add(-1)
	}
}

// spend reports whether a copy may be sent.
func (b *budget) spend() bool {
	if b.left.Add(-hedgeShare) >= 0 {
		return true
	}
	b.left.Add(hedgeShare)
	return false
}

// RequestHedged is RequestAgain for a subject that several instances share: it does not wait
// for one that is paused, starved, or cut off and not yet known to be. NATS deals requests to
// every instance whose connection it believes in, which for a process that stands still is
// half a minute; here a copy goes to another one after hedgeAfter. The first answer counts.
// Like RequestAgain it is for what may be carried out twice with the effect of once.
func (c *Conn) RequestHedged(ctx context.Context, subject string, req, resp proto.Message) error {
	return c.hedged(ctx, subject, req, resp, true)
}

// RequestAny is RequestHedged for an asker that can do without an answer: when nobody is there
// or the bus is away it says so at once.
func (c *Conn) RequestAny(ctx context.Context, subject string, req, resp proto.Message) error {
	return c.hedged(ctx, subject, req, resp, false)
}

// hedged carries both out; again: what was lost is sent again.
func (c *Conn) hedged(ctx context.Context, subject string, req, resp proto.Message, again bool) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, RequestTimeout)
		defer cancel()
	}
	type answer struct {
		resp proto.Message
		err  error
	}
	asking, cancel := context.WithCancel(ctx)
	answers := make(chan answer, hedgeMost)
	var copies sync.WaitGroup
	defer func() { cancel(); copies.Wait() }()
	flying := 0
	send := func() {
		flying++
		var into proto.Message
		if resp != nil {
			into = resp.ProtoReflect().New().Interface()
		}
		copies.Go(func() {
			err := c.request(asking, subject, req, into)
			answers <- answer{into, err} // has room for all that fly
		})
	}
	send()
	pause := hedgeAfter
	next := time.NewTimer(pause)
	defer next.Stop()
	attempt := 0
	var last error
	for {
		select {
		case <-waiting(ctx, flying):
			return last
		case <-next.C:
			if flying == 0 || flying < hedgeMost && c.hedges.spend() {
				c.m.retries.Inc()
				send()
			}
			pause += pause / 2
			next.Reset(pause)
		case a := <-answers:
			flying--
			if a.err != nil && lost(a.err) && ctx.Err() == nil && (again || flying > 0) {
				if last = a.err; flying == 0 {
					attempt++
					next.Reset(reconnectDelay(min(attempt, 4)))
				}
				continue
			}
			c.m.requests.WithLabelValues(string(codeLabel(a.err))).Inc()
			if a.err == nil || !lost(a.err) {
				c.hedges.earn()
			}
			if a.err == nil && resp != nil {
				proto.Reset(resp)
				proto.Merge(resp, a.resp)
			}
			return a.err
		}
	}
}

// waiting is the end of ctx while no copy is on its way that would tell of it.
func waiting(ctx context.Context, flying int) <-chan struct{} {
	if flying > 0 {
		return nil
	}
	return ctx.Done()
}
