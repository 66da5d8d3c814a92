package vaultcmd

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tutti-audio/tutti/cmd/tutti/internal/app"
	"github.com/tutti-audio/tutti/cmd/tutti/internal/passphrase"
	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/proto/subject"
	"github.com/tutti-audio/tutti/services/pairing/offline"
)

// RestoreOptions say where a backup is brought back to.
type RestoreOptions struct {
	Place
	NATS         string     // URL; empty: the embedded store of the data directory
	Access       bus.Config // how NATS is reached: credentials and TLS
	AcceptBroken bool       // also a backup whose audit ledger does not verify
}

type natsConfig struct {
	NATS    string `config:"nats" secret:"true" usage:"NATS server URL; empty: the embedded one's files in the data directory"`
	Creds   string `config:"nats-creds" usage:"file with the key of the tools for NATS (tools.nk of tutti nats-config), or a NATS .creds file"`
	TLSCA   string `config:"nats-tls-ca" usage:"file with the authority that signed the certificate of NATS (PEM); empty: those that this machine trusts"`
	TLSCert string `config:"nats-tls-cert" usage:"file with a certificate to show to NATS (PEM)"`
	TLSKey  string `config:"nats-tls-key" usage:"file with the key of --nats-tls-cert"`
}

// access is how the bus is reached.
func (n natsConfig) access() bus.Config {
	return bus.Config{URL: n.NATS, CredentialsFile: n.Creds, InboxPrefix: subject.InboxPrefix(subject.Tools),
		CAFile: n.TLSCA, CertFile: n.TLSCert, KeyFile: n.TLSKey}
}

func restoreCommand() *cobra.Command {
	o, nats, file := &RestoreOptions{}, &natsConfig{}, ""
	c := command("restore <file>", "Bring a backup back, on this or another machine",
		`Brings back what 'tutti backup' wrote: the server's identity, all trust with its
secrets, the audit ledger, settings, groups, tuning of devices, API tokens and added addresses.
Paired devices find their server again and notice nothing.

It works on an empty data directory (the default, SQLite and embedded NATS), or on an
empty PostgreSQL database (--database-url) and an unused NATS server (--nats), and
never overwrites anything: a folder or database that holds a server is refused. The
secrets are sealed under a new deployment key in the data directory, or under the one
that you give. The audit ledger is checked, and gets a line about the restore. When
anything fails, nothing is left behind.

Stop the old server first: two servers with one identity confuse every device.`,
		`  tutti restore casa-verde.backup
  tutti restore casa-verde.backup --data-dir /var/lib/tutti
  tutti restore casa-verde.backup --database-url postgres://tutti@db/tutti --nats nats://nats:4222 --deployment-key-file /run/secrets/deployment_key`,
		oneFile("restore"), func(cmd *cobra.Command, args []string) error {
			o.NATS, o.Access = nats.NATS, nats.access()
			pass, err := passphrase.Source{File: file}.Read(cmd.Context())
			if err != nil {
				return err
			}
			return Restore(cmd.Context(), *o, args[0], pass, cmd.OutOrStdout())
		}, &o.Place, nats)
	c.Flags().StringVar(&file, "passphrase-file", "", passphrase.FlagUsage)
	c.Flags().BoolVar(&o.AcceptBroken, "accept-broken-audit", false, "restore although the backup's audit ledger is broken; that is noted in it")
	return c
}

// complete names the data directory, unless nothing would be put into it.
func (o *RestoreOptions) complete() (err error) {
	if o.DataDir == "" && (o.DatabaseURL == "" || o.NATS == "" || !o.keyGiven()) {
		o.DataDir, err = app.DefaultDataDir()
	}
	return err
}

// restore is one run of Restore.
type restore struct {
	RestoreOptions
	file    *sealedFile
	out     io.Writer
	stage   *stage // nil: nothing goes into a data directory
	buckets *buckets
}

// Restore brings a backup back. After an error there is nothing that starts.
func Restore(ctx context.Context, o RestoreOptions, file, pass string, out io.Writer) (err error) {
	if err := o.complete(); err != nil {
		return err
	}
	s, err := openFile(file, pass)
	if err != nil {
		return err
	}
	defer s.close()
	return bringBack(ctx, o, s, out)
}

// bringBack is Restore of a file that is open.
func bringBack(ctx context.Context, o RestoreOptions, s *sealedFile, out io.Writer) error {
	r := &restore{RestoreOptions: o, file: s, out: out}
	r.say("Backup of %s, made %s by %s", s.header.Server, s.header.MadeAt.Local().Format("2006-01-02 15:04:05"), s.header.Actor)
	if err := r.prepare(ctx); err != nil {
		return r.failed(err)
	}
	got, err := r.run(ctx)
	if err != nil {
		return r.failed(err)
	}
	if r.stage != nil {
		defer r.stage.release()
		if err := r.stage.done(); err != nil {
			return err
		}
	}
	r.report(got)
	return nil
}

func (r *restore) say(format string, a ...any) {
	_, _ = fmt.Fprintln(r.out, app.Printable(fmt.Sprintf(format, a...)))
}

// prepare opens what is filled.
func (r *restore) prepare(ctx context.Context) (err error) {
	if r.DatabaseURL != "" { // before anything is cleared for it
		if err := offline.CheckDatabase(ctx, r.DatabaseURL, r.file.trust); err != nil {
			return err
		}
	}
	cfg := r.Access
	cfg.URL = r.NATS
	if r.DataDir != "" {
		if r.stage, err = newStage(r.DataDir); err != nil {
			return err
		}
		if r.NATS == "" {
			cfg.Embedded = &bus.EmbeddedConfig{StoreDir: app.BusDir(r.stage.path())}
		}
	}
	r.buckets, err = openBuckets(ctx, cfg)
	return err
}

// run fills the database and the buckets, and puts all in place.
func (r *restore) run(ctx context.Context) (offline.Restored, error) {
	job := offline.Restore{
		Place: r.offline(), Header: r.file.header, Trust: r.file.trust, Next: r.file.next,
		Entry: r.buckets.put, AcceptBroken: r.AcceptBroken, BeforeCommit: r.beforeCommit, Progress: func(f string, a ...any) { r.say("  "+f, a...) },
	}
	if r.stage != nil {
		job.DataDir = r.stage.path()
		if !r.keyGiven() {
			job.KeyFile = r.stage.key()
		}
	}
	got, err := job.Run(ctx)
	if err != nil || r.stage == nil || r.DatabaseURL != "" {
		return got, err
	}
	return got, r.stage.place()
}

// beforeCommit runs when all is written and checked. PostgreSQL commits after the files
// are in place; with SQLite the database is one of the files.
func (r *restore) beforeCommit() error {
	if r.NATS == "" {
		r.buckets.close()
	}
	if r.stage == nil || r.DatabaseURL == "" {
		return nil
	}
	return r.stage.place()
}

// failed takes back what was done.
func (r *restore) failed(err error) error {
	if r.buckets != nil {
		if r.NATS != "" {
			r.buckets.undo()
		}
		r.buckets.close()
	}
	if r.stage != nil {
		r.stage.undo()
		r.stage.release()
	}
	return fmt.Errorf("nothing was restored: %w", err)
}

func (r *restore) report(got offline.Restored) {
	r.buckets.close()
	var tables []string
	for _, t := range slices.Sorted(maps.Keys(got.Rows)) {
		tables = append(tables, fmt.Sprintf("%s %d", t, got.Rows[t]))
	}
	r.say("Restored: %s; %d keys of buckets", strings.Join(tables, ", "), len(r.buckets.written))
	r.say("Server %s, key %s", r.file.trust.ServerID, r.file.trust.Fingerprint)
	if !got.Audit.OK {
		r.say("The audit ledger is broken, as accepted: %s", got.Audit.Problem)
	}
	r.say("Audit head %d:%s", got.Head.ID, hex.EncodeToString(got.Head.Hash))
	switch {
	case r.keyGiven():
		r.say("Sealed under the given deployment key (id %s)", got.KeyID)
	default:
		r.say("Sealed under the deployment key %s (id %s): keep a copy of it apart from the database", r.stage.dir+"/"+offline.KeyFile, got.KeyID)
	}
	r.say("Make sure that the old server does not run any more, then start this one.")
}
