package desk

import (
	"context"
	"time"

	"github.com/tutti-audio/tutti/services/pairing/internal/trust"
)

// Note appends a line to the ledger, with its announcement, for what is done to the
// store as a whole: a backup, a restore, another deployment key.
func Note(ctx context.Context, tx Tx, now time.Time, actor, kind, detail string) (Event, error) {
	e, err := tx.AppendAudit(ctx, Event{
		At: now.UTC().Truncate(time.Microsecond), Actor: trust.Clean(actor, maxActor), Kind: kind, Detail: trust.Clean(detail, maxDetail),
	})
	if err != nil {
		return e, err
	}
	return e, tx.Enqueue(ctx, auditAnnouncement(e))
}

// Fingerprint is the short, speakable form of a server_id or client_id; "" when it
// is no key.
func Fingerprint(id string) string { return fingerprint(id) }
