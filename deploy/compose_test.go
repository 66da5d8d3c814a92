package deploy

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

func project(t *testing.T, more ...string) *types.Project {
	t.Helper()
	opts, err := cli.NewProjectOptions(append([]string{"../docker-compose.yml"}, more...), cli.WithWorkingDirectory(".."), cli.WithInterpolation(true))
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

// drainTime is --drain-timeout's default and what a process may take to end after it.
const drainTime = 20*time.Second + 10*time.Second

// Each container is bounded, closed and given the time that it needs to stop.
func TestComposeContainersAreBoundedAndClosed(t *testing.T) {
	p := project(t)
	grace := map[string]time.Duration{"stream": drainTime, "session-gateway": drainTime, "postgres": 30 * time.Second, "nats": 20 * time.Second}
	for name, s := range p.Services {
		if s.Deploy == nil || s.Deploy.Resources.Limits == nil || s.Deploy.Resources.Limits.MemoryBytes < 64<<20 || s.Deploy.Resources.Limits.NanoCPUs <= 0 || s.Deploy.Resources.Limits.Pids <= 0 {
			t.Errorf("%s: limits of memory (64 MB at least), processors and processes are required", name)
		}
		if !s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s: a read-only root, no capabilities and no new privileges are required", name)
		}
		if len(s.CapAdd) > 0 && name != "postgres" {
			t.Errorf("%s takes capabilities: %v", name, s.CapAdd)
		}
		want := max(grace[name], 10*time.Second)
		if s.StopGracePeriod == nil || time.Duration(*s.StopGracePeriod) <= want {
			t.Errorf("%s: stop_grace_period is %v, it takes up to %s to end", name, s.StopGracePeriod, want)
		}
		if s.Logging == nil || s.Logging.Options["max-size"] == "" {
			t.Errorf("%s: its log may fill the disk", name)
		}
	}
	if n := len(p.Services); n != len(services)+2 {
		t.Errorf("%d services, want NATS, PostgreSQL and ours", n)
	}
}

// Leases compare times of several processes: a lease time in one service alone would let
// two of them hold the same thing.
func TestComposeLeaseTimeIsTheSameEverywhere(t *testing.T) {
	p := project(t)
	seen := map[string][]string{}
	for _, name := range services {
		s, err := p.GetService(name)
		if err != nil {
			t.Fatal(err)
		}
		ttl := "default"
		if i := slices.Index(s.Command, "--lease-ttl"); i >= 0 && i+1 < len(s.Command) {
			ttl = s.Command[i+1]
		}
		if v := s.Environment["TUTTI_LEASE_TTL"]; v != nil {
			ttl = *v
		}
		seen[ttl] = append(seen[ttl], name)
	}
	if len(seen) != 1 {
		t.Errorf("the lease time differs: %v", seen)
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
	root := checkout(t)
	script := filepath.Join(root, "deploy", "compose", "secrets.sh")
	read := func() map[string]string {
		files := map[string]string{}
		p := project(t)
		paths := []string{}
		for _, s := range p.Secrets {
			paths = append(paths, s.File)
		}
		for _, c := range p.Configs {
			paths = append(paths, c.File)
		}
		repo, err := filepath.Abs("..")
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			rel, err := filepath.Rel(repo, path)
			if err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(filepath.Join(root, rel))
			if err != nil {
				t.Fatalf("secrets.sh does not write a file that docker-compose.yml mounts: %v", err)
			}
			files[rel] = string(b)
		}
		return files
	}
	runScript(t, script)
	first := read()
	runScript(t, script)
	if !maps.Equal(first, read()) {
		t.Error("a second run changed a secret")
	}
	if key := first["deploy/compose/secrets/deployment_key"]; len(strings.TrimSpace(key)) != 64 {
		t.Error("the deployment key must be 64 hex digits")
	}
}
