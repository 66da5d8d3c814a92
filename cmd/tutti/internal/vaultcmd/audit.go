package vaultcmd

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/tutti-audio/tutti/services/pairing/offline"
)

// Head names a line of the audit ledger that was written down earlier.
type Head struct {
	ID   uint64
	Hash []byte
}

// ParseHead reads ID:HASH, as the log line "audit head" has them; "" is no head.
func ParseHead(s string) (Head, error) {
	if s == "" {
		return Head{}, nil
	}
	id, hash, _ := strings.Cut(s, ":")
	n, err := strconv.ParseUint(id, 10, 63)
	b, herr := hex.DecodeString(hash)
	if err != nil || n == 0 || herr != nil || len(b) != 32 {
		return Head{}, fmt.Errorf("--head %q: write the number of a line, a colon, and its hash of 64 hexadecimal digits, as in the log line \"audit head\"", s)
	}
	return Head{n, b}, nil
}

// Check is what a check of the ledger found; it reads as the API's answer.
type Check struct {
	OK       bool   `json:"ok"`
	Lines    uint64 `json:"lines"`
	HeadID   uint64 `json:"head_id"`
	HeadHash string `json:"head_hash"`
	BrokenAt uint64 `json:"broken_at,omitempty"`
	Problem  string `json:"problem,omitempty"`
}

// VerifyOffline checks the ledger of a server straight from its database. A server may
// run on it.
func VerifyOffline(ctx context.Context, p Place, known Head) (Check, error) {
	if p.DatabaseURL == "" {
		if err := p.complete(); err != nil {
			return Check{}, err
		}
	}
	r, err := offline.VerifyAudit(ctx, p.offline(), offline.Head(known))
	return Check{
		OK: r.OK, Lines: r.Lines, HeadID: r.Head.ID, HeadHash: hex.EncodeToString(r.Head.Hash), BrokenAt: r.BrokenAt, Problem: r.Problem,
	}, err
}
