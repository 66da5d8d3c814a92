package model

// AuditCheck is what a check of the audit ledger found.
type AuditCheck struct {
	OK       bool   `json:"ok" doc:"The ledger is whole."`
	Lines    uint64 `json:"lines" doc:"Lines that are in order, from the first on."`
	HeadID   uint64 `json:"head_id" doc:"Number of the last of them."`
	HeadHash string `json:"head_hash" doc:"Its hash, 64 hexadecimal digits; empty for an empty ledger."`
	BrokenAt uint64 `json:"broken_at,omitempty" doc:"Number of the first line that is wrong."`
	Problem  string `json:"problem,omitempty" doc:"What is wrong with it, in words."`
}
