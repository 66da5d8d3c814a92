package store

import (
	"context"
	"fmt"
	"time"

	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
)

// PairingRecord implements desk.Tx.
func (t tx) PairingRecord(ctx context.Context, id string) ([]byte, error) {
	var sealed []byte
	err := t.q.queryRow(ctx, []any{&sealed}, `SELECT sealed_psk FROM pairing_records WHERE client_id = $1`, id)
	if err != nil {
		return nil, fmt.Errorf("read the pairing record of %s: %w", id, err)
	}
	return sealed, nil
}

// PutPairingRecord implements desk.Tx.
func (t tx) PutPairingRecord(ctx context.Context, id string, sealed []byte, at time.Time) error {
	_, err := t.q.exec(ctx, `
INSERT INTO pairing_records (client_id, sealed_psk, created_us, unpairing) VALUES ($1, $2, $3, $4)
ON CONFLICT (client_id) DO UPDATE SET sealed_psk = excluded.sealed_psk, created_us = excluded.created_us,
    unpairing = excluded.unpairing, told_tries = -1,
    server_id = CASE WHEN pairing_records.told_tries > 0 THEN '' ELSE pairing_records.server_id END`,
		id, sealed, micros(at), false)
	if err != nil {
		return fmt.Errorf("save the pairing record of %s: %w", id, err)
	}
	return nil
}

// DeletePairingRecord implements desk.Tx.
func (t tx) DeletePairingRecord(ctx context.Context, id string) error {
	_, err := t.q.exec(ctx, `DELETE FROM pairing_records WHERE client_id = $1`, id)
	return err
}

// MarkUnpairing implements desk.Tx.
func (t tx) MarkUnpairing(ctx context.Context, id string) error {
	n, err := t.q.exec(ctx, `UPDATE pairing_records SET unpairing = $2 WHERE client_id = $1`, id, true)
	if err == nil && n != 1 {
		err = desk.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("unpair the record of %s: %w", id, err)
	}
	return nil
}
