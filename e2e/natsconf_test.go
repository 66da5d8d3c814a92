package e2e

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// The NATS configurations of the Kubernetes overlays are ones that the server takes: it
// reads each, with the variables that the container has and the permissions of this
// version, and says so.
func TestKubernetesNATSConfigurationsAreValid(t *testing.T) {
	bin, tutti := harness.MustBuild(t, "github.com/nats-io/nats-server/v2"), harness.MustBuild(t, "github.com/tutti-audio/tutti/cmd/tutti")
	included := map[string]string{} // chain builds on venue
	for _, file := range []string{"single-node/nats.yaml", "venue/nats.yaml", "chain/nats-conf.yaml"} {
		f, err := os.Open(filepath.Join("..", "deploy", "k8s", "overlays", file))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var doc struct {
			Data map[string]string `yaml:"data"`
		}
		if err := yaml.NewDecoder(f).Decode(&doc); err != nil || doc.Data["nats.conf"] == "" {
			t.Fatalf("%s does not begin with the configuration: %v", file, err)
		}
		dir := t.TempDir()
		if out, err := exec.Command(tutti, "nats-config", "--out", dir).CombinedOutput(); err != nil {
			t.Fatalf("tutti nats-config: %v\n%s", err, out)
		}
		conf := filepath.Join(dir, "nats.conf")
		maps.Copy(included, doc.Data)
		for name, text := range included {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		check := exec.Command(bin, "-c", conf, "-t")
		check.Env = append(os.Environ(), "POD_NAME=nats-0", "VENUE=venue-1", `CHAIN_URL="nats-leaf://venue:secret@chain.example:7422"`,
			"NATS_ROUTE_PASSWORD=route_secret", `NATS_ROUTES=[ "nats-route://route:route_secret@nats-1.nats:6222" ]`)
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", file, err, out)
		}
	}
}
