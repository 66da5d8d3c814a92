-- +goose Up
-- An approval's further scope and its end. ends_us 0: no end. session_id: the one
-- session that an approval until disconnect lasts as long as.
ALTER TABLE approvals
    ADD COLUMN controller       BOOLEAN NOT NULL DEFAULT FALSE,
    ADD COLUMN ends_us          BIGINT  NOT NULL DEFAULT 0,
    ADD COLUMN until_disconnect BOOLEAN NOT NULL DEFAULT FALSE,
    ADD COLUMN session_id       TEXT    NOT NULL DEFAULT '';
CREATE INDEX approvals_ends ON approvals (ends_us) WHERE ends_us > 0;

-- An unpaired record allows nothing. It is kept to tell the device (server/unpair).
ALTER TABLE pairing_records ADD COLUMN unpairing BOOLEAN NOT NULL DEFAULT FALSE;
