package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
)

// Empty implements desk.Tx.
func (t tx) Empty(ctx context.Context) (empty bool, err error) {
	err = t.q.queryRow(ctx, []any{&empty}, `
SELECT NOT (EXISTS (SELECT 1 FROM identity) OR EXISTS (SELECT 1 FROM clients)
         OR EXISTS (SELECT 1 FROM pairing_records) OR EXISTS (SELECT 1 FROM audit))`)
	return empty, err
}

// Identity implements desk.Tx.
func (t tx) Identity(ctx context.Context) (desk.Identity, error) {
	var id desk.Identity
	var created int64
	err := t.q.queryRow(ctx, []any{&id.ServerID, &id.Sealed, &created},
		`SELECT server_id, sealed_key, created_us FROM identity WHERE one = 1`)
	if err != nil {
		return desk.Identity{}, fmt.Errorf("read the identity: %w", err)
	}
	id.Created = fromMicros(created)
	return id, nil
}

// CreateIdentity implements desk.Tx.
func (t tx) CreateIdentity(ctx context.Context, id desk.Identity) error {
	_, err := t.q.exec(ctx, `INSERT INTO identity (one, server_id, sealed_key, created_us) VALUES (1, $1, $2, $3)`,
		id.ServerID, id.Sealed, micros(id.Created))
	if err != nil {
		return fmt.Errorf("store the identity: %w", err)
	}
	return nil
}

// Settings implements desk.Tx.
func (t tx) Settings(ctx context.Context) (map[string]string, error) {
	type pair struct{ name, value string }
	pairs, err := collect(ctx, t.q, func(r rows) (p pair, err error) {
		err = r.Scan(&p.name, &p.value)
		return p, err
	}, `SELECT name, value FROM settings`)
	if err != nil {
		return nil, fmt.Errorf("read the settings: %w", err)
	}
	out := make(map[string]string, len(pairs))
	for _, p := range pairs {
		out[p.name] = p.value
	}
	return out, nil
}

// PutSetting implements desk.Tx.
func (t tx) PutSetting(ctx context.Context, name, value string) error {
	_, err := t.q.exec(ctx, `
INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
	if err != nil {
		return fmt.Errorf("save setting %s: %w", name, err)
	}
	return nil
}

// AppendAudit implements desk.Tx. Taking the next id locks the end of the chain
// until this transaction ends.
func (t tx) AppendAudit(ctx context.Context, e desk.Event) (desk.Event, error) {
	fail := func(err error) (desk.Event, error) {
		return desk.Event{}, fmt.Errorf("append to the audit ledger: %w", err)
	}
	var id int64
	err := t.q.queryRow(ctx, []any{&id, &e.Prev}, `UPDATE audit_head SET id = id + 1 WHERE one = 1 RETURNING id, hash`)
	if err != nil {
		return fail(err)
	}
	if e.Prev == nil {
		e.Prev = []byte{} // SQLite reads an empty value back as none
	}
	e.ID = uint64(id)
	e.At = fromMicros(micros(e.At))
	e.Hash = e.ChainHash()
	_, err = t.q.exec(ctx, `
INSERT INTO audit (id, at_us, actor, kind, client_id, detail, prev_hash, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		id, micros(e.At), e.Actor, e.Kind, e.ClientID, e.Detail, e.Prev, e.Hash)
	if err != nil {
		return fail(err)
	}
	if _, err := t.q.exec(ctx, `UPDATE audit_head SET hash = $1 WHERE one = 1`, e.Hash); err != nil {
		return fail(err)
	}
	return e, nil
}

// Audit implements desk.Tx.
func (t tx) Audit(ctx context.Context, since uint64, limit int) ([]desk.Event, error) {
	if since > 1<<62 {
		return nil, nil
	}
	return t.AuditPage(ctx, int64(since), limit)
}

// AuditHead implements desk.Tx.
func (t tx) AuditHead(ctx context.Context) (h desk.Head, err error) {
	var id int64
	if err := t.q.queryRow(ctx, []any{&id, &h.Hash}, `SELECT id, hash FROM audit_head WHERE one = 1`); err != nil {
		return h, fmt.Errorf("read the head of the audit ledger: %w", err)
	}
	h.ID = uint64(id)
	return h, nil
}

// AuditPage implements desk.Tx.
func (t tx) AuditPage(ctx context.Context, after int64, limit int) ([]desk.Event, error) {
	return collect(ctx, t.q, func(r rows) (desk.Event, error) {
		var e desk.Event
		var id, at int64
		err := r.Scan(&id, &at, &e.Actor, &e.Kind, &e.ClientID, &e.Detail, &e.Prev, &e.Hash)
		e.ID, e.At = uint64(id), fromMicros(at)
		return e, err
	}, `SELECT id, at_us, actor, kind, client_id, detail, prev_hash, hash FROM audit WHERE id > $1 ORDER BY id LIMIT $2`,
		after, limit)
}

// Enqueue implements desk.Tx.
func (t tx) Enqueue(ctx context.Context, items ...desk.Announcement) error {
	for _, a := range items {
		payload := a.Payload
		if payload == nil {
			payload = []byte{}
		}
		_, err := t.q.exec(ctx, `INSERT INTO outbox (kind, key, payload) VALUES ($1, $2, $3)`, a.Kind, a.Key, payload)
		if err != nil {
			return fmt.Errorf("write the outbox: %w", err)
		}
	}
	return nil
}

// Outbox implements desk.Tx.
func (t tx) Outbox(ctx context.Context, limit int) ([]desk.Announcement, error) {
	return collect(ctx, t.q, func(r rows) (a desk.Announcement, err error) {
		err = r.Scan(&a.Seq, &a.Kind, &a.Key, &a.Payload)
		return a, err
	}, `SELECT seq, kind, key, payload FROM outbox ORDER BY seq LIMIT $1`, limit)
}

// Announced implements desk.Tx.
func (t tx) Announced(ctx context.Context, seqs ...int64) error {
	const chunk = 500
	for len(seqs) > 0 {
		n := min(len(seqs), chunk)
		args := make([]any, n)
		marks := make([]string, n)
		for i, s := range seqs[:n] {
			args[i], marks[i] = s, fmt.Sprintf("$%d", i+1)
		}
		if _, err := t.q.exec(ctx, `DELETE FROM outbox WHERE seq IN (`+strings.Join(marks, ",")+`)`, args...); err != nil {
			return fmt.Errorf("clear the outbox: %w", err)
		}
		seqs = seqs[n:]
	}
	return nil
}
