-- Times are microseconds since 1970 (UTC), so that the audit chain hashes the
-- same number on every database. Sealed columns hold the form of internal/secret.

-- +goose Up
CREATE TABLE identity (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    server_id   TEXT NOT NULL,
    sealed_key  BLOB NOT NULL,
    created_us  INTEGER NOT NULL
) STRICT;

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE clients (
    client_id        TEXT PRIMARY KEY,
    state            TEXT NOT NULL,
    label            TEXT NOT NULL,
    label_key        TEXT NOT NULL,
    name             TEXT NOT NULL,
    name_key         TEXT NOT NULL,
    manufacturer     TEXT NOT NULL,
    product_name     TEXT NOT NULL,
    software_version TEXT NOT NULL,
    mac_address      TEXT NOT NULL,
    address          TEXT NOT NULL,
    roles            TEXT NOT NULL,
    unpaired_access  INTEGER NOT NULL,
    first_seen_us    INTEGER NOT NULL,
    last_seen_us     INTEGER NOT NULL,
    warning          TEXT NOT NULL,
    decision         TEXT NOT NULL,
    decided_us       INTEGER NOT NULL,
    mismatch         INTEGER NOT NULL
) STRICT;
CREATE INDEX clients_name  ON clients (name_key)    WHERE name_key    <> '';
CREATE INDEX clients_label ON clients (label_key)   WHERE label_key   <> '';
CREATE INDEX clients_mac   ON clients (mac_address) WHERE mac_address <> '';

-- A pairing record keeps its client: nothing that clears clients away can take
-- a credential with it.
CREATE TABLE pairing_records (
    client_id  TEXT PRIMARY KEY REFERENCES clients ON DELETE RESTRICT,
    sealed_psk BLOB NOT NULL,
    created_us INTEGER NOT NULL
) STRICT;

CREATE TABLE approvals (
    client_id TEXT PRIMARY KEY REFERENCES clients ON DELETE CASCADE,
    source    INTEGER NOT NULL,
    actor     TEXT NOT NULL,
    at_us     INTEGER NOT NULL
) STRICT;
CREATE INDEX approvals_actor ON approvals (actor);

CREATE TABLE inbox (
    client_id  TEXT PRIMARY KEY REFERENCES clients ON DELETE CASCADE,
    reason     TEXT NOT NULL,
    since_us   INTEGER NOT NULL,
    knocked_us INTEGER NOT NULL,
    expires_us INTEGER NOT NULL
) STRICT;
CREATE INDEX inbox_knocked ON inbox (knocked_us);
CREATE INDEX inbox_expires ON inbox (expires_us);

CREATE TABLE audit (
    id        INTEGER PRIMARY KEY,
    at_us     INTEGER NOT NULL,
    actor     TEXT NOT NULL,
    kind      TEXT NOT NULL,
    client_id TEXT NOT NULL,
    detail    TEXT NOT NULL,
    prev_hash BLOB NOT NULL,
    hash      BLOB NOT NULL
) STRICT;

-- The end of the chain: ids have no gaps and appear in order.
CREATE TABLE audit_head (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    id   INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT;
INSERT INTO audit_head (one, id, hash) VALUES (1, 0, x'');

CREATE TABLE outbox (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    kind    TEXT NOT NULL,
    key     TEXT NOT NULL,
    payload BLOB NOT NULL
) STRICT;

-- +goose StatementBegin
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit ledger is append-only');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit ledger is append-only');
END;
-- +goose StatementEnd
