package model

import "time"

// BackupContents is what a backup holds. It shows no secret.
type BackupContents struct {
	MadeAt      time.Time      `json:"made_at" doc:"When it was made."`
	MadeBy      string         `json:"made_by" doc:"Who asked for it." example:"user:marta"`
	ServerName  string         `json:"server_name" doc:"The server's name then." example:"Casa Verde"`
	ServerID    string         `json:"server_id" doc:"The server's key."`
	Fingerprint string         `json:"fingerprint" doc:"The server's key as people compare it."`
	Version     string         `json:"version" doc:"The version of Tutti that made it." example:"1.4.0"`
	Database    string         `json:"database" doc:"Where its trust lay: SQLite or PostgreSQL." example:"SQLite"`
	Clients     int            `json:"clients" doc:"Devices that it knows." example:"12"`
	Groups      int            `json:"groups" doc:"Groups with their queues, solo groups included." example:"4"`
	Users       int            `json:"users" doc:"People who may sign in." example:"3"`
	AuditLines  int            `json:"audit_lines" doc:"Lines of the audit ledger." example:"2140"`
	Records     map[string]int `json:"records" doc:"All records, by table or bucket."`
}

// Restoring is the answer to a restore.
type Restoring struct {
	Backup     BackupContents `json:"backup"`
	Restarting bool           `json:"restarting" doc:"The server restarts by itself, at once. Everybody has to sign in again, with the passwords of the backup."`
}
