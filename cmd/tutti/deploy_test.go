package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// process is a command line of a deployment file, with the names of its environment.
type process struct {
	args []string
	env  map[string]bool
}

// Every command line that the deployment files carry must be one that this
// binary takes: a renamed flag fails here and not in a cluster. A variable that no setting
// reads would be ignored in silence: a service without its key, for instance.
func TestDeploymentFilesUseFlagsThatExist(t *testing.T) {
	n, vars := 0, 0
	for _, p := range append(composeCommands(t), kubernetesArgs(t)...) {
		cmd, rest, err := root().Find(p.args)
		if err != nil {
			t.Errorf("%v: %v", p.args, err)
			continue
		}
		if err := cmd.ParseFlags(rest); err != nil {
			t.Errorf("%v: %v", p.args, err)
		}
		n++
		for env := range p.env {
			if slices.ContainsFunc(p.args, func(a string) bool { return strings.Contains(a, "$("+env+")") }) {
				continue // Kubernetes puts its value there
			}
			flag := strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(env, "TUTTI_")), "_", "-")
			if cmd.Flags().Lookup(flag) == nil && cmd.Flags().Lookup(strings.TrimSuffix(flag, "-file")) == nil {
				t.Errorf("%v: no setting reads the variable %s", p.args, env)
			}
			vars++
		}
	}
	if n < 16 || vars < 40 {
		t.Fatalf("looked at %d command lines and %d variables, expected compose's and Kubernetes' five services, their health checks and what makes keys", n, vars)
	}
}

func composeCommands(t *testing.T) []process {
	var doc struct {
		Services map[string]struct {
			Command     []string          `yaml:"command"`
			Environment map[string]string `yaml:"environment"`
			HealthCheck struct {
				Test []string `yaml:"test"`
			} `yaml:"healthcheck"`
		} `yaml:"services"`
	}
	data, err := os.ReadFile("../../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	var out []process
	for _, s := range doc.Services {
		if len(s.Command) > 0 && (s.Command[0] == "run" || s.Command[0] == "nats-config") {
			p := process{args: s.Command, env: map[string]bool{}}
			for name := range s.Environment {
				p.env[name] = true
			}
			out = append(out, p)
		}
		if h := s.HealthCheck.Test; len(h) > 2 && h[1] == "/tutti" {
			out = append(out, process{args: h[2:]})
		}
	}
	return out
}

// kubernetesDoc is what is read here of a manifest, a workload's or a ConfigMap's.
type kubernetesDoc struct {
	Kind     string `yaml:"kind"`
	Metadata struct {
		Name string `yaml:"name"`
	} `yaml:"metadata"`
	Data map[string]string `yaml:"data"`
	Spec struct {
		Template struct {
			Spec struct {
				Containers []struct {
					Args []string `yaml:"args"`
					Env  []struct {
						Name string `yaml:"name"`
					} `yaml:"env"`
					EnvFrom []struct {
						ConfigMapRef struct {
							Name string `yaml:"name"`
						} `yaml:"configMapRef"`
					} `yaml:"envFrom"`
				} `yaml:"containers"`
			} `yaml:"spec"`
		} `yaml:"template"`
	} `yaml:"spec"`
}

func kubernetesDocs(t *testing.T) (docs []kubernetesDoc) {
	files, err := filepath.Glob("../../deploy/k8s/base/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		dec := yaml.NewDecoder(strings.NewReader(string(data)))
		for {
			var doc kubernetesDoc
			err := dec.Decode(&doc)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				continue // a kind whose "spec" has another shape
			}
			docs = append(docs, doc)
		}
	}
	return docs
}

func kubernetesArgs(t *testing.T) (out []process) {
	docs, maps := kubernetesDocs(t), map[string]map[string]string{}
	for _, d := range docs {
		if d.Kind == "ConfigMap" {
			maps[d.Metadata.Name] = d.Data
		}
	}
	for _, d := range docs {
		for _, c := range d.Spec.Template.Spec.Containers {
			p := process{args: c.Args, env: map[string]bool{}}
			for _, e := range c.Env {
				p.env[e.Name] = true
			}
			for _, from := range c.EnvFrom {
				for name := range maps[from.ConfigMapRef.Name] {
					p.env[name] = true
				}
			}
			out = append(out, p)
		}
	}
	return out
}
