package herald

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
)

// page is how many clients one comparison reads at a time.
const page = 500

// writeClient makes the entry of one client what the database says.
func (c *crier) writeClient(ctx context.Context, id string) error {
	return write(ctx, c.Buckets.Trust, id, func(ctx context.Context) (*pb.TrustRecord, error) {
		var r *pb.TrustRecord
		err := c.Store.View(ctx, func(ctx context.Context, tx desk.Tx) error {
			client, err := tx.Client(ctx, id)
			if err != nil {
				return err
			}
			r, err = desk.RecordOf(ctx, tx, client)
			return err
		})
		if errors.Is(err, desk.ErrNotFound) {
			return nil, nil
		}
		return r, err
	})
}

func (c *crier) writeSettings(ctx context.Context) error {
	return write(ctx, c.Buckets.Settings, subject.SettingsKey, c.Settings)
}

// write brings one entry to what truth returns (nil: no entry). The revision is
// read before the truth, so a write that succeeds was not overtaken.
func write[T any, PT interface {
	*T
	proto.Message
}](ctx context.Context, b *bus.Bucket[T, PT], key string, truth func(context.Context) (PT, error)) error {
	for range casTries {
		have, rev, err := b.Get(ctx, key)
		missing := fault.CodeOf(err) == fault.NotFound
		if err != nil && !missing {
			return err
		}
		want, err := truth(ctx)
		if err != nil {
			return err
		}
		switch {
		case want == nil && missing:
			return nil
		case want == nil:
			err = b.DeleteRev(ctx, key, rev)
		case missing:
			_, err = b.Create(ctx, key, want)
		case proto.Equal(have, want):
			return nil
		default:
			_, err = b.Update(ctx, key, want, rev)
		}
		if !conflict(err) {
			return err
		}
	}
	return fmt.Errorf("entry %q changes faster than it can be written", key)
}

// compare makes the buckets equal to the database: at start, and now and then.
func (c *crier) compare(ctx context.Context) error {
	if err := c.writeSettings(ctx); err != nil {
		return err
	}
	forgotten := map[string]bool{}
	keys, err := c.Buckets.Trust.Keys(ctx)
	if err != nil {
		return err
	}
	for _, id := range keys {
		forgotten[id] = true
	}
	if err := c.comparePersonas(ctx); err != nil {
		return err
	}
	n, err := c.writeAll(ctx, func(id string) { delete(forgotten, id) })
	if err != nil {
		return err
	}
	for id := range forgotten {
		if err := c.writeClient(ctx, id); err != nil {
			return err
		}
	}
	if !c.told.Swap(true) {
		c.Log.Info("trust bucket is up to date", obs.KeyCount, n)
	}
	return nil
}

// writeAll writes every client of the database, page by page.
func (c *crier) writeAll(ctx context.Context, seen func(id string)) (n int, err error) {
	for after := ""; ; {
		var ids []string
		err := c.Store.View(ctx, func(ctx context.Context, tx desk.Tx) (err error) {
			ids, err = tx.Clients(ctx, after, page)
			return err
		})
		if err != nil {
			return n, err
		}
		for _, id := range ids {
			if err := c.writeClient(ctx, id); err != nil {
				return n, err
			}
			seen(id)
			after = id
		}
		if n += len(ids); len(ids) < page {
			return n, nil
		}
	}
}
