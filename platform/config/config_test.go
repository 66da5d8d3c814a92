package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

type sample struct {
	DataDir string        `config:"data-dir" usage:"directory"`
	MDNS    bool          `config:"mdns" usage:"find devices"`
	Limit   int           `config:"limit" usage:"how many"`
	Wait    time.Duration `config:"wait" usage:"how long"`
	Devices []string      `config:"device" usage:"addresses"`
	Token   string        `config:"token" secret:"true" usage:"secret"`
	KeyFile string        `config:"key-file" usage:"a file"`
	Key     string        `config:"key" secret:"true" usage:"a key"`
	File    string        `config:"config" usage:"file"`
	Version string        `config:"-"`
}

func defaults() sample {
	return sample{DataDir: "/default", MDNS: true, Limit: 3, Token: "default-secret"}
}

// load parses args with env set and the file's text, if any.
func load(t *testing.T, args []string, env map[string]string, file string) (sample, error) {
	t.Helper()
	cfg := defaults()
	fs := pflag.NewFlagSet("x", pflag.ContinueOnError)
	MustBind(fs, &cfg)
	if file != "" {
		path := filepath.Join(t.TempDir(), "tutti.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config", path)
	}
	for k, v := range env {
		t.Setenv(k, v)
	}
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	err := Load(fs, &cfg)
	return cfg, err
}

func TestPrecedenceIsFlagEnvironmentFileDefault(t *testing.T) {
	file := "data-dir: /file\nlimit: 9\nmdns: false\nwait: 2s\ndevice: [ws://a, ws://b]\n"
	got, err := load(t, []string{"--data-dir", "/flag"}, map[string]string{"TUTTI_DATA_DIR": "/env", "TUTTI_LIMIT": "5"}, file)
	if err != nil {
		t.Fatal(err)
	}
	if got.DataDir != "/flag" || got.Limit != 5 || got.MDNS || got.Wait != 2*time.Second || !slices.Equal(got.Devices, []string{"ws://a", "ws://b"}) {
		t.Fatalf("got %+v", got)
	}
	got, err = load(t, nil, nil, "")
	if err != nil || got.DataDir != "/default" && os.Getenv("TUTTI_DATA_DIR") == "" {
		t.Fatalf("defaults: got %+v, %v", got, err)
	}
}

func TestSecretComesFromAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := load(t, nil, map[string]string{"TUTTI_TOKEN_FILE": path}, "")
	if err != nil || got.Token != "from-file" {
		t.Fatalf("got %q, %v; want the file's content without its newline", got.Token, err)
	}
	// key-file is a setting itself: its variable must not be taken for the file form of "key".
	got, err = load(t, nil, map[string]string{"TUTTI_KEY_FILE": path}, "")
	if err != nil || got.KeyFile != path || got.Key != "" {
		t.Fatalf("got key-file %q, key %q, %v", got.KeyFile, got.Key, err)
	}
}

func TestAListInTheEnvironmentIsCommaSeparated(t *testing.T) {
	got, err := load(t, nil, map[string]string{"TUTTI_DEVICE": "ws://a, ws://b,"}, "")
	if err != nil || !slices.Equal(got.Devices, []string{"ws://a", "ws://b"}) {
		t.Fatalf("got %q, %v", got.Devices, err)
	}
}

func TestEveryFaultIsReportedAtOnce(t *testing.T) {
	_, err := load(t, nil, map[string]string{"TUTTI_LIMIT": "many"}, "datadir: /x\nmdns: perhaps\nwait: 5\nlimit: 1\nwhatever-this-is: 1\nmdns: true\ndevice: {a: b}\n")
	if err == nil {
		t.Fatal("want faults")
	}
	for _, want := range []string{
		`TUTTI_LIMIT: "many" is not a whole number`,
		`tutti.yaml:1: unknown setting "datadir": did you mean data-dir?`,
		`tutti.yaml:2: mdns: "perhaps" is not true or false`,
		`tutti.yaml:3: wait: "5" is not a duration such as 250ms, 30s or 12h`,
		`tutti.yaml:5: unknown setting "whatever-this-is": see --help for the names`,
		`tutti.yaml:6: mdns is given twice`,
		`tutti.yaml:7: device: expected a list`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in:\n%v", want, err)
		}
	}
}

func TestASecretNeverShowsUp(t *testing.T) {
	cfg := defaults()
	fs := pflag.NewFlagSet("x", pflag.ContinueOnError)
	MustBind(fs, &cfg)
	if strings.Contains(fs.FlagUsages(), "default-secret") {
		t.Errorf("--help shows a secret's default:\n%s", fs.FlagUsages())
	}
}

func TestAMissingFileSaysWhichAndWhatToDo(t *testing.T) {
	_, err := load(t, []string{"--config", "/nowhere/tutti.yaml"}, map[string]string{"TUTTI_TOKEN_FILE": "/nowhere/token"}, "")
	if err == nil || !strings.Contains(err.Error(), "/nowhere/tutti.yaml") || !strings.Contains(err.Error(), "TUTTI_TOKEN_FILE") {
		t.Fatalf("got %v", err)
	}
}

func TestAnEmptyFileIsNoFault(t *testing.T) {
	if _, err := load(t, nil, nil, "# nothing yet\n"); err != nil {
		t.Fatal(err)
	}
}

func TestASecretHasAFlagForItsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := load(t, []string{"--token-file", path}, map[string]string{"TUTTI_TOKEN": "from-env"}, "")
	if err != nil || got.Token != "from-file" {
		t.Fatalf("got %q, %v; want the flag's file before the environment", got.Token, err)
	}
	if _, err := load(t, []string{"--token-file", "/nowhere"}, nil, ""); err == nil || !strings.Contains(err.Error(), "--token-file") {
		t.Fatalf("a missing file: got %v", err)
	}
}

func TestAnEmptyVariableIsUnset(t *testing.T) {
	got, err := load(t, nil, map[string]string{"TUTTI_LIMIT": "", "TUTTI_DATA_DIR": ""}, "")
	if err != nil || got.Limit != 3 || got.DataDir != "/default" {
		t.Fatalf("got %+v, %v", got, err)
	}
}

func TestSettingsOfAnEmbeddedStruct(t *testing.T) {
	cfg := struct {
		sample
		Own string `config:"own" usage:"not of the sample"`
	}{sample: defaults()}
	fs := pflag.NewFlagSet("x", pflag.ContinueOnError)
	MustBind(fs, &cfg)
	t.Setenv("TUTTI_LIMIT", "7")
	if err := fs.Parse([]string{"--own", "mine", "--data-dir", "/flag"}); err != nil {
		t.Fatal(err)
	}
	if err := Load(fs, &cfg); err != nil {
		t.Fatal(err)
	}
	if cfg.Own != "mine" || cfg.DataDir != "/flag" || cfg.Limit != 7 || !cfg.MDNS {
		t.Errorf("got %+v", cfg)
	}
}
