package bus_test

import (
	"context"
	"errors"
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
	log     []string // what came, in order: "key=value" or "key gone"
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
			v.log = append(v.log, e.Key+" gone")
			return
		}
		v.m[e.Key] = e.Value.Value
		v.log = append(v.log, e.Key+"="+e.Value.Value)
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

// saw waits until these entries have come, before all others. A state that lasts only for
// a while is seen by it on a slow machine, too.
func (v *view) saw(t *testing.T, want ...string) {
	t.Helper()
	eventually(t, "watched entries", func() error {
		v.mu.Lock()
		defer v.mu.Unlock()
		if len(v.log) < len(want) || !slices.Equal(v.log[:len(want)], want) {
			return fmt.Errorf("got %q, want %q", v.log, want)
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
	known := map[string]bool{} // written by the watch alone until Follow returns, and never after it
	stop, err := b.Follow(ctx, ctx, ">", func(e bus.Entry[*str]) {
		if e.Initial {
			known[e.Key] = true
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	if len(known) != 3 {
		t.Errorf("Follow returned with %v known, want 3 keys", known)
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	if stop, err := b.Follow(ctx, over, ">", func(bus.Entry[*str]) {}); err == nil {
		stop() // everything was there at once
	} else if !errors.Is(err, context.Canceled) {
		t.Errorf("without time to wait: %v", err)
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
	v.saw(t, "k=1", "k gone")
	_, _, err := b.Get(ctx, "k")
	wantCode(t, err, fault.NotFound)
	if _, err := b.Create(ctx, "k", s("2")); err != nil {
		t.Fatal(err)
	}
	v.saw(t, "k=1", "k gone", "k=2")
}

// A watch that begins while values are replaced knows every key when it says that all is there.
func replaced(t *testing.T, c *bus.Conn) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b := open(t, c, "replaced", bus.BucketOptions{})
	const keys = 20
	for i := range keys {
		if _, err := b.Put(ctx, fmt.Sprintf("k.%d", i), s("v")); err != nil {
			t.Fatal(err)
		}
	}
	var writing sync.WaitGroup
	defer writing.Wait()
	defer cancel()
	for w := range 2 {
		writing.Go(func() {
			for i := w; ctx.Err() == nil; i++ {
				_, _ = b.Put(ctx, fmt.Sprintf("k.%d", i%keys), s("w")) // ends with the test
			}
		})
	}
	for range 40 {
		known := map[string]bool{} // by the calls, which are one at a time
		done := make(chan int, 1)
		stop, err := b.Watch(ctx, ">", func(e bus.Entry[*str]) { known[e.Key] = e.Value != nil }, func() { done <- len(known) })
		if err != nil {
			t.Fatal(err)
		}
		select {
		case n := <-done:
			if n != keys {
				t.Errorf("%d of %d keys are known at the end of the first sync", n, keys)
			}
		case <-time.After(time.Minute):
			t.Error("the first sync does not end")
		}
		stop()
	}
}
