package bus

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/fault"
)

// Request sends req and waits for the answer, which it decodes into resp (nil
// when the answer does not matter). Errors are *fault.Error: the handler's own,
// Unavailable when nobody answers at subject or the bus is away, Timeout when the
// deadline passed (whether the request was carried out is then unknown).
func (c *Conn) Request(ctx context.Context, subject string, req, resp proto.Message) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, RequestTimeout)
		defer cancel()
	}
	err := c.request(ctx, subject, req, resp)
	c.m.requests.WithLabelValues(string(codeLabel(err))).Inc()
	return err
}

// RequestAgain is Request for what may be carried out twice with the effect of once: a
// question, or a command whose receiver knows it again. Within ctx's deadline it is sent
// again when nobody answers for the moment (its receiver moves to another node of the bus,
// or to another instance) and when the answer can be lost (this connection or the
// receiver's broke).
func (c *Conn) RequestAgain(ctx context.Context, subject string, req, resp proto.Message) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, RequestTimeout)
		defer cancel()
	}
	for attempt := 1; ; attempt++ {
		err := c.requestOnce(ctx, subject, req, resp)
		c.m.requests.WithLabelValues(string(codeLabel(err))).Inc()
		if err == nil || ctx.Err() != nil || !lost(err) {
			return err
		}
		c.m.retries.Inc()
		if pause(ctx, reconnectDelay(min(attempt, 4))) != nil {
			return err
		}
	}
}

// requestOnce is one try of RequestAgain: it ends early when the connection came back
// anew, because the answer went to the old one.
func (c *Conn) requestOnce(ctx context.Context, subject string, req, resp proto.Message) error {
	ctx, cancel := context.WithTimeout(ctx, againTimeout)
	defer cancel()
	if err := c.awaitLink(ctx); err != nil {
		return err
	}
	_, _, gen := c.st.channels()
	done := make(chan struct{})
	defer func() { cancel(); <-done }()
	go func() {
		defer close(done)
		select {
		case <-gen:
			cancel()
		case <-ctx.Done():
		}
	}()
	return c.request(ctx, subject, req, resp)
}

// againTimeout bounds one try of RequestAgain. It is longer than a handler takes that
// reads a database.
const againTimeout = 2500 * time.Millisecond

// lost tells whether a request failed on the way, and not by its handler's decision.
func lost(err error) bool {
	for _, e := range []error{
		nats.ErrNoResponders, nats.ErrTimeout, context.DeadlineExceeded, context.Canceled,
		nats.ErrDisconnected, nats.ErrConnectionReconnecting, nats.ErrReconnectBufExceeded,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Unanswered reports whether a request failed because the bus, which was there, knew of nobody
// who would answer it. It is sure of what it says only for the moment: who connects anew, or
// has not begun to listen, is nobody too.
func Unanswered(err error) bool { return errors.Is(err, nats.ErrNoResponders) }

func (c *Conn) request(ctx context.Context, subject string, req, resp proto.Message) error {
	data, err := proto.Marshal(req)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "bus: encode request %s", subject)
	}
	if err := c.awaitLink(ctx); err != nil {
		return err
	}
	m := newMsg(ctx, subject, data)
	if at, ok := ctx.Deadline(); ok {
		putExpiry(m.Header, at)
	}
	ctx, done := c.allowed(ctx, subject)
	defer done()
	reply, err := c.nc.RequestMsgWithContext(ctx, m)
	if err != nil {
		return c.toFault(ctx, whyEnded(ctx, err), "request %s", subject)
	}
	if e := faultIn(reply.Header); e != nil {
		return e
	}
	if resp == nil {
		return nil
	}
	if err := proto.Unmarshal(reply.Data, resp); err != nil {
		return fault.Wrap(fault.Internal, err, "bus: decode the answer of %s", subject)
	}
	return nil
}

// Publish sends m to who listens now. It does not wait; Unavailable says that the
// bus is away.
func (c *Conn) Publish(ctx context.Context, subject string, m proto.Message) error {
	data, err := proto.Marshal(m)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "bus: encode %s", subject)
	}
	if err := ctx.Err(); err != nil {
		return c.toFault(ctx, err, "publish %s", subject)
	}
	return c.toFault(ctx, c.nc.PublishMsg(newMsg(ctx, subject, data)), "publish %s", subject)
}

// Subscribe calls h for every core message on subject (wildcards allowed), one at
// a time in the order of arrival. A message that cannot be decoded is logged and
// skipped. stop waits for a running h, so h must not call it.
func Subscribe[T any, PT interface {
	*T
	proto.Message
}](c *Conn, subject string, h func(ctx context.Context, subject string, m PT)) (stop func(), err error) {
	return c.serve(subject, func(ctx context.Context, msg *nats.Msg) {
		v := PT(new(T))
		if err := proto.Unmarshal(msg.Data, v); err != nil {
			c.log.Warn("bus: message skipped", "subject", msg.Subject, "err", err)
			return
		}
		ctx = WithTraceID(ctx, traceOf(msg.Header))
		if e := c.guard(ctx, msg.Subject, func() error { h(ctx, msg.Subject, v); return nil }); e != nil {
			c.log.Error("bus: handler failed", "subject", msg.Subject, "trace_id", TraceID(ctx), "err", e)
		}
	})
}

// codeLabel is the metric label of an error's code.
func codeLabel(err error) fault.Code {
	if err == nil {
		return "ok"
	}
	return fault.CodeOf(err)
}

// PublishBytes sends data to who listens now, as it is and without a trace id: for
// messages that come many times a second. data can be used again at once. Unavailable
// says that the bus is away.
func (c *Conn) PublishBytes(subject string, data []byte) error {
	if !c.st.linked() { // streams are of no matter here
		return fault.New(fault.Unavailable, "bus: %s is not reachable", c.target)
	}
	if err := c.nc.Publish(subject, data); err != nil {
		return c.toFault(context.Background(), err, "publish %s", subject)
	}
	return nil
}

// SubscribeBytes calls h for every core message on subject (wildcards allowed), one at a
// time in the order of arrival. data is h's own. stop waits for a running h, so h must
// not call it.
func (c *Conn) SubscribeBytes(subject string, h func(data []byte)) (stop func(), err error) {
	return c.serve(subject, func(ctx context.Context, msg *nats.Msg) {
		if e := c.guard(ctx, msg.Subject, func() error { h(msg.Data); return nil }); e != nil {
			c.log.Error("bus: handler failed", "subject", msg.Subject, "err", e)
		}
	})
}
