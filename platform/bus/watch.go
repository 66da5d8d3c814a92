package bus

import (
	"context"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/fault"
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

// Follow is Watch that returns when h was called for every present key. first bounds the wait
// for them, ctx the watch after it. Its error is that of Watch, or of first.
func (b *Bucket[T, PT]) Follow(ctx, first context.Context, pattern string, h func(Entry[PT])) (stop func(), err error) {
	known := make(chan struct{})
	stop, err = b.Watch(ctx, pattern, h, func() { close(known) })
	if err != nil {
		return nil, err
	}
	select {
	case <-known:
		return stop, nil
	case <-first.Done():
		stop()
		return nil, first.Err()
	}
}

// kvChange is an Entry before decoding.
type kvChange struct {
	key     string
	data    []byte
	rev     uint64
	deleted bool
	initial bool
}

// maxWaits is how often a watch looks whether its replica still lags, before it begins
// anew with another.
const maxWaits = 50

// syncRounds is how often a sync goes on for values that were replaced while it ran.
const syncRounds = 10

// watcher is the state of one watch; it belongs to the follower's goroutine.
type watcher struct {
	k       *kv
	h       func(kvChange)
	synced  func()            // called once, at the end of the first sync
	known   map[string]uint64 // keys that h believes to exist, with their revisions
	seen    map[string]bool   // keys met in the sync that runs now
	want    int               // keys that there were when the sync began
	left    uint64            // of them, those whose value of that time is still to come
	began   uint64            // the stream's last revision of that time
	syncing bool
	first   bool
	created int64  // of the stream: another one starts its revisions anew
	top     uint64 // the highest revision that h heard of
	// The highest revision that the sync met, the one it has to meet, whether it waits for
	// that, and how often such a one was set.
	reached, target uint64
	lagging         bool
	rounds          int
	waits           int    // how often it was looked for that
	pattern         string // escaped
}

func (k *kv) watch(ctx context.Context, pattern string, h func(kvChange), initialDone func()) (func(), error) {
	p, err := escapePattern(pattern)
	if err != nil {
		return nil, err
	}
	w := &watcher{k: k, pattern: p, h: h, synced: initialDone, known: map[string]uint64{}, first: true}
	return k.c.follow(ctx, k.stream, followSpec{
		begin: func(info *jetstream.StreamInfo) jetstream.ConsumerConfig {
			// A cluster whose nodes all lost a stream makes it again with the old date.
			if at := info.Created.UnixNano(); at != w.created || info.State.LastSeq < w.top {
				if w.created != 0 {
					w.forgetRevisions()
				}
				w.created = at
			}
			w.began = info.State.LastSeq
			return jetstream.ConsumerConfig{
				FilterSubject: k.prefix + p, DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy}
		},
		started: w.start,
		message: w.message,
		lagging: func() bool { return w.lagging },
		settle:  w.settle,
	})
}

// forgetRevisions makes every known key look changed, because the numbers of a new
// stream say nothing about the old one's.
func (w *watcher) forgetRevisions() {
	for key := range w.known {
		w.known[key] = 0
	}
	w.top = 0
}

// start begins a sync of pending messages.
func (w *watcher) start(ctx context.Context, pending uint64) error {
	w.seen, w.want, w.left, w.syncing, w.lagging = map[string]bool{}, int(pending), pending, true, false
	w.reached, w.waits, w.rounds = 0, 0, 0
	if pending == 0 {
		return w.settle(ctx)
	}
	return nil
}

func (w *watcher) message(ctx context.Context, m jetstream.Msg, meta *jetstream.MsgMetadata) error {
	c := kvChange{key: w.k.key(m.Subject()), data: m.Data(), rev: meta.Sequence.Stream,
		deleted: isMarker(m.Headers()), initial: w.first}
	w.reached = max(w.reached, c.rev)
	w.top = max(w.top, c.rev)
	rev, had := w.known[c.key]
	switch {
	case rev > c.rev: // a replica that lags tells what is known already
	case c.deleted && had:
		delete(w.known, c.key)
		w.h(c)
	case !c.deleted && (!had || rev < c.rev):
		w.known[c.key] = c.rev
		w.h(c)
	}
	if !w.syncing {
		return nil
	}
	w.seen[c.key] = true
	if w.left > 0 && c.rev <= w.began {
		w.left--
	}
	if w.lagging && w.reached < w.target || !w.lagging && !w.complete() && meta.NumPending > 0 {
		return nil
	}
	return w.settle(ctx)
}

// complete reports whether the sync met as much as there was when it began.
func (w *watcher) complete() bool { return w.left == 0 || len(w.seen) >= w.want }

// settle ends the sync when everything was met that the bucket held when it was called.
// In a cluster the consumer reads one replica, which may lag behind what was acknowledged;
// there the leader says how far it must come. It says so too where less came than was
// announced: a value that is replaced during the sync is not sent, and its successor is counted
// as pending only a moment after it was taken off.
func (w *watcher) settle(ctx context.Context) error {
	switch {
	case w.left == 0 && !w.lagging && !w.k.c.clustered():
	case w.lagging && w.reached >= w.target && w.complete():
	default:
		m, err := w.k.c.lastMsg(ctx, w.k.stream, w.k.prefix+w.pattern)
		if err != nil && fault.CodeOf(err) != fault.NotFound {
			return err
		}
		var last uint64
		if err == nil {
			last = m.Sequence
		}
		if w.lagging && w.reached < w.target {
			w.target = min(w.target, last) // it was removed
		} else {
			w.target = last
			w.rounds++
		}
		if w.lagging = w.reached < w.target && w.rounds <= syncRounds; w.lagging {
			if w.waits++; w.waits > maxWaits {
				return fault.New(fault.Timeout, "bus: a replica of bucket %s lags", w.k.name)
			}
			return nil
		}
	}
	w.endSync()
	return nil
}

// endSync reports the keys that are gone and, the first time, that all is there.
func (w *watcher) endSync() {
	w.syncing, w.lagging = false, false
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
