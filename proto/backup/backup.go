// Package backup is the form of a backup: what a `tutti backup` file holds once
// its seal (age, scrypt) is open, and what the pairing service hands out as a
// snapshot.
//
// It is a sequence of JSON objects, one a line, gzip-compressed. The member "k"
// says which kind a line is:
//
//	header  once, first: who made it, when, in which version of this form
//	trust   once: the version of the pairing database's schema, and whose it is
//	row     one row of one table of the pairing database
//	entry   one key of one bucket of the bus
//	end     once, last: how many rows and entries came before
//
// A snapshot has no header and no entries. Lines of an unknown kind are refused:
// a restore that leaves out what it does not know would lose it silently.
package backup

import (
	"errors"
	"time"
)

// Version is the version of this form. A file of a greater one is refused.
const Version = 1

// WorkFactor is the logarithm of scrypt's cost that seals a file: 2^17 (128 MiB and
// about half a second on a small server) makes each guess at a passphrase cost as
// much, and fits into the memory limit of the management service.
const WorkFactor = 17

// MinPassphrase is the least number of characters of a passphrase.
const MinPassphrase = 10

// Format is the header's mark.
const Format = "tutti-backup"

// maxLine bounds one line in bytes: a row is some hundred bytes, a group with a long
// queue some hundred thousand.
const maxLine = 8 << 20

// The errors that a caller branches on.
var (
	// ErrNewer: made by a later version of Tutti.
	ErrNewer = errors.New("it was made by a newer version of Tutti; restore it with that version or a later one")
	// ErrTruncated: the end is missing.
	ErrTruncated = errors.New("it is not whole: its end is missing")
	// ErrForm: no backup, or a damaged one.
	ErrForm = errors.New("it does not have the form of a backup")
)

// Header says what a file is.
type Header struct {
	Format  string    `json:"format"`
	Version int       `json:"version"`
	MadeAt  time.Time `json:"made_at"`
	Actor   string    `json:"actor"`         // who asked for it
	Server  string    `json:"server_name"`   // as the operator named it
	Tutti   string    `json:"tutti_version"` // of the server that made it
}

// Trust says whose pairing database follows.
type Trust struct {
	Schema      int64  `json:"schema"` // number of the last migration
	ServerID    string `json:"server_id"`
	Fingerprint string `json:"fingerprint"`
	Database    string `json:"database"` // "PostgreSQL" or "SQLite"
	HeadID      uint64 `json:"audit_head_id"`
	HeadHash    []byte `json:"audit_head_hash"`
}

// Row is one row of a table, by column.
type Row struct {
	Table  string           `json:"t"`
	Values map[string]Value `json:"v"`
}

// Entry is one key of a bucket; Data is the value as it is on the bus.
type Entry struct {
	Bucket string `json:"b"`
	Key    string `json:"key"`
	Data   []byte `json:"data"`
}

// End closes a sequence.
type End struct {
	Rows    int `json:"rows"`
	Entries int `json:"entries"`
}

// Record is one line: exactly one member is set.
type Record struct {
	Header *Header
	Trust  *Trust
	Row    *Row
	Entry  *Entry
	End    *End
}
