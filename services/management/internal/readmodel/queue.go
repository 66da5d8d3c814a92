package readmodel

import (
	"slices"
	"sync"
	"sync/atomic"

	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/feed"
)

// sameQueue says whether a GET of the queue shows the same of a and b. Either may be nil.
// A group is written once a second while it plays, its queue seldom changes.
func sameQueue(a, b *pb.Group) bool {
	if len(a.GetQueue()) != len(b.GetQueue()) {
		return false
	}
	if len(a.GetQueue()) == 0 {
		return true
	}
	return a.GetQueueIndex() == b.GetQueueIndex() && slices.EqualFunc(a.GetQueue(), b.GetQueue(), func(x, y *pb.QueueItem) bool {
		return x == y || buildItem(x) == buildItem(y)
	})
}

// queueView is the newest queue of a group, encoded when somebody first asks.
type queueView struct {
	body atomic.Pointer[func() []byte]
}

// queueEvent says that the queue of g changed. A queue of 2000 titles is most of a
// megabyte, and the feed keeps thousands of events: so they do not hold the queue as it
// was, but share the one that is, which is what a reader that comes late wants to know.
func (h *projector) queueEvent(g *pb.Group) feed.Event {
	id := g.GetGroupId()
	v := h.queues[id]
	if v == nil {
		v = &queueView{}
		h.queues[id] = v
	}
	body := sync.OnceValue(func() []byte { return encode(BuildQueue(g)) })
	v.body.Store(&body)
	return feed.Event{Kind: EventQueueUpdated, Scope: feed.Scope{GroupID: id}, Body: func() []byte { return (*v.body.Load())() }}
}
