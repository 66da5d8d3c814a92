package store

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"time"

	"github.com/tutti-audio/tutti/proto/roster"
	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
	"github.com/tutti-audio/tutti/services/pairing/internal/persona"
	"github.com/tutti-audio/tutti/services/pairing/internal/trust"
)

// Persona implements desk.Tx.
func (t tx) Persona(ctx context.Context, id string) (persona.Persona, error) {
	p := persona.Persona{ID: id}
	var kind, seq, created, updated int64
	var key []byte
	err := t.q.queryRow(ctx, []any{&kind, &p.Name, &key, &p.Sealed, &seq, &p.Roster, &p.Replaced, &p.VolumeMin, &p.VolumeMax, &p.OutputDelayMS,
		&p.Retired, &created, &updated}, `
SELECT kind, name, public_key, sealed_key, seq, roster, replaced, volume_min, volume_max, output_delay_ms, retired, created_us, updated_us
FROM personas WHERE persona_id = $1`, id)
	if err != nil {
		return persona.Persona{}, fmt.Errorf("read persona %s: %w", id, err)
	}
	if len(p.Sealed) == 0 {
		p.Sealed = nil // databases differ in what an empty value reads as
	}
	p.Kind, p.Key, p.Seq = roster.Kind(kind), ed25519.PublicKey(key), uint64(seq)
	p.Created, p.Updated = fromMicros(created), fromMicros(updated)
	p.Devices, err = collect(ctx, t.q, func(r rows) (d persona.Device, err error) {
		var added int64
		err = r.Scan(&d.ID, &d.Active, &added)
		d.Added = fromMicros(added)
		return d, err
	}, `SELECT client_id, active, added_us FROM persona_devices WHERE persona_id = $1 ORDER BY position`, id)
	if err != nil {
		return persona.Persona{}, fmt.Errorf("read the devices of persona %s: %w", id, err)
	}
	return p, nil
}

const upsertPersona = `
INSERT INTO personas (persona_id, kind, name, name_key, public_key, sealed_key, seq, roster, replaced, volume_min, volume_max,
    output_delay_ms, retired, created_us, updated_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
ON CONFLICT (persona_id) DO UPDATE SET name = excluded.name, name_key = excluded.name_key, public_key = excluded.public_key,
    sealed_key = excluded.sealed_key, seq = excluded.seq, roster = excluded.roster, replaced = excluded.replaced, volume_min = excluded.volume_min,
    volume_max = excluded.volume_max, output_delay_ms = excluded.output_delay_ms, retired = excluded.retired,
    updated_us = excluded.updated_us`

// SavePersona implements desk.Tx.
func (t tx) SavePersona(ctx context.Context, p persona.Persona) error {
	fail := func(err error) error { return fmt.Errorf("save persona %s: %w", p.ID, err) }
	sealed := p.Sealed
	if sealed == nil {
		sealed = []byte{}
	}
	_, err := t.q.exec(ctx, upsertPersona, p.ID, int64(p.Kind), p.Name, trust.NameKey(p.Name), []byte(p.Key), sealed, int64(p.Seq), p.Roster, p.Replaced,
		p.VolumeMin, p.VolumeMax, p.OutputDelayMS, p.Retired, micros(p.Created), micros(p.Updated))
	if err != nil {
		return fail(err)
	}
	if _, err := t.q.exec(ctx, `DELETE FROM persona_devices WHERE persona_id = $1`, p.ID); err != nil {
		return fail(err)
	}
	for i, d := range p.Devices {
		_, err := t.q.exec(ctx, `INSERT INTO persona_devices (client_id, persona_id, position, active, added_us) VALUES ($1, $2, $3, $4, $5)`,
			d.ID, p.ID, i, d.Active, micros(d.Added))
		if err != nil {
			return fail(err)
		}
	}
	return nil
}

// Personas implements desk.Tx.
func (t tx) Personas(ctx context.Context, after string, limit int) ([]string, error) {
	return collect(ctx, t.q, scanString,
		`SELECT persona_id FROM personas WHERE persona_id > $1 ORDER BY persona_id LIMIT $2`, after, limit)
}

// PersonaOf implements desk.Tx.
func (t tx) PersonaOf(ctx context.Context, clientID string) (id string, err error) {
	err = t.q.queryRow(ctx, []any{&id}, `SELECT persona_id FROM persona_devices WHERE client_id = $1`, clientID)
	return id, err
}

// PersonaNamed implements desk.Tx.
func (t tx) PersonaNamed(ctx context.Context, name string) (id string, err error) {
	err = t.q.queryRow(ctx, []any{&id}, `
SELECT persona_id FROM personas WHERE name_key = $1 AND name_key <> '' AND kind = $2 AND NOT retired LIMIT 1`,
		trust.NameKey(name), int64(roster.Endpoint))
	return id, err
}

// ServerPersona implements desk.Tx.
func (t tx) ServerPersona(ctx context.Context) (id string, err error) {
	err = t.q.queryRow(ctx, []any{&id}, `SELECT persona_id FROM personas WHERE kind = $1`, int64(roster.Server))
	return id, err
}

// knownPersona: a key that is not one of its devices claims the name of a persona.
func (t tx) knownPersona(ctx context.Context, clientID, nameKey string) (known bool, err error) {
	err = t.q.queryRow(ctx, []any{&known}, `
SELECT EXISTS (SELECT 1 FROM personas p WHERE p.name_key = $1 AND p.name_key <> '' AND p.kind = $3 AND NOT p.retired
    AND NOT EXISTS (SELECT 1 FROM persona_devices d WHERE d.persona_id = p.persona_id AND d.client_id = $2))`,
		nameKey, clientID, int64(roster.Endpoint))
	return known, err
}

// FormerIdentities implements desk.Tx.
func (t tx) FormerIdentities(ctx context.Context) ([]desk.Identity, error) {
	return collect(ctx, t.q, func(r rows) (id desk.Identity, err error) {
		var created int64
		err = r.Scan(&id.ServerID, &id.Sealed, &created)
		id.Created = fromMicros(created)
		return id, err
	}, `SELECT server_id, sealed_key, created_us FROM former_identities ORDER BY replaced_us DESC, server_id`)
}

// ReplaceIdentity implements desk.Tx.
func (t tx) ReplaceIdentity(ctx context.Context, was, next desk.Identity, at time.Time) error {
	for _, s := range []struct {
		sql  string
		args []any
	}{
		{`INSERT INTO former_identities (server_id, sealed_key, created_us, replaced_us) VALUES ($1, $2, $3, $4)`,
			[]any{was.ServerID, was.Sealed, micros(was.Created), micros(at)}},
		{`UPDATE pairing_records SET server_id = $1 WHERE server_id = ''`, []any{was.ServerID}},
		{`UPDATE pairing_records SET told_tries = -1 WHERE told_tries <> -1`, nil},
		{`UPDATE identity SET server_id = $1, sealed_key = $2, created_us = $3 WHERE one = 1`, []any{next.ServerID, next.Sealed, micros(next.Created)}},
	} {
		if _, err := t.q.exec(ctx, s.sql, s.args...); err != nil {
			return fmt.Errorf("replace the identity: %w", err)
		}
	}
	return nil
}

// DropUnusedIdentities implements desk.Tx.
func (t tx) DropUnusedIdentities(ctx context.Context) error {
	_, err := t.q.exec(ctx, `DELETE FROM former_identities WHERE server_id NOT IN (SELECT server_id FROM pairing_records)`)
	return err
}

// Values of pairing_records.told_tries that are no number of tries.
const (
	notTold  = -1
	fellBack = -2
)

// KnownServer implements desk.Tx.
func (t tx) KnownServer(ctx context.Context, clientID string) (desk.KnownServer, error) {
	var k desk.KnownServer
	var tries int
	err := t.q.queryRow(ctx, []any{&k.ServerID, &tries}, `SELECT server_id, told_tries FROM pairing_records WHERE client_id = $1`, clientID)
	if k.Told = err == nil && tries >= 0; k.Told {
		k.Tries = tries
	}
	k.FellBack = err == nil && tries == fellBack
	return k, err
}

// SetKnownServer implements desk.Tx.
func (t tx) SetKnownServer(ctx context.Context, clientID string, k desk.KnownServer) error {
	tries := notTold
	switch {
	case k.Told:
		tries = k.Tries
	case k.FellBack:
		tries = fellBack
	}
	_, err := t.q.exec(ctx, `UPDATE pairing_records SET server_id = $1, told_tries = $2 WHERE client_id = $3`, k.ServerID, tries, clientID)
	return err
}

// Unrecorded implements desk.Tx.
func (t tx) Unrecorded(ctx context.Context, after string, limit int) ([]string, error) {
	return collect(ctx, t.q, scanString, `
SELECT c.client_id FROM clients c LEFT JOIN pairing_records p ON p.client_id = c.client_id
WHERE p.client_id IS NULL AND c.client_id > $1 ORDER BY c.client_id LIMIT $2`, after, limit)
}
