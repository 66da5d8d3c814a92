package offline

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
)

// ledgerOf makes a store whose ledger has n lines.
func ledgerOf(t *testing.T, p Place, n int) {
	t.Helper()
	s := openStore(t, p)
	defer s.Close()
	for i := range n {
		update(t, s, func(ctx context.Context, tx desk.Tx) error {
			_, err := desk.Note(ctx, tx, time.Now(), "token:admin", "test.act", fmt.Sprintf("number %d", i+1))
			return err
		})
	}
}

func verify(t *testing.T, p Place, known Head) Report {
	t.Helper()
	r, err := VerifyAudit(t.Context(), p, known)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestEveryTamperingIsFoundAndNamed(t *testing.T) {
	const columns = "at_us, actor, kind, client_id, detail, prev_hash, hash"
	swap := func(a, b int) string {
		return fmt.Sprintf("UPDATE audit SET id = -%d WHERE id = %d; UPDATE audit SET id = %d WHERE id = %d; UPDATE audit SET id = %d WHERE id = -%d", a, a, a, b, b, a)
	}
	for _, tc := range []struct {
		name, sql string
		at        uint64
		want      string
	}{
		{"content changed", "UPDATE audit SET detail = 'nothing happened' WHERE id = 4", 4, "line 4 was changed"},
		{"actor changed", "UPDATE audit SET actor = 'somebody else' WHERE id = 1", 1, "line 1 was changed"},
		{"time changed", "UPDATE audit SET at_us = at_us + 1 WHERE id = 7", 7, "line 7 was changed"},
		{"removed in the middle", "DELETE FROM audit WHERE id = 3", 3, "line 3 is missing: it was removed"},
		{"the first removed", "DELETE FROM audit WHERE id = 1", 1, "line 1 is missing"},
		{"several removed", "DELETE FROM audit WHERE id IN (3, 4, 5)", 3, "lines 3 to 5 are missing"},
		{"removed and renumbered", "DELETE FROM audit WHERE id = 3; UPDATE audit SET id = 3 WHERE id = 4; UPDATE audit SET id = 4 WHERE id = 5",
			3, "line 3 is out of place: it was line 4"},
		{"tail cut off", "DELETE FROM audit WHERE id >= 6", 6, "lines 6 to 8 are missing: the end of the ledger was cut off"},
		{"last removed", "DELETE FROM audit WHERE id = 8", 8, "line 8 is missing: the end of the ledger was cut off"},
		{"two swapped", swap(4, 5), 4, "line 4 is out of place: it was line 5; lines were reordered"},
		{"two far apart swapped", swap(2, 7), 2, "line 2 is out of place: it was line 7"},
		{"inserted at the end", "INSERT INTO audit (id, " + columns + ") SELECT 9, " + columns + " FROM audit WHERE id = 2", 9, "line 9 is out of place: it was line 2"},
		{"inserted before the first", "INSERT INTO audit (id, " + columns + ") SELECT -5, " + columns + " FROM audit WHERE id = 2", 1, "inserted before the first"},
		{"inserted with the rest moved up", "UPDATE audit SET id = 9 WHERE id = 8; UPDATE audit SET id = 8 WHERE id = 7; UPDATE audit SET id = 7 WHERE id = 6; " +
			"INSERT INTO audit (id, " + columns + ") SELECT 6, " + columns + " FROM audit WHERE id = 2", 6, "line 6 is out of place"},
		{"hash removed", "UPDATE audit SET hash = prev_hash WHERE id = 5", 5, "line 5 was changed"},
		{"end set back", "UPDATE audit_head SET id = 6, hash = (SELECT hash FROM audit WHERE id = 6)", 7, "the end was set back"},
		{"all removed", "DELETE FROM audit", 1, "lines 1 to 8 are missing"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			forEachStore(t, func(t *testing.T, p Place) {
				ledgerOf(t, p, 8)
				if r := verify(t, p, Head{}); !r.OK || r.Lines != 8 || r.Head.ID != 8 {
					t.Fatalf("before: %+v", r)
				}
				unlockLedger(t, p)
				raw(t, p, strings.Split(tc.sql, "; ")...)
				r := verify(t, p, Head{})
				if r.OK || r.BrokenAt != tc.at || !strings.Contains(r.Problem, tc.want) {
					t.Fatalf("got %+v, want line %d with %q", r, tc.at, tc.want)
				}
			})
		})
	}
}

// Somebody who makes the hashes anew, too, is found by the line that follows, or by
// a head that was kept elsewhere.
func TestHashesMadeAnew(t *testing.T) {
	forEachStore(t, func(t *testing.T, p Place) {
		ledgerOf(t, p, 6)
		before := verify(t, p, Head{})
		unlockLedger(t, p)
		forge := func(id int64, head bool) {
			s := openStore(t, p)
			defer s.Close()
			var e desk.Event
			update(t, s, func(ctx context.Context, tx desk.Tx) error {
				page, err := tx.AuditPage(ctx, id-1, 1)
				if err == nil {
					e = page[0]
				}
				return err
			})
			e.Detail = "nothing happened"
			lit := func(b []byte) string {
				if p.DatabaseURL == "" {
					return "x'" + hex.EncodeToString(b) + "'"
				}
				return `'\x` + hex.EncodeToString(b) + "'"
			}
			raw(t, p, fmt.Sprintf("UPDATE audit SET detail = '%s', hash = %s WHERE id = %d", e.Detail, lit(e.ChainHash()), id))
			if head {
				raw(t, p, fmt.Sprintf("UPDATE audit_head SET hash = %s", lit(e.ChainHash())))
			}
		}
		forge(6, false)
		if r := verify(t, p, Head{}); r.OK || r.BrokenAt != 6 || !strings.Contains(r.Problem, "replaced") {
			t.Fatalf("last line, head untouched: %+v", r)
		}
		forge(6, true)
		if r := verify(t, p, Head{}); !r.OK {
			t.Fatalf("a chain that was forged to its end looks whole by itself: %+v", r)
		}
		if r := verify(t, p, before.Head); r.OK || r.BrokenAt != 6 || !strings.Contains(r.Problem, "not the line whose hash you know") {
			t.Fatalf("with the head that was kept: %+v", r)
		}
		forge(3, false)
		if r := verify(t, p, Head{}); r.OK || r.BrokenAt != 4 || !strings.Contains(r.Problem, "does not carry on") {
			t.Fatalf("a line in the middle: %+v", r)
		}
	})
}

func TestAKnownHead(t *testing.T) {
	forEachStore(t, func(t *testing.T, p Place) {
		ledgerOf(t, p, 3)
		known := verify(t, p, Head{}).Head
		ledgerOf(t, p, 3)
		if r := verify(t, p, known); !r.OK || r.Lines != 6 {
			t.Fatalf("the ledger grew: %+v", r)
		}
		unlockLedger(t, p)
		raw(t, p, "DELETE FROM audit WHERE id > 2", "UPDATE audit_head SET id = 2, hash = (SELECT hash FROM audit WHERE id = 2)")
		if r := verify(t, p, Head{}); !r.OK {
			t.Fatalf("cut off with its end set back, it looks whole by itself: %+v", r)
		}
		if r := verify(t, p, known); r.OK || r.BrokenAt != 3 || !strings.Contains(r.Problem, "before line 3, which you know") {
			t.Fatalf("with the head that was kept: %+v", r)
		}
	})
}

func TestVerifyReadsWhatIsThereAndMakesNothing(t *testing.T) {
	p := Place{DataDir: t.TempDir()}
	if _, err := VerifyAudit(t.Context(), p, Head{}); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Fatalf("an empty data directory: %v", err)
	}
	s := openStore(t, p) // a server runs
	defer s.Close()
	if r := verify(t, p, Head{}); !r.OK || r.Lines != 0 {
		t.Fatalf("an empty ledger: %+v", r)
	}
}
