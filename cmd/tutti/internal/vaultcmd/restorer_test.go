package vaultcmd_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/proto/backup"
	"github.com/tutti-audio/tutti/services/pairing/offline"
)

// send posts a file as the console does.
func (h *house) send(path, pass string, file []byte) (int, []byte) {
	h.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, h.url+path, bytes.NewReader(file))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	req.Header.Set("Content-Type", "application/octet-stream")
	req.Header.Set("Tutti-Passphrase", base64.RawURLEncoding.EncodeToString([]byte(pass)))
	resp, err := client.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp.StatusCode, b
}

// TestRestoreFromTheConsole is the drill without a terminal: look into the file, restore,
// and the server restarts as the one of the backup; what it was is kept. A file or a
// passphrase that is wrong changes nothing.
func TestRestoreFromTheConsole(t *testing.T) {
	file, _ := made(t)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	broken, err := os.ReadFile(reseal(t, file, func(_ int, r backup.Record) *backup.Record {
		if r.Row != nil && r.Row.Table == "audit" && r.Row.Values["id"].V == int64(2) {
			r.Row.Values["detail"] = backup.Value{V: "nothing happened"}
			return &r
		}
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "data")
	h := startHouse(t, dir, "")
	h.must(http.MethodPost, "/api/v1/groups", map[string]any{"name": "Attic"})
	before := h.shown()

	status, b := h.send("/api/v1/restore/check", pass, whole)
	var c struct {
		ServerName string         `json:"server_name"`
		ServerID   string         `json:"server_id"`
		MadeBy     string         `json:"made_by"`
		Groups     int            `json:"groups"`
		AuditLines int            `json:"audit_lines"`
		Records    map[string]int `json:"records"`
	}
	if err := json.Unmarshal(b, &c); err != nil || status != http.StatusOK {
		t.Fatalf("check: %d %s", status, b)
	}
	if c.ServerName != "Casa Verde" || c.Groups != 2 || c.AuditLines == 0 || c.Records["tokens"] != 1 || c.MadeBy == "" || c.ServerID == before["server_id"] {
		t.Errorf("check: %s", b)
	}

	flipped := slices.Clone(whole)
	flipped[len(flipped)/2] ^= 1
	for _, path := range []string{"/api/v1/restore/check", "/api/v1/restore"} {
		for _, x := range []struct {
			what, pass, want string
			file             []byte
			status           int
		}{
			{"a wrong passphrase", pass + "!", "header.Tutti-Passphrase", whole, http.StatusUnprocessableEntity},
			{"no passphrase", "", "header.Tutti-Passphrase", whole, http.StatusUnprocessableEntity},
			{"a damaged file", pass, "damaged or not whole", flipped, http.StatusUnprocessableEntity},
			{"a file that is cut off", pass, "damaged or not whole", whole[:len(whole)-1], http.StatusUnprocessableEntity},
			{"something else", pass, "no backup of Tutti", []byte("hello, I am a text\n"), http.StatusUnprocessableEntity},
			{"nothing", pass, "send the backup", nil, http.StatusBadRequest},
		} {
			if status, b := h.send(path, x.pass, x.file); status != x.status || !strings.Contains(string(b), x.want) || strings.Contains(string(b), dir) {
				t.Errorf("%s to %s: %d %s", x.what, path, status, b)
			}
		}
	}
	if status, b := h.send("/api/v1/restore", pass, broken); status != http.StatusUnprocessableEntity || !strings.Contains(string(b), "audit ledger in this backup is broken") {
		t.Errorf("a broken ledger: %d %s", status, b)
	}
	if after := h.shown(); !reflect.DeepEqual(after, before) {
		t.Errorf("after what failed the server is %v, was %v", after, before)
	}
	for _, n := range names(t, dir) {
		if strings.HasPrefix(n, "restore") || strings.HasPrefix(n, "before") {
			t.Errorf("what failed left %s", n)
		}
	}

	if status, b := h.send("/api/v1/restore", pass, whole); status != http.StatusAccepted || !strings.Contains(string(b), `"restarting":true`) {
		t.Fatalf("restore: %d %s", status, b)
	}
	h.eventually("the server is the one of the backup", func() error {
		b, err := h.ask(http.MethodGet, "/api/v1/server", adminToken, nil)
		if err == nil && !bytes.Contains(b, []byte(c.ServerID)) {
			err = fmt.Errorf("it is %s", b)
		}
		if err == nil {
			_, err = h.ask(http.MethodGet, "/readyz", adminToken, nil)
		}
		return err
	})
	h.eventually("everything is shown", func() error {
		if got := h.shown(); got["name"] != "Casa Verde" || len(got["groups"].([]any)) != 4 || got["address"] == nil {
			return fmt.Errorf("it shows %v", got)
		}
		return nil
	})
	h.stop()
	var aside string
	for _, n := range names(t, dir) {
		if strings.HasPrefix(n, "before-restore-") {
			aside = filepath.Join(dir, n)
		}
	}
	if got := names(t, aside); !slices.Contains(got, offline.SQLiteFile) || !slices.Contains(got, offline.KeyFile) || !slices.Contains(got, "bus") {
		t.Errorf("what was before: %v", got)
	}
	if log := h.logs.String(); strings.Contains(log, pass) || strings.Contains(log, base64.RawURLEncoding.EncodeToString([]byte(pass))) {
		t.Error("the passphrase is in the log")
	}
	// What was before is a server that starts.
	old := startHouse(t, aside, "")
	if got := old.shown(); !reflect.DeepEqual(got["groups"], before["groups"]) || got["server_id"] != before["server_id"] {
		t.Errorf("the server that was before: %v", got)
	}
}
