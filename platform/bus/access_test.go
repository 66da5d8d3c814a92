package bus_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
)

// withPermissions starts a server with an owner, who may do everything, and a guest, who
// may read the bucket "state" and ask at t.echo.
func withPermissions(t *testing.T) string {
	t.Helper()
	guest := &server.Permissions{
		Publish: &server.SubjectPermission{Allow: []string{"t.echo", "$JS.API.INFO", "$JS.API.STREAM.INFO.KV_state", "$JS.API.STREAM.INFO.KV_later",
			"$JS.API.CONSUMER.*.KV_state.>", "$JS.API.CONSUMER.MSG.NEXT.KV_state.*", "$JS.API.DIRECT.GET.KV_state.>"}},
		Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX_guest.>"}},
	}
	return runServer(t, server.Options{JetStream: true, StoreDir: t.TempDir(), Users: []*server.User{
		{Username: "owner", Password: "o"}, {Username: "guest", Password: "g", Permissions: guest}}})
}

// TestRefusalsAreTold: what the server's permissions refuse fails at once and by name,
// and does not wait for an answer that never comes.
func TestRefusalsAreTold(t *testing.T) {
	addr := withPermissions(t)
	owner := connectWith(t, bus.Config{URL: "nats://owner:o@" + addr})
	guest := connectWith(t, bus.Config{URL: "nats://guest:g@" + addr, InboxPrefix: "_INBOX_guest"})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b := open(t, owner, "state", bus.BucketOptions{History: 1})
	if _, err := b.Put(ctx, "k", s("v")); err != nil {
		t.Fatal(err)
	}
	svc := service(t, owner, "echo")
	if err := bus.Handle(svc, "t.echo", func(_ context.Context, r *str) (*str, error) { return r, nil }); err != nil {
		t.Fatal(err)
	}

	mine := open(t, guest, "state", bus.BucketOptions{History: 1})
	if v, _, err := mine.Get(ctx, "k"); err != nil || v.Value != "v" {
		t.Fatalf("read what may be read: %v %v", v, err)
	}
	newView(t, mine, ">").want(t, "map[k:v]")
	if err := guest.Request(ctx, "t.echo", s("x"), nil); err != nil {
		t.Fatalf("ask what may be asked: %v", err)
	}

	begun := time.Now()
	_, err := mine.Put(ctx, "k", s("w"))
	wantCode(t, err, fault.Forbidden)
	if !strings.Contains(err.Error(), "$KV.state.k") || !strings.Contains(err.Error(), "--nats-creds") {
		t.Errorf("the refusal does not say what and why: %v", err)
	}
	wantCode(t, guest.Request(ctx, "t.other", s("x"), nil), fault.Forbidden)
	_, err = bus.HandleExclusive(guest, "t.echo", func(_ context.Context, r *str) (*str, error) { return r, nil })
	wantCode(t, err, fault.Forbidden)
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("refusals took %v", took)
	}

	// A bucket that it may not make: it waits for the owner.
	short, stop := context.WithTimeout(ctx, 5*time.Second)
	defer stop()
	_, err = bus.OpenBucket[str](short, guest, "later", bus.BucketOptions{History: 1})
	wantCode(t, err, fault.Unavailable)
	if !strings.Contains(err.Error(), "KV_later does not exist yet") {
		t.Errorf("got %v", err)
	}
	got := make(chan error, 1)
	go func() {
		_, err := bus.OpenBucket[str](ctx, guest, "later", bus.BucketOptions{History: 1})
		got <- err
	}()
	open(t, owner, "later", bus.BucketOptions{History: 1})
	if err := <-got; err != nil {
		t.Errorf("a bucket that its owner has made: %v", err)
	}
}

// TestDeliveredMessagesAreNoRequests: who may read a stream can have the server deliver a
// stored message, or an answer, to an endpoint that it may not ask. None of these is a
// request.
func TestDeliveredMessagesAreNoRequests(t *testing.T) {
	addr := withPermissions(t)
	owner := connectWith(t, bus.Config{URL: "nats://owner:o@" + addr})
	ctx := t.Context()
	b := open(t, owner, "state", bus.BucketOptions{History: 1})
	if _, err := b.Put(ctx, "k", s("do it")); err != nil {
		t.Fatal(err)
	}
	calls := make(chan string, 16)
	svc := service(t, owner, "victim")
	if err := bus.Handle(svc, "t.secret", func(_ context.Context, r *str) (*str, error) { calls <- r.Value; return r, nil }); err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect("nats://guest:g@"+addr, nats.CustomInboxPrefix("_INBOX_guest"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	// The answer of a direct get, and a message of a pull consumer, at the victim's subject.
	if err := nc.PublishRequest("$JS.API.DIRECT.GET.KV_state.$KV.state.k", "t.secret", nil); err != nil {
		t.Fatal(err)
	}
	create := `{"stream_name":"KV_state","config":{"name":"c","ack_policy":"none","mem_storage":true}}`
	if _, err := nc.Request("$JS.API.CONSUMER.CREATE.KV_state.c", []byte(create), time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT.KV_state.c", "t.secret", []byte("1")); err != nil {
		t.Fatal(err)
	}
	push := `{"stream_name":"KV_state","config":{"name":"p","deliver_subject":"t.secret","ack_policy":"none","mem_storage":true}}`
	if _, err := nc.Request("$JS.API.CONSUMER.CREATE.KV_state.p", []byte(push), time.Minute); err != nil {
		t.Fatal(err)
	}
	// What was delivered before this request has been looked at when it is answered.
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the deliveries have come and were dropped", func() error {
		if err := owner.Request(ctx, "t.secret", s("asked"), nil); err != nil {
			return err
		}
		for {
			select {
			case v := <-calls:
				if v != "asked" {
					t.Fatalf("a delivered message was taken for a request: %q", v)
				}
			default:
				return nil
			}
		}
	})
}

func TestCredentialsThatAreNone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.nk")
	if err := os.WriteFile(file, []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{file, file + ".missing"} {
		_, err := bus.Connect(t.Context(), bus.Config{URL: "nats://127.0.0.1:1", CredentialsFile: f})
		if err == nil || !strings.Contains(err.Error(), "--nats-creds") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v", f, err)
		}
	}
}
