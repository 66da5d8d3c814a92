package store

import (
	"context"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
	"github.com/tutti-audio/tutti/services/pairing/pgtest"
)

// failoverLimit is for a busy machine.
const failoverLimit = 2 * time.Minute

// put writes a setting, trying again while the database cannot be used, as callers do.
func put(ctx context.Context, t *testing.T, s desk.Store, name, value string) {
	t.Helper()
	for {
		err := s.Update(ctx, func(ctx context.Context, tx desk.Tx) error { return tx.PutSetting(ctx, name, value) })
		if err == nil {
			return
		}
		if fault.CodeOf(err) != fault.Unavailable || ctx.Err() != nil {
			t.Fatalf("write %s: %v", name, err)
		}
	}
}

func setting(ctx context.Context, t *testing.T, s desk.Store, name string) (value string) {
	t.Helper()
	err := s.View(ctx, func(ctx context.Context, tx desk.Tx) error {
		all, err := tx.Settings(ctx)
		value = all[name]
		return err
	})
	if err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
	return value
}

// TestAStandbyTakesOver: of two servers the one that takes writes is used, whatever their
// order; a standby alone is called one; and when it is promoted after the primary's death,
// the same store goes on with it and misses nothing.
func TestAStandbyTakesOver(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), failoverLimit)
	defer cancel()
	primary, err := pgtest.NewCluster(os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	alive := true
	defer func() {
		if alive {
			_ = primary.Stop()
		}
	}()
	standby, err := primary.NewReplica()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = standby.Stop() }()

	host := func(raw string) string {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		return u.Host
	}
	both := strings.Replace(primary.URL(), host(primary.URL()), host(standby.URL())+","+host(primary.URL()), 1)
	s, err := OpenPostgres(ctx, both)
	if err != nil {
		t.Fatalf("a standby first, then the primary: %v", err)
	}
	defer s.Close()
	put(ctx, t, s, "before", "1")
	if err := primary.WaitFor(ctx, standby); err != nil {
		t.Fatal(err)
	}

	if _, err := OpenPostgres(ctx, standby.URL()); fault.CodeOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "standby") {
		t.Errorf("a standby alone: %v, want unavailable, and that it is a standby", err)
	}

	alive = false
	_ = primary.Stop() // it is killed: its exit says so
	if err := standby.Promote(ctx); err != nil {
		t.Fatal(err)
	}
	put(ctx, t, s, "after", "2")
	if before, after := setting(ctx, t, s, "before"), setting(ctx, t, s, "after"); before != "1" || after != "2" {
		t.Errorf("after the fail-over: before=%q after=%q, want 1 and 2", before, after)
	}
}

// TestATransactionThatBrokeIsTriedAgain: its connection is ended by the server after a
// write and before the commit; the caller sees nothing of it, and it takes effect once.
func TestATransactionThatBrokeIsTriedAgain(t *testing.T) {
	t.Parallel()
	db := pgtest.Start(t)
	s, err := OpenPostgres(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tries := 0
	err = s.Update(t.Context(), func(ctx context.Context, tx desk.Tx) error {
		tries++
		if tries == 1 {
			if err := tx.PutSetting(ctx, "first", "lost"); err != nil {
				return err
			}
			if err := rawPostgres(t, db, "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"); err != nil {
				return err
			}
		}
		return tx.PutSetting(ctx, "second", "kept")
	})
	if err != nil || tries != 2 {
		t.Fatalf("%d tries, %v; want success at the second", tries, err)
	}
	if first, second := setting(t.Context(), t, s, "first"), setting(t.Context(), t, s, "second"); first != "" || second != "kept" {
		t.Errorf("first=%q second=%q, want the second try's alone", first, second)
	}
}
