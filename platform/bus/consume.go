package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tutti-audio/tutti/platform/fault"
)

// Consumer settings.
const (
	// pullMessages bounds what waits in this process for one consumer.
	pullMessages = 128
	// consumerHeartbeat finds a consumer that the server lost, or that died with its node
	// of a cluster: two missed beats.
	consumerHeartbeat = time.Second
	// firstPull is how long the first message of a consumer that has some may take, at first,
	// before it is asked for again.
	firstPull = 250 * time.Millisecond
	// settleEvery is how often a watch whose replica lags looks whether it still does.
	settleEvery = 100 * time.Millisecond
	// consumerIdle is after how long the server forgets a consumer whose process died.
	consumerIdle = 30 * time.Second
)

// ConsumeOptions say what of a stream is heard. Exactly one start applies: FromSeq
// when not 0 (that message first), FromLast (the newest per subject, then all that
// follow), FromAll, else FromNew.
type ConsumeOptions struct {
	// Subject filters; wildcards allowed; empty is everything.
	Subject  string
	FromSeq  uint64
	FromLast bool
	FromAll  bool
	FromNew  bool
}

// Consume calls h for every message, in order and without gaps, one at a time.
// After an outage it goes on behind the last message that h saw; if the stream was
// lost meanwhile and made anew, it starts with the first message of the new one
// (Seq then is lower than before). It ends when ctx ends or stop is called. stop
// waits for a running h, so h must not call it.
func (c *Conn) Consume(ctx context.Context, stream string, o ConsumeOptions, h func(RawMsg)) (stop func(), err error) {
	var created time.Time
	var last uint64
	return c.follow(ctx, stream, followSpec{
		begin: func(info *jetstream.StreamInfo) jetstream.ConsumerConfig {
			cc := jetstream.ConsumerConfig{FilterSubject: o.Subject}
			switch {
			case !created.IsZero() && (!info.Created.Equal(created) || info.State.LastSeq < last):
				// Another stream, or one whose nodes all lost it: a cluster makes it
				// again, empty, with the date of the first.
				cc.DeliverPolicy, last = jetstream.DeliverAllPolicy, 0
			case last > 0:
				cc.DeliverPolicy, cc.OptStartSeq = jetstream.DeliverByStartSequencePolicy, last+1
			case o.FromSeq > 0:
				cc.DeliverPolicy, cc.OptStartSeq = jetstream.DeliverByStartSequencePolicy, o.FromSeq
			case o.FromLast:
				cc.DeliverPolicy = jetstream.DeliverLastPerSubjectPolicy
				if o.Subject == "" {
					cc.FilterSubject = ">"
				}
			case o.FromAll:
				cc.DeliverPolicy = jetstream.DeliverAllPolicy
			default:
				// From what comes next: fixed now, so that a restart of the
				// consumer before the first message loses nothing.
				last = info.State.LastSeq
				cc.DeliverPolicy, cc.OptStartSeq = jetstream.DeliverByStartSequencePolicy, last+1
			}
			created = info.Created
			return cc
		},
		message: func(_ context.Context, m jetstream.Msg, meta *jetstream.MsgMetadata) error {
			last = meta.Sequence.Stream
			h(RawMsg{Subject: m.Subject(), Data: m.Data(), Seq: last})
			return nil
		},
	})
}

// followSpec is what a follower does; all functions run on its one goroutine. An error of
// started or message makes the follower begin anew.
type followSpec struct {
	// begin says where a new consumer starts.
	begin func(info *jetstream.StreamInfo) jetstream.ConsumerConfig
	// started hears how many messages wait at first; may be nil.
	started func(ctx context.Context, pending uint64) error
	message func(ctx context.Context, m jetstream.Msg, meta *jetstream.MsgMetadata) error
	// While lagging says so, settle is called every settleEvery in which no message
	// came. Both may be nil.
	lagging func() bool
	settle  func(ctx context.Context) error
}

// follow keeps an ordered consumer alive: after a gap, a lost consumer or a
// reconnect it makes a new one. The first is made before follow returns.
func (c *Conn) follow(ctx context.Context, stream string, spec followSpec) (stop func(), err error) {
	first, cancelFirst := c.withTimeout(ctx)
	defer cancelFirst()
	if err := c.awaitReady(first); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	detach := context.AfterFunc(c.ctx, cancel)
	f := &follower{c: c, stream: stream, spec: spec}
	_, _, gen := c.st.channels()
	if err := c.insist(first, c.awaitReady, f.open); err != nil {
		detach()
		cancel()
		return nil, err
	}
	done := make(chan struct{})
	c.wg.Go(func() {
		defer close(done)
		defer cancel()
		f.run(ctx, gen)
	})
	return sync.OnceFunc(func() { detach(); cancel(); <-done }), nil
}

// follower is one goroutine's state; nobody else touches it after follow returned.
type follower struct {
	c        *Conn
	stream   string
	spec     followSpec
	consumer jetstream.Consumer
	iter     jetstream.MessagesContext
	pending  uint64
	next     uint64 // consumer sequence of the next message
}

// open makes a consumer and starts to pull from it.
func (f *follower) open(ctx context.Context) error {
	ctx, done := f.c.allowed(ctx, jsAPI+"API.CONSUMER.CREATE."+f.stream)
	defer done()
	s, err := f.c.js.Stream(ctx, f.stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return fault.Wrap(fault.Unavailable, err, "bus: stream %s does not exist yet", f.stream)
	}
	if err != nil {
		return f.c.toFault(ctx, err, "find stream %s", f.stream)
	}
	cc := f.spec.begin(s.CachedInfo())
	cc.AckPolicy, cc.MemoryStorage, cc.Replicas = jetstream.AckNonePolicy, true, 1
	cc.InactiveThreshold = consumerIdle
	cons, err := f.create(ctx, s, cc)
	if err != nil {
		return f.c.toFault(ctx, whyEnded(ctx, err), "consume stream %s", f.stream)
	}
	f.consumer, f.next, f.pending = cons, 1, cons.CachedInfo().NumPending
	return f.pull(ctx)
}

// pull asks the consumer for messages.
func (f *follower) pull(ctx context.Context) error {
	iter, err := f.consumer.Messages(jetstream.PullMaxMessages(pullMessages),
		jetstream.PullHeartbeat(consumerHeartbeat), jetstream.PullExpiry(10*time.Second),
		jetstream.WithMessagesErrOnMissingHeartbeat(true))
	if err != nil {
		return f.c.toFault(ctx, err, "consume stream %s", f.stream)
	}
	f.iter = iter
	return nil
}

// unanswered tells that the consumer has messages and none has come.
func (f *follower) unanswered() bool { return f.next == 1 && f.pending > 0 }

// run delivers until ctx ends, with a new consumer after each trouble.
func (f *follower) run(ctx context.Context, gen <-chan struct{}) {
	for {
		err := f.deliver(ctx, gen)
		f.close()
		if ctx.Err() != nil {
			return
		}
		f.c.m.restarts.Inc()
		f.c.log.Debug("bus: consumer starts again", "stream", f.stream, "reason", err)
		for attempt := 1; ; attempt++ {
			_, ready, g := f.c.st.channels()
			gen = g
			select {
			case <-ready:
			case <-ctx.Done():
				return
			}
			try, cancel := context.WithTimeout(ctx, f.c.openTimeout())
			err := f.open(try)
			cancel()
			if err == nil {
				break
			}
			if attempt%20 == 1 {
				f.c.log.Warn("bus: cannot consume, trying again", "stream", f.stream, "err", err)
			}
			if pause(ctx, reconnectDelay(attempt+2)) != nil {
				return
			}
		}
	}
}

// deliver hands messages over until something is wrong, which it returns.
func (f *follower) deliver(ctx context.Context, gen <-chan struct{}) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := make(chan struct{})
	go func() {
		defer close(watch)
		select {
		case <-gen:
			cancel(errors.New("the connection came back"))
		case <-ctx.Done():
		}
	}()
	defer func() { cancel(nil); <-watch }()
	if f.spec.started != nil {
		if err := f.spec.started(ctx, f.pending); err != nil {
			return err
		}
	}
	patience := firstPull
	for {
		m, err := f.receive(ctx, patience)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, context.DeadlineExceeded) && f.unanswered():
			// In a cluster the question can be at a node before that node has heard of the
			// consumer, and is lost without a word. Its heartbeats would be missed after
			// two seconds, for which a player that changed its gateway hears nothing.
			f.iter.Stop()
			if err := f.pull(ctx); err != nil {
				return err
			}
			patience *= 2
			continue
		case errors.Is(err, context.DeadlineExceeded): // of a wait that lags
			if err := f.spec.settle(ctx); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		if meta.Sequence.Consumer != f.next {
			return fmt.Errorf("gap: message %d after %d", meta.Sequence.Consumer, f.next-1)
		}
		f.next++
		if err := f.spec.message(ctx, m, meta); err != nil {
			return err
		}
	}
}

// receive waits for the next message: for the first at most patience, and while the spec lags at
// most settleEvery.
func (f *follower) receive(ctx context.Context, patience time.Duration) (jetstream.Msg, error) {
	var wait time.Duration
	switch {
	case f.unanswered():
		wait = patience
	case f.spec.lagging != nil && f.spec.lagging():
		wait = settleEvery
	}
	if wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, wait)
		defer cancel()
	}
	return f.iter.Next(jetstream.NextContext(ctx))
}

// close ends the consumer here and, when that is quick, on the server.
func (f *follower) close() {
	if f.iter == nil {
		return
	}
	f.iter.Stop()
	f.iter = nil
	if !f.c.nc.IsConnected() {
		return
	}
	f.forget(f.consumer)
}
