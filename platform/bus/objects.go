package bus

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tutti-audio/tutti/platform/fault"
)

// objectTimeout bounds a call of Objects whose context has no deadline: it moves
// megabytes, and not one message.
const objectTimeout = 30 * time.Second

// storeFull is what a stream answers that may not grow (JSStreamStoreFailedF).
const storeFull = jetstream.ErrorCode(10077)

// storageShort are what a server answers that has less room than was asked for
// (JSStorageResourcesExceededErr, JSMemoryResourcesExceededErr).
const (
	storageShort = jetstream.ErrorCode(10047)
	memoryShort  = jetstream.ErrorCode(10028)
)

// ObjectsConfig describes a store of objects: pieces of data that are too large for
// one message.
type ObjectsConfig struct {
	// Name of the store: letters, digits, '-' and '_'.
	Name string
	// TTL removes an object so long after it was put. 0: never.
	TTL time.Duration
	// MaxBytes bounds all objects together; a Put that does not fit fails. 0: no bound.
	// A server with less room than that gives less, down to an eighth.
	MaxBytes int64
}

// Objects is a store of objects. Safe for concurrent use.
type Objects struct {
	c    *Conn
	name string
}

// EnsureObjects makes the store or brings it to cfg. The Conn remembers it and makes it
// again when the server comes back without it.
func (c *Conn) EnsureObjects(ctx context.Context, cfg ObjectsConfig) (*Objects, error) {
	make := func(ctx context.Context) error {
		for size := cfg.MaxBytes; ; size /= 2 {
			err := c.place(ctx, objectsConfig(cfg, size, c.replicas()))
			var api *jetstream.APIError
			short := errors.As(err, &api) && (api.ErrorCode == storageShort || api.ErrorCode == memoryShort)
			if !short || size <= cfg.MaxBytes/8 {
				return err
			}
		}
	}
	if err := c.ensure(ctx, "object store "+cfg.Name, make, make); err != nil {
		return nil, err
	}
	return c.Objects(cfg.Name), nil
}

// objectsConfig is the stream of an object store of size bytes, as NATS defines it
// (ADR-20 of NATS), but for direct reads: a replica that answers them may lag behind a Put that
// has just returned.
func objectsConfig(cfg ObjectsConfig, size int64, replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: "OBJ_" + cfg.Name, Subjects: []string{"$O." + cfg.Name + ".C.>", "$O." + cfg.Name + ".M.>"},
		MaxAge: cfg.TTL, MaxBytes: orNone(size), MaxMsgs: -1, MaxMsgsPerSubject: -1, MaxMsgSize: -1, MaxConsumers: -1,
		Storage: jetstream.FileStorage, Replicas: replicas, Discard: jetstream.DiscardNew,
		AllowRollup: true,
	}
}

// Objects is the store of a name, for who does not own it. It is looked for when it is used.
func (c *Conn) Objects(name string) *Objects { return &Objects{c: c, name: name} }

// Put stores data under name, in place of what was there. fault.Conflict says that the
// store is full.
func (o *Objects) Put(ctx context.Context, name string, data []byte) error {
	ctx, cancel := objectDeadline(ctx)
	defer cancel()
	s, err := o.open(ctx)
	if err != nil {
		return err
	}
	_, err = s.Put(ctx, jetstream.ObjectMeta{Name: name}, bytes.NewReader(data))
	if err != nil {
		o.retract(ctx, name)
	}
	var api *jetstream.APIError
	if errors.As(err, &api) && api.ErrorCode == storeFull {
		return fault.Wrap(fault.Conflict, err, "bus: object store %s is full", o.name)
	}
	return o.c.toFault(ctx, err, "put object %s of store %s", name, o.name)
}

// retract takes back what a failed Put says of an object: the library sends it with the
// last piece, whether or not the pieces before were stored.
func (o *Objects) retract(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), RequestTimeout)
	defer cancel()
	if s, err := o.c.streamHandle(ctx, "OBJ_"+o.name); err == nil {
		_ = s.Purge(ctx, jetstream.WithPurgeSubject("$O."+o.name+".M."+base64.URLEncoding.EncodeToString([]byte(name)))) // the first error says more
	}
}

// Get returns the object of a name, of at most limit bytes: a larger one is
// fault.TooLarge, and none fault.NotFound.
func (o *Objects) Get(ctx context.Context, name string, limit int64) ([]byte, error) {
	ctx, cancel := objectDeadline(ctx)
	defer cancel()
	s, err := o.open(ctx)
	if err != nil {
		return nil, err
	}
	r, err := s.Get(ctx, name)
	if err != nil {
		return nil, o.failed(ctx, err, name)
	}
	defer r.Close() //nolint:errcheck // read only
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(b)) > limit {
		return nil, fault.New(fault.TooLarge, "bus: object %s of store %s has more than %d bytes", name, o.name, limit)
	}
	if err == nil { // a digest that does not fit is known at the end
		err = r.Error()
	}
	return b, o.failed(ctx, err, name)
}

// Stat returns the size of an object and when it was put; fault.NotFound when there is none.
func (o *Objects) Stat(ctx context.Context, name string) (size int64, put time.Time, err error) {
	ctx, cancel := o.c.withTimeout(ctx)
	defer cancel()
	s, err := o.open(ctx)
	if err != nil {
		return 0, time.Time{}, err
	}
	info, err := s.GetInfo(ctx, name)
	if err != nil {
		return 0, time.Time{}, o.failed(ctx, err, name)
	}
	return int64(info.Size), info.ModTime, nil
}

// open finds the store.
func (o *Objects) open(ctx context.Context) (jetstream.ObjectStore, error) {
	if err := o.c.awaitReady(ctx); err != nil {
		return nil, err
	}
	s, err := o.c.js.ObjectStore(ctx, o.name)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return nil, fault.Wrap(fault.NotFound, err, "bus: there is no object store %s", o.name)
	}
	return s, o.c.toFault(ctx, err, "open object store %s", o.name)
}

func (o *Objects) failed(ctx context.Context, err error, name string) error {
	if errors.Is(err, jetstream.ErrObjectNotFound) {
		return fault.Wrap(fault.NotFound, err, "bus: object store %s has no object %q", o.name, name)
	}
	return o.c.toFault(ctx, err, "%s", fmt.Sprintf("read object %s of store %s", name, o.name))
}

func objectDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, objectTimeout)
}
