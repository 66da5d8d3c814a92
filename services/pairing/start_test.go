package pairing

import (
	"context"
	"crypto/rand"
	databasesql "database/sql"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/services/pairing/internal/secret"
	"github.com/tutti-audio/tutti/services/pairing/internal/store"
	"github.com/tutti-audio/tutti/services/pairing/pgtest"
)

// readAll is the content of every file of a directory, but for one.
func readAll(t *testing.T, dir, except string) string {
	t.Helper()
	var all strings.Builder
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() == except || e.IsDir() {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}

func TestTheIdentityIsMadeOnce(t *testing.T) {
	forEachStore(t, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg).serve()
		id := r.identity().Public().ID()
		r.restart()
		if got := r.identity().Public().ID(); got != id {
			t.Fatalf("identity after a restart: %s, was %s", got, id)
		}
	})
}

func TestInstancesThatStartAtOnceAgree(t *testing.T) {
	url, dir := pgtest.Start(t), t.TempDir()
	keyFile := filepath.Join(dir, "key")
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(keyFile, []byte(base64.StdEncoding.EncodeToString(key)), 0o600); err != nil {
		t.Fatal(err)
	}
	server := bustest.StartServer(t)
	var rigs []*rig
	for i := range 3 {
		r := &rig{t: t, logs: &logBuffer{}, bus: bustest.Connect(t, server),
			cfg: Config{InstanceID: fmt.Sprintf("pairing-%d", i), DatabaseURL: url, DeploymentKeyFile: keyFile}}
		r.start()
		rigs = append(rigs, r)
	}
	for _, r := range rigs {
		r.eventually("the instance is ready", r.svc.Ready)
	}
	want := rigs[0].svc.state.desk.Load().ServerID()
	for i, r := range rigs {
		if got := r.svc.state.desk.Load().ServerID(); got != want {
			t.Errorf("instance %d has identity %s, want %s", i, got, want)
		}
	}
	if got := rigs[0].auditKinds(); len(got) != 1 {
		t.Errorf("ledger: %v, want one identity.created", got)
	}
	// What one instance decides, all answer, whichever takes the request.
	id := newClientID()
	rigs[0].admit(knock(id, "Kitchen"))
	rigs[1].approve(id)
	for range 12 {
		rigs[2].wantState(knock(id, "Kitchen"), approved, true)
	}
}

// TestNeverANewIdentity: whatever is wrong with the key or the identity stops the
// service with a sentence, and leaves the database as it was.
func TestNeverANewIdentity(t *testing.T) {
	forEachStore(t, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg).serve()
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		keyPath := filepath.Join(cfg.DataDir, secret.DefaultKeyFile)
		key, err := os.ReadFile(keyPath)
		if err != nil {
			t.Fatal(err)
		}
		put := func(b []byte) {
			t.Helper()
			if err := os.WriteFile(keyPath, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		refuses := func(what, want string) {
			t.Helper()
			err := <-r.start()
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Fatalf("%s: Run gave %v, want %q", what, err, want)
			}
			if r.svc.Ready() == nil {
				t.Fatalf("%s: ready", what)
			}
		}
		if err := os.Remove(keyPath); err != nil {
			t.Fatal(err)
		}
		refuses("missing key", "is missing")
		if _, err := os.Stat(keyPath); err == nil {
			t.Fatal("a new key was made for a database that holds secrets")
		}
		put([]byte(strings.Repeat("42", 32)))
		refuses("wrong key", "does not fit this database")
		put([]byte("garbage"))
		refuses("unreadable key", "32 bytes")
		put(key)
		r.raw("UPDATE identity SET server_id = '" + newClientID() + "'")
		refuses("damaged identity", "damaged")
		r.raw("DELETE FROM identity")
		refuses("lost identity", "no server identity")
	})
}

func TestTheIdentityComesBackWithItsKey(t *testing.T) {
	cfg := Config{DataDir: t.TempDir()}
	r := newRig(t, cfg).serve()
	id := r.identity().Public().ID()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	keyPath := filepath.Join(cfg.DataDir, secret.DefaultKeyFile)
	key, err := os.ReadFile(keyPath)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(keyPath); err != nil {
		t.Fatal(err)
	}
	if err := <-r.start(); err == nil {
		t.Fatal("started without the key")
	}
	r.cfg.DeploymentKey = SecretText(key)
	r.serve()
	if got := r.identity().Public().ID(); got != id {
		t.Fatalf("identity: %s, want %s", got, id)
	}
}

// raw changes the database behind the service's back.
func (r *rig) raw(sql string) {
	r.t.Helper()
	if r.cfg.DatabaseURL == "" {
		db, err := databasesql.Open("sqlite", filepath.Join(r.cfg.DataDir, store.SQLiteFile)+"?_pragma=busy_timeout(5000)")
		if err != nil {
			r.t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		if _, err := db.ExecContext(context.Background(), sql); err != nil {
			r.t.Fatal(err)
		}
		return
	}
	c, err := pgx.Connect(context.Background(), r.cfg.DatabaseURL)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = c.Close(context.Background()) }()
	if _, err := c.Exec(context.Background(), sql); err != nil {
		r.t.Fatal(err)
	}
}

func TestNewReportsAllFaultsAndOpensNothing(t *testing.T) {
	_, err := New(Config{
		DeploymentKeyFile: "a", DeploymentKey: "hunter2", ControllerPolicy: "all", InboxTTL: 1, InboxLimit: -1,
		Policy: "maybe", ServerName: "a\nb", Languages: []string{"??"},
	}, Deps{})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"instance id", "not both", "data-dir", "controller-policy", "inbox-ttl", "inbox-limit", "settings", "Deps.Bus"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not mention %s", err, want)
		}
	}
	if strings.Contains(err.Error(), "hunter2") || strings.Contains(fmt.Sprintf("%v %+v %#v", SecretText("hunter2"), SecretText("hunter2"), Config{DeploymentKey: "hunter2"}), "hunter2") {
		t.Error("the key shows")
	}
	dir := filepath.Join(t.TempDir(), "new")
	if _, err := New(Config{InstanceID: "a", DataDir: dir}, Deps{Bus: bustest.Embedded(t)}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("New made the data directory")
	}
}
