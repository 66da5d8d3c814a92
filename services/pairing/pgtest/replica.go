package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// NewReplica makes a standby that follows c by streaming replication. It answers reads
// until it is promoted.
func (c *Cluster) NewReplica() (*Cluster, error) {
	return start(c.bin, c.cred, func(dir string, port int) error {
		data := filepath.Join(dir, "data")
		cmd := exec.Command(filepath.Join(c.bin, "pg_basebackup"), "-D", data, "-R", "-X", "stream", "-c", "fast", "--no-sync", "-d", c.url)
		cmd.Dir = dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.cred}
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("pg_basebackup: %w: %s", err, out)
		}
		conf, err := os.OpenFile(filepath.Join(data, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = conf.WriteString("\nport = " + strconv.Itoa(port) + "\n")
		return errors.Join(err, conf.Close())
	})
}

// WaitFor waits until the replica r has everything that c had when it was called.
func (c *Cluster) WaitFor(ctx context.Context, r *Cluster) error {
	var at string
	if err := c.ask(ctx, "SELECT pg_current_wal_lsn()::text", &at); err != nil {
		return err
	}
	for {
		var there bool
		if err := r.ask(ctx, "SELECT pg_last_wal_replay_lsn() >= '"+at+"'::pg_lsn", &there); err != nil || there {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the replica is behind %s: %w", at, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Promote makes a replica a primary of its own.
func (c *Cluster) Promote(ctx context.Context) error {
	var done bool
	if err := c.ask(ctx, "SELECT pg_promote(true, 60)", &done); err != nil {
		return err
	}
	if !done {
		return errors.New("the replica was not promoted within 60 s")
	}
	return nil
}

func (c *Cluster) ask(ctx context.Context, sql string, dest any) error {
	conn, err := pgx.Connect(ctx, c.url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	return conn.QueryRow(ctx, sql).Scan(dest)
}
