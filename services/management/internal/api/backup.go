package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/proto/backup"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
)

// backupPatience bounds the making and the download of a backup.
const backupPatience = 10 * time.Minute

// backupType is the content type of a sealed file.
const backupType = "application/octet-stream"

type makeBackup struct {
	Body struct {
		Passphrase string `json:"passphrase" minLength:"10" maxLength:"1024" format:"password" doc:"Seals the file. It is kept nowhere: without it the file cannot be opened."`
	}
}

func (a *API) backupRoutes() {
	register(a, route{
		id: "make-backup", method: http.MethodPost, path: "/api/v1/backup", tag: tagServer, role: auth.RoleAdmin, patience: backupPatience,
		summary: "A backup of everything",
		doc: "One file, sealed with the passphrase (age, scrypt): the server's identity, every trust record with its secrets, the audit ledger, groups, tuning of clients, API tokens and added addresses. " +
			"`tutti restore` brings it back on an empty data directory or database. The ledger gets a line. An answer that breaks off is no backup: it does not open.",
		errors: []int{http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity},
		success: &huma.Response{Description: "The sealed file.", Content: map[string]*huma.MediaType{
			backupType: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
		}},
	}, a.makeBackup)
}

func (a *API) makeBackup(ctx context.Context, in *makeBackup) (*huma.StreamResponse, error) {
	now := a.d.Clock.Now().UTC().Truncate(time.Second)
	name := a.Server(a.d.Projection.Snapshot()).Name
	h := backup.Header{MadeAt: now, Actor: who(ctx), Server: name, Tutti: a.d.Version}
	b, err := a.d.Archive.Begin(ctx, h, in.Body.Passphrase)
	switch c := fault.CodeOf(err); c {
	case "":
	case fault.Unavailable:
		return nil, away("pairing", "make a backup", err)
	case fault.Timeout:
		return nil, fault.Wrap(c, err, "the backup cannot be made now: the pairing service does not answer; try again in a moment")
	default:
		return nil, err
	}
	a.logAct(ctx, "backup.made", "", "")
	return &huma.StreamResponse{Body: func(c huma.Context) {
		defer b.Close()
		_, w := humago.Unwrap(c)
		w.Header().Set("Content-Type", backupType)
		w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="tutti-%s.backup"`, now.Format("2006-01-02-150405")))
		w.WriteHeader(http.StatusOK)
		if err := b.Write(ctx, w); err != nil {
			a.d.Log.ErrorContext(ctx, "a backup broke off", obs.KeyErr, err, obs.KeyTrace, bus.TraceID(ctx))
			a.act(ctx, "backup.failed", "", "it broke off while it was sent")
			panic(http.ErrAbortHandler) // the caller must not take what came for the whole
		}
	}}, nil
}
