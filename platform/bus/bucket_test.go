package bus_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
)

func open(t *testing.T, c *bus.Conn, name string, o bus.BucketOptions) *bucket {
	t.Helper()
	b, err := bus.OpenBucket[str](t.Context(), c, name, o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func bucketBasics(t *testing.T, c *bus.Conn) {
	ctx := t.Context()
	b := open(t, c, "basics", bus.BucketOptions{History: 1})
	_, _, err := b.Get(ctx, "k")
	wantCode(t, err, fault.NotFound)
	r1, err := b.Create(ctx, "k", s("1"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Create(ctx, "k", s("x"))
	wantCode(t, err, fault.Conflict)
	r2, err := b.Update(ctx, "k", s("2"), r1)
	if err != nil || r2 <= r1 {
		t.Fatalf("update: rev %d after %d, %v", r2, r1, err)
	}
	_, err = b.Update(ctx, "k", s("x"), r1)
	wantCode(t, err, fault.Conflict)
	if v, rev, err := b.Get(ctx, "k"); err != nil || v.Value != "2" || rev != r2 {
		t.Fatalf("get: %v %d %v", v, rev, err)
	}
	wantCode(t, b.DeleteRev(ctx, "k", r1), fault.Conflict)
	if err := b.Delete(ctx, "k"); err != nil {
		t.Fatal(err)
	}
	_, _, err = b.Get(ctx, "k")
	wantCode(t, err, fault.NotFound)
	if r3, err := b.Create(ctx, "k", s("3")); err != nil || r3 <= r2 {
		t.Fatalf("create after delete: rev %d after %d, %v", r3, r2, err)
	}
	if err := b.Delete(ctx, "never"); err != nil {
		t.Fatal(err)
	}
	if keys, err := b.Keys(ctx); err != nil || !slices.Equal(keys, []string{"k"}) {
		t.Fatalf("keys: %q %v", keys, err)
	}
	// A reader with the zero options must not change the bucket.
	if v, _, err := open(t, c, "basics", bus.BucketOptions{}).Get(ctx, "k"); err != nil || v.Value != "3" {
		t.Fatalf("reader: %v %v", v, err)
	}
}

func bucketKeys(t *testing.T, c *bus.Conn) {
	ctx := t.Context()
	b := open(t, c, "keys", bus.BucketOptions{})
	odd := []string{"a.b", ".a", "a.", "a..b", "Küche *>", "a=3Db", "=", "$x y\tz", "living room/left", "\x00\x7f"}
	for _, k := range odd {
		if _, err := b.Put(ctx, k, s(k)); err != nil {
			t.Fatalf("put %q: %v", k, err)
		}
	}
	for _, k := range odd {
		if v, _, err := b.Get(ctx, k); err != nil || v.Value != k {
			t.Fatalf("get %q: %v %v", k, v, err)
		}
	}
	keys, err := b.Keys(ctx)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(keys)
	slices.Sort(odd)
	if !slices.Equal(keys, odd) {
		t.Fatalf("keys: got %q, want %q", keys, odd)
	}
	_, err = b.Put(ctx, "", s(""))
	wantCode(t, err, fault.Invalid)
	_, err = b.Put(ctx, strings.Repeat("k", 600), s(""))
	wantCode(t, err, fault.Invalid)
}

// view is the state that a watcher has built.
type view struct {
	mu      sync.Mutex
	m       map[string]string
	initial int
	deleted int
	done    int
}

func newView(t *testing.T, b *bucket, pattern string) *view {
	t.Helper()
	v := &view{m: map[string]string{}}
	stop, err := b.Watch(t.Context(), pattern, func(e bus.Entry[*str]) {
		v.mu.Lock()
		defer v.mu.Unlock()
		if e.Initial {
			v.initial++
		}
		if e.Value == nil {
			v.deleted++
			delete(v.m, e.Key)
			return
		}
		v.m[e.Key] = e.Value.Value
	}, func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.done++
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return v
}

func (v *view) want(t *testing.T, want string) {
	t.Helper()
	eventually(t, "watched state", func() error {
		v.mu.Lock()
		defer v.mu.Unlock()
		if got := fmt.Sprint(v.m); got != want {
			return fmt.Errorf("got %s, want %s", got, want)
		}
		if v.done != 1 {
			return fmt.Errorf("initialDone was called %d times", v.done)
		}
		return nil
	})
}

func watch(t *testing.T, c *bus.Conn) {
	ctx := context.Background()
	b := open(t, c, "watch", bus.BucketOptions{})
	newView(t, b, ">").want(t, "map[]")
	for _, k := range []string{"a.1", "a.2", "b.1", "gone"} {
		if _, err := b.Put(ctx, k, s("v")); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Delete(ctx, "gone"); err != nil {
		t.Fatal(err)
	}
	all, some := newView(t, b, ">"), newView(t, b, "a.*")
	all.want(t, "map[a.1:v a.2:v b.1:v]")
	some.want(t, "map[a.1:v a.2:v]")
	if all.initial != 3 {
		t.Fatalf("initial entries: got %d, want 3", all.initial)
	}
	if _, err := b.Put(ctx, "a.1", s("w")); err != nil {
		t.Fatal(err)
	}
	if err := b.Delete(ctx, "a.2"); err != nil {
		t.Fatal(err)
	}
	all.want(t, "map[a.1:w b.1:v]")
	some.want(t, "map[a.1:w]")
}

func expiry(t *testing.T, c *bus.Conn) {
	ctx := t.Context()
	b := open(t, c, "expiry", bus.BucketOptions{TTL: time.Second})
	v := newView(t, b, ">")
	if _, err := b.Put(ctx, "k", s("1")); err != nil {
		t.Fatal(err)
	}
	v.want(t, "map[k:1]")
	v.want(t, "map[]")
	_, _, err := b.Get(ctx, "k")
	wantCode(t, err, fault.NotFound)
	if _, err := b.Create(ctx, "k", s("2")); err != nil {
		t.Fatal(err)
	}
	v.want(t, "map[k:2]")
}
