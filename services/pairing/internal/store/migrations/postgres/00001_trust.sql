-- Times are microseconds since 1970 (UTC), so that the audit chain hashes the
-- same number on every database. Sealed columns hold the form of internal/secret.

-- +goose Up
CREATE TABLE identity (
    one         SMALLINT PRIMARY KEY CHECK (one = 1),
    server_id   TEXT     NOT NULL,
    sealed_key  BYTEA    NOT NULL,
    created_us  BIGINT   NOT NULL
);

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE clients (
    client_id        TEXT    PRIMARY KEY,
    state            TEXT    NOT NULL,
    label            TEXT    NOT NULL,
    label_key        TEXT    NOT NULL,
    name             TEXT    NOT NULL,
    name_key         TEXT    NOT NULL,
    manufacturer     TEXT    NOT NULL,
    product_name     TEXT    NOT NULL,
    software_version TEXT    NOT NULL,
    mac_address      TEXT    NOT NULL,
    address          TEXT    NOT NULL,
    roles            TEXT    NOT NULL,
    unpaired_access  BOOLEAN NOT NULL,
    first_seen_us    BIGINT  NOT NULL,
    last_seen_us     BIGINT  NOT NULL,
    warning          TEXT    NOT NULL,
    decision         TEXT    NOT NULL,
    decided_us       BIGINT  NOT NULL,
    mismatch         BOOLEAN NOT NULL
);
CREATE INDEX clients_name  ON clients (name_key)    WHERE name_key    <> '';
CREATE INDEX clients_label ON clients (label_key)   WHERE label_key   <> '';
CREATE INDEX clients_mac   ON clients (mac_address) WHERE mac_address <> '';

-- A pairing record keeps its client: nothing that clears clients away can take
-- a credential with it.
CREATE TABLE pairing_records (
    client_id  TEXT   PRIMARY KEY REFERENCES clients ON DELETE RESTRICT,
    sealed_psk BYTEA  NOT NULL,
    created_us BIGINT NOT NULL
);

CREATE TABLE approvals (
    client_id TEXT    PRIMARY KEY REFERENCES clients ON DELETE CASCADE,
    source    BOOLEAN NOT NULL,
    actor     TEXT    NOT NULL,
    at_us     BIGINT  NOT NULL
);
CREATE INDEX approvals_actor ON approvals (actor);

CREATE TABLE inbox (
    client_id  TEXT   PRIMARY KEY REFERENCES clients ON DELETE CASCADE,
    reason     TEXT   NOT NULL,
    since_us   BIGINT NOT NULL,
    knocked_us BIGINT NOT NULL,
    expires_us BIGINT NOT NULL
);
CREATE INDEX inbox_knocked ON inbox (knocked_us);
CREATE INDEX inbox_expires ON inbox (expires_us);

CREATE TABLE audit (
    id        BIGINT PRIMARY KEY,
    at_us     BIGINT NOT NULL,
    actor     TEXT   NOT NULL,
    kind      TEXT   NOT NULL,
    client_id TEXT   NOT NULL,
    detail    TEXT   NOT NULL,
    prev_hash BYTEA  NOT NULL,
    hash      BYTEA  NOT NULL
);

-- The end of the chain. Its row lock makes appends follow one another, so that
-- ids have no gaps and appear in order.
CREATE TABLE audit_head (
    one  SMALLINT PRIMARY KEY CHECK (one = 1),
    id   BIGINT   NOT NULL,
    hash BYTEA    NOT NULL
);
INSERT INTO audit_head (one, id, hash) VALUES (1, 0, '');

CREATE TABLE outbox (
    seq     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind    TEXT   NOT NULL,
    key     TEXT   NOT NULL,
    payload BYTEA  NOT NULL
);

-- +goose StatementBegin
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit ledger is append-only';
END
$$;
-- +goose StatementEnd
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
