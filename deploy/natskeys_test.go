package deploy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// keyEnv is the variable of --nats-creds, keySuffix ends the name of a file with a key.
const keyEnv, keySuffix = "TUTTI_NATS_CREDS", ".nk"

// fromKeys picks those of a list of files that hold keys for NATS.
func fromKeys(files []string) []string {
	return slices.DeleteFunc(slices.Clone(files), func(f string) bool { return !strings.HasSuffix(f, keySuffix) })
}

// Each service of compose has its own key and nobody else's, and the address of NATS says
// no password.
func TestComposeGivesEachServiceItsOwnKey(t *testing.T) {
	p := project(t)
	for name, s := range p.Services {
		var files, want []string
		for _, sec := range s.Secrets {
			files = append(files, p.Secrets[sec.Source].File)
		}
		for _, c := range s.Configs {
			files = append(files, p.Configs[c.Source].File)
		}
		for _, v := range s.Volumes {
			if strings.Contains(v.Source, "secrets") {
				t.Errorf("%s mounts %s: secrets are mounted one by one", name, v.Source)
			}
		}
		if slices.Contains(services, name) {
			want = []string{name + keySuffix}
			if v := s.Environment[keyEnv]; v == nil || *v != "/run/secrets/"+name+keySuffix {
				t.Errorf("%s: %s is %v, want its key", name, keyEnv, v)
			}
			if v := s.Environment["TUTTI_NATS"]; v == nil || !strings.HasPrefix(*v, "nats://") || strings.Contains(*v, "@") {
				t.Errorf("%s: TUTTI_NATS is %v, want an address without a password", name, v)
			}
		}
		got := fromKeys(files)
		for i, f := range got {
			got[i] = filepath.Base(f)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s holds the keys %v, want %v", name, got, want)
		}
	}
}

// The keys are made by a container that no `docker compose up` starts, which reaches
// nothing and has nothing mounted but what secrets.sh gives it.
func TestComposeMakesKeysWithTheSameImage(t *testing.T) {
	p := project(t)
	s, ok := p.DisabledServices["nats-keys"]
	if !ok {
		t.Fatal("no service nats-keys behind a profile")
	}
	pairing, err := p.GetService("pairing")
	if err != nil {
		t.Fatal(err)
	}
	if s.Image != pairing.Image || s.Build == nil || s.NetworkMode != "none" || !s.ReadOnly || len(s.Secrets)+len(s.Volumes)+len(s.DependsOn) != 0 || s.Restart != "no" {
		t.Errorf("nats-keys: image %q, network %q, %d secrets, %d volumes", s.Image, s.NetworkMode, len(s.Secrets), len(s.Volumes))
	}
}

// Each pod has its own service's key and nobody else's; what NATS has are public keys.
func TestKubernetesGivesEachServiceItsOwnKey(t *testing.T) {
	for _, overlay := range overlays {
		objs := render(t, overlay)
		for name, p := range podSpecs(objs) {
			var got, want []string
			env, at := "", ""
			for _, k := range secretKeys(p.Spec) {
				if strings.HasPrefix(k.secret, "nats-") {
					got = append(got, k.secret+"/"+k.key)
				}
			}
			for _, c := range p.Spec.Containers {
				for _, e := range c.Env {
					if e.Name == keyEnv {
						env = e.Value
					}
				}
				for _, m := range c.VolumeMounts {
					if m.Name == "nats-key" {
						at = m.MountPath
					}
				}
			}
			if slices.Contains(services, name) {
				want = []string{"nats-" + name + "/" + name + keySuffix}
				if env != at+"/"+name+keySuffix {
					t.Errorf("%s: %s: %s is %q, its key is in %q", overlay, name, keyEnv, env, at)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: %s holds the keys %v, want %v", overlay, name, got, want)
			}
		}
		for _, o := range objs {
			if c, ok := o.(*corev1.ConfigMap); ok && c.Name == "tutti" {
				if addr := c.Data["TUTTI_NATS"]; !strings.HasPrefix(addr, "nats://") || strings.Contains(addr, "@") {
					t.Errorf("%s: TUTTI_NATS is %q, want an address without a password", overlay, addr)
				}
			}
		}
	}
}

// What nats-keys.sh prints is complete, the same at a second run, and tells no two services
// apart by name only.
func TestNATSKeysScriptPrintsEachKeyOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	keys, auth := natsKeys(t, dir)
	again, authAgain := natsKeys(t, dir)
	if len(keys) != len(services) || auth == "" || auth != authAgain {
		t.Fatalf("%d secrets, want %d; the ConfigMap is the same again: %v", len(keys), len(services), auth == authAgain)
	}
	seen := map[string]string{}
	for _, name := range services {
		data := keys["nats-"+name]
		seed := data[name+keySuffix]
		if len(data) != 1 || !strings.HasPrefix(seed, "SU") || seed != again["nats-"+name][name+keySuffix] {
			t.Errorf("the secret of %s does not hold its key alone, or it changed", name)
		}
		if other := seen[seed]; other != "" {
			t.Errorf("%s and %s have the same key", name, other)
		}
		if strings.Contains(auth, seed) {
			t.Errorf("the ConfigMap holds the seed of %s", name)
		}
		seen[seed] = name
	}
	if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("the folder of the keys is open: %v, %v", st.Mode(), err)
	}
}
