package store

import (
	"context"
	"fmt"
	"time"

	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
)

// StoredPairing implements desk.Tx.
func (t tx) StoredPairing(ctx context.Context, id string) (desk.PairingRecord, error) {
	var r desk.PairingRecord
	var at int64
	err := t.q.queryRow(ctx, []any{&r.Sealed, &at, &r.Unpairing},
		`SELECT sealed_psk, created_us, unpairing FROM pairing_records WHERE client_id = $1`, id)
	if err != nil {
		return desk.PairingRecord{}, fmt.Errorf("read the pairing record of %s: %w", id, err)
	}
	r.At = fromMicros(at)
	return r, nil
}

const enrolmentColumns = `client_id, sealed_psk, actor, state, detail, attempts, added_us, updated_us`

// PutEnrolment implements desk.Tx.
func (t tx) PutEnrolment(ctx context.Context, e desk.Enrolment) error {
	_, err := t.q.exec(ctx, `
INSERT INTO enrolments (`+enrolmentColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (client_id) DO UPDATE SET sealed_psk = excluded.sealed_psk, actor = excluded.actor, state = excluded.state,
    detail = excluded.detail, attempts = excluded.attempts, added_us = excluded.added_us, updated_us = excluded.updated_us`,
		e.ClientID, e.SealedPSK, e.Actor, e.State, e.Detail, e.Attempts, micros(e.Added), micros(e.Updated))
	if err != nil {
		return fmt.Errorf("save the enrolment of %s: %w", e.ClientID, err)
	}
	return nil
}

func scanEnrolment(r rows) (desk.Enrolment, error) {
	var e desk.Enrolment
	var added, updated int64
	err := r.Scan(&e.ClientID, &e.SealedPSK, &e.Actor, &e.State, &e.Detail, &e.Attempts, &added, &updated)
	e.Added, e.Updated = fromMicros(added), fromMicros(updated)
	return e, err
}

// Enrolment implements desk.Tx.
func (t tx) Enrolment(ctx context.Context, id string) (desk.Enrolment, error) {
	e, err := collect(ctx, t.q, scanEnrolment,
		`SELECT `+enrolmentColumns+` FROM enrolments WHERE client_id = $1`, id)
	if err == nil && len(e) == 0 {
		err = desk.ErrNotFound
	}
	if err != nil {
		return desk.Enrolment{}, fmt.Errorf("read the enrolment of %s: %w", id, err)
	}
	return e[0], nil
}

// Enrolments implements desk.Tx.
func (t tx) Enrolments(ctx context.Context, limit int) ([]desk.Enrolment, error) {
	return collect(ctx, t.q, scanEnrolment,
		`SELECT `+enrolmentColumns+` FROM enrolments ORDER BY added_us, client_id LIMIT $1`, limit)
}

// DeleteEnrolment implements desk.Tx.
func (t tx) DeleteEnrolment(ctx context.Context, id string) (bool, error) {
	n, err := t.q.exec(ctx, `DELETE FROM enrolments WHERE client_id = $1`, id)
	if err != nil {
		return false, fmt.Errorf("delete the enrolment of %s: %w", id, err)
	}
	return n > 0, nil
}

// SweepEnrolments implements desk.Tx.
func (t tx) SweepEnrolments(ctx context.Context, before time.Time) (int, error) {
	n, err := t.q.exec(ctx, `DELETE FROM enrolments WHERE state = $1 AND updated_us < $2`, desk.EnrolPaired, micros(before))
	if err != nil {
		return 0, fmt.Errorf("sweep the enrolments: %w", err)
	}
	return int(n), nil
}
