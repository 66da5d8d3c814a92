-- +goose Up

-- A persona of another site has an empty sealed_key. -1 stands for a limit or a delay
-- that is not set.
CREATE TABLE personas (
    persona_id      TEXT PRIMARY KEY,
    kind            INTEGER NOT NULL,
    name            TEXT NOT NULL,
    name_key        TEXT NOT NULL,
    public_key      BLOB NOT NULL,
    sealed_key      BLOB NOT NULL,
    seq             INTEGER NOT NULL,
    roster          TEXT NOT NULL,
    replaced        TEXT NOT NULL,
    volume_min      INTEGER NOT NULL,
    volume_max      INTEGER NOT NULL,
    output_delay_ms INTEGER NOT NULL,
    retired         INTEGER NOT NULL,
    created_us      INTEGER NOT NULL,
    updated_us      INTEGER NOT NULL
) STRICT;
CREATE INDEX personas_name ON personas (name_key) WHERE name_key <> '';
CREATE UNIQUE INDEX personas_server ON personas (kind) WHERE kind = 2;

-- A device belongs to one persona. It need not be a client of this site.
CREATE TABLE persona_devices (
    client_id  TEXT PRIMARY KEY,
    persona_id TEXT NOT NULL REFERENCES personas,
    position   INTEGER NOT NULL,
    active     INTEGER NOT NULL,
    added_us   INTEGER NOT NULL
) STRICT;
CREATE INDEX persona_devices_persona ON persona_devices (persona_id);
CREATE UNIQUE INDEX persona_devices_active ON persona_devices (persona_id) WHERE active = 1;

-- The server's keys before a rotation, for devices that know no other yet.
CREATE TABLE former_identities (
    server_id   TEXT PRIMARY KEY,
    sealed_key  BLOB NOT NULL,
    created_us  INTEGER NOT NULL,
    replaced_us INTEGER NOT NULL
) STRICT;

-- server_id: which key the device knows; '' is the present one. told_tries: how often the
-- present key was presented since the device was told of it; -1: it was not told; -2: it
-- was told and did not take it.
ALTER TABLE pairing_records ADD COLUMN server_id TEXT NOT NULL DEFAULT '';
ALTER TABLE pairing_records ADD COLUMN told_tries INTEGER NOT NULL DEFAULT -1;
