package bus_test

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
)

func objects(t *testing.T, c *bus.Conn) {
	away := c.Objects("pieces")
	_, err := away.Get(t.Context(), "a", 1)
	wantCode(t, err, fault.NotFound)
	const total = 4 << 20
	o, err := c.EnsureObjects(t.Context(), bus.ObjectsConfig{Name: "pieces", TTL: time.Hour, MaxBytes: total})
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 3<<20) // more than a message may have
	for i := range data {
		data[i] = byte(rand.Uint32())
	}
	if err := o.Put(t.Context(), "a", data); err != nil {
		t.Fatal(err)
	}
	got, err := away.Get(t.Context(), "a", int64(len(data)))
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	size, put, err := away.Stat(t.Context(), "a")
	if err != nil || size != int64(len(data)) || put.IsZero() {
		t.Errorf("stat: %d bytes at %v, %v", size, put, err)
	}
	_, err = away.Get(t.Context(), "a", int64(len(data))-1)
	wantCode(t, err, fault.TooLarge)
	// What does not fit is refused, and leaves nothing behind: what was there stays.
	wantCode(t, o.Put(t.Context(), "b", data), fault.Conflict)
	_, err = away.Get(t.Context(), "b", total)
	wantCode(t, err, fault.NotFound)
	_, _, err = away.Stat(t.Context(), "b")
	wantCode(t, err, fault.NotFound)
	if err := o.Put(t.Context(), "c", data[:100<<10]); err != nil {
		t.Errorf("a small one after a large one that did not fit: %v", err)
	}
	if got, err = away.Get(t.Context(), "a", total); err != nil || !bytes.Equal(got, data) {
		t.Errorf("the first one: %d bytes, %v", len(got), err)
	}
}
