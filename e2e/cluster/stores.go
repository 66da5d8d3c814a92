package cluster

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tutti-audio/tutti/e2e/harness"
	"github.com/tutti-audio/tutti/services/pairing/pgtest"
)

const natsPkg = "github.com/nats-io/nats-server/v2"

// startNATS starts a cluster with a node on every host, and returns the nodes and the
// address list for clients.
func (c *Cluster) startNATS(t testing.TB) {
	t.Helper()
	bin := harness.MustBuild(t, natsPkg)
	c.keys = makeKeys(t, c.bin, c.dir, c.Net.Hosts)
	var routes, urls []string
	for _, h := range c.Net.Hosts {
		routes = append(routes, fmt.Sprintf("%q", "nats-route://"+h.IP+":6222"))
		urls = append(urls, "tls://"+h.IP+":4222")
	}
	c.NATS = strings.Join(urls, ",")
	for _, h := range c.Net.Hosts {
		conf := filepath.Join(c.dir, "nats-"+h.Name+".conf")
		text := fmt.Sprintf(`server_name: %s
listen: %q
http: %q
jetstream { store_dir: %q, max_memory_store: 512MB, max_file_store: 1GB }
ping_interval: "5s", ping_max: 2
cluster { name: tutti, listen: %q, routes: [%s], ping_interval: "2s", ping_max: 2 }
tls { cert_file: %q, key_file: %q, timeout: 5 }
include %s
`, h.Name, h.IP+":4222", h.IP+":8222", filepath.Join(c.dir, "nats-"+h.Name), h.IP+":6222", strings.Join(routes, ", "), c.keys.cert(), c.keys.certKey(), "./nats-keys/"+filepath.Base(c.keys.auth()))
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p := newProcess(t, c.dir, "nats@"+h.Name, h, nil, bin, "--config", conf)
		p.Start(t)
		c.Nodes = append(c.Nodes, p)
	}
	for _, p := range c.Nodes {
		c.awaitNode(t, p)
	}
}

// awaitNode waits until a node says that it is healthy: in the cluster, with its streams
// caught up.
func (c *Cluster) awaitNode(t testing.TB, p *Process) {
	t.Helper()
	harness.Eventually(t, patience, p.Name+" is healthy", func() string { return unready("http://" + p.Host.IP + ":8222/healthz") })
}

// startPostgres starts a database on a host of its own.
func (c *Cluster) startPostgres(t testing.TB) {
	t.Helper()
	h := c.Net.Store
	bin, as, err := pgtest.Programs(os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/tmp", "tutti-cluster-pg-") // a folder that the database's user can reach
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "tutti", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
	initdb.Dir, initdb.SysProcAttr = dir, &syscall.SysProcAttr{Credential: as}
	var argv []string
	if as != nil {
		if err := os.Chown(dir, int(as.Uid), int(as.Gid)); err != nil {
			t.Fatal(err)
		}
		argv = []string{"setpriv", "--pdeathsig=KILL", "--reuid=" + strconv.Itoa(int(as.Uid)), "--regid=" + strconv.Itoa(int(as.Gid)), "--clear-groups"}
	}
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v: %s", err, out)
	}
	// Durable, as a real one: what it acknowledged survives its kill -9.
	hba := "host all all 10.88.0.0/24 trust\n"
	if err := os.WriteFile(filepath.Join(data, "pg_hba.conf"), []byte(hba), 0o644); err != nil {
		t.Fatal(err)
	}
	argv = append(argv, filepath.Join(bin, "postgres"), "-D", data, "-c", "listen_addresses="+h.IP, "-c", "port=5432",
		"-c", "unix_socket_directories=", "-c", "shared_buffers=16MB", "-c", "max_connections=60")
	c.Postgres = newProcess(t, c.dir, "postgres@"+h.Name, h, nil, argv...)
	c.Postgres.Start(t)
	c.Database = "postgres://tutti@" + net.JoinHostPort(h.IP, "5432") + "/postgres?sslmode=disable"
	c.awaitPostgres(t)
}

func (c *Cluster) awaitPostgres(t testing.TB) {
	t.Helper()
	harness.Eventually(t, patience, "PostgreSQL answers", func() string {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		conn, err := pgx.Connect(ctx, c.Database)
		if err != nil {
			return err.Error()
		}
		_ = conn.Close(ctx)
		return ""
	})
}

// trustQuery are the records whose loss somebody would have to repair by hand, each with a hash of
// what it says: approvals, pairings with their sealed keys, and the server's identity.
const trustQuery = `
SELECT 'approval ' || client_id, md5(source::text || actor || at_us) FROM approvals
UNION ALL SELECT 'pairing ' || client_id, md5(sealed_psk) FROM pairing_records
UNION ALL SELECT 'identity ' || server_id, md5(sealed_key) FROM identity`

// Records reads the trust records from the database itself, by what they are.
func (c *Cluster) Records(t testing.TB) map[string]string {
	t.Helper()
	out := map[string]string{}
	harness.Eventually(t, patience, "the trust records can be read", func() string {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		conn, err := pgx.Connect(ctx, c.Database)
		if err != nil {
			return err.Error()
		}
		defer func() { _ = conn.Close(ctx) }()
		rows, err := conn.Query(ctx, trustQuery)
		if err != nil {
			return err.Error()
		}
		clear(out)
		var key, says string
		if _, err := pgx.ForEachRow(rows, []any{&key, &says}, func() error { out[key] = says; return nil }); err != nil {
			return err.Error()
		}
		return ""
	})
	return out
}

// lost counts the records that are not there any more as they were.
func lost(before, after map[string]string) (n int) {
	for key, says := range before {
		if after[key] != says {
			n++
		}
	}
	return n
}
