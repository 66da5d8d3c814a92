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

// Each service of docker-compose.yml starts from its own command line, environment and
// secret files; the command that its health check runs fails before, succeeds once the
// service is ready, and fails again with a reason when NATS is gone. Only what a container
// gives is replaced: addresses, folders and the path of the binary.
func TestComposeHealthChecksTellTheTruth(t *testing.T) {
	bin := harness.MustBuild(t, "github.com/tutti-audio/tutti/cmd/tutti")
	natsAddr, dir, services := harness.FreeAddr(t), t.TempDir(), composeTutti(t)
	secrets := composeSecrets(t, filepath.Join(dir, "secrets"), natsAddr, pgtest.Start(t))
	nats := startNATS(t, dir, natsAddr)

	procs, checks := map[string]*harness.Proc{}, map[string][]string{}
	for name, s := range services {
		argv, check := s.Command, s.HealthCheck.Test
		argv, check = moveInternal(t, argv, check)
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
		checks[name] = append([]string{bin}, check[2:]...)
		if out, err := exec.Command(checks[name][0], checks[name][1:]...).CombinedOutput(); err == nil {
			t.Errorf("%s: healthy before it was started: %s", name, out)
		}
		// What the image gives: TUTTI_DATA_DIR is its volume. No mDNS: this machine's network is not the test's.
		env := []string{"TUTTI_DATA_DIR=" + filepath.Join(dir, name), "TUTTI_MDNS=false"}
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		for key, value := range s.Environment {
			env = append(env, key+"="+composeValue(t, name, value, s.Secrets, secrets))
		}
		procs[name] = harness.Start(t, name, nil, env, append([]string{bin}, argv...)...)
	}
	for name := range services {
		harness.Eventually(t, composeLimit, name+" is healthy", func() string { return unhealthy(procs[name], checks[name]) })
	}
	nats.Kill()
	for name := range services {
		var says string
		harness.Eventually(t, composeLimit, name+" is unhealthy without NATS", func() string {
			if says = unhealthy(procs[name], checks[name]); says == "" {
				return "it is healthy"
			}
			return ""
		})
		if !strings.Contains(says, "503") || !strings.Contains(says, "exit status 1") {
			t.Errorf("%s: without NATS its health check says %q; want status 1 and what the service answers", name, says)
		}
	}
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
// writes the addresses of this test into its files; the other secrets stay as it made them.
func composeSecrets(t *testing.T, dir, natsAddr, db string) string {
	t.Helper()
	script, err := os.ReadFile("../deploy/compose/secrets.sh")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(filepath.Dir(dir), "secrets.sh")
	if err := os.WriteFile(path, script, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("sh", path).CombinedOutput(); err != nil {
		t.Fatalf("secrets.sh: %v\n%s", err, out)
	}
	for name, host := range map[string]string{"nats_url": "nats:4222", "nats_url_host": "127.0.0.1:4222"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(b), "@"+host) {
			t.Fatalf("secret %s does not name %s", name, host)
		}
		b = []byte(strings.Replace(string(b), "@"+host, "@"+natsAddr, 1))
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "database_url"), []byte(db+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// startNATS starts a server with deploy/compose/nats.conf; ports and folders are the test's.
func startNATS(t *testing.T, dir, addr string) *harness.Proc {
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
		// An include is relative to the file that has it.
		{"include /run/secrets/nats_auth", "include secrets/nats_auth"},
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
func composeValue(t *testing.T, service, value string, mounted []string, secrets string) string {
	t.Helper()
	if rest, ok := strings.CutPrefix(value, "/run/secrets/"); ok {
		if !slices.Contains(mounted, rest) {
			t.Fatalf("%s reads secret %s, which is not mounted", service, rest)
		}
		return filepath.Join(secrets, rest)
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
