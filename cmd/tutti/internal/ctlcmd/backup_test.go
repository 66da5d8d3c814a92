package ctlcmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const headHash = "0707070707070707070707070707070707070707070707070707070707070707"

func TestAuditVerifySaysWhatItFound(t *testing.T) {
	f := newFakeAPI(t)
	f.get["/api/v1/audit/verify"] = `{"ok":true,"lines":30,"head_id":30,"head_hash":"` + headHash + `"}`
	f.get["/api/v1/audit/verify?head_id=7&head_hash="+headHash] = `{"ok":false,"lines":6,"head_id":6,"head_hash":"","broken_at":7,"problem":"line 7 was changed"}`
	out, err := f.run(t, "audit", "verify")
	if err != nil || !strings.Contains(out, "is whole: 30 lines, head 30:"+headHash) {
		t.Fatalf("%v\n%s", err, out)
	}
	_, err = f.run(t, "audit", "verify", "--head", "7:"+headHash)
	if err == nil || !strings.Contains(err.Error(), "line 7 was changed") || !strings.Contains(err.Error(), "--since 6") {
		t.Fatalf("broken: %v", err)
	}
	if _, usage := err.(usageError); usage {
		t.Error("a broken ledger is no wrong usage")
	}
	out, err = f.run(t, "audit", "verify", "--json", "--head", "7:"+headHash)
	if err == nil || !strings.Contains(out, `"broken_at":7`) {
		t.Errorf("JSON: %v\n%s", err, out)
	}
	if _, err := f.run(t, "audit", "verify", "--head", "seven"); err == nil || !strings.Contains(err.Error(), "--head") {
		t.Errorf("a head that is none: %v", err)
	} else if _, usage := err.(usageError); !usage {
		t.Errorf("a head that is none is wrong usage, not %T", err)
	}
}

// An answer that is no backup never gets the name of one.
func TestABackupThatDoesNotOpenIsNotKept(t *testing.T) {
	f := newFakeAPI(t)
	f.answers["POST /api/v1/backup"] = "this is no sealed file"
	dir := t.TempDir()
	name := filepath.Join(dir, "house.backup")
	t.Setenv("TUTTI_BACKUP_PASSPHRASE", "correct horse battery")
	_, err := f.run(t, "backup", name)
	if err == nil || !strings.Contains(err.Error(), "does not open") {
		t.Fatalf("got %v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("it left %v", entries)
	}
	if got := f.sent(); len(got) != 1 || got[0] != `POST /api/v1/backup {"passphrase":"correct horse battery"}` {
		t.Errorf("sent %q", got)
	}
	f.status["POST /api/v1/backup"] = 503
	if _, err := f.run(t, "backup", name); err == nil || !strings.Contains(err.Error(), "because of") {
		t.Errorf("a server that refuses: %v", err)
	}
	t.Setenv("TUTTI_BACKUP_PASSPHRASE", "short")
	if _, err := f.run(t, "backup", name); err == nil || !strings.Contains(err.Error(), "at least 10") {
		t.Errorf("a short passphrase: %v", err)
	}
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.run(t, "backup", name); err == nil || !strings.Contains(err.Error(), "--force") {
		t.Errorf("an existing file: %v", err)
	}
}
