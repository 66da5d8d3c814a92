package e2e

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tutti-audio/tutti/e2e/harness"
	"github.com/tutti-audio/tutti/services/pairing/pgtest"
)

// composeLimit is generous: the machine may be busy.
const composeLimit = 90 * time.Second

// composeService is what docker-compose.yml says of a container and is played here without
// containers: its command, its environment, its secrets and how its health is asked.
type composeService struct {
	Command     []string          `yaml:"command"`
	Environment map[string]string `yaml:"environment"`
	Secrets     []string          `yaml:"secrets"`
	HealthCheck struct {
		Test []string `yaml:"test"`
	} `yaml:"healthcheck"`
}

// composeTutti are the services of docker-compose.yml that run Tutti's binary.
func composeTutti(t *testing.T) map[string]composeService {
	t.Helper()
	data, err := os.ReadFile("../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Services map[string]composeService `yaml:"services"`
	}
	if err := yaml.Unmarshal(data, &doc); err != nil {
		t.Fatalf("docker-compose.yml: %v", err)
	}
	maps.DeleteFunc(doc.Services, func(_ string, s composeService) bool { return len(s.Command) == 0 || s.Command[0] != "run" })
	if len(doc.Services) != 5 {
		t.Fatalf("docker-compose.yml has %d services of ours, want five", len(doc.Services))
	}
	return doc.Services
}

// composeRun is docker-compose.yml, played without containers. Only what a container gives is
// replaced: addresses, folders and the path of the binary.
type composeRun struct {
	bin, dir, natsAddr string
	services           map[string]composeService
	secrets            map[string]string // files by name
	procs              map[string]*harness.Proc
	checks             map[string][]string // commands of the health checks
}

func newComposeRun(t *testing.T) *composeRun {
	t.Helper()
	r := &composeRun{bin: harness.MustBuild(t, "github.com/tutti-audio/tutti/cmd/tutti"), dir: t.TempDir(), natsAddr: harness.FreeAddr(t),
		services: composeTutti(t), procs: map[string]*harness.Proc{}, checks: map[string][]string{}}
	r.secrets = composeSecrets(t, r.dir, r.bin, pgtest.Start(t))
	return r
}

// start starts a service with its command line, its secrets and its environment, in which
// replace has the last word: an empty value leaves a variable out.
func (r *composeRun) start(t *testing.T, name string, replace map[string]string) {
	t.Helper()
	s := r.services[name]
	argv, check := moveInternal(t, s.Command, s.HealthCheck.Test)
	for _, flag := range []string{"--http", "--sendspin"} {
		if i := slices.Index(argv, flag); i >= 0 {
			argv[i+1] = harness.FreeAddr(t)
		}
	}
	if i := slices.Index(argv, "--music"); i >= 0 {
		argv[i+1] = t.TempDir()
	}
	if len(check) < 2 || check[0] != "CMD" || check[1] != "/tutti" {
		t.Fatalf("%s: its health check is %v, want the binary of the image", name, check)
	}
	r.checks[name] = append([]string{r.bin}, check[2:]...)
	if out, err := exec.Command(r.checks[name][0], r.checks[name][1:]...).CombinedOutput(); err == nil {
		t.Errorf("%s: healthy before it was started: %s", name, out)
	}
	// What the image gives: TUTTI_DATA_DIR is its volume. No mDNS: this machine's network is not the test's.
	env := []string{"TUTTI_DATA_DIR=" + filepath.Join(r.dir, name), "TUTTI_MDNS=false"}
	if err := os.MkdirAll(filepath.Join(r.dir, name), 0o700); err != nil {
		t.Fatal(err)
	}
	for key, value := range s.Environment {
		value = composeValue(t, name, value, s.Secrets, r.secrets)
		if key == "TUTTI_NATS" {
			if value != "nats://nats:4222" && value != "nats://127.0.0.1:4222" {
				t.Fatalf("%s finds NATS at %q", name, value)
			}
			value = "nats://" + r.natsAddr
		}
		if other, ok := replace[key]; ok {
			value = other
		}
		if value != "" {
			env = append(env, key+"="+value)
		}
	}
	r.procs[name] = harness.Start(t, name, nil, env, append([]string{r.bin}, argv...)...)
}

// startAll starts the five and waits until their health checks say so. NATS has refused
// them nothing by then.
func (r *composeRun) startAll(t *testing.T, replace map[string]string) {
	t.Helper()
	for name := range r.services {
		r.start(t, name, replace)
	}
	for name := range r.services {
		harness.Eventually(t, composeLimit, name+" is healthy", func() string { return unhealthy(r.procs[name], r.checks[name]) })
	}
	for name, p := range r.procs {
		harness.Refused(t, name, p.Output())
	}
}

// Each service of docker-compose.yml starts from its own command line, environment and
// secret files, with its own key on compose's NATS; the command that its health check runs
// fails before, succeeds once the service is ready, and fails again with a reason when NATS
// is gone.
func TestComposeHealthChecksTellTheTruth(t *testing.T) {
	r := newComposeRun(t)
	nats := startNATS(t, r.dir, r.natsAddr, composeAuth)
	r.startAll(t, nil)
	nats.Kill()
	for name := range r.services {
		// A check gives up after 3 s, which on a busy machine is no answer.
		harness.Eventually(t, composeLimit, name+" is unhealthy without NATS", func() string {
			says := unhealthy(r.procs[name], r.checks[name])
			if !strings.Contains(says, "503") || !strings.Contains(says, "exit status 1") {
				return fmt.Sprintf("its health check says %q; want status 1 and what the service answers", says)
			}
			return ""
		})
	}
}

// An installation in which all services shared one password goes on with keys: pairing
// takes over the streams and buckets that each service had made for itself.
func TestComposeUpgradesFromOnePassword(t *testing.T) {
	r := newComposeRun(t)
	before := startNATS(t, r.dir, r.natsAddr, "authorization { user: tutti, password: pw }")
	r.startAll(t, map[string]string{"TUTTI_NATS_CREDS": "", "TUTTI_NATS": "nats://tutti:pw@" + r.natsAddr})
	for _, p := range r.procs {
		p.Terminate(t, composeLimit)
	}
	before.Signal(syscall.SIGTERM)
	<-before.Done()
	startNATS(t, r.dir, r.natsAddr, composeAuth)
	r.startAll(t, nil)
}

// moveInternal gives a command and its health check the same free port.
func moveInternal(t *testing.T, argv, check []string) (movedArgv, movedCheck []string) {
	t.Helper()
	argv, check = slices.Clone(argv), slices.Clone(check)
	i := slices.Index(argv, "--internal-http")
	if i < 0 {
		t.Fatalf("%v has no --internal-http", argv)
	}
	_, port, err := net.SplitHostPort(argv[i+1])
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(check[len(check)-1])
	if err != nil || u.Port() != port {
		t.Fatalf("the health check asks %s, the service listens on port %s", check[len(check)-1], port)
	}
	u.Host = harness.FreeAddr(t)
	argv[i+1], check[len(check)-1] = u.Host, u.String()
	return argv, check
}

// composeSecrets runs the script that an installation runs, in a copy of its folder, and
// names the database of this test; the other secrets stay as it made them. It returns the
// file of each secret.
func composeSecrets(t *testing.T, dir, tutti, db string) map[string]string {
	t.Helper()
	for _, name := range []string{"compose/secrets.sh", "nats/keys.sh"} {
		script, err := os.ReadFile(filepath.Join("..", "deploy", name))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "deploy", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, script, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	run := exec.Command(filepath.Join(dir, "deploy", "compose", "secrets.sh"))
	run.Env = append(os.Environ(), "TUTTI="+tutti)
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("secrets.sh: %v\n%s", err, out)
	}
	var doc struct {
		Secrets map[string]struct {
			File string `yaml:"file"`
		} `yaml:"secrets"`
	}
	data, err := os.ReadFile("../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for name, s := range doc.Secrets {
		files[name] = filepath.Join(dir, s.File)
	}
	if err := os.WriteFile(files["database_url"], []byte(db+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return files
}

// composeAuth includes the file that nats.conf includes, where secrets.sh has put it: an
// include is relative to the file that has it.
const composeAuth = "include deploy/compose/secrets/nats_auth.conf"

// startNATS starts a server with deploy/compose/nats.conf; ports and folders are the
// test's, and auth takes the place of the included permissions.
func startNATS(t *testing.T, dir, addr, auth string) *harness.Proc {
	t.Helper()
	b, err := os.ReadFile("../deploy/compose/nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(addr)
	text := string(b)
	for _, r := range [][2]string{
		{"port: 4222", fmt.Sprintf("host: %s\nport: %s", host, port)},
		{"http: 127.0.0.1:8222", "http: " + harness.FreeAddr(t)},
		{"store_dir: /data", "store_dir: " + filepath.Join(dir, "nats")},
		{"include auth.conf", auth},
	} {
		if strings.Count(text, r[0]) != 1 {
			t.Fatalf("nats.conf has no line %q", r[0])
		}
		text = strings.Replace(text, r[0], r[1], 1)
	}
	conf := filepath.Join(dir, "nats.conf")
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return harness.Start(t, "nats", nil, nil, harness.MustBuild(t, "github.com/nats-io/nats-server/v2"), "-c", conf)
}

// composeValue is a variable's value: a default of compose's, or a secret that the service
// has mounted.
func composeValue(t *testing.T, service, value string, mounted []string, secrets map[string]string) string {
	t.Helper()
	if rest, ok := strings.CutPrefix(value, "/run/secrets/"); ok {
		if !slices.Contains(mounted, rest) {
			t.Fatalf("%s reads secret %s, which is not mounted", service, rest)
		}
		return secrets[rest]
	}
	if rest, ok := strings.CutPrefix(value, "${"); ok {
		_, value, _ = strings.Cut(strings.TrimSuffix(rest, "}"), ":-")
	}
	return value
}

// unhealthy runs a health check as the container runtime does and says why it fails.
func unhealthy(p *harness.Proc, check []string) string {
	select {
	case <-p.Done():
		return "it has ended"
	default:
	}
	out, err := exec.Command(check[0], check[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%v: %s", err, strings.TrimSpace(string(out)))
	}
	return ""
}
