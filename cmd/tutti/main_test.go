package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// run executes the command line in this process.
func run(args ...string) (stdout string, err error) {
	c := root()
	var out bytes.Buffer
	c.SetOut(&out)
	c.SetErr(&out)
	c.SetArgs(args)
	err = c.Execute()
	return out.String(), err
}

// The process contract: 2 is wrong usage, and the error says what to do next.
func TestWrongUsageIsStatusTwoAndSaysWhatToDo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	t.Setenv("TUTTI_DATA_DIR", dir)
	key := strings.Repeat("01", 32)
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"serv"}, "unknown command"},
		{[]string{"serve", "--htp", ":1"}, "see 'tutti serve --help'"},
		{[]string{"serve", "extra"}, "unknown command"},
		{[]string{"serve", "--http", "8080"}, "write host:port or :port"},
		{[]string{"serve", "--policy", "maybe"}, "choose required"},
		{[]string{"serve", "--music", "/nowhere/at/all"}, "is not a folder"},
		{[]string{"serve", "--name", " "}, "give the server a name"},
		{[]string{"serve", "--venue", "Café"}, "VENUE of this venue's NATS"},
		{[]string{"serve", "--name", strings.Repeat("ü", 32)}, "1 to 63 bytes"},
		{[]string{"serve", "--languages", "a_b"}, "is no BCP 47 language tag"},
		{[]string{"serve", "--device", "http://x"}, "must look like ws://"},
		{[]string{"serve", "--dns-sd", "local"}, "belongs to mDNS"},
		{[]string{"serve", "--deployment-key", key, "--deployment-key-file", "/run/secrets/key"}, "choose one of them"},
		{[]string{"serve", "--deployment-key", "0123"}, "64 hexadecimal digits"},
		{[]string{"serve", "--oidc-issuer", "https://id.example"}, "--oidc-client-id belong together"},
		{[]string{"serve", "--oidc-issuer", "http://id.example", "--oidc-client-id", "tutti"}, "begin with https://"},
		{[]string{"serve", "--oidc-admins", "ada@example.org"}, "name the issuer"},
		// Nobody waits for a bus first: there is none at this address.
		{[]string{"run", "discovery", "--nats", "nats://127.0.0.1:1", "--device", "bad"}, "must look like ws://"},
		{[]string{"run", "pairing", "--nats", "nats://127.0.0.1:1", "--languages", "a_b"}, "is no BCP 47 language tag"},
		{[]string{"run", "management", "--nats", "nats://127.0.0.1:1", "--oidc-client-id", "tutti"}, "--oidc-client-id belong together"},
		{[]string{"chain"}, "needs --nats"},
		{[]string{"run", "stream"}, "needs --nats"},
		{[]string{"run", "jukebox"}, "choose one of pairing"},
		{[]string{"run"}, "name a service"},
	} {
		t.Run(strings.Join(tc.args, " "), func(t *testing.T) {
			_, err := run(tc.args...)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want an error with %q", err, tc.want)
			}
			if code := exitCode(err); code != 2 {
				t.Errorf("exit status %d, want 2", code)
			}
			if _, err := os.Stat(dir); err == nil {
				t.Error("the data directory was opened first")
			}
		})
	}
}

func TestExitStatusOfOtherErrors(t *testing.T) {
	if code := exitCode(nil); code != 0 {
		t.Errorf("success is %d", code)
	}
	if code := exitCode(errors.New("the disk is full")); code != 1 {
		t.Errorf("a failure at run time is %d, want 1", code)
	}
}

// Errors name devices, and a device may call itself anything.
func TestAnErrorCannotDriveTheTerminal(t *testing.T) {
	got := oneLine("\x1b[31mEvil\x1b]0;title\a\r\nfoo is not connected;\n  " + strings.Repeat("A", 10_000))
	if strings.ContainsAny(got, "\x1b\a\r\n") || !strings.Contains(got, "foo is not connected; A") || len(got) > 4*longestError {
		t.Errorf("got %d bytes: %.80q", len(got), got)
	}
}

// Every command explains itself: a sentence, and an example where there is
// something to choose.
func TestEveryCommandHasHelp(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Hidden || c.Name() == "help" || c.Name() == "completion" || c.HasParent() && c.Parent().Name() == "completion" {
			return
		}
		if c.Short == "" {
			t.Errorf("%s has no short help", c.CommandPath())
		}
		if c.Example == "" && c.Name() != "version" {
			t.Errorf("%s has no example", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root())
}

func TestVersionNamesItsPlatform(t *testing.T) {
	out, err := run("version")
	if err != nil || !strings.HasPrefix(out, fmt.Sprintf("tutti %s", version)) || !strings.Contains(out, "linux/") {
		t.Errorf("got %q, %v", out, err)
	}
}

// A secret's value must not be shown as a default, whatever the environment says.
func TestHelpShowsNoSecret(t *testing.T) {
	t.Setenv("TUTTI_ADMIN_TOKEN", "very-secret")
	t.Setenv("TUTTI_DATABASE_URL", "postgres://u:very-secret@h/d")
	out, err := run("serve", "--help")
	if err != nil || strings.Contains(out, "very-secret") {
		t.Errorf("%v\n%s", err, out)
	}
}
