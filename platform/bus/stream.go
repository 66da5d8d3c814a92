package bus

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/fault"
)

// StreamConfig describes a JetStream stream. Zero limits mean none; when a limit
// is reached the oldest messages go.
type StreamConfig struct {
	Name     string
	Subjects []string
	// Memory keeps the stream out of files; a restart of the server empties it.
	Memory            bool
	MaxAge            time.Duration
	MaxBytes          int64
	MaxMsgsPerSubject int64
}

// RawMsg is one message of a stream. Seq grows by stream, not by subject.
type RawMsg struct {
	Subject string
	Data    []byte
	Seq     uint64
}

// EnsureStream makes the stream or brings it to cfg. The Conn remembers it and
// makes it again when the server comes back without it.
func (c *Conn) EnsureStream(ctx context.Context, cfg StreamConfig) error {
	sc := jetstream.StreamConfig{
		Name: cfg.Name, Subjects: cfg.Subjects, Storage: jetstream.FileStorage,
		Discard: jetstream.DiscardOld, MaxAge: cfg.MaxAge, MaxBytes: orNone(cfg.MaxBytes),
		MaxMsgsPerSubject: orNone(cfg.MaxMsgsPerSubject), MaxMsgs: -1, MaxConsumers: -1,
		AllowDirect: true, Replicas: c.replicas(),
	}
	if cfg.Memory {
		sc.Storage = jetstream.MemoryStorage
	}
	make := func(ctx context.Context) error { return c.place(ctx, sc) }
	return c.ensure(ctx, "stream "+cfg.Name, make, make)
}

// ensure runs make now, and again after each reconnect.
func (c *Conn) ensure(ctx context.Context, what string, make, again func(ctx context.Context) error) error {
	ctx, cancel := c.withTimeout(ctx)
	defer cancel()
	if err := c.awaitReady(ctx); err != nil {
		return err
	}
	if err := make(ctx); err != nil {
		return c.toFault(ctx, err, "make %s", what)
	}
	c.kept.put(what, again)
	return nil
}

// kept is what must exist on the server.
type kept struct {
	mu sync.Mutex
	m  map[string]func(ctx context.Context) error
}

func (k *kept) put(what string, f func(ctx context.Context) error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.m == nil {
		k.m = map[string]func(ctx context.Context) error{}
	}
	k.m[what] = f
}

// all is what is kept, in order of name.
func (k *kept) all() []keptThing {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := make([]keptThing, 0, len(k.m))
	for what, f := range k.m {
		out = append(out, keptThing{what, f})
	}
	slices.SortFunc(out, func(a, b keptThing) int { return strings.Compare(a.what, b.what) })
	return out
}

// keptThing is one stream or bucket.
type keptThing struct {
	what string
	make func(ctx context.Context) error
}

// keep puts streams and buckets in place after each reconnect and then lets
// everybody go on. It ends with the Conn.
func (c *Conn) keep() {
	grow := time.NewTicker(growAgain)
	defer grow.Stop()
	for {
		select {
		case <-c.again:
		case <-grow.C:
			grow.Reset(growAgain)
			if c.short.Swap(false) && c.nc.IsConnected() {
				if err := c.remake(); err != nil {
					c.log.Warn("bus: streams could not be looked after", "addr", c.target, "err", err)
					c.short.Store(true)
				}
			}
			continue
		case <-c.ctx.Done():
			return
		}
		for c.ctx.Err() == nil && c.nc.IsConnected() {
			err := c.remake()
			if err != nil && c.clustered() && passing(err) {
				// Some streams elect a leader, which takes seconds; the others need not wait for
				// them, and who uses those insists.
				c.log.Info("bus: some streams do not answer yet; they are looked after later", "addr", c.target, "err", err)
				c.short.Store(true)
				grow.Reset(electAgain)
				err = nil
			}
			c.st.setReady(err)
			if err == nil {
				break
			}
			c.log.Warn("bus: connected, but not usable yet", "addr", c.target, "err", err)
			if pause(c.ctx, 500*time.Millisecond) != nil {
				return
			}
		}
	}
}

// Bounds of one attempt to put everything in place: of a single server, which must have it
// all before it is of use, and of a cluster, where what does not answer in this time has no
// leader for the moment.
const (
	remakeLimit        = 30 * time.Second
	remakeClusterLimit = 2500 * time.Millisecond
	// electAgain is how long after that the rest is tried again.
	electAgain = 5 * time.Second
)

// remake puts everything in place at once: a reader's wait for the owner of one lost
// bucket must not add up over many. The error is what passing says of each, when all pass.
func (c *Conn) remake() error {
	limit := remakeLimit
	if c.clustered() {
		limit = remakeClusterLimit
	}
	ctx, cancel := context.WithTimeout(c.ctx, limit)
	defer cancel()
	things := c.kept.all()
	var mu sync.Mutex
	var errs, waits []error
	var wg sync.WaitGroup
	for _, t := range things {
		wg.Go(func() {
			err := t.make(ctx)
			if err == nil {
				return
			}
			fails := &errs
			mu.Lock()
			defer mu.Unlock()
			if passing(err) {
				fails = &waits
			}
			*fails = append(*fails, c.toFault(ctx, err, "make %s", t.what))
		})
	}
	wg.Wait()
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	return errors.Join(waits...)
}

// PublishEvent sends m to the stream that listens at subject and waits until it is
// stored.
func (c *Conn) PublishEvent(ctx context.Context, subject string, m proto.Message) error {
	data, err := proto.Marshal(m)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "bus: encode event %s", subject)
	}
	_, err = c.store(ctx, newMsg(ctx, subject, data))
	return err
}

// store publishes to JetStream and returns the sequence number.
func (c *Conn) store(ctx context.Context, m *nats.Msg, opts ...jetstream.PublishOpt) (uint64, error) {
	ctx, cancel := c.withTimeout(ctx)
	defer cancel()
	if c.clustered() {
		// By its id the server knows a message again that is sent twice, because the
		// acknowledgement was lost with the leader.
		m.Header[headerMessageID] = []string{NewTraceID()}
	}
	var ack *jetstream.PubAck
	err := c.insist(ctx, c.awaitReady, func(ctx context.Context) (err error) {
		ctx, done := c.allowed(ctx, m.Subject)
		defer done()
		ack, err = c.js.PublishMsg(ctx, m, append(opts, jetstream.WithRetryAttempts(0))...)
		return whyEnded(ctx, err)
	})
	if err != nil {
		if errors.Is(err, jetstream.ErrNoStreamResponse) {
			return 0, fault.Wrap(fault.Unavailable, err, "bus: no stream listens at %s", m.Subject)
		}
		return 0, c.toFault(ctx, err, "store %s", m.Subject)
	}
	return ack.Sequence, nil
}

// PublishRaw sends data to a stream without waiting for the acknowledgement. Calls
// of one goroutine are stored in order. With 512 messages unacknowledged it waits
// for room; Unavailable says that the bus is away. A message that the server
// refuses, or does not acknowledge within tryTimeout, is logged and counted.
func (c *Conn) PublishRaw(ctx context.Context, subject string, data []byte) error {
	_, err := c.PublishTracked(ctx, subject, data)
	return err
}

// PublishTracked is PublishRaw for who sends again what was not stored.
func (c *Conn) PublishTracked(ctx context.Context, subject string, data []byte) (Receipt, error) {
	if ok, _, _ := c.st.why(); !ok {
		return Receipt{}, fault.New(fault.Unavailable, "bus: %s is not reachable", c.target)
	}
	stall := RequestTimeout
	if at, ok := ctx.Deadline(); ok {
		stall = min(stall, time.Until(at))
	}
	if stall <= 0 {
		return Receipt{}, c.toFault(ctx, context.DeadlineExceeded, "publish %s", subject)
	}
	f, err := c.js.PublishMsgAsync(newMsg(ctx, subject, data),
		jetstream.WithStallWait(stall), jetstream.WithRetryAttempts(0))
	if errors.Is(err, jetstream.ErrTooManyStalledMsgs) {
		return Receipt{}, fault.Wrap(fault.Unavailable, err, "bus: publish %s: too many messages are not acknowledged", subject)
	}
	return Receipt{f}, c.toFault(ctx, err, "publish %s", subject)
}

// Receipt is what became of a message of PublishTracked. One goroutine may ask it.
type Receipt struct{ f jetstream.PubAckFuture }

// Stored waits until the message is stored, or says why it is not: within tryTimeout, and
// not longer than ctx.
func (r Receipt) Stored(ctx context.Context) error {
	select {
	case <-r.f.Ok():
		return nil
	case err := <-r.f.Err():
		return fault.Wrap(fault.Unavailable, err, "bus: message was not stored")
	case <-ctx.Done():
		return fault.Wrap(fault.Unavailable, ctx.Err(), "bus: message was not stored yet")
	}
}

// Settled tells whether Stored returns at once. It asks without taking the answer.
func (r Receipt) Settled() bool { return len(r.f.Ok()) > 0 || len(r.f.Err()) > 0 }

// Flush waits until every PublishRaw so far was acknowledged or refused.
func (c *Conn) Flush(ctx context.Context) error {
	select {
	case <-c.js.PublishAsyncComplete():
		return nil
	case <-ctx.Done():
		return c.toFault(ctx, ctx.Err(), "flush")
	}
}

// rawFailed counts what was not stored. An election refuses hundreds of chunks: the log gets
// one line in lostEvery.
func (c *Conn) rawFailed(_ jetstream.JetStream, m *nats.Msg, err error) {
	c.m.asyncErrors.Inc()
	n, now := c.lost.Add(1), time.Now().UnixNano()
	last := c.lostSaid.Load()
	if c.ctx.Err() != nil || now-last < int64(lostEvery) || !c.lostSaid.CompareAndSwap(last, now) {
		return
	}
	c.lost.Add(-n)
	c.log.Warn("bus: stream did not take messages", "subject", m.Subject, "messages", n, "err", err)
}

// lostEvery is the least time between two lines about messages that were not stored.
const lostEvery = 5 * time.Second

// LastFor is the newest message of one subject; fault.NotFound when there is none.
func (c *Conn) LastFor(ctx context.Context, stream, subject string) (RawMsg, error) {
	m, err := c.lastMsg(ctx, stream, subject)
	if err != nil {
		return RawMsg{}, err
	}
	return RawMsg{Subject: m.Subject, Data: m.Data, Seq: m.Sequence}, nil
}

// lastMsg reads the newest message of a subject and sees every write that was
// acknowledged before: a single server answers by direct get, and in a cluster the
// stream's leader is asked, because the other replicas may lag by moments.
func (c *Conn) lastMsg(ctx context.Context, stream, subject string) (m *jetstream.RawStreamMsg, err error) {
	ctx, cancel := c.withTimeout(ctx)
	defer cancel()
	err = c.insist(ctx, c.awaitReady, func(ctx context.Context) error {
		s, err := c.streamHandle(ctx, stream)
		if err != nil {
			return err
		}
		// By direct get or from the leader: both subjects say so.
		ctx, done := c.allowed(ctx, jsAPI+"API.STREAM.MSG.GET."+stream, jsAPI+"API.DIRECT.GET."+stream)
		defer done()
		m, err = s.GetLastMsgForSubject(ctx, subject)
		return whyEnded(ctx, err)
	})
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, fault.New(fault.NotFound, "bus: stream %s has nothing at %s", stream, subject)
	}
	return m, c.toFault(ctx, err, "read %s of stream %s", subject, stream)
}

// streamConfig is the configuration of a stream that exists.
func (c *Conn) streamConfig(ctx context.Context, name string) (cfg jetstream.StreamConfig, err error) {
	err = c.insist(ctx, c.awaitLink, func(ctx context.Context) error {
		return c.tryAPI(ctx, "STREAM.INFO."+name, func(ctx context.Context) error {
			s, err := c.js.Stream(ctx, name)
			if err == nil {
				cfg = s.CachedInfo().Config
			}
			return err
		})
	})
	return cfg, err
}

// streamHandle returns the handle of a stream, cached: it holds a name and the
// configuration of when it was looked up.
func (c *Conn) streamHandle(ctx context.Context, name string) (jetstream.Stream, error) {
	if s, ok := c.streams.Load(name); ok {
		return s.(jetstream.Stream), nil
	}
	s, err := c.js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, fault.Wrap(fault.Unavailable, err, "bus: stream %s does not exist yet", name)
	}
	if err != nil {
		return nil, err
	}
	if c.clustered() {
		// The handle decides by this copy whether it reads by direct get.
		s.CachedInfo().Config.AllowDirect = false
	}
	c.streams.Store(name, s)
	return s, nil
}

func orNone(n int64) int64 {
	if n == 0 {
		return -1
	}
	return n
}
