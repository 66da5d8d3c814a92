package bus

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/fault"
)

// markerTTL is how long a bucket remembers that a key was deleted or expired:
// longer than any watcher needs, because watchers compare after an outage.
const markerTTL = 10 * time.Minute

// dedupeWindow is how long the server knows a write again that is sent twice because
// its acknowledgement was lost.
const dedupeWindow = 2 * time.Minute

// Headers of KV messages, as NATS defines them.
const (
	headerKVOp     = "KV-Operation"
	headerMarker   = "Nats-Marker-Reason"
	headerLastSeq  = "Nats-Expected-Last-Subject-Sequence"
	headerTTL      = "Nats-TTL"
	kvDelete       = "DEL"
	wrongLastSeq   = jetstream.ErrorCode(10071)
	wrongLastSeqR3 = jetstream.ErrorCode(10164)
)

// BucketOptions describe a bucket. Who only reads passes the zero value and gets
// the bucket as its owner made it.
type BucketOptions struct {
	// TTL removes a key that was not written for so long; watchers hear of it as a
	// deletion. 0: never.
	TTL time.Duration
	// Memory keeps the bucket out of files; a restart of the server empties it.
	Memory bool
	// History is how many revisions of a key are kept, 1 to 64; 0 means 1.
	History uint8
}

// Bucket is a set of keys with one kind of value. Revisions are uint64, grow over
// the whole bucket, and are never used twice. Safe for concurrent use.
type Bucket[T any, PT interface {
	*T
	proto.Message
}] struct {
	kv *kv
}

// kv is the untyped part of a bucket.
type kv struct {
	c      *Conn
	name   string
	stream string
	prefix string // "$KV.<name>."
}

// OpenBucket opens a bucket and makes it when it does not exist. Options other
// than the zero value bring an existing bucket to them, except Memory, which NATS
// cannot change: then the bucket stays where it is, and a log line says so. The
// Conn makes the bucket again when the server comes back without it.
func OpenBucket[T any, PT interface {
	*T
	proto.Message
}](ctx context.Context, c *Conn, name string, o BucketOptions) (*Bucket[T, PT], error) {
	k := &kv{c: c, name: name, stream: "KV_" + name, prefix: "$KV." + name + "."}
	err := c.ensure(ctx, "bucket "+name+optionsKey(o),
		func(ctx context.Context) error { return k.make(ctx, o) },
		func(ctx context.Context) error { return k.remake(ctx, o) })
	if err != nil {
		return nil, err
	}
	return &Bucket[T, PT]{kv: k}, nil
}

// ownerGrace is how long a reader lets the owner of a lost bucket make it again, with
// the owner's options.
const ownerGrace = 2 * time.Second

// remake makes the bucket again after a reconnect, when the server lost it.
func (k *kv) remake(ctx context.Context, o BucketOptions) error {
	if o == (BucketOptions{}) {
		for end := time.Now().Add(ownerGrace); time.Now().Before(end); {
			if _, err := k.c.streamConfig(ctx, k.stream); !errors.Is(err, jetstream.ErrStreamNotFound) {
				return err
			}
			if err := pause(ctx, 100*time.Millisecond); err != nil {
				return err
			}
		}
	}
	return k.make(ctx, o)
}

// optionsKey keeps an owner's entry apart from a reader's in the same process.
func optionsKey(o BucketOptions) string {
	if o == (BucketOptions{}) {
		return " (reader)"
	}
	return ""
}

func (k *kv) make(ctx context.Context, o BucketOptions) error {
	if o == (BucketOptions{}) {
		have, err := k.c.streamConfig(ctx, k.stream)
		if err == nil {
			return k.c.grow(ctx, have)
		}
		if !errors.Is(err, jetstream.ErrStreamNotFound) {
			return err
		}
	}
	return k.c.place(ctx, k.config(o))
}

// config is the stream of a bucket, as NATS defines it (ADR-8 of NATS).
func (k *kv) config(o BucketOptions) jetstream.StreamConfig {
	sc := jetstream.StreamConfig{
		Name: k.stream, Subjects: []string{k.prefix + ">"}, Storage: jetstream.FileStorage, Replicas: k.c.replicas(),
		MaxMsgsPerSubject: int64(max(o.History, 1)), MaxAge: o.TTL, Duplicates: dedupeWindow,
		MaxMsgs: -1, MaxBytes: -1, MaxMsgSize: -1, MaxConsumers: -1, Discard: jetstream.DiscardNew,
		AllowRollup: true, DenyDelete: true, AllowDirect: true,
		AllowMsgTTL: true, SubjectDeleteMarkerTTL: markerTTL,
	}
	if o.TTL > 0 {
		sc.Duplicates = min(dedupeWindow, o.TTL)
	}
	if o.Memory {
		sc.Storage = jetstream.MemoryStorage
	}
	return sc
}

// subject is where a key's messages are.
func (k *kv) subject(key string) (string, error) {
	e, err := escapeKey(key)
	if err != nil {
		return "", err
	}
	return k.prefix + e, nil
}

// key is the inverse of subject.
func (k *kv) key(subject string) string {
	return unescapeKey(strings.TrimPrefix(subject, k.prefix))
}

// last is the newest message of a key; deleted says that it is a marker.
func (k *kv) last(ctx context.Context, key string) (m *jetstream.RawStreamMsg, deleted bool, err error) {
	subj, err := k.subject(key)
	if err != nil {
		return nil, false, err
	}
	m, err = k.c.lastMsg(ctx, k.stream, subj)
	if err != nil {
		if fault.CodeOf(err) == fault.NotFound {
			err = k.notFound(key)
		}
		return nil, false, err
	}
	return m, isMarker(m.Header), nil
}

func (k *kv) notFound(key string) error {
	return fault.New(fault.NotFound, "bus: bucket %s has no key %q", k.name, key)
}

func isMarker(h nats.Header) bool {
	return h.Get(headerKVOp) != "" || h.Get(headerMarker) != ""
}

// write stores data; rev nil means whatever is there now.
func (k *kv) write(ctx context.Context, key string, data []byte, rev *uint64) (uint64, error) {
	subj, err := k.subject(key)
	if err != nil {
		return 0, err
	}
	m := newMsg(ctx, subj, data)
	if rev != nil {
		m.Header[headerLastSeq] = []string{strconv.FormatUint(*rev, 10)}
	}
	n, err := k.c.store(ctx, m)
	var api *jetstream.APIError
	if errors.As(err, &api) && (api.ErrorCode == wrongLastSeq || api.ErrorCode == wrongLastSeqR3) {
		return 0, fault.Wrap(fault.Conflict, err, "bus: key %q of bucket %s was changed by someone else", key, k.name)
	}
	return n, err
}

// create stores data when the key does not exist or was deleted.
func (k *kv) create(ctx context.Context, key string, data []byte) (uint64, error) {
	var none uint64
	n, err := k.write(ctx, key, data, &none)
	if fault.CodeOf(err) != fault.Conflict {
		return n, err
	}
	m, deleted, lerr := k.last(ctx, key)
	switch {
	case lerr == nil && deleted:
		return k.write(ctx, key, data, &m.Sequence)
	case fault.CodeOf(lerr) == fault.NotFound:
		return k.write(ctx, key, data, &none) // it expired in between
	case lerr != nil:
		return 0, lerr
	}
	return 0, fault.Wrap(fault.Conflict, err, "bus: key %q of bucket %s exists", key, k.name)
}

// delete leaves a marker that goes away by itself after markerTTL.
func (k *kv) delete(ctx context.Context, key string, rev *uint64) error {
	subj, err := k.subject(key)
	if err != nil {
		return err
	}
	m := newMsg(ctx, subj, nil)
	m.Header[headerKVOp] = []string{kvDelete}
	m.Header[headerTTL] = []string{markerTTL.String()}
	if rev != nil {
		m.Header[headerLastSeq] = []string{strconv.FormatUint(*rev, 10)}
	}
	_, err = k.c.store(ctx, m)
	var api *jetstream.APIError
	if errors.As(err, &api) && (api.ErrorCode == wrongLastSeq || api.ErrorCode == wrongLastSeqR3) {
		return fault.Wrap(fault.Conflict, err, "bus: key %q of bucket %s was changed by someone else", key, k.name)
	}
	return err
}

// Get returns the value and revision of key; fault.NotFound when there is none.
func (b *Bucket[T, PT]) Get(ctx context.Context, key string) (PT, uint64, error) {
	m, deleted, err := b.kv.last(ctx, key)
	if err != nil {
		return nil, 0, err
	}
	if deleted {
		return nil, 0, b.kv.notFound(key)
	}
	v := PT(new(T))
	if err := proto.Unmarshal(m.Data, v); err != nil {
		return nil, 0, fault.Wrap(fault.Internal, err, "bus: decode key %q of bucket %s", key, b.kv.name)
	}
	return v, m.Sequence, nil
}

// Put writes key, whatever it holds now, and returns the new revision.
func (b *Bucket[T, PT]) Put(ctx context.Context, key string, v PT) (uint64, error) {
	data, err := b.encode(key, v)
	if err != nil {
		return 0, err
	}
	return b.kv.write(ctx, key, data, nil)
}

// Create writes key when it does not exist; fault.Conflict when it does.
func (b *Bucket[T, PT]) Create(ctx context.Context, key string, v PT) (uint64, error) {
	data, err := b.encode(key, v)
	if err != nil {
		return 0, err
	}
	return b.kv.create(ctx, key, data)
}

// Update writes key when its revision still is rev; fault.Conflict when it is not.
func (b *Bucket[T, PT]) Update(ctx context.Context, key string, v PT, rev uint64) (uint64, error) {
	data, err := b.encode(key, v)
	if err != nil {
		return 0, err
	}
	return b.kv.write(ctx, key, data, &rev)
}

// Delete removes key; it is no error when it does not exist.
func (b *Bucket[T, PT]) Delete(ctx context.Context, key string) error {
	return b.kv.delete(ctx, key, nil)
}

// DeleteRev removes key when its revision still is rev; fault.Conflict when not.
func (b *Bucket[T, PT]) DeleteRev(ctx context.Context, key string, rev uint64) error {
	return b.kv.delete(ctx, key, &rev)
}

// Keys lists the keys that have a value, in no order.
func (b *Bucket[T, PT]) Keys(ctx context.Context) ([]string, error) {
	ctx, cancel := b.kv.c.withTimeout(ctx)
	defer cancel()
	var keys []string
	done := make(chan struct{})
	stop, err := b.kv.watch(ctx, ">", func(c kvChange) {
		if c.initial && !c.deleted {
			keys = append(keys, c.key)
		}
	}, func() { close(done) })
	if err != nil {
		return nil, err
	}
	select {
	case <-done:
	case <-ctx.Done():
		stop()
		return nil, b.kv.c.toFault(ctx, ctx.Err(), "list the keys of bucket %s", b.kv.name)
	}
	stop()
	return keys, nil
}

func (b *Bucket[T, PT]) encode(key string, v PT) ([]byte, error) {
	data, err := proto.Marshal(v)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "bus: encode key %q of bucket %s", key, b.kv.name)
	}
	return data, nil
}
