package offline

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
	"github.com/tutti-audio/tutti/services/pairing/internal/secret"
)

// checkServer opens a store as a service does and looks for what furnish put there.
func checkServer(t *testing.T, p Place, serverID string, psks map[string]noise.PSK) {
	t.Helper()
	s := openStore(t, p)
	defer s.Close()
	v, err := desk.OpenVault(t.Context(), s, p.source(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if v.Created || v.Identity.Public().ID() != serverID {
		t.Fatalf("identity %s (new: %v), want %s", v.Identity.Public().ID(), v.Created, serverID)
	}
	err = s.View(t.Context(), func(ctx context.Context, tx desk.Tx) error {
		for id, want := range psks {
			sealed, err := tx.PairingRecord(ctx, id)
			if err != nil {
				return err
			}
			got, err := v.Key.Open(sealed, secret.Place{Table: "pairing_records", Column: "sealed_psk", Row: id})
			if err != nil || string(got) != string(want.Bytes()) {
				t.Errorf("the PSK of %s is not what it was (%v)", id, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// startError is what a service would say at its start.
func startError(t *testing.T, p Place) error {
	t.Helper()
	s := openStore(t, p)
	defer s.Close()
	v, err := desk.OpenVault(t.Context(), s, p.source(), time.Now())
	if v.Created {
		t.Fatal("a new identity was made")
	}
	return err
}

func lastLine(t *testing.T, p Place) (last desk.Event) {
	t.Helper()
	s := openStore(t, p)
	defer s.Close()
	err := s.View(t.Context(), func(ctx context.Context, tx desk.Tx) error {
		all, err := tx.Audit(ctx, 0, 1000)
		if err == nil && len(all) > 0 {
			last = all[len(all)-1]
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return last
}

func TestTheKeyInTheDataDirectoryIsReplaced(t *testing.T) {
	forEachStore(t, func(t *testing.T, p Place) {
		id, psks := furnish(t, p)
		old, err := KeyID(p)
		if err != nil {
			t.Fatal(err)
		}
		r, err := RotateKey(t.Context(), p, "")
		if err != nil {
			t.Fatal(err)
		}
		if now, err := KeyID(p); err != nil || r.OldID != old || r.NewID != now || old == now || r.Values != furnished || !r.InPlace {
			t.Fatalf("got %+v; the key was %s and is %s (%v)", r, old, now, err)
		}
		checkServer(t, p, id, psks)
		if _, err := os.Stat(filepath.Join(p.DataDir, secret.NextKeyFile)); err == nil {
			t.Error("the new key's file is still there")
		}
		e := lastLine(t, p)
		if e.Kind != "deploymentkey.rotated" || !strings.Contains(e.Detail, r.OldID) || !strings.Contains(e.Detail, r.NewID) {
			t.Errorf("the ledger says %+v", e)
		}
		if v := verify(t, p, Head{}); !v.OK {
			t.Errorf("the ledger: %+v", v)
		}
	})
}

func TestAKeyFromAFileIsChangedForOneInAnother(t *testing.T) {
	forEachStore(t, func(t *testing.T, p Place) {
		first, second := filepath.Join(t.TempDir(), "first"), filepath.Join(t.TempDir(), "second")
		if _, err := secret.LoadOrCreate(first); err != nil {
			t.Fatal(err)
		}
		p.KeyFile = first
		id, psks := furnish(t, p)
		if _, err := RotateKey(t.Context(), p, ""); err == nil || !strings.Contains(err.Error(), "--new-key-file") {
			t.Fatalf("without a new file: %v", err)
		}
		if _, err := RotateKey(t.Context(), p, first); err == nil || !strings.Contains(err.Error(), "in use already") {
			t.Fatalf("the same file: %v", err)
		}
		if _, err := RotateKey(t.Context(), p, second); err != nil {
			t.Fatal(err)
		}
		if err := startError(t, p); err == nil || !strings.Contains(err.Error(), "does not fit this database") {
			t.Fatalf("start with the old key: %v", err)
		}
		if r, err := RotateKey(t.Context(), p, second); err != nil || !r.Finished {
			t.Fatalf("once more: %+v, %v", r, err)
		}
		p.KeyFile = second
		checkServer(t, p, id, psks)
		if info, err := os.Stat(second); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode of the new key: %v, %v", info.Mode(), err)
		}
	})
}

// A crash after any step leaves a store that starts, or that says what to do; and
// running the command again ends well.
func TestACrashAtEachStepOfARotation(t *testing.T) {
	for _, step := range []string{"key written", "resealed", "committed", "renamed"} {
		t.Run(step, func(t *testing.T) {
			forEachStore(t, func(t *testing.T, p Place) {
				id, psks := furnish(t, p)
				crash := errors.New("the power failed")
				_, err := rotate(t.Context(), p, "", func(s string) error {
					if s == step {
						return crash
					}
					return nil
				})
				if !errors.Is(err, crash) {
					t.Fatalf("rotate: %v", err)
				}
				switch err := startError(t, p); step {
				case "committed":
					if err == nil || !strings.Contains(err.Error(), "tutti deployment-key rotate") || !strings.Contains(err.Error(), secret.NextKeyFile) {
						t.Fatalf("start: %v", err)
					}
				default:
					if err != nil {
						t.Fatalf("start: %v", err)
					}
					checkServer(t, p, id, psks)
				}
				r, err := RotateKey(t.Context(), p, "")
				if err != nil || r.Finished != (step == "committed") {
					t.Fatalf("again: %+v, %v", r, err)
				}
				checkServer(t, p, id, psks)
			})
		})
	}
}

func TestNoRotationWhileAServerRuns(t *testing.T) {
	forEachStore(t, func(t *testing.T, p Place) {
		furnish(t, p)
		s := openStore(t, p)
		defer s.Close()
		if err := s.View(t.Context(), func(ctx context.Context, tx desk.Tx) error { _, err := tx.Identity(ctx); return err }); err != nil {
			t.Fatal(err)
		}
		if _, err := RotateKey(t.Context(), p, ""); err == nil || !strings.Contains(err.Error(), "a server uses") {
			t.Fatalf("got %v", err)
		}
	})
}

func TestARotationThatCannotOpenASecretChangesNothing(t *testing.T) {
	forEachStore(t, func(t *testing.T, p Place) {
		id, psks := furnish(t, p)
		for client := range psks {
			// A sealed value that was copied to another row does not open there.
			raw(t, p, "UPDATE pairing_records SET sealed_psk = (SELECT sealed_key FROM identity) WHERE client_id = '"+client+"'")
			delete(psks, client)
			break
		}
		if _, err := RotateKey(t.Context(), p, ""); err == nil || !strings.Contains(err.Error(), "pairing_records") {
			t.Fatalf("got %v", err)
		}
		checkServer(t, p, id, psks)
	})
}

func TestAWrongOrMissingKeyIsSaid(t *testing.T) {
	forEachStore(t, func(t *testing.T, p Place) {
		furnish(t, p)
		path := filepath.Join(p.DataDir, secret.DefaultKeyFile)
		if err := os.WriteFile(path, []byte(strings.Repeat("17", 32)), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := RotateKey(t.Context(), p, ""); err == nil || !strings.Contains(err.Error(), "does not fit this database") {
			t.Fatalf("wrong key: %v", err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if _, err := RotateKey(t.Context(), p, ""); err == nil || !strings.Contains(err.Error(), "is missing") {
			t.Fatalf("missing key: %v", err)
		}
		if _, err := os.Stat(path); err == nil {
			t.Fatal("a key was made")
		}
	})
}
