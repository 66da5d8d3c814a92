// Package bus is NATS; everything else goes through it.
package bus

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"
)

var errStub = errors.New("bus: not built yet")

// Config says which bus to connect to.
type Config struct {
	URL        string
	Embedded   *EmbeddedConfig
	Name       string
	Log        *slog.Logger
	Registerer prometheus.Registerer
}

// EmbeddedConfig describes an in-process server.
type EmbeddedConfig struct{ StoreDir string }

// Conn is a connection to the bus.
type Conn struct{}

// Connect connects.
func Connect(ctx context.Context, cfg Config) (*Conn, error) { return nil, errStub }

// Close drains and closes.
func (c *Conn) Close(ctx context.Context) error { return errStub }

// Healthy returns nil when the bus can be used.
func (c *Conn) Healthy() error { return errStub }

// Request asks and waits for the answer.
func (c *Conn) Request(ctx context.Context, subject string, req, resp proto.Message) error {
	return errStub
}

// Publish sends m on core NATS.
func (c *Conn) Publish(ctx context.Context, subject string, m proto.Message) error { return errStub }

// PublishEvent sends m to JetStream and waits for its acknowledgement.
func (c *Conn) PublishEvent(ctx context.Context, subject string, m proto.Message) error {
	return errStub
}

// Service is a NATS micro service.
type Service struct{}

// NewService starts a micro service.
func (c *Conn) NewService(name, version, instanceID string) (*Service, error) { return nil, errStub }

// Stop ends the service.
func (s *Service) Stop() error { return errStub }

// Handle adds an endpoint.
func Handle[Req, Resp any, PReq interface {
	*Req
	proto.Message
}, PResp interface {
	*Resp
	proto.Message
}](s *Service, subject string, h func(ctx context.Context, req PReq) (PResp, error)) error {
	return errStub
}

// HandleExclusive answers requests at an actor's own address.
func HandleExclusive[Req, Resp any, PReq interface {
	*Req
	proto.Message
}, PResp interface {
	*Resp
	proto.Message
}](c *Conn, subject string, h func(ctx context.Context, req PReq) (PResp, error)) (stop func(), err error) {
	return nil, errStub
}

// Subscribe hears core messages.
func Subscribe[T any, PT interface {
	*T
	proto.Message
}](c *Conn, subject string, h func(ctx context.Context, subject string, m PT)) (stop func(), err error) {
	return nil, errStub
}

// StreamConfig describes a JetStream stream.
type StreamConfig struct {
	Name              string
	Subjects          []string
	Memory            bool
	MaxAge            time.Duration
	MaxBytes          int64
	MaxMsgsPerSubject int64
}

// EnsureStream creates or updates a stream.
func (c *Conn) EnsureStream(ctx context.Context, cfg StreamConfig) error { return errStub }

// RawMsg is a stream message as bytes.
type RawMsg struct {
	Subject string
	Data    []byte
	Seq     uint64
}

// PublishRaw publishes to a stream without waiting.
func (c *Conn) PublishRaw(ctx context.Context, subject string, data []byte) error { return errStub }

// ConsumeOptions say where an ordered consumer starts.
type ConsumeOptions struct {
	Subject  string
	FromSeq  uint64
	FromLast bool
	FromAll  bool
	FromNew  bool
}

// Consume hears a stream in order.
func (c *Conn) Consume(ctx context.Context, stream string, o ConsumeOptions, h func(RawMsg)) (stop func(), err error) {
	return nil, errStub
}

// LastFor is the last message of a subject.
func (c *Conn) LastFor(ctx context.Context, stream, subject string) (RawMsg, error) {
	return RawMsg{}, errStub
}

// BucketOptions describe a bucket.
type BucketOptions struct {
	TTL     time.Duration
	Memory  bool
	History uint8
}

// Bucket is a KV bucket of one message type.
type Bucket[T any, PT interface {
	*T
	proto.Message
}] struct{}

// Entry is one change.
type Entry[PT proto.Message] struct {
	Key     string
	Value   PT
	Rev     uint64
	Initial bool
}

// OpenBucket opens or creates a bucket.
func OpenBucket[T any, PT interface {
	*T
	proto.Message
}](ctx context.Context, c *Conn, name string, o BucketOptions) (*Bucket[T, PT], error) {
	return nil, errStub
}

// Get reads a key.
func (b *Bucket[T, PT]) Get(ctx context.Context, key string) (PT, uint64, error) {
	return nil, 0, errStub
}

// Put writes a key.
func (b *Bucket[T, PT]) Put(ctx context.Context, key string, v PT) (uint64, error) {
	return 0, errStub
}

// Create writes a key that must not exist.
func (b *Bucket[T, PT]) Create(ctx context.Context, key string, v PT) (uint64, error) {
	return 0, errStub
}

// Update writes a key whose revision must be rev.
func (b *Bucket[T, PT]) Update(ctx context.Context, key string, v PT, rev uint64) (uint64, error) {
	return 0, errStub
}

// Delete removes a key.
func (b *Bucket[T, PT]) Delete(ctx context.Context, key string) error { return errStub }

// Keys lists the keys.
func (b *Bucket[T, PT]) Keys(ctx context.Context) ([]string, error) { return nil, errStub }

// Watch hears every change.
func (b *Bucket[T, PT]) Watch(ctx context.Context, pattern string, h func(Entry[PT]), initialDone func()) (stop func(), err error) {
	return nil, errStub
}

// TraceID of ctx.
func TraceID(ctx context.Context) string { return "" }

// WithTraceID puts id in ctx.
func WithTraceID(ctx context.Context, id string) context.Context { return ctx }

// NewTraceID makes an id.
func NewTraceID() string { return "" }
