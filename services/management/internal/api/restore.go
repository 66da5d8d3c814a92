package api

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

const (
	// MaxBackup is the largest backup that can be sent in, in bytes. One that this
	// service makes has less (see docs/adr/0016).
	MaxBackup = 128 << 20
	// restorePatience bounds the way of a backup to the server, and the making of a data
	// directory of it.
	restorePatience = 10 * time.Minute
	// maxPassphrase is the longest passphrase in bytes, as for making a backup.
	maxPassphrase = 1024
)

// Restorer opens backups and brings them back. Its errors are coded.
type Restorer interface {
	// Inspect reads a backup to its end.
	Inspect(ctx context.Context, file io.ReadSeeker, passphrase string) (model.BackupContents, error)
	// Stage makes of a backup what the next start takes over, and nothing else. by asked
	// for it. acceptBroken takes a backup whose audit ledger does not verify.
	Stage(ctx context.Context, file io.ReadSeeker, passphrase, by string, acceptBroken bool) (model.BackupContents, error)
	// Restart ends the server when the requests that run are answered, and starts it again.
	Restart()
}

// SealedBackup is the input of both operations (exported as ClientPath is). The body is read as it comes, into a file:
// it may be large.
type SealedBackup struct {
	Passphrase string `header:"Tutti-Passphrase" doc:"The passphrase of the backup in base64url (RFC 4648 section 5, without padding), of its UTF-8. A header, because the body is the file as it is; it is in no log."`

	body io.Reader
}

// Resolve implements huma.Resolver: it keeps the body for later.
func (s *SealedBackup) Resolve(c huma.Context) []error {
	r, w := humago.Unwrap(c)
	s.body = http.MaxBytesReader(w, r.Body, MaxBackup)
	return nil
}

type restoreBackup struct {
	SealedBackup
	AcceptBroken bool `query:"accept_broken_audit" doc:"Take a backup whose audit ledger does not verify; that is noted in it."`
}

func (a *API) restoreRoutes() {
	file := &huma.RequestBody{Description: "The sealed file as POST /api/v1/backup answered it.", Required: true,
		Content: map[string]*huma.MediaType{backupType: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}}
	errors := []int{http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity}
	register(a, route{
		id: "check-backup", method: http.MethodPost, path: "/api/v1/restore/check", tag: tagServer, role: auth.RoleAdmin,
		summary: "What is in a backup", doc: "Opens the file, reads it to its end, and changes nothing.",
		errors: errors, raw: MaxBackup, patience: restorePatience, body: file,
	}, a.checkBackup)
	register(a, route{
		id: "restore-backup", method: http.MethodPost, path: "/api/v1/restore", tag: tagServer, role: auth.RoleAdmin, status: http.StatusAccepted,
		summary: "Bring a backup back",
		doc: "Replaces what this server is: its identity, trust, users, groups, tokens. The backup is made into a new state beside the present one; when that has succeeded, the server restarts with it, " +
			"and what was before is kept in a folder of the data directory. When anything fails, nothing has changed. Only where the state lies in the data directory; else 409, and `tutti restore` does it. " +
			"The old server must not run any more: two servers with one identity confuse every device.",
		errors: errors, raw: MaxBackup, patience: restorePatience, body: file,
	}, a.restoreBackup)
}

func (a *API) checkBackup(ctx context.Context, in *SealedBackup) (*body[model.BackupContents], error) {
	var out model.BackupContents
	err := a.withBackup(in, func(file io.ReadSeeker, pass string) (err error) {
		out, err = a.d.Restorer.Inspect(ctx, file, pass)
		return err
	})
	if err != nil {
		return nil, err
	}
	return answer(out), nil
}

func (a *API) restoreBackup(ctx context.Context, in *restoreBackup) (*body[model.Restoring], error) {
	var out model.BackupContents
	err := a.withBackup(&in.SealedBackup, func(file io.ReadSeeker, pass string) (err error) {
		out, err = a.d.Restorer.Stage(ctx, file, pass, who(ctx), in.AcceptBroken)
		return err
	})
	if err != nil {
		a.logAct(ctx, "backup.restore_failed", "", err.Error())
		return nil, err
	}
	a.act(ctx, "backup.restore_staged", "", fmt.Sprintf("backup of %s, made %s", clip(out.ServerName), out.MadeAt.UTC().Format(time.RFC3339)))
	a.d.Restorer.Restart()
	return answer(model.Restoring{Backup: out, Restarting: true}), nil
}

// withBackup gives f the body as a file, which is gone afterwards.
func (a *API) withBackup(in *SealedBackup, f func(file io.ReadSeeker, pass string) error) error {
	pass, err := base64.RawURLEncoding.DecodeString(in.Passphrase)
	switch {
	case a.d.Restorer == nil:
		return fault.New(fault.Conflict, "this server cannot restore by itself: stop it and run `tutti restore FILE`")
	case in.Passphrase == "":
		return badField("header.Tutti-Passphrase", "is missing: send the passphrase of the backup, in base64url")
	case err != nil, len(pass) > maxPassphrase:
		return badField("header.Tutti-Passphrase", "is no base64url of a passphrase")
	}
	tmp, err := nameless(a.d.TempDir)
	if err != nil {
		return fault.Wrap(fault.Conflict, err, "the backup cannot be kept for a moment: is the disk full?")
	}
	defer func() { _ = tmp.Close() }()
	n, err := io.Copy(tmp, in.body)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return fault.New(fault.TooLarge, "%s", tooLarge(MaxBackup).Detail)
	case err != nil:
		return fault.Wrap(fault.Invalid, err, "the backup did not arrive as a whole: send it again")
	case n == 0:
		return fault.New(fault.Invalid, "the request needs a body: send the backup itself")
	}
	return f(tmp, string(pass))
}

// nameless is a file that vanishes with its last user; in dir, or where that is not there,
// in the system's folder.
func nameless(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "restore-*.backup") // 0600; and what it holds is sealed
	if errors.Is(err, fs.ErrNotExist) && dir != "" {
		return nameless("")
	}
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}
