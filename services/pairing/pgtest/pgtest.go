// Package pgtest gives tests a PostgreSQL of their own, without asking anybody
// to install or start one first.
//
// In this order: the server that TUTTI_TEST_POSTGRES_URL names; a throw-away
// cluster from binaries found on the machine; the same after installing Debian's
// package, when that is allowed (root, apt-get there). When all of that fails
// the test fails, with a sentence that says what to install. It never skips: a
// green run has tested PostgreSQL.
//
// A throw-away cluster lives as long as the test process: a small shell holds it
// and removes it when the process ends, however it ends.
package pgtest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// EnvURL names the variable with the URL of a server to use: its user must be
// allowed to create databases.
const EnvURL = "TUTTI_TEST_POSTGRES_URL"

// shared is the one cluster of this test process. A global, since the tests of a
// process have no other common parent; it is set once and then only read.
var shared struct {
	once    sync.Once
	url     string
	err     error
	cluster *Cluster // keeps it alive: collecting its pipe would end it
}

// ServerURL is the URL of the server that this process's tests share; its path
// names a maintenance database.
func ServerURL() (string, error) {
	shared.once.Do(func() {
		if shared.url = os.Getenv(EnvURL); shared.url != "" {
			return
		}
		if shared.cluster, shared.err = NewCluster(os.Stderr); shared.err == nil {
			shared.url = shared.cluster.URL()
		}
	})
	return shared.url, shared.err
}

// Start returns the URL of a fresh, empty database, which is dropped at the end
// of the test.
func Start(t testing.TB) string {
	t.Helper()
	server, err := ServerURL()
	if err != nil {
		t.Fatalf("this test needs PostgreSQL: %v", err)
	}
	name := "tutti_" + randomHex()
	if err := execSQL(server, "CREATE DATABASE "+name); err != nil {
		t.Fatalf("create a test database (is %s right, and may its user create databases?): %v", EnvURL, err)
	}
	t.Cleanup(func() {
		if err := execSQL(server, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			t.Logf("drop the test database %s: %v", name, err)
		}
	})
	u, err := url.Parse(server)
	if err != nil {
		t.Fatalf("%s is not a URL", EnvURL)
	}
	u.Path = "/" + name
	return u.String()
}

func execSQL(server, sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, server)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(ctx) }()
	_, err = c.Exec(ctx, sql)
	return err
}

func randomHex() string {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(fmt.Sprintf("no randomness: %v", err))
	}
	return hex.EncodeToString(b[:])
}
