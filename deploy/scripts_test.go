package deploy

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// binDir is where binary builds, until the tests end.
var binDir string

func TestMain(m *testing.M) {
	code := m.Run()
	if binDir != "" {
		_ = os.RemoveAll(binDir)
	}
	os.Exit(code)
}

// binary is this version's tutti, built once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "tutti-deploy-*")
	if err != nil {
		return "", err
	}
	binDir = dir
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "tutti"), ".")
	build.Dir = filepath.Join("..", "cmd", "tutti")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build tutti: %w\n%s", err, out)
	}
	return filepath.Join(dir, "tutti"), nil
})

func mustBinary(t *testing.T) string {
	t.Helper()
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// checkout is a folder with the installation's scripts where they are in the repository.
func checkout(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range []string{"compose/secrets.sh", "nats/keys.sh", "k8s/secret.sh", "k8s/nats-keys.sh"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(root, "deploy", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// runScript runs a script of an installation, with this version's tutti, and returns what
// it prints.
func runScript(t *testing.T, script string, args ...string) string {
	t.Helper()
	cmd := exec.Command(script, args...)
	cmd.Env = append(os.Environ(), "TUTTI="+mustBinary(t))
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", filepath.Base(script), args, err, &said)
	}
	return string(out)
}

// natsKeys are the Secrets and the ConfigMap that nats-keys.sh prints, by name.
func natsKeys(t *testing.T, dir string) (keys map[string]map[string]string, auth string) {
	t.Helper()
	objs, err := decodeAll(decoder(t), []byte(runScript(t, filepath.Join("k8s", "nats-keys.sh"), dir)))
	if err != nil {
		t.Fatal(err)
	}
	keys = map[string]map[string]string{}
	for _, o := range objs {
		switch o := o.(type) {
		case *corev1.Secret:
			keys[o.Name] = o.StringData
		case *corev1.ConfigMap:
			auth = o.Data["auth.conf"]
		}
	}
	return keys, auth
}

// keys.sh takes the first program that is there, and says what to do when there is none.
func TestKeysScriptFindsTheProgram(t *testing.T) {
	const works, fails = `exec "$REAL" nats-config --out "$OUT"`, "exit 1"
	// What stands for docker writes its arguments and does what its container would.
	docker := `echo "docker $*" >>"$LOG"
case $1 in compose) [ "$2" = version ] || ` + works + ` ;; info) echo '[name=seccomp]' ;; esac`
	for _, c := range []struct {
		name     string
		programs map[string]string
		env      string
		want     string // in the log of who was called
		fails    string
	}{
		{name: "named", env: "TUTTI", programs: map[string]string{"docker": docker}},
		{name: "docker", programs: map[string]string{"docker": docker, "go": fails, "tutti": fails}, want: "docker compose run --rm -T --user "},
		{name: "docker without root", programs: map[string]string{"docker": strings.Replace(docker, "seccomp", "rootless", 1)}, want: "--user 0:0 --volume "},
		{name: "docker does not answer", programs: map[string]string{"docker": fails, "go": `echo "go $*" >>"$LOG"; ` + works, "tutti": fails}, want: "go run ./cmd/tutti nats-config --out "},
		{name: "in PATH", programs: map[string]string{"tutti": `echo "tutti $*" >>"$LOG"; ` + works}, want: "tutti nats-config --out "},
		{name: "none", fails: "TUTTI=/path/to/tutti"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root, bin := checkout(t), t.TempDir()
			log, out := filepath.Join(bin, "log"), filepath.Join(root, "keys")
			for name, text := range c.programs {
				if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			for _, tool := range []string{"sh", "mkdir", "dirname", "id"} {
				path, err := exec.LookPath(tool)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(path, filepath.Join(bin, tool)); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command(filepath.Join(root, "deploy/nats/keys.sh"), out)
			cmd.Env = []string{"PATH=" + bin, "LOG=" + log, "OUT=" + out, "REAL=" + mustBinary(t)}
			if c.env != "" {
				cmd.Env = append(cmd.Env, c.env+"="+mustBinary(t))
			}
			said, err := cmd.CombinedOutput()
			if c.fails != "" {
				if err == nil || !strings.Contains(string(said), c.fails) {
					t.Errorf("%v, and it says %q", err, said)
				}
				return
			}
			if err != nil {
				t.Fatalf("%v: %s", err, said)
			}
			called, err := os.ReadFile(log)
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			if !strings.Contains(string(called), c.want) || c.want == "" && len(called) > 0 {
				t.Errorf("called were %q, want %q", called, c.want)
			}
			if _, err := os.Stat(filepath.Join(out, "pairing.nk")); err != nil {
				t.Error(err)
			}
		})
	}
}

// The folder of the secrets is its owner's; in it, what containers read can be read by
// their users, and the keys that no container has cannot.
func TestSecretsAreAsOpenAsContainersNeed(t *testing.T) {
	root := checkout(t)
	runScript(t, filepath.Join(root, "deploy/compose/secrets.sh"))
	secrets := filepath.Join(root, "deploy/compose/secrets")
	mounted := map[string]bool{}
	p := project(t)
	for _, s := range p.Secrets {
		mounted[filepath.Base(s.File)] = true
	}
	for _, c := range p.Configs {
		mounted[filepath.Base(c.File)] = true
	}
	err := filepath.WalkDir(secrets, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := e.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		switch {
		case e.IsDir():
			want = 0o700
		case mounted[e.Name()]:
			want = 0o644
		}
		if st.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", path, st.Mode().Perm(), want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
