package vaultcmd

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/proto/backup"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// bucket holds values of any kind as they are: an empty message keeps what it does not
// know.
type bucket = *bus.Bucket[emptypb.Empty, *emptypb.Empty]

// buckets fills the buckets of a bus.
type buckets struct {
	conn    *bus.Conn
	open    map[string]bucket
	written []backup.Entry
}

// openBuckets connects. A bus that is used already is refused: two servers would mix.
func openBuckets(ctx context.Context, cfg bus.Config) (*buckets, error) {
	cfg.Name, cfg.Log = "tutti-restore", slog.New(slog.DiscardHandler)
	conn, err := bus.Connect(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("the bus cannot be used: %w", err)
	}
	b := &buckets{conn: conn, open: map[string]bucket{}}
	for _, name := range subject.KeptBuckets() {
		if b.open[name], err = bus.OpenBucket[emptypb.Empty](ctx, conn, name, bus.BucketOptions{}); err != nil {
			b.close()
			return nil, fmt.Errorf("the bus cannot be used: %w", err)
		}
		keys, err := b.open[name].Keys(ctx)
		if err == nil && len(keys) > 0 && name != subject.BucketSightings {
			err = fmt.Errorf("its bucket %s holds %d keys: a server works on it, or did; stop it and clear the NATS server first", name, len(keys))
		}
		if err != nil {
			b.close()
			return nil, fmt.Errorf("the bus cannot be used: %w", err)
		}
	}
	return b, nil
}

// put writes one entry.
func (b *buckets) put(ctx context.Context, e backup.Entry) error {
	to, ok := b.open[e.Bucket]
	if !ok {
		return fmt.Errorf("the backup: %w: it holds a bucket %q, which this version does not know", backup.ErrForm, e.Bucket)
	}
	data, err := foreign(e)
	if err != nil {
		return err
	}
	v := &emptypb.Empty{}
	if err := proto.Unmarshal(data, v); err != nil {
		return fmt.Errorf("the backup: %w: an entry of bucket %s cannot be read", backup.ErrForm, e.Bucket)
	}
	if _, err := to.Put(ctx, e.Key, v); err != nil {
		return fmt.Errorf("write bucket %s: %w", e.Bucket, err)
	}
	b.written = append(b.written, backup.Entry{Bucket: e.Bucket, Key: e.Key})
	return nil
}

// foreign is an entry as another deployment may have it. Fences count in the bucket of
// leases, which is new there: a group's record with the old, higher ones would refuse its
// holder, and every order of the new director and scheduler.
func foreign(e backup.Entry) ([]byte, error) {
	if e.Bucket != subject.BucketGroups {
		return e.Data, nil
	}
	g := &tuttiv1.Group{}
	if err := proto.Unmarshal(e.Data, g); err != nil {
		return nil, fmt.Errorf("the backup: %w: the entry of a group cannot be read", backup.ErrForm)
	}
	g.Fence, g.InstanceId, g.DirectorFence, g.SchedulerFence = 0, "", 0, 0
	return proto.Marshal(g)
}

// undo takes back what was written.
func (b *buckets) undo() {
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	for _, e := range b.written {
		_ = b.open[e.Bucket].Delete(ctx, e.Key) // a bus that went away keeps it; a server started on it would show it
	}
}

const closeLimit = 10 * time.Second

func (b *buckets) close() {
	if b.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	_ = b.conn.Close(ctx) // it was only written to, and every write was acknowledged
	b.conn = nil
}
