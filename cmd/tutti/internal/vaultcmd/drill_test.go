package vaultcmd_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/services/pairing/pgtest"
)

// furnish makes what a person would miss, and returns the secret of a token.
func (h *house) furnish() string {
	h.t.Helper()
	h.must(http.MethodPatch, "/api/v1/server", map[string]any{"name": "Casa Verde", "languages": []string{"de", "en"}})
	for _, g := range []string{"Downstairs", "Küche & Bar"} {
		h.must(http.MethodPost, "/api/v1/groups", map[string]any{"name": g})
	}
	if _, err := h.ask(http.MethodPost, "/api/v1/clients", adminToken, map[string]any{"url": "ws://192.0.2.7:8928/sendspin"}); err != nil {
		h.t.Fatal(err)
	}
	h.eventually("the address is shown", func() error {
		if h.shown()["address"] == nil {
			return errors.New("not yet")
		}
		return nil
	})
	return h.must(http.MethodPost, "/api/v1/tokens", map[string]any{"name": "night manager", "role": "operator"})["token"].(string)
}

// shown is what the API shows of what moves with a house.
func (h *house) shown() map[string]any {
	h.t.Helper()
	server := h.must(http.MethodGet, "/api/v1/server", nil)
	out := map[string]any{"server_id": server["server_id"], "name": server["name"], "languages": server["languages"],
		"tokens": h.must(http.MethodGet, "/api/v1/tokens", nil)}
	var groups []any
	for _, g := range h.must(http.MethodGet, "/api/v1/groups", nil)["groups"].([]any) {
		groups = append(groups, g.(map[string]any)["name"], g.(map[string]any)["group_id"])
	}
	out["groups"] = groups
	for _, s := range h.must(http.MethodGet, "/api/v1/sightings", nil)["sightings"].([]any) {
		out["address"] = s.(map[string]any)["url"]
	}
	return out
}

// TestMoveHouse is the drill with the real commands: back up a running server, restore
// to the other kind of database, start there.
func TestMoveHouse(t *testing.T) {
	for _, way := range []string{"sqlite to postgres", "postgres to sqlite"} {
		t.Run(way, func(t *testing.T) {
			from, to, _ := strings.Cut(way, " to ")
			url := func(kind string) string {
				if kind == "postgres" {
					return pgtest.Start(t)
				}
				return ""
			}
			old := startHouse(t, t.TempDir(), url(from))
			secret := old.furnish()
			was := old.shown()
			file := filepath.Join(t.TempDir(), "house.backup")
			out := old.tutti("backup", file, "--passphrase-file", passFile(t, pass))
			if !strings.Contains(out, "Casa Verde") || !strings.Contains(out, "bucket groups") {
				t.Errorf("backup says:\n%s", out)
			}
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the file: %v, %v", info, err)
			}
			if _, err := tutti(t, "backup", file, "--passphrase-file", passFile(t, pass), "--server", old.url, "--token", adminToken); err == nil || !strings.Contains(err.Error(), "--force") {
				t.Errorf("a second backup to the same file: %v", err)
			}
			old.stop()

			dir, db := filepath.Join(t.TempDir(), "new"), url(to)
			args := []string{"restore", file, "--passphrase-file", passFile(t, pass), "--data-dir", dir}
			if db != "" {
				args = append(args, "--database-url", db)
			}
			out, err := tutti(t, args...)
			if err != nil {
				t.Fatalf("restore: %v\n%s", err, out)
			}
			if !strings.Contains(out, was["server_id"].(string)) || !strings.Contains(out, "deployment-key") {
				t.Errorf("restore says:\n%s", out)
			}
			if _, err := tutti(t, args...); err == nil {
				t.Error("a second restore onto the first was let through")
			}
			there := startHouse(t, dir, db)
			there.eventually("all is back", func() error {
				if got := there.shown(); !reflect.DeepEqual(got, was) {
					a, _ := json.Marshal(was)
					b, _ := json.Marshal(got)
					return &differ{string(a), string(b)}
				}
				return nil
			})
			if _, err := there.ask(http.MethodGet, "/api/v1/groups", secret, nil); err != nil {
				t.Errorf("the operator's token: %v", err)
			}
			verified := there.tutti("audit", "verify")
			if !strings.Contains(verified, "is whole") {
				t.Errorf("audit verify: %s", verified)
			}
			listed := there.tutti("audit")
			if !strings.Contains(listed, "backup.made") || !strings.Contains(listed, "backup.restored") || !strings.Contains(listed, "token.created") {
				t.Errorf("the ledger:\n%s", listed)
			}
		})
	}
}

type differ struct{ was, is string }

func (d *differ) Error() string { return "was " + d.was + "\nis " + d.is }
