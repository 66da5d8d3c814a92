package offline

import (
	"context"
	databasesql "database/sql"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
	"github.com/tutti-audio/tutti/services/pairing/internal/secret"
	"github.com/tutti-audio/tutti/services/pairing/internal/store"
	"github.com/tutti-audio/tutti/services/pairing/internal/store/storetest"
	"github.com/tutti-audio/tutti/services/pairing/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// forEachStore runs a test on both databases, each empty and with a data directory.
func forEachStore(t *testing.T, run func(t *testing.T, p Place)) {
	t.Run("sqlite", func(t *testing.T) { run(t, Place{DataDir: t.TempDir()}) })
	t.Run("postgres", func(t *testing.T) { run(t, Place{DataDir: t.TempDir(), DatabaseURL: pgtest.Start(t)}) })
}

// openStore opens as a server does.
func openStore(t *testing.T, p Place) store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), p.DatabaseURL, p.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// furnish makes a server with an identity, devices in every state, two pairing
// records and some audit lines, and leaves.
func furnish(t *testing.T, p Place) (serverID string, psks map[string]noise.PSK) {
	t.Helper()
	s := openStore(t, p)
	defer s.Close()
	v, err := desk.OpenVault(t.Context(), s, p.source(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	psks = map[string]noise.PSK{}
	update(t, s, func(ctx context.Context, tx desk.Tx) error {
		for i := range 4 {
			c := storetest.Client(storetest.NewID())
			if err := tx.SaveClient(ctx, c); err != nil {
				return err
			}
			if i < 2 {
				psk, err := noise.GeneratePSK(nil)
				if err != nil {
					return err
				}
				sealed, err := v.Key.Seal(psk.Bytes(), secret.Place{Table: "pairing_records", Column: "sealed_psk", Row: c.ID})
				if err != nil {
					return err
				}
				if err := tx.PutPairingRecord(ctx, c.ID, sealed, time.Now()); err != nil {
					return err
				}
				psks[c.ID] = psk
			}
			if _, err := desk.Note(ctx, tx, time.Now(), "token:admin", "client.approved", fmt.Sprintf("the %d. device, größer als 'ß'", i)); err != nil {
				return err
			}
		}
		return tx.PutSetting(ctx, "name", "Casa Verde")
	})
	for _, place := range []secret.Place{
		{Table: "enrolments", Column: "sealed_psk", Row: storetest.NewID()},
		{Table: "former_identities", Column: "sealed_key", Row: storetest.NewID()},
	} {
		sealed, err := v.Key.Seal([]byte("a secret of 32 bytes, or near it"), place)
		if err != nil {
			t.Fatal(err)
		}
		literal := "x'" + hex.EncodeToString(sealed) + "'"
		if p.DatabaseURL != "" {
			literal = `'\x` + hex.EncodeToString(sealed) + "'"
		}
		raw(t, p, map[string]string{
			"enrolments": "INSERT INTO enrolments (client_id, sealed_psk, actor, state, detail, attempts, added_us, updated_us) VALUES ('" + place.Row +
				"', " + literal + ", 'token:admin', 'waiting', '', 0, 1, 1), ('" + storetest.NewID() + "', NULL, 'token:admin', 'paired', '', 1, 1, 2)",
			"former_identities": "INSERT INTO former_identities (server_id, sealed_key, created_us, replaced_us) VALUES ('" + place.Row + "', " + literal + ", 1, 2)",
		}[place.Table])
	}
	return v.Identity.Public().ID(), psks
}

// furnished is how many sealed values furnish leaves.
const furnished = 5

func update(t *testing.T, s desk.Store, fn func(ctx context.Context, tx desk.Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// raw runs statements behind everybody's back.
func raw(t *testing.T, p Place, statements ...string) {
	t.Helper()
	var exec func(sql string) error
	if p.DatabaseURL == "" {
		db, err := databasesql.Open("sqlite", filepath.Join(p.DataDir, store.SQLiteFile)+"?_pragma=busy_timeout(5000)")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		exec = func(sql string) error { _, err := db.ExecContext(t.Context(), sql); return err }
	} else {
		c, err := pgx.Connect(t.Context(), p.DatabaseURL)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close(context.Background()) }()
		exec = func(sql string) error { _, err := c.Exec(t.Context(), sql); return err }
	}
	for _, s := range statements {
		if err := exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// unlockLedger takes away what keeps the ledger append-only, as somebody with the
// database's password can.
func unlockLedger(t *testing.T, p Place) {
	t.Helper()
	if p.DatabaseURL == "" {
		raw(t, p, "DROP TRIGGER audit_no_update", "DROP TRIGGER audit_no_delete")
		return
	}
	raw(t, p, "DROP TRIGGER audit_append_only ON audit")
}
