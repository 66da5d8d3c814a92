package vaultcmd_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tutti-audio/tutti/cmd/tutti/internal/app"
	"github.com/tutti-audio/tutti/cmd/tutti/internal/vaultcmd"
	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/proto/backup"
	"github.com/tutti-audio/tutti/services/pairing/offline"
	"github.com/tutti-audio/tutti/services/pairing/pgtest"
)

// shared is one backup of one server for all tests, since it takes a while to make:
// TestMain removes its folder.
var shared struct {
	once              sync.Once
	folder, file, dir string
}

// made is a small backup of a real server, cheaply sealed, and a copy of the data
// directory that it came from.
func made(t *testing.T) (file, dataDir string) {
	t.Helper()
	shared.once.Do(func() {
		shared.dir = filepath.Join(shared.folder, "data")
		h := startHouse(t, shared.dir, "")
		h.furnish()
		full := filepath.Join(shared.folder, "house.backup")
		h.tutti("backup", full, "--passphrase-file", passFile(t, pass))
		h.stop()
		cheap, err := os.ReadFile(reseal(t, full, func(int, backup.Record) *backup.Record { return nil }))
		if err == nil {
			shared.file = filepath.Join(shared.folder, "cheap.backup")
			err = os.WriteFile(shared.file, cheap, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	if shared.file == "" {
		t.Fatal("the backup that the tests share could not be made; another test says why")
	}
	dataDir = filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(dataDir, os.DirFS(shared.dir)); err != nil {
		t.Fatal(err)
	}
	return shared.file, dataDir
}

func names(t *testing.T, dir string) (out []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// TestAFailedRestoreLeavesNothingThatStarts goes through what can be wrong with a file,
// a passphrase or a place.
func TestAFailedRestoreLeavesNothingThatStarts(t *testing.T) {
	file, _ := made(t)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write := func(b []byte) string {
		path := filepath.Join(t.TempDir(), "a.backup")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	flipped := slices.Clone(whole)
	flipped[len(flipped)/2] ^= 1
	for _, tc := range []struct {
		name, file, pass, want string
	}{
		{"a wrong passphrase", file, pass + "!", "does not open"},
		{"no such file", filepath.Join(t.TempDir(), "none"), pass, "no such file"},
		{"no backup", write([]byte("hello, I am a text\n")), pass, "is no backup"},
		{"an empty file", write(nil), pass, "is no backup"},
		{"without its last byte", write(whole[:len(whole)-1]), pass, "damaged or not whole"},
		{"cut off in the middle", write(whole[:len(whole)/2]), pass, "damaged or not whole"},
		{"a bit changed", write(flipped), pass, "damaged or not whole"},
		{"a newer schema", reseal(t, file, func(_ int, r backup.Record) *backup.Record {
			if r.Trust != nil {
				r.Trust.Schema = 4711
				return &r
			}
			return nil
		}), pass, "newer version of Tutti"},
		{"an unknown bucket", reseal(t, file, func(_ int, r backup.Record) *backup.Record {
			if r.Entry != nil {
				r.Entry.Bucket = "planets"
				return &r
			}
			return nil
		}), pass, "does not know"},
		{"a changed ledger", reseal(t, file, func(_ int, r backup.Record) *backup.Record {
			if r.Row != nil && r.Row.Table == "audit" && r.Row.Values["id"].V == int64(2) {
				r.Row.Values["detail"] = backup.Value{V: "nothing happened"}
				return &r
			}
			return nil
		}), pass, "--accept-broken-audit"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			_, err := tutti(t, "restore", tc.file, "--passphrase-file", passFile(t, tc.pass), "--data-dir", dir)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want %q", err, tc.want)
			}
			if got := names(t, dir); len(got) > 1 || len(got) == 1 && got[0] != "lock" {
				t.Errorf("it left %v", got)
			}
		})
	}
}

func TestABrokenLedgerIsAcceptedOnDemand(t *testing.T) {
	file, _ := made(t)
	broken := reseal(t, file, func(_ int, r backup.Record) *backup.Record {
		if r.Row != nil && r.Row.Table == "audit" && r.Row.Values["id"].V == int64(2) {
			r.Row.Values["detail"] = backup.Value{V: "nothing happened"}
			return &r
		}
		return nil
	})
	dir := t.TempDir()
	out, err := tutti(t, "restore", broken, "--passphrase-file", passFile(t, pass), "--data-dir", dir, "--accept-broken-audit")
	if err != nil || !strings.Contains(out, "broken, as accepted") {
		t.Fatalf("%v\n%s", err, out)
	}
	_, err = tutti(t, "audit", "verify", "--offline", "--data-dir", dir)
	if err == nil || !strings.Contains(err.Error(), "line 2 was changed") || !strings.Contains(err.Error(), "keep a copy") {
		t.Fatalf("verify: %v", err)
	}
	var coded interface{ ExitCode() int }
	if as, ok := err.(interface{ ExitCode() int }); ok {
		coded = as
		t.Errorf("exit status %d, want 1", coded.ExitCode())
	}
}

func TestARestoreNeverOverwrites(t *testing.T) {
	file, home := made(t)
	args := func(dir string) []string {
		return []string{"restore", file, "--passphrase-file", passFile(t, pass), "--data-dir", dir}
	}
	before := names(t, home)
	if _, err := tutti(t, args(home)...); err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Fatalf("onto a server: %v", err)
	}
	if got := names(t, home); !slices.Equal(got, before) {
		t.Errorf("it changed %v to %v", before, got)
	}
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "thesis.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := tutti(t, args(foreign)...); err == nil || !strings.Contains(err.Error(), "thesis.txt") {
		t.Fatalf("onto somebody's folder: %v", err)
	}
	busy := t.TempDir()
	release, err := app.LockDataDir(busy)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if _, err := tutti(t, args(busy)...); err == nil || !strings.Contains(err.Error(), "in use by another tutti") {
		t.Fatalf("onto a folder that is in use: %v", err)
	}
}

// A restore that the power failure ended goes on from the beginning.
func TestARestoreAfterOneThatWasCutOff(t *testing.T) {
	file, _ := made(t)
	dir := t.TempDir()
	for _, p := range []string{"restoring/trust.db", "bus/jetstream/old", "deployment-key"} {
		path := filepath.Join(dir, p)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.Repeat("11", 32)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"restore", file, "--passphrase-file", passFile(t, pass), "--data-dir", dir}
	if _, err := tutti(t, args...); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "bus", "jetstream", "old")); err == nil {
		t.Error("what the restore before left is still there")
	}
	h := startHouse(t, dir, "")
	if got := h.shown()["name"]; got != "Casa Verde" {
		t.Errorf("the server is called %v", got)
	}
	h.stop()
	// A mark that is left beside a whole server holds nobody up, and nothing is cleared.
	if err := os.Mkdir(filepath.Join(dir, offline.RestoringDir), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := tutti(t, args...); err == nil || !strings.Contains(err.Error(), "came to its end") {
		t.Fatalf("onto a whole server with a mark: %v", err)
	}
	startHouse(t, dir, "")
}

func TestRestoreOntoRealServers(t *testing.T) {
	file, _ := made(t)
	nats, url := bustest.StartServer(t), pgtest.Start(t)
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(strings.Repeat("3c", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TUTTI_DATABASE_URL", url)
	t.Setenv("TUTTI_DEPLOYMENT_KEY_FILE", key)
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	args := []string{"restore", file, "--passphrase-file", passFile(t, pass), "--nats", nats.URL()}
	out, err := tutti(t, args...)
	if err != nil || !strings.Contains(out, "given deployment key") {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := names(t, os.Getenv("XDG_DATA_HOME")); len(got) != 0 {
		t.Errorf("a data directory was made: %v", got)
	}
	if out, err := tutti(t, "audit", "verify", "--offline", "--json"); err != nil || !strings.Contains(out, `"ok":true`) {
		t.Errorf("verify: %v\n%s", err, out)
	}
	// The database is full now; an empty one with the used NATS is refused, too.
	if _, err := tutti(t, args...); err == nil || !strings.Contains(err.Error(), "holds a server already") {
		t.Errorf("again: %v", err)
	}
	t.Setenv("TUTTI_DATABASE_URL", pgtest.Start(t))
	if _, err := tutti(t, args...); err == nil || !strings.Contains(err.Error(), "bucket") {
		t.Errorf("an empty database, a used NATS server: %v", err)
	}
}

func TestInspectShowsWhatIsInABackupAndNoSecret(t *testing.T) {
	file, _ := made(t)
	out, err := tutti(t, "backup", "inspect", file, "--passphrase-file", passFile(t, pass))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Casa Verde", "token:admin", "table audit", "bucket groups", "Audit head", "SQLite", "Tutti 1.2.3"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing:\n%s", want, out)
		}
	}
	out, err = tutti(t, "backup", "inspect", file, "--json", "--passphrase-file", passFile(t, pass))
	if err != nil {
		t.Fatal(err)
	}
	var c vaultcmd.Contents
	if err := json.Unmarshal([]byte(out), &c); err != nil || c.Rows["identity"] != 1 || c.Entries["groups"] != 2 || len(c.ServerID) != 43 {
		t.Errorf("got %+v, %v", c, err)
	}
	if strings.Contains(out, "sealed") || strings.Contains(out, "secret") {
		t.Errorf("it shows more than counts:\n%s", out)
	}
	if _, err := tutti(t, "backup", "inspect", file, "--passphrase-file", passFile(t, "another one")); err == nil || !strings.Contains(err.Error(), "does not open") {
		t.Errorf("a wrong passphrase: %v", err)
	}
}

func TestTheDeploymentKeyIsRotatedByCommand(t *testing.T) {
	_, dir := made(t)
	id := func(args ...string) string {
		t.Helper()
		out, err := tutti(t, append([]string{"deployment-key", "show-id"}, args...)...)
		if err != nil || len(strings.TrimSpace(out)) != 16 {
			t.Fatalf("show-id: %v %q", err, out)
		}
		return strings.TrimSpace(out)
	}
	first := id("--data-dir", dir)
	out, err := tutti(t, "deployment-key", "rotate", "--data-dir", dir)
	if err != nil || !strings.Contains(out, first) || !strings.Contains(out, "start the server as before") {
		t.Fatalf("rotate: %v\n%s", err, out)
	}
	second := id("--data-dir", dir)
	if first == second || !strings.Contains(out, second) {
		t.Errorf("ids %s and %s:\n%s", first, second, out)
	}
	h := startHouse(t, dir, "")
	if _, err := tutti(t, "deployment-key", "rotate", "--data-dir", dir); err == nil || !strings.Contains(err.Error(), "in use by another tutti") {
		t.Errorf("beside a running server: %v", err)
	}
	if got := h.tutti("audit"); !strings.Contains(got, "deploymentkey.rotated") {
		t.Errorf("the ledger:\n%s", got)
	}
	h.stop()
	file := filepath.Join(t.TempDir(), "key")
	out, err = tutti(t, "deployment-key", "rotate", "--data-dir", dir, "--new-key-file", file)
	if err != nil || !strings.Contains(out, "--deployment-key-file "+file) {
		t.Fatalf("rotate to a file: %v\n%s", err, out)
	}
	if got := id("--deployment-key-file", file); got == second {
		t.Errorf("the key did not change")
	}
	if _, err := tutti(t, "deployment-key", "rotate", "--data-dir", filepath.Join(dir, "none")); err == nil || !strings.Contains(err.Error(), "--data-dir") {
		t.Errorf("no such data directory: %v", err)
	}
	if _, err := tutti(t, "deployment-key"); err == nil || !app.IsUsage(err) {
		t.Errorf("without a verb: %v", err)
	}
}

func TestAHeadIsParsedStrictly(t *testing.T) {
	good := "12:" + strings.Repeat("ab", 32)
	if h, err := vaultcmd.ParseHead(good); err != nil || h.ID != 12 || len(h.Hash) != 32 {
		t.Errorf("%+v, %v", h, err)
	}
	if h, err := vaultcmd.ParseHead(""); err != nil || h.ID != 0 {
		t.Errorf("none: %+v, %v", h, err)
	}
	for _, bad := range []string{"12", ":", "0:" + strings.Repeat("ab", 32), "-1:" + strings.Repeat("ab", 32), "12:abcd", good + "00", "12:" + strings.Repeat("zz", 32)} {
		if _, err := vaultcmd.ParseHead(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
