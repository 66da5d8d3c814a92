package archive

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/backup"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// collect reads the buckets.
func collect(ctx context.Context, c *bus.Conn) ([]backup.Entry, error) {
	var out []backup.Entry
	for _, name := range subject.KeptBuckets() {
		entries, err := read(ctx, c, name)
		if err != nil {
			return nil, fmt.Errorf("read bucket %s: %w", name, err)
		}
		out = append(out, entries...)
	}
	return out, nil
}

// read reads one bucket. An empty message keeps what it does not know, so that it
// carries values of every kind as they are.
func read(ctx context.Context, c *bus.Conn, name string) ([]backup.Entry, error) {
	b, err := bus.OpenBucket[emptypb.Empty](ctx, c, name, bus.BucketOptions{})
	if err != nil {
		return nil, err
	}
	keys, err := b.Keys(ctx)
	if err != nil {
		return nil, err
	}
	slices.Sort(keys)
	var out []backup.Entry
	for _, k := range keys {
		v, _, err := b.Get(ctx, k)
		if fault.CodeOf(err) == fault.NotFound {
			continue // deleted just now
		}
		if err != nil {
			return nil, err
		}
		data, err := proto.Marshal(v)
		if err != nil {
			return nil, err
		}
		if worth(name, data) {
			out = append(out, backup.Entry{Bucket: name, Key: k, Data: data})
		}
	}
	return out, nil
}

// worth leaves out addresses that mDNS shows: it will show them again.
func worth(bucket string, data []byte) bool {
	if bucket != subject.BucketSightings {
		return true
	}
	var s pb.Sighting
	return proto.Unmarshal(data, &s) == nil && (s.GetVia() == "api" || s.GetVia() == "static")
}
