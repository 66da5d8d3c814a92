// Package harness starts Tutti as a person or an orchestrator would, and
// drives it through its API.
package harness

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/platform/nettest"
	"github.com/tutti-audio/tutti/services/pairing/pgtest"
)

const (
	tuttiPkg = "github.com/tutti-audio/tutti/cmd/tutti"
	natsPkg  = "github.com/nats-io/nats-server/v2"
)

// startLimit is generous: the machine may be busy compiling other tests.
const startLimit = 60 * time.Second

// Options of a deployment.
type Options struct {
	Music   string   // music folder
	MDNS    bool     // browse and advertise
	Devices []string // static device addresses
	Args    []string // more flags for every process
	Env     []string // more of the environment of Tutti's processes
	// Sendspin is the address for devices; default a free one.
	Sendspin string
	// Restore is a backup to begin from, and Passphrase the file with its passphrase.
	Restore, Passphrase string
}

// Server is one running deployment, embedded or distributed.
type Server struct {
	API
	Sendspin string // ws://host:port/sendspin
	DataDir  string
	Mode     string // "embedded", "distributed"

	bin   string
	opts  Options
	procs map[string]*Proc
	// argv per process, for restarts with the same ports and stores.
	argv map[string][]string
	http string
	// where distributed processes meet
	nats, db string
}

// Modes are the two forms in which every end-to-end test runs.
func Modes() []string { return []string{"embedded", "distributed"} }

// StartServer starts a deployment of the given mode and waits until it is ready.
func StartServer(t testing.TB, mode string, o Options) *Server {
	t.Helper()
	s := &Server{
		Mode: mode, opts: o, bin: MustBuild(t, tuttiPkg), DataDir: t.TempDir(),
		procs: map[string]*Proc{}, argv: map[string][]string{},
	}
	s.Token, s.Timeout = "e2e-admin-token-0123456789abcdef", startLimit
	s.http = FreeAddr(t)
	sendspin := o.Sendspin
	if sendspin == "" {
		sendspin = FreeAddr(t)
	}
	s.Base, s.Sendspin = "http://"+s.http, "ws://"+sendspin+"/sendspin"
	if mode == "embedded" {
		s.argv["serve"] = append([]string{"serve", "--data-dir", s.DataDir, "--http", s.http, "--sendspin", sendspin}, s.common()...)
	} else {
		s.planDistributed(t, sendspin)
	}
	if o.Restore != "" {
		s.restore(t)
	}
	s.Launch(t)
	return s
}

// restore fills the empty stores from a backup.
func (s *Server) restore(t testing.TB) {
	t.Helper()
	args := []string{"restore", s.opts.Restore, "--passphrase-file", s.opts.Passphrase, "--data-dir", s.DataDir}
	if s.Mode == "distributed" {
		s.launch(t, "nats")
		args = append(args[:len(args)-1], filepath.Join(s.DataDir, "pairing"), "--database-url", s.db, "--nats", s.nats, "--nats-creds", s.natsKey("tools"))
		Eventually(t, startLimit, "NATS answers", func() string {
			c, err := net.Dial("tcp", strings.TrimPrefix(s.nats, "nats://"))
			if err != nil {
				return err.Error()
			}
			_ = c.Close()
			return ""
		})
	}
	out, err := s.CLI(args...)
	if err != nil {
		t.Fatalf("tutti restore: %v\n%s", err, out)
	}
	t.Logf("tutti restore:\n%s", out)
}

// common are the flags that every process takes.
func (s *Server) common() []string {
	args := []string{"--name", "Tutti e2e", "--log-level", "debug", fmt.Sprintf("--mdns=%t", s.opts.MDNS)}
	if s.opts.Music != "" {
		args = append(args, "--music", s.opts.Music)
	}
	for _, d := range s.opts.Devices {
		args = append(args, "--device", d)
	}
	return append(args, s.opts.Args...)
}

// planDistributed starts NATS and PostgreSQL and plans the five processes.
func (s *Server) planDistributed(t testing.TB, sendspin string) {
	t.Helper()
	nats := FreeAddr(t)
	host, port, _ := net.SplitHostPort(nats)
	store := filepath.Join(s.DataDir, "nats")
	// Every service has a key of its own and may do its work only, as in a real deployment.
	if out, err := s.CLI("nats-config", "--out", filepath.Dir(s.natsKey(""))); err != nil {
		t.Fatalf("tutti nats-config: %v\n%s", err, out)
	}
	conf := filepath.Join(filepath.Dir(s.natsKey("")), "nats.conf")
	text := fmt.Sprintf("listen: %q\njetstream { store_dir: %q }\ninclude auth.conf\n", net.JoinHostPort(host, port), store)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.argv["nats"] = []string{MustBuild(t, natsPkg), "-c", conf}
	db := pgtest.Start(t)
	s.nats, s.db = "nats://"+nats, db
	for _, name := range []string{"pairing", "stream", "session-gateway", "discovery", "management"} {
		dir := filepath.Join(s.DataDir, name)
		args := []string{"run", name, "--data-dir", dir, "--nats", "nats://" + nats, "--nats-creds", s.natsKey(name), "--internal-http", FreeAddr(t)}
		switch name {
		case "pairing":
			args = append(args, "--database-url", db)
		case "session-gateway":
			args = append(args, "--sendspin", sendspin)
		case "management":
			args = append(args, "--http", s.http)
		}
		s.argv[name] = append(args, s.common()...)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

// natsKey is the file with a service's key for NATS.
func (s *Server) natsKey(name string) string {
	return filepath.Join(s.DataDir, "nats-keys", name+".nk")
}

// Launch starts every planned process that does not run and waits for readiness.
func (s *Server) Launch(t testing.TB) {
	t.Helper()
	if _, ok := s.argv["nats"]; ok {
		s.launch(t, "nats")
	}
	for name := range s.argv {
		s.launch(t, name)
	}
	Eventually(t, startLimit, "server ready", s.notReady)
}

func (s *Server) launch(t testing.TB, name string) {
	t.Helper()
	if p, ok := s.procs[name]; ok {
		select {
		case <-p.Done():
		default:
			return
		}
	}
	argv, env := s.argv[name], []string{"TUTTI_ADMIN_TOKEN=" + s.Token}
	if name != "nats" {
		argv, env = append([]string{s.bin}, argv...), append(env, s.opts.Env...)
	}
	s.procs[name] = Start(t, name, nil, env, argv...)
	p := s.procs[name]
	t.Cleanup(func() { Refused(t, name, p.Output()) })
}

// Refused finds in a process's output what NATS's permissions refused: a service that does
// its work never meets them.
func Refused(t testing.TB, name, output string) {
	for line := range strings.Lines(output) {
		low := strings.ToLower(line)
		if strings.Contains(low, "permissions violation") || strings.Contains(low, "it may not change it") {
			t.Errorf("%s is refused what it needs: %s", name, line)
		}
	}
}

// notReady says why the deployment is not ready; "" when it is. Every process
// with an internal address is asked too.
func (s *Server) notReady() string {
	addrs := []string{s.http}
	for _, argv := range s.argv {
		for i, a := range argv {
			if a == "--internal-http" {
				addrs = append(addrs, argv[i+1])
			}
		}
	}
	for _, a := range addrs {
		resp, err := http.Get("http://" + a + "/readyz")
		if err != nil {
			return err.Error()
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Sprintf("%s: %s: %s", a, resp.Status, strings.TrimSpace(string(body)))
		}
	}
	for name, p := range s.procs {
		select {
		case <-p.Done():
			return name + " has ended"
		default:
		}
	}
	return ""
}

// KillAll is the power cut: SIGKILL to every process, NATS included.
func (s *Server) KillAll() {
	for _, p := range s.procs {
		p.Kill()
	}
}

// Kill ends one process with SIGKILL.
func (s *Server) Kill(name string) { s.procs[name].Kill() }

// Proc is a process by name ("serve", or a service's name).
func (s *Server) Proc(name string) *Proc { return s.procs[name] }

// stopLimit is how long a process may take to end after SIGTERM: `tutti serve` 10 s, which
// is the process contract itself and has room for a busy machine in it; one of the five
// services hands over what it holds first (--drain-timeout).
func stopLimit(name string) time.Duration {
	if name == "serve" {
		return 10 * time.Second
	}
	return 30 * time.Second
}

// TerminateAll sends SIGTERM to Tutti's processes, one after the other, and checks the
// process contract.
func (s *Server) TerminateAll(t testing.TB) {
	t.Helper()
	for name, p := range s.procs {
		if name != "nats" {
			p.Terminate(t, stopLimit(name))
		}
	}
}

// FreeAddr finds a free TCP address on loopback.
func FreeAddr(t testing.TB) string {
	t.Helper()
	return nettest.FreeAddr(t)
}
