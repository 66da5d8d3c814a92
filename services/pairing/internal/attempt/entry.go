package attempt

import (
	"context"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tutti-audio/tutti/platform/obs"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// entry is the newest view of an attempt, for those who do not own it. The messages
// are never changed once they are in it.
type entry struct {
	v atomic.Pointer[pb.PairingAttempt]
}

func (e *entry) load() *pb.PairingAttempt { return e.v.Load() }

// show changes the view, and makes it public: in this process at once, in the bucket
// before it returns. A bucket that cannot be written is tried again with the next
// change and at the end.
func (m *attempt) show(ctx context.Context, change func(v *pb.PairingAttempt)) {
	next := proto.CloneOf(m.view)
	change(next)
	next.UpdatedAt = timestamppb.New(m.now())
	m.view = next
	m.last.v.Store(next)
	m.publish(ctx)
}

// publish writes the bucket.
func (m *attempt) publish(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishBound)
	defer cancel()
	_, err := m.a.Bucket.Put(ctx, m.req.ClientID, m.view)
	if err != nil && !m.unpublished {
		m.log.Warn("a pairing attempt cannot be shown now", obs.KeyErr, err)
	}
	m.unpublished = err != nil
}

func (m *attempt) now() time.Time { return m.a.Clock.Now().UTC() }

// expect sets the limit of the present wait; d of 0: none.
func (m *attempt) expect(v *pb.PairingAttempt, d time.Duration) {
	m.stopTimer()
	if d <= 0 {
		v.ExpiresAt = nil
		return
	}
	m.gen++
	v.ExpiresAt = timestamppb.New(m.now().Add(d))
	m.cancelTimer = m.after(d, expired{m.gen})
}
