package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
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
	// answerTimeout bounds one look at whether a server has started.
	answerTimeout = 5 * time.Second
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
	return start(bin, cred, func(dir string, port int) error { return initdb(bin, dir, port, cred) })
}

// start starts a server on what fill puts into dir/data.
func start(bin string, cred *syscall.Credential, fill func(dir string, port int) error) (*Cluster, error) {
	var last error
	for range 3 { // another process may take the port between our choice and its use
		c, err := startOnce(bin, cred, fill)
		if err == nil {
			return c, nil
		}
		last = err
	}
	return nil, last
}

func startOnce(bin string, cred *syscall.Credential, fill func(dir string, port int) error) (_ *Cluster, err error) {
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
	if err := c.wait(dir); err != nil {
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

// portTaken is what the server says last when somebody else has its port.
const portTaken = "could not create any TCP/IP sockets"

// wait polls until the server in dir answers a query, or has ended for want of its port.
func (c *Cluster) wait(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := c.answers(ctx, dir)
		if err == nil {
			return nil
		}
		said, _ := os.ReadFile(filepath.Join(dir, "log"))
		if bytes.Contains(said, []byte(portTaken)) {
			return fmt.Errorf("PostgreSQL did not start: %s", said)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL did not start within %s: %w; it said: %s", startTimeout, err, said)
		case <-tick.C:
		}
	}
}

// answers is nil when the server at our port is the one in dir, and not that of a process
// that took the port: perhaps a cluster as well, or somebody who says nothing.
func (c *Cluster) answers(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	var data string
	if err := c.ask(ctx, "SHOW data_directory", &data); err != nil {
		return err
	}
	if want := filepath.Join(dir, "data"); data != want {
		return fmt.Errorf("the server at %s works in %s, and ours in %s", c.url, data, want)
	}
	return nil
}

func ping(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// The ports of clusters are below those that the system takes for outgoing connections and
// for listeners on port 0: seconds pass before the server binds its own. And they are above
// those of package nettest.
const (
	firstPort = 32_000
	lastPort  = 32_767
)

func freePort() (port int, err error) {
	for range 100 {
		port = firstPort + rand.IntN(lastPort-firstPort+1)
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return port, l.Close()
		}
	}
	return 0, err
}
