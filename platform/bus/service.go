package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/fault"
)

// handlersPerEndpoint bounds the requests that one endpoint works on at once. At
// the bound the next waits in NATS's pending list, where its deadline runs on.
const handlersPerEndpoint = 256

// Service is a set of request endpoints that "nats micro ls" shows, one per
// process and service name.
type Service struct {
	c      *Conn
	name   string
	srv    micro.Service
	ctx    context.Context
	cancel context.CancelFunc
	gate   gate
	stats  sync.Map // endpoint name -> *endpointStats
}

// semver is what NATS micro accepts as a version.
var semver = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)

// NewService announces a micro service. name is of letters, digits, '-' and '_';
// a version that is not a semantic one is shown as metadata instead.
func (c *Conn) NewService(name, version, instanceID string) (*Service, error) {
	s := &Service{c: c, name: name}
	s.ctx, s.cancel = context.WithCancel(c.ctx)
	v := strings.TrimPrefix(version, "v")
	if !semver.MatchString(v) {
		v = "0.0.0"
	}
	srv, err := micro.AddService(c.nc, micro.Config{
		Name: name, Version: v,
		Metadata:     map[string]string{"instance_id": instanceID, "version": version},
		StatsHandler: s.endpointStats,
		ErrorHandler: func(_ micro.Service, e *micro.NATSError) {
			c.log.Warn("bus: service trouble", "service", name, "subject", e.Subject, "err", e.Description)
		},
	})
	if err != nil {
		s.cancel()
		return nil, fault.Wrap(fault.Internal, err, "bus: announce service %s", name)
	}
	s.srv = srv
	return s, nil
}

// Stop takes the endpoints away and waits for the running handlers, at most
// RequestTimeout; then it cancels their contexts and waits on. Handlers must
// heed their context.
func (s *Service) Stop() error {
	err := s.srv.Stop()
	s.gate.close()
	ctx, cancel := context.WithTimeout(context.Background(), RequestTimeout)
	defer cancel()
	if waitGroup(ctx, &s.gate.wg) != nil {
		s.c.log.Warn("bus: handlers cancelled at stop", "service", s.name)
	}
	s.cancel()
	s.gate.wg.Wait()
	if err != nil && s.c.nc.IsConnected() {
		return fault.Wrap(fault.Internal, err, "bus: stop service %s", s.name)
	}
	return nil
}

// Handle adds an endpoint at subject; all instances of the service share the
// requests. Requests run concurrently (up to a bound per endpoint), each with a
// context that has the trace id and the requester's deadline. An error's code and
// message go to the requester; an error without a code, or a panic, becomes
// fault.Internal there and is logged here.
func Handle[Req, Resp any, PReq interface {
	*Req
	proto.Message
}, PResp interface {
	*Resp
	proto.Message
}](s *Service, subject string, h func(ctx context.Context, req PReq) (PResp, error)) error {
	name := endpointName(s.name, subject)
	st := &endpointStats{}
	s.stats.Store(name, st)
	sem := make(chan struct{}, handlersPerEndpoint)
	err := s.srv.AddEndpoint(name, micro.HandlerFunc(func(r micro.Request) {
		in := incoming{subject: r.Subject(), reply: r.Reply(), header: nats.Header(r.Headers()),
			data: r.Data(), arrived: time.Now(), endpoint: name}
		select {
		case sem <- struct{}{}:
		case <-s.ctx.Done():
			return
		}
		if !s.gate.enter() {
			<-sem
			return
		}
		go func() {
			defer s.gate.wg.Done()
			defer func() { <-sem }()
			st.add(answer[Req, Resp, PReq, PResp](s.ctx, s.c, in, h), time.Since(in.arrived))
		}()
	}), micro.WithEndpointSubject(subject))
	if err != nil {
		return fault.Wrap(fault.Internal, err, "bus: add endpoint %s", subject)
	}
	return nil
}

// HandleExclusive answers requests at an actor's own address: no queue group, one
// request at a time in order of arrival. stop takes the address away, cancels the
// running handler's context and waits for it, so a handler must not call it.
func HandleExclusive[Req, Resp any, PReq interface {
	*Req
	proto.Message
}, PResp interface {
	*Resp
	proto.Message
}](c *Conn, subject string, h func(ctx context.Context, req PReq) (PResp, error)) (stop func(), err error) {
	return c.serve(subject, func(ctx context.Context, m *nats.Msg) {
		in := incoming{subject: m.Subject, reply: m.Reply, header: m.Header, data: m.Data,
			arrived: time.Now(), endpoint: "exclusive"}
		_ = answer[Req, Resp, PReq, PResp](ctx, c, in, h) // answer logs and counts what matters here
	})
}

// incoming is one received request.
type incoming struct {
	subject, reply, endpoint string
	header                   nats.Header
	data                     []byte
	arrived                  time.Time
}

// answer runs h for one request and sends the reply. It returns h's error.
func answer[Req, Resp any, PReq interface {
	*Req
	proto.Message
}, PResp interface {
	*Resp
	proto.Message
}](base context.Context, c *Conn, in incoming, h func(ctx context.Context, req PReq) (PResp, error)) error {
	if !fromRequester(in.reply) {
		c.log.Warn("bus: request without a requester dropped", "subject", in.subject)
		c.m.stray.Inc()
		return nil
	}
	left := timeLeft(in.header) - time.Since(in.arrived)
	if left <= 0 {
		c.m.late.Inc()
		return nil
	}
	ctx, cancel := context.WithTimeout(WithTraceID(base, traceOf(in.header)), left)
	defer cancel()
	var resp PResp
	err := c.guard(ctx, in.subject, func() error {
		req := PReq(new(Req))
		if err := proto.Unmarshal(in.data, req); err != nil {
			return fault.New(fault.Invalid, "request to %s cannot be decoded", in.subject)
		}
		var err error
		resp, err = h(ctx, req)
		return err
	})
	c.m.handled.WithLabelValues(in.endpoint, string(codeLabel(err))).Inc()
	took := time.Since(in.arrived)
	c.m.handleTime.WithLabelValues(in.endpoint).Observe(took.Seconds())
	c.traceRequest(ctx, in.subject, took, err)
	c.reply(ctx, in, resp, err)
	return err
}

// traceRequest writes a line for a request that was handled, at debug: the lines of all
// services with one trace id are the way of one operator's request through the house.
// The request's content is not in it.
func (c *Conn) traceRequest(ctx context.Context, subject string, took time.Duration, err error) {
	if !c.log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	c.log.LogAttrs(ctx, slog.LevelDebug, "bus: request handled", slog.String("subject", subject),
		slog.String("code", string(codeLabel(err))), slog.Int64("duration_us", took.Microseconds()), slog.String("trace_id", TraceID(ctx)))
}

// reply sends the answer, or the error as headers.
func (c *Conn) reply(ctx context.Context, in incoming, resp proto.Message, err error) {
	m := newMsg(ctx, in.reply, nil)
	if err == nil {
		if m.Data, err = proto.Marshal(resp); err != nil {
			err = fault.Wrap(fault.Internal, err, "encode the answer")
		}
	}
	if err != nil {
		putFault(m.Header, c.public(ctx, in.subject, err))
	}
	err = c.nc.PublishMsg(m)
	if errors.Is(err, nats.ErrMaxPayload) {
		c.log.Error("bus: answer too large", "subject", in.subject, "bytes", len(m.Data), "trace_id", TraceID(ctx))
		m.Data = nil
		putFault(m.Header, fault.New(fault.TooLarge, "the answer has more than the %d bytes that the bus carries", c.nc.MaxPayload()))
		err = c.nc.PublishMsg(m)
	}
	if err != nil && c.ctx.Err() == nil {
		c.log.Warn("bus: answer lost", "subject", in.subject, "trace_id", TraceID(ctx), "err", err)
	}
}

// public is the part of an error that a requester may see. What it may not see is
// logged here, with the trace id that the requester is told.
func (c *Conn) public(ctx context.Context, subject string, err error) *fault.Error {
	code := fault.CodeOf(err)
	if code == fault.Internal {
		c.log.Error("bus: request failed", "subject", subject, "trace_id", TraceID(ctx), "err", err)
		return fault.New(fault.Internal, "internal error; the log has it under trace_id %s", TraceID(ctx))
	}
	e := fault.From(err)
	if e.Msg == "" {
		return fault.New(code, "%s could not be done: %s", subject, code)
	}
	return e
}

// guard runs f and makes a panic an error.
func (c *Conn) guard(ctx context.Context, subject string, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			c.log.Error("bus: handler panicked", "subject", subject, "trace_id", TraceID(ctx),
				"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fault.New(fault.Internal, "handler of %s panicked", subject)
		}
	}()
	return f()
}

// endpointName is what follows the service's name in the subject, or all of it.
func endpointName(service, subject string) string {
	if _, rest, ok := strings.Cut("."+subject, "."+service+"."); ok {
		subject = rest
	}
	return strings.NewReplacer(".", "-", "*", "any", ">", "all").Replace(subject)
}
