package deploy

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

func project(t *testing.T) *types.Project {
	t.Helper()
	opts, err := cli.NewProjectOptions([]string{"../docker-compose.yml"}, cli.WithWorkingDirectory(".."), cli.WithInterpolation(true))
	if err != nil {
		t.Fatal(err)
	}
	p, err := opts.LoadProject(context.Background())
	if err != nil {
		t.Fatalf("docker-compose.yml: %v", err)
	}
	return p
}

func TestComposeLoadsAndIsComplete(t *testing.T) {
	p := project(t)
	for _, name := range append([]string{"nats", "postgres"}, services...) {
		s, err := p.GetService(name)
		if err != nil {
			t.Errorf("service %s: %v", name, err)
			continue
		}
		if s.HealthCheck == nil || len(s.HealthCheck.Test) == 0 {
			t.Errorf("%s has no health check", name)
		}
		if s.Restart != "unless-stopped" {
			t.Errorf("%s: restart is %q", name, s.Restart)
		}
		for _, sec := range s.Secrets {
			if _, ok := p.Secrets[sec.Source]; !ok {
				t.Errorf("%s uses secret %q, which is not declared", name, sec.Source)
			}
		}
	}
}

func TestComposeMulticastServicesUseTheHostNetwork(t *testing.T) {
	p := project(t)
	for _, name := range services {
		s, err := p.GetService(name)
		if err != nil {
			t.Fatal(err)
		}
		want := name == "discovery" || name == "session-gateway"
		if got := s.NetworkMode == "host"; got != want {
			t.Errorf("%s: host network is %v, want %v", name, got, want)
		}
	}
}

func TestComposeHealthChecksAskTheServicesOwnPort(t *testing.T) {
	p := project(t)
	for _, name := range services {
		s, _ := p.GetService(name)
		i := slices.Index(s.Command, "--internal-http")
		if i < 0 || i+1 >= len(s.Command) {
			t.Errorf("%s: no --internal-http", name)
			continue
		}
		port := s.Command[i+1][strings.LastIndex(s.Command[i+1], ":"):]
		if url := s.HealthCheck.Test[len(s.HealthCheck.Test)-1]; !strings.Contains(url, port+"/readyz") {
			t.Errorf("%s listens on %s but its health check asks %s", name, port, url)
		}
	}
}

// The script writes each secret file once and keeps it on a second run: a new
// deployment key would lock the server's identity away.
func TestSecretsScriptIsIdempotentAndComplete(t *testing.T) {
	dir := t.TempDir()
	script, err := os.ReadFile("compose/secrets.sh")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "secrets.sh")
	if err := os.WriteFile(path, script, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	key, err := os.ReadFile(filepath.Join(dir, "secrets", "deployment_key"))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	again, _ := os.ReadFile(filepath.Join(dir, "secrets", "deployment_key"))
	if string(again) != string(key) || len(strings.TrimSpace(string(key))) != 64 {
		t.Errorf("the deployment key must be 64 hex digits and survive a second run")
	}
	for name, s := range project(t).Secrets {
		if _, err := os.Stat(filepath.Join(dir, "secrets", filepath.Base(s.File))); err != nil {
			t.Errorf("secret %s: secrets.sh does not write it: %v", name, err)
		}
	}
}
