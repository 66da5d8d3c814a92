package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tutti-audio/tutti/services/pairing/internal/trust"
)

const selectClient = `
SELECT c.label, c.name, c.manufacturer, c.product_name, c.software_version, c.mac_address, c.address,
       c.roles, c.unpaired_access, c.first_seen_us, c.last_seen_us, c.warning, c.decision, c.decided_us, c.mismatch,
       p.client_id IS NOT NULL, COALESCE(p.unpairing, $2), COALESCE(p.created_us, 0),
       a.client_id IS NOT NULL, COALESCE(a.source, $2), COALESCE(a.controller, $2), COALESCE(a.actor, ''),
       COALESCE(a.at_us, 0), COALESCE(a.ends_us, 0), COALESCE(a.until_disconnect, $2), COALESCE(a.session_id, ''),
       COALESCE(i.reason, ''), COALESCE(i.since_us, 0), COALESCE(i.knocked_us, 0), COALESCE(i.expires_us, 0)
FROM clients c
LEFT JOIN pairing_records p ON p.client_id = c.client_id
LEFT JOIN approvals a ON a.client_id = c.client_id
LEFT JOIN inbox i ON i.client_id = c.client_id
WHERE c.client_id = $1`

// Client implements desk.Tx.
func (t tx) Client(ctx context.Context, id string) (trust.Client, error) {
	c := trust.Client{ID: id}
	var (
		roles, decision                string
		first, last, decided, recorded int64
		approvedAt, ends               int64
		since, knocked, expires        int64
		record, approved               bool
		a                              trust.Approval
		w                              trust.Waiting
	)
	err := t.q.queryRow(ctx, []any{
		&c.Label, &c.Name, &c.Manufacturer, &c.ProductName, &c.SoftwareVersion, &c.MAC, &c.Address,
		&roles, &c.UnpairedAccess, &first, &last, &c.Warning, &decision, &decided, &c.Mismatch,
		&record, &c.Unpairing, &recorded,
		&approved, &a.Source, &a.Controller, &a.Actor, &approvedAt, &ends, &a.UntilDisconnect, &a.Session,
		&w.Reason, &since, &knocked, &expires,
	}, selectClient, id, false)
	if err != nil {
		return trust.Client{}, fmt.Errorf("read client %s: %w", id, err)
	}
	if roles != "" {
		c.Roles = strings.Split(roles, " ")
	}
	c.FirstSeen, c.LastSeen = fromMicros(first), fromMicros(last)
	c.Decision, c.DecidedAt = trust.Decision(decision), fromMicros(decided)
	if c.Paired = record && !c.Unpairing; c.Paired {
		c.PairedAt = fromMicros(recorded)
	}
	if approved {
		a.At, a.Ends = fromMicros(approvedAt), fromMicros(ends)
		c.Approval = &a
	}
	if w.Reason != "" {
		w.Since, w.Knocked, w.Expires = fromMicros(since), fromMicros(knocked), fromMicros(expires)
		c.Waiting = &w
	}
	return c, nil
}

const upsertClient = `
INSERT INTO clients (client_id, state, label, label_key, name, name_key, manufacturer, product_name, software_version,
    mac_address, address, roles, unpaired_access, first_seen_us, last_seen_us, warning, decision, decided_us, mismatch)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
ON CONFLICT (client_id) DO UPDATE SET
    state = excluded.state, label = excluded.label, label_key = excluded.label_key, name = excluded.name,
    name_key = excluded.name_key, manufacturer = excluded.manufacturer, product_name = excluded.product_name,
    software_version = excluded.software_version, mac_address = excluded.mac_address, address = excluded.address,
    roles = excluded.roles, unpaired_access = excluded.unpaired_access, last_seen_us = excluded.last_seen_us,
    warning = excluded.warning, decision = excluded.decision, decided_us = excluded.decided_us,
    mismatch = excluded.mismatch`

// SaveClient implements desk.Tx.
func (t tx) SaveClient(ctx context.Context, c trust.Client) error {
	_, err := t.q.exec(ctx, upsertClient, c.ID, c.State().String(), c.Label, trust.NameKey(c.Label), c.Name,
		trust.NameKey(c.Name), c.Manufacturer, c.ProductName, c.SoftwareVersion, c.MAC, c.Address,
		joinRoles(c.Roles), c.UnpairedAccess, micros(c.FirstSeen), micros(c.LastSeen), c.Warning,
		string(c.Decision), micros(c.DecidedAt), c.Mismatch)
	if err == nil {
		err = t.saveApproval(ctx, c)
	}
	if err == nil {
		err = t.saveWaiting(ctx, c)
	}
	if err != nil {
		return fmt.Errorf("save client %s: %w", c.ID, err)
	}
	return nil
}

// joinRoles: a role name has no space; one that has is not one that anybody activates.
func joinRoles(roles []string) string {
	kept := make([]string, 0, len(roles))
	for _, r := range roles {
		if r != "" && !strings.Contains(r, " ") {
			kept = append(kept, r)
		}
	}
	return strings.Join(kept, " ")
}

func (t tx) saveApproval(ctx context.Context, c trust.Client) error {
	if c.Approval == nil {
		_, err := t.q.exec(ctx, `DELETE FROM approvals WHERE client_id = $1`, c.ID)
		return err
	}
	_, err := t.q.exec(ctx, `
INSERT INTO approvals (client_id, source, controller, actor, at_us, ends_us, until_disconnect, session_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (client_id) DO UPDATE SET source = excluded.source, controller = excluded.controller,
    actor = excluded.actor, at_us = excluded.at_us, ends_us = excluded.ends_us,
    until_disconnect = excluded.until_disconnect, session_id = excluded.session_id`,
		c.ID, c.Approval.Source, c.Approval.Controller, c.Approval.Actor, micros(c.Approval.At),
		micros(c.Approval.Ends), c.Approval.UntilDisconnect, c.Approval.Session)
	return err
}

func (t tx) saveWaiting(ctx context.Context, c trust.Client) error {
	if c.Waiting == nil {
		_, err := t.q.exec(ctx, `DELETE FROM inbox WHERE client_id = $1`, c.ID)
		return err
	}
	_, err := t.q.exec(ctx, `
INSERT INTO inbox (client_id, reason, since_us, knocked_us, expires_us) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (client_id) DO UPDATE SET reason = excluded.reason, since_us = excluded.since_us,
    knocked_us = excluded.knocked_us, expires_us = excluded.expires_us`,
		c.ID, c.Waiting.Reason, micros(c.Waiting.Since), micros(c.Waiting.Knocked), micros(c.Waiting.Expires))
	return err
}

// DeleteClient implements desk.Tx.
func (t tx) DeleteClient(ctx context.Context, id string) error {
	if _, err := t.q.exec(ctx, `DELETE FROM clients WHERE client_id = $1`, id); err != nil {
		return fmt.Errorf("delete client %s: %w", id, err)
	}
	return nil
}

// Clients implements desk.Tx.
func (t tx) Clients(ctx context.Context, after string, limit int) ([]string, error) {
	return collect(ctx, t.q, scanString,
		`SELECT client_id FROM clients WHERE client_id > $1 ORDER BY client_id LIMIT $2`, after, limit)
}

// Known implements desk.Tx.
func (t tx) Known(ctx context.Context, id, name, mac string) (trust.Known, error) {
	var k trust.Known
	key := trust.NameKey(name)
	if key != "" {
		err := t.q.queryRow(ctx, []any{&k.Name}, `
SELECT EXISTS (SELECT 1 FROM clients WHERE name_key  = $1 AND name_key  <> '' AND client_id <> $2)
    OR EXISTS (SELECT 1 FROM clients WHERE label_key = $1 AND label_key <> '' AND client_id <> $2)`, key, id)
		if err != nil {
			return k, fmt.Errorf("look for a known name: %w", err)
		}
		if !k.Name {
			if k.Name, err = t.knownPersona(ctx, id, key); err != nil {
				return k, fmt.Errorf("look for a known persona: %w", err)
			}
		}
	}
	if mac != "" {
		err := t.q.queryRow(ctx, []any{&k.MAC},
			`SELECT EXISTS (SELECT 1 FROM clients WHERE mac_address = $1 AND mac_address <> '' AND client_id <> $2)`, mac, id)
		if err != nil {
			return k, fmt.Errorf("look for a known MAC address: %w", err)
		}
	}
	return k, nil
}

// PolicyApprovals implements desk.Tx.
func (t tx) PolicyApprovals(ctx context.Context) (n int, err error) {
	err = t.q.queryRow(ctx, []any{&n}, `SELECT count(*) FROM approvals WHERE actor = $1`, trust.ActorPolicy)
	return n, err
}

// Approved implements desk.Tx.
func (t tx) Approved(ctx context.Context) ([]string, error) {
	return collect(ctx, t.q, scanString, `
SELECT a.client_id FROM approvals a LEFT JOIN pairing_records p ON p.client_id = a.client_id
WHERE p.client_id IS NULL OR p.unpairing`)
}

// ApprovalsOver implements desk.Tx.
func (t tx) ApprovalsOver(ctx context.Context, now time.Time, limit int) ([]string, error) {
	return collect(ctx, t.q, scanString, `
SELECT client_id FROM approvals WHERE ends_us > 0 AND ends_us <= $1 ORDER BY ends_us LIMIT $2`, micros(now), limit)
}

// InboxOverflow implements desk.Tx.
func (t tx) InboxOverflow(ctx context.Context, keep int) ([]string, error) {
	var n int
	if err := t.q.queryRow(ctx, []any{&n}, `SELECT count(*) FROM inbox`); err != nil {
		return nil, fmt.Errorf("count the inbox: %w", err)
	}
	if n <= keep {
		return nil, nil
	}
	return collect(ctx, t.q, scanString,
		`SELECT client_id FROM inbox ORDER BY knocked_us, client_id LIMIT $1`, n-keep)
}

// InboxExpired implements desk.Tx.
func (t tx) InboxExpired(ctx context.Context, now time.Time, limit int) ([]string, error) {
	return collect(ctx, t.q, scanString,
		`SELECT client_id FROM inbox WHERE expires_us <= $1 ORDER BY expires_us LIMIT $2`, micros(now), limit)
}
