package bus

import (
	"context"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"
)

// Entry is one change of a bucket.
type Entry[PT proto.Message] struct {
	Key string
	// Value is nil when the key was deleted or expired.
	Value PT
	// Rev is the revision; 0 for a deletion that was found by comparing after an
	// outage.
	Rev uint64
	// Initial is true for what was there when the watch began.
	Initial bool
}

// Watch calls h for every present key that matches pattern (">" for all, "a.*"),
// then initialDone once (may be nil), then h for every change. Calls are made one
// at a time. The watch survives outages: it then compares with what it saw before
// and reports the differences, deletions included. Changes of one key that come
// fast may be merged; the last one always arrives. A value that cannot be decoded
// is logged and skipped. It ends when ctx ends or stop is called. stop waits for a
// running h, so h must not call it.
func (b *Bucket[T, PT]) Watch(ctx context.Context, pattern string, h func(Entry[PT]), initialDone func()) (stop func(), err error) {
	return b.kv.watch(ctx, pattern, func(c kvChange) {
		e := Entry[PT]{Key: c.key, Rev: c.rev, Initial: c.initial}
		if !c.deleted {
			e.Value = PT(new(T))
			if err := proto.Unmarshal(c.data, e.Value); err != nil {
				b.kv.c.log.Warn("bus: value skipped", "bucket", b.kv.name, "key", c.key, "err", err)
				return
			}
		}
		h(e)
	}, initialDone)
}

// kvChange is an Entry before decoding.
type kvChange struct {
	key     string
	data    []byte
	rev     uint64
	deleted bool
	initial bool
}

// watcher is the state of one watch; it belongs to the follower's goroutine.
type watcher struct {
	k       *kv
	h       func(kvChange)
	synced  func()            // called once, at the end of the first sync
	known   map[string]uint64 // keys that h believes to exist, with their revisions
	seen    map[string]bool   // keys met in the sync that runs now
	left    uint64            // messages of the sync that are still to come
	syncing bool
	first   bool
	created int64 // of the stream: another one starts its revisions anew
}

func (k *kv) watch(ctx context.Context, pattern string, h func(kvChange), initialDone func()) (func(), error) {
	p, err := escapePattern(pattern)
	if err != nil {
		return nil, err
	}
	w := &watcher{k: k, h: h, synced: initialDone, known: map[string]uint64{}, first: true}
	return k.c.follow(ctx, k.stream, followSpec{
		begin: func(info *jetstream.StreamInfo) jetstream.ConsumerConfig {
			if at := info.Created.UnixNano(); at != w.created {
				if w.created != 0 {
					w.forgetRevisions()
				}
				w.created = at
			}
			return jetstream.ConsumerConfig{
				FilterSubject: k.prefix + p, DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy}
		},
		started: w.start,
		message: func(m jetstream.Msg, meta *jetstream.MsgMetadata) { w.message(m, meta) },
	})
}

// forgetRevisions makes every known key look changed, because the numbers of a new
// stream say nothing about the old one's.
func (w *watcher) forgetRevisions() {
	for key := range w.known {
		w.known[key] = 0
	}
}

// start begins a sync of pending messages.
func (w *watcher) start(pending uint64) {
	w.seen, w.left, w.syncing = map[string]bool{}, pending, true
	if pending == 0 {
		w.endSync()
	}
}

func (w *watcher) message(m jetstream.Msg, meta *jetstream.MsgMetadata) {
	c := kvChange{key: w.k.key(m.Subject()), data: m.Data(), rev: meta.Sequence.Stream,
		deleted: isMarker(m.Headers()), initial: w.first}
	rev, had := w.known[c.key]
	switch {
	case c.deleted && had:
		delete(w.known, c.key)
		w.h(c)
	case !c.deleted && (!had || rev < c.rev):
		w.known[c.key] = c.rev
		w.h(c)
	}
	if !w.syncing {
		return
	}
	w.seen[c.key] = true
	if w.left--; w.left == 0 || meta.NumPending == 0 {
		w.endSync()
	}
}

// endSync reports the keys that are gone and, the first time, that all is there.
func (w *watcher) endSync() {
	w.syncing = false
	for key := range w.known {
		if !w.seen[key] {
			delete(w.known, key)
			w.h(kvChange{key: key, deleted: true})
		}
	}
	w.seen = nil
	if w.first {
		w.first = false
		if w.synced != nil {
			w.synced()
		}
	}
}
