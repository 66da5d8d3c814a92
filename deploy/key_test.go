package deploy

import (
	"strings"
	"testing"
)

// The deployment key comes from a secret: a pairing service that made its own in a
// volume would lose the identity with the volume.
func TestPairingReadsTheDeploymentKeyFromASecret(t *testing.T) {
	const env = "TUTTI_DEPLOYMENT_KEY_FILE"
	s, err := project(t).GetService("pairing")
	if err != nil {
		t.Fatal(err)
	}
	if v := s.Environment[env]; v == nil || !strings.HasPrefix(*v, "/run/secrets/") {
		t.Errorf("compose: %s is not a secret's file", env)
	}
	for _, overlay := range overlays {
		found := false
		for _, c := range podSpecs(render(t, overlay))["pairing"].Spec.Containers {
			for _, e := range c.Env {
				found = found || e.Name == env && strings.HasPrefix(e.Value, "/etc/tutti/secrets/")
			}
		}
		if !found {
			t.Errorf("%s: %s is not a secret's file", overlay, env)
		}
	}
}
