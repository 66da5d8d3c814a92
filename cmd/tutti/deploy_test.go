package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// Every command line that the deployment files carry must be one that this
// binary takes: a renamed flag fails here and not in a cluster.
func TestDeploymentFilesUseFlagsThatExist(t *testing.T) {
	n := 0
	for _, args := range append(composeCommands(t), kubernetesArgs(t)...) {
		cmd, rest, err := root().Find(args)
		if err != nil {
			t.Errorf("%v: %v", args, err)
			continue
		}
		if err := cmd.ParseFlags(rest); err != nil {
			t.Errorf("%v: %v", args, err)
		}
		n++
	}
	if n < 15 {
		t.Fatalf("looked at %d command lines, expected compose's and Kubernetes' five services and their health checks", n)
	}
}

func composeCommands(t *testing.T) [][]string {
	var doc struct {
		Services map[string]struct {
			Command     []string `yaml:"command"`
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
	var out [][]string
	for _, s := range doc.Services {
		if len(s.Command) > 0 && s.Command[0] == "run" {
			out = append(out, s.Command)
		}
		if h := s.HealthCheck.Test; len(h) > 2 && h[1] == "/tutti" {
			out = append(out, h[2:])
		}
	}
	return out
}

func kubernetesArgs(t *testing.T) [][]string {
	files, err := filepath.Glob("../../deploy/k8s/base/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var out [][]string
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		dec := yaml.NewDecoder(strings.NewReader(string(data)))
		for {
			var doc struct {
				Spec struct {
					Template struct {
						Spec struct {
							Containers []struct {
								Args []string `yaml:"args"`
							} `yaml:"containers"`
						} `yaml:"spec"`
					} `yaml:"template"`
				} `yaml:"spec"`
			}
			err := dec.Decode(&doc)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				continue // a kind whose "spec" has another shape
			}
			for _, c := range doc.Spec.Template.Spec.Containers {
				out = append(out, c.Args)
			}
		}
	}
	return out
}
