package passphrase

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "p")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// typed answers prompts with lines, in order.
func typed(lines ...string) func(context.Context, string) (string, error) {
	return func(context.Context, string) (string, error) {
		if len(lines) == 0 {
			return "", errors.New("asked once too often")
		}
		l := lines[0]
		lines = lines[1:]
		return l, nil
	}
}

func TestWhereAPassphraseComesFrom(t *testing.T) {
	for _, tc := range []struct {
		name       string
		source     Source
		env, file  string
		want, fail string
	}{
		{name: "a file beats all", source: Source{File: file(t, "from the file\n")}, env: "from the environment", want: "from the file"},
		{name: "the environment", env: "from the environment", file: "x", want: "from the environment"},
		{name: "a file that the environment names", file: file(t, "from that file\r\n"), want: "from that file"},
		{name: "a person", source: Source{Terminal: typed("from a person")}, want: "from a person"},
		{name: "a person, twice", source: Source{Confirm: true, Terminal: typed("from a person", "from a person")}, want: "from a person"},
		{name: "twice, differing", source: Source{Confirm: true, Terminal: typed("from a person", "from a parson")}, fail: "differ"},
		{name: "too short for a new one", source: Source{Confirm: true, Terminal: typed("short", "short")}, fail: "at least 10"},
		{name: "an old one may be short", source: Source{Terminal: typed("short")}, want: "short"},
		{name: "empty", source: Source{Terminal: typed("")}, fail: "empty"},
		{name: "ten characters, not bytes", source: Source{Confirm: true, Terminal: typed("äöüäöüäöü", "äöüäöüäöü")}, fail: "9 characters"},
		{name: "no such file", source: Source{File: "/nowhere/p"}, fail: "cannot be read"},
		{name: "a large file", source: Source{File: file(t, strings.Repeat("a", 5000))}, fail: "too large"},
		{name: "no terminal", fail: "--passphrase-file"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv(env, tc.env)
			t.Setenv(env+"_FILE", tc.file)
			got, err := tc.source.Read(t.Context())
			switch {
			case tc.fail == "" && (err != nil || got != tc.want):
				t.Errorf("got %q, %v, want %q", got, err, tc.want)
			case tc.fail != "" && (err == nil || !strings.Contains(err.Error(), tc.fail)):
				t.Errorf("got %v, want an error with %q", err, tc.fail)
			case err != nil && got != "":
				t.Errorf("an error and a passphrase")
			}
		})
	}
}
