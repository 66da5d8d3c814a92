package app

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/services/management"
)

// Restorer opens backups and brings them back. It is package vaultcmd's, which stands
// above this one.
type Restorer interface {
	// Inspect reads a backup to its end. Errors are coded (platform/fault).
	Inspect(ctx context.Context, file io.ReadSeeker, passphrase string) (management.BackupContents, error)
	// Restore makes a whole data directory of a backup in dir, which is empty. Its
	// secrets are sealed under the deployment key in keyFile or key, or, when both are
	// empty, under a new one in dir. Errors are coded.
	Restore(ctx context.Context, dir, keyFile, key string, file io.ReadSeeker, passphrase string, acceptBroken bool) error
}

// restorer is what the operator API restores with; it belongs to one run of Serve.
type restorer struct {
	cfg     Config
	restart func()

	busy sync.Mutex // held while a restore is staged
}

// newRestorer is nil-safe: without a Restorer, or where the state is not in the data
// directory, the API says what to do instead.
func newRestorer(cfg Config, restart func()) management.Restorer {
	if cfg.Restorer == nil || !cfg.Embedded() || cfg.DatabaseURL != "" {
		return onlyInspects{cfg.Restorer, restoreLine(cfg)}
	}
	return &restorer{cfg: cfg, restart: restart}
}

// Inspect implements management.Restorer.
func (r *restorer) Inspect(ctx context.Context, file io.ReadSeeker, passphrase string) (management.BackupContents, error) {
	return r.cfg.Restorer.Inspect(ctx, file, passphrase)
}

// Stage implements management.Restorer.
func (r *restorer) Stage(ctx context.Context, file io.ReadSeeker, passphrase, by string, acceptBroken bool) (c management.BackupContents, err error) {
	if !r.busy.TryLock() {
		return c, fault.New(fault.Conflict, "another restore is being prepared: wait until it is done")
	}
	defer r.busy.Unlock()
	if c, err = r.cfg.Restorer.Inspect(ctx, file, passphrase); err != nil {
		return c, err
	}
	dir := filepath.Join(r.cfg.DataDir, stagedDir)
	if err := os.RemoveAll(dir); err != nil { // one that nobody started with
		return c, fault.Wrap(fault.Conflict, err, "the data directory cannot be written")
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir) // without its mark no start looks at it
		}
	}()
	if err := r.cfg.Restorer.Restore(ctx, dir, r.cfg.KeyFile, r.cfg.Key, file, passphrase, acceptBroken); err != nil {
		return c, err
	}
	if err := markReady(r.cfg.DataDir, staged{ServerName: c.ServerName, MadeAt: c.MadeAt, By: by}); err != nil {
		return c, fault.Wrap(fault.Conflict, err, "the data directory cannot be written")
	}
	return c, nil
}

// Restart implements management.Restorer.
func (r *restorer) Restart() { r.restart() }

// onlyInspects is for servers whose state lies elsewhere.
type onlyInspects struct {
	r Restorer
	// line is the command that restores instead.
	line string
}

func (o onlyInspects) Inspect(ctx context.Context, file io.ReadSeeker, passphrase string) (management.BackupContents, error) {
	if o.r == nil {
		return management.BackupContents{}, o.refusal()
	}
	return o.r.Inspect(ctx, file, passphrase)
}

func (o onlyInspects) Stage(context.Context, io.ReadSeeker, string, string, bool) (management.BackupContents, error) {
	return management.BackupContents{}, o.refusal()
}

func (onlyInspects) Restart() {}

func (o onlyInspects) refusal() error {
	return fault.New(fault.Conflict, "this server keeps its state in PostgreSQL or on a NATS server of its own, which the console does not replace: stop its services, "+
		"make an empty place, and run there: %s", o.line)
}

// restoreLine is the command that restores onto places like those of cfg, which must be
// empty. It holds no password: this one's are not needed for it, and others read it.
func restoreLine(cfg Config) string {
	line := []string{"tutti", "restore", "FILE"}
	if cfg.Embedded() {
		line = append(line, "--data-dir", "EMPTY-FOLDER")
	} else {
		line = append(line, "--nats", place(cfg.NATS, ""))
	}
	switch {
	case cfg.DatabaseURL != "":
		line = append(line, "--database-url", place(cfg.DatabaseURL, "/EMPTY-DATABASE"))
	case !cfg.Embedded(): // the database is another process's to know
		line = append(line, "--database-url", "postgres://USER@HOST/EMPTY-DATABASE")
	}
	if cfg.KeyFile != "" {
		line = append(line, "--deployment-key-file", cfg.KeyFile)
	}
	return strings.Join(line, " ")
}

// place is an address without its password and what follows its path, which path replaces
// when it is given.
func place(address, path string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || strings.ContainsAny(address, ", ") {
		return "ADDRESS" // a list, or a form of its own: it may hold secrets anywhere
	}
	out := url.URL{Scheme: u.Scheme, Host: u.Host, Path: cmp.Or(path, u.Path)}
	if name := u.User.Username(); name != "" && path != "" { // NATS takes a token there
		out.User = url.User(name)
	}
	return out.String()
}

// restoreStaged moves a restore that the console has staged into place, before anything
// uses the data directory, and tells a person.
func (p *process) restoreStaged(say func(format string, a ...any)) {
	done, aside, err := applyStaged(p.cfg.DataDir, time.Now())
	switch {
	case err != nil:
		p.log.Error("restore failed", obs.KeyErr, err)
		say("\n  Restore failed: %v\n", err)
	case done != nil:
		p.log.Info("backup restored", "server", done.ServerName, "made_at", done.MadeAt, "by", done.By, "before", aside)
		say("\n  Restored the backup of %s, made %s. What was here before is in %s\n", Printable(done.ServerName), done.MadeAt.Local().Format("2006-01-02 15:04:05"), aside)
	}
}

// again runs once as often as it asks for a restart; restart may be called from anywhere.
func again(ctx context.Context, once func(ctx context.Context, restart func()) error) error {
	for {
		run, stop := context.WithCancel(ctx)
		restarting := make(chan struct{})
		err := once(run, sync.OnceFunc(func() { close(restarting); stop() }))
		stop()
		select {
		case <-restarting:
		default:
			return err
		}
		if err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// tellTo writes lines for a person.
func tellTo(w io.Writer) func(format string, a ...any) {
	return func(format string, a ...any) { _, _ = fmt.Fprintf(w, format, a...) }
}
