package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	superuser    = "tutti"
	startTimeout = 60 * time.Second
)

// holder runs the server and waits until our end of its standard input closes,
// which the kernel does for us even on kill -9. Then it ends the server and
// removes everything. It runs in a session of its own, so that Ctrl-C reaches
// the tests and not the database.
const holder = `
"$1/postgres" -D "$2/data" >"$2/log" 2>&1 </dev/null &
pid=$!
cat >/dev/null
kill -QUIT "$pid" 2>/dev/null
wait "$pid" 2>/dev/null
cd / && rm -rf "$2"
`

// Cluster is a running throw-away PostgreSQL on 127.0.0.1.
type Cluster struct {
	url  string
	cmd  *exec.Cmd
	life *os.File // closing it ends the cluster
	bin  string
	cred *syscall.Credential
}

// URL is the superuser's URL of the maintenance database.
func (c *Cluster) URL() string { return c.url }

// Stop ends the server, removes its files and waits for both.
func (c *Cluster) Stop() error {
	return errors.Join(c.life.Close(), c.cmd.Wait())
}

// NewCluster makes and starts a cluster that nothing depends on: no fsync. log
// takes a line when something is installed. It ends with Stop, or with this
// process.
func NewCluster(log io.Writer) (*Cluster, error) {
	bin, err := findOrInstall(log)
	if err != nil {
		return nil, err
	}
	cred, err := credential()
	if err != nil {
		return nil, err
	}
	var last error
	for range 3 { // another process may take the port between our choice and its use
		c, err := start(bin, cred)
		if err == nil {
			return c, nil
		}
		last = err
	}
	return nil, last
}

func start(bin string, cred *syscall.Credential) (*Cluster, error) {
	return startWith(bin, cred, func(dir string, port int) error { return initdb(bin, dir, port, cred) })
}

// startWith starts a server on what fill puts into dir/data.
func startWith(bin string, cred *syscall.Credential, fill func(dir string, port int) error) (_ *Cluster, err error) {
	base := ""
	if cred != nil {
		base = "/tmp" // root's TMPDIR may be closed to the user that we become
	}
	dir, err := os.MkdirTemp(base, "tutti-pgtest-")
	if err != nil {
		return nil, err
	}
	held := false // from then on the holder removes dir
	defer func() {
		if err != nil && !held {
			_ = os.RemoveAll(dir)
		}
	}()
	if cred != nil {
		if err := os.Chown(dir, int(cred.Uid), int(cred.Gid)); err != nil {
			return nil, err
		}
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	if err := fill(dir, port); err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("/bin/sh", "-c", holder, "pgtest-holder", bin, dir)
	cmd.Dir, cmd.Stdin = dir, r
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: cred}
	err = cmd.Start()
	_ = r.Close()
	if err != nil {
		_ = w.Close()
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	held = true
	c := &Cluster{url: fmt.Sprintf("postgres://%s@127.0.0.1:%d/postgres?sslmode=disable", superuser, port), cmd: cmd, life: w, bin: bin, cred: cred}
	if err := c.wait(filepath.Join(dir, "log")); err != nil {
		_ = c.Stop()
		return nil, err
	}
	return c, nil
}

func initdb(bin, dir string, port int, cred *syscall.Credential) error {
	data := filepath.Join(dir, "data")
	cmd := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", superuser, "-A", "trust",
		"-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	conf, err := os.OpenFile(filepath.Join(data, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = conf.WriteString("\nlisten_addresses = '127.0.0.1'\nport = " + strconv.Itoa(port) +
		"\nunix_socket_directories = ''\nfsync = off\nfull_page_writes = off\nmax_connections = 200\n" +
		"shared_buffers = 32MB\nmax_wal_size = 128MB\nautovacuum = off\n")
	return errors.Join(err, conf.Close())
}

// wait polls until the server answers a query.
func (c *Cluster) wait(logFile string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ping(ctx, c.url)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			said, _ := os.ReadFile(logFile)
			return fmt.Errorf("PostgreSQL did not start within %s: %w; it said: %s", startTimeout, err, said)
		case <-tick.C:
		}
	}
}

func ping(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}
