-- +goose Up

-- Pairing tokens that wait for their device. The device need not have been seen, so
-- there is no reference to clients. sealed_psk is NULL once the client is paired.
CREATE TABLE enrolments (
    client_id  TEXT PRIMARY KEY,
    sealed_psk BLOB,
    actor      TEXT NOT NULL,
    state      TEXT NOT NULL,
    detail     TEXT NOT NULL,
    attempts   INTEGER NOT NULL,
    added_us   INTEGER NOT NULL,
    updated_us INTEGER NOT NULL
) STRICT;
CREATE INDEX enrolments_added ON enrolments (added_us);
