package book

import (
	"context"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/discovery/internal/record"
	"github.com/tutti-audio/tutti/services/discovery/internal/sighting"
)

// writeTimeout bounds a write that a request waits for.
const writeTimeout = 3 * time.Second

// add writes the sighting of an address that a person gave. Nobody knows whether
// the device is there before it is dialled, so it counts as present.
func (h *handler) add(ctx context.Context, url, via string) (*tuttiv1.Sighting, error) {
	key := record.StaticKey(url)
	if e := h.entries[key]; e != nil && e.value != nil && (e.value.Via == via || via == sighting.ViaAPI) {
		return e.value, nil
	}
	if h.entries[key] == nil && !h.room(ctx) {
		return nil, fault.New(fault.Conflict, "there are %d devices already; remove one that is not in use", h.o.Max)
	}
	now := timestamppb.New(h.o.Clock.Now())
	v := &tuttiv1.Sighting{Key: key, Url: url, Via: via, Present: true, FirstSeen: now, LastSeen: now, Appearances: 1}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	rev, err := h.o.Bucket.Put(ctx, key, v)
	if err != nil {
		return nil, err
	}
	h.entries[key] = &entry{value: v, rev: rev}
	h.o.Log.Info("device address added", obs.KeyKey, key, obs.KeyURL, url, "via", via)
	return v, nil
}

// remove forgets a sighting by key, or by any of its URLs.
func (h *handler) remove(ctx context.Context, key, url string) error {
	if key == "" {
		key = h.find(url)
	}
	e := h.entries[key]
	if e == nil || e.value == nil {
		return fault.New(fault.NotFound, "discovery knows no such device address")
	}
	if e.value.Via == sighting.ViaStatic {
		return fault.New(fault.Conflict, "%s is in the configuration; remove it there and restart discovery", e.value.Url)
	}
	v := e.value
	if err := h.forget(ctx, key); err != nil {
		return err
	}
	h.o.Log.Info("device address removed", obs.KeyKey, key, obs.KeyURL, v.Url, "via", v.Via)
	return nil
}

func (h *handler) find(url string) string {
	if key := record.StaticKey(url); h.entries[key] != nil {
		return key
	}
	for key, e := range h.entries {
		if e.value != nil && (e.value.Url == url || slices.Contains(e.value.OtherUrls, url)) {
			return key
		}
	}
	return ""
}

// list is all sightings by key.
func (h *handler) list() []*tuttiv1.Sighting {
	out := make([]*tuttiv1.Sighting, 0, len(h.entries))
	for _, e := range h.entries {
		if e.value != nil {
			out = append(out, e.value)
		}
	}
	slices.SortFunc(out, func(a, b *tuttiv1.Sighting) int { return strings.Compare(a.Key, b.Key) })
	return out
}

// putStatic makes the bucket agree with the configuration: what is there is added,
// and what was there before goes. It is tried again until it has succeeded.
func (h *handler) putStatic(ctx context.Context) {
	want := map[string]bool{}
	for _, u := range h.o.Static {
		want[record.StaticKey(u)] = true
		if _, err := h.add(ctx, u, sighting.ViaStatic); err != nil {
			h.o.Log.Warn("configured device address not written yet", obs.KeyURL, u, obs.KeyErr, err)
			return
		}
	}
	for key, e := range h.entries {
		if e.value.GetVia() == sighting.ViaStatic && !want[key] {
			if err := h.forget(ctx, key); err != nil {
				return
			}
		}
	}
	h.static = true
}
