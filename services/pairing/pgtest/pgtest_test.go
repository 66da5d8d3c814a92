package pgtest

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestEachTestHasItsOwnEmptyDatabase(t *testing.T) {
	ctx := t.Context()
	a, b := Start(t), Start(t)
	if a == b {
		t.Fatalf("two databases share the URL %s", a)
	}
	ca, err := pgx.Connect(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ca.Close(ctx) }()
	if _, err := ca.Exec(ctx, "CREATE TABLE only_here (x int)"); err != nil {
		t.Fatal(err)
	}
	cb, err := pgx.Connect(ctx, b)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cb.Close(ctx) }()
	var there bool
	if err := cb.QueryRow(ctx, "SELECT to_regclass('only_here') IS NOT NULL").Scan(&there); err != nil || there {
		t.Fatalf("table of one database in the other: %v, %v", there, err)
	}
}

func TestDatabaseIsDroppedAtTheEnd(t *testing.T) {
	var url string
	t.Run("inner", func(t *testing.T) { url = Start(t) })
	if err := ping(t.Context(), url); err == nil {
		t.Fatal("the database outlived its test")
	}
}

// TestClusterDiesWithItsProcess kills a process that holds a cluster.
func TestClusterDiesWithItsProcess(t *testing.T) {
	if os.Getenv("PGTEST_CHILD") == "1" {
		c, err := NewCluster(os.Stderr)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(os.Getenv("PGTEST_OUT"), []byte(c.URL()), 0o600); err != nil {
			t.Fatal(err)
		}
		select {} // until killed
	}
	out := filepath.Join(t.TempDir(), "url")
	cmd := exec.Command(os.Args[0], "-test.run=^TestClusterDiesWithItsProcess$")
	cmd.Env = append(os.Environ(), "PGTEST_CHILD=1", "PGTEST_OUT="+out)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var url string
	eventually(t, "the child has a cluster", func() bool {
		b, _ := os.ReadFile(out)
		url = string(b)
		return url != ""
	})
	if err := ping(t.Context(), url); err != nil {
		t.Fatalf("the child's cluster does not answer: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	eventually(t, "the cluster is gone", func() bool { return ping(t.Context(), url) != nil })
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within 90 s: %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// TestAServerWhosePortIsTakenIsStartedOnAnother: by somebody who listens there and says
// nothing.
func TestAServerWhosePortIsTakenIsStartedOnAnother(t *testing.T) {
	bin, cred, err := Programs(os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	tries := 0
	c, err := start(bin, cred, func(dir string, port int) error {
		if tries++; tries == 1 {
			l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
			if err != nil {
				return err
			}
			t.Cleanup(func() { _ = l.Close() })
		}
		return initdb(bin, dir, port, cred)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Stop() }()
	if err := ping(t.Context(), c.URL()); err != nil || tries != 2 {
		t.Fatalf("%d tries, %v", tries, err)
	}
}

// TestClusterOutlivesTheGarbageCollector: the pipe that holds the cluster must
// not be collected while its URL is in use.
func TestClusterOutlivesTheGarbageCollector(t *testing.T) {
	url, err := ServerURL()
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		runtime.GC()
	}
	if err := ping(t.Context(), url); err != nil {
		t.Fatal(err)
	}
}
