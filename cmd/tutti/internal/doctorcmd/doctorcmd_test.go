package doctorcmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/tutti-audio/tutti/cmd/tutti/internal/app"
	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/platform/nettest"
)

func TestMain(m *testing.M) {
	if code, inside := nettest.Inside(m, roles); inside {
		os.Exit(code)
	}
	goleak.VerifyTestMain(m)
}

// only returns the one result whose check has the name.
func only(t *testing.T, results []Result, name string) Result {
	t.Helper()
	for _, r := range results {
		if r.Check == name {
			if r.Level != OK && r.Advice == "" {
				t.Errorf("%s says %q and not what to do", name, r.Found)
			}
			return r
		}
	}
	t.Fatalf("no result for %s in %+v", name, results)
	return Result{}
}

func (r Result) want(t *testing.T, level Level, text string) {
	t.Helper()
	if r.Level != level || !strings.Contains(r.Found+" → "+r.Advice, text) {
		t.Errorf("%s: %s %q → %q; want %s with %q", r.Check, r.Level, r.Found, r.Advice, level, text)
	}
}

func TestSettingsAreThoseOfServe(t *testing.T) {
	names := func(v any) map[string]reflect.Type {
		out := map[string]reflect.Type{}
		for _, f := range reflect.VisibleFields(reflect.TypeOf(v)) {
			if n := f.Tag.Get("config"); n != "" && n != "-" {
				out[n] = f.Type
			}
		}
		return out
	}
	serve, doctor := names(app.Config{}), names(settings{})
	if !reflect.DeepEqual(serve, doctor) {
		t.Errorf("serve has %v,\ndoctor %v", serve, doctor)
	}
}

func TestPorts(t *testing.T) {
	foreign, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	go func() { // a program that hangs up
		for {
			c, err := foreign.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/openapi.json":
			_, _ = w.Write([]byte(`{"info":{"title":"Tutti operator API"}}`))
		case "/sendspin":
			w.WriteHeader(http.StatusUpgradeRequired)
		}
	}))
	defer api.Close()
	ours := api.Listener.Addr().String()
	r := checkPorts(t.Context(), settings{HTTP: "127.0.0.1:0", Sendspin: "127.0.0.1:0"})
	only(t, r, "port http").want(t, OK, "free")
	r = checkPorts(t.Context(), settings{HTTP: ours, Sendspin: ours})
	only(t, r, "port http").want(t, OK, "running Tutti")
	only(t, r, "port sendspin").want(t, OK, "running Tutti")
	r = checkPorts(t.Context(), settings{HTTP: foreign.Addr().String(), Sendspin: foreign.Addr().String()})
	only(t, r, "port http").want(t, Fail, "ss -ltnp")
	only(t, r, "port sendspin").want(t, Fail, "--sendspin")
	r = checkPorts(t.Context(), settings{HTTP: "8080", Sendspin: "192.0.2.222:8927"})
	only(t, r, "port http").want(t, Fail, "write host:port")
	only(t, r, "port sendspin").want(t, Fail, "no address of this machine")
}

func TestBus(t *testing.T) {
	only(t, checkBus(t.Context(), settings{}), "bus").want(t, OK, "embedded")
	s := bustest.StartServer(t)
	only(t, checkBus(t.Context(), settings{NATS: s.URL()}), "bus").want(t, OK, "JetStream answers")
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	r := only(t, checkBus(ctx, settings{NATS: "nats://user:hunter2@127.0.0.1:1"}), "bus")
	r.want(t, Fail, "is nats-server running there")
	if strings.Contains(r.Found+r.Advice, "hunter2") {
		t.Errorf("the password is shown: %+v", r)
	}
}

func TestDatabase(t *testing.T) {
	const url = "postgres://tutti:hunter2@db.lan/tutti?sslmode=disable"
	good := func(context.Context, string) (string, error) { return "PostgreSQL answers", nil }
	bad := func(_ context.Context, u string) (string, error) {
		return "", errors.New("connect to " + u + ":\npassword hunter2 refused")
	}
	only(t, checkDatabase(t.Context(), settings{}, good), "database").want(t, OK, "SQLite")
	r := only(t, checkDatabase(t.Context(), settings{DatabaseURL: url}, good), "database")
	r.want(t, OK, "PostgreSQL answers at postgres://tutti:xxxxx@db.lan/tutti")
	r = only(t, checkDatabase(t.Context(), settings{DatabaseURL: url}, bad), "database")
	r.want(t, Fail, "pg_hba.conf")
	if strings.Contains(r.Found, "hunter2") || strings.Contains(r.Found, "\n") {
		t.Errorf("found %q", r.Found)
	}
	only(t, checkDatabase(t.Context(), settings{DatabaseURL: url}, nil), "database").want(t, Warn, "psql")
}

func TestDataDir(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	only(t, checkDataDir(t.Context(), settings{DataDir: dir}), "data directory").want(t, OK, "writable")
	only(t, checkDataDir(t.Context(), settings{DataDir: filepath.Join(dir, "a", "b")}), "data directory").want(t, OK, "will be made")
	file := filepath.Join(dir, "admin-token")
	if err := os.WriteFile(file, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	only(t, checkDataDir(t.Context(), settings{DataDir: dir}), "data directory").want(t, Warn, "chmod go-rwx "+file)
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	only(t, checkDataDir(t.Context(), settings{DataDir: dir}), "data directory").want(t, OK, "writable")
	only(t, checkDataDir(t.Context(), settings{DataDir: file}), "data directory").want(t, Fail, "not a directory")
	only(t, checkDataDir(t.Context(), settings{}), "data directory").want(t, Fail, "--data-dir")
	only(t, checkDataDir(t.Context(), settings{DataDir: "/proc/tutti"}), "data directory").want(t, Fail, "cannot be made")
	only(t, checkDataDir(t.Context(), settings{DataDir: "/proc"}), "data directory").want(t, Fail, "not writable")
}

func TestMusic(t *testing.T) {
	dir := t.TempDir()
	only(t, checkMusic(t.Context(), settings{}), "music").want(t, Warn, "--music")
	only(t, checkMusic(t.Context(), settings{Music: filepath.Join(dir, "none")}), "music").want(t, Fail, "no such file")
	only(t, checkMusic(t.Context(), settings{Music: dir}), "music").want(t, Warn, "no file that can be played")
	for _, f := range []string{"a.flac", "b.MP3", "sub/c.opus", "notes.txt"} {
		path := filepath.Join(dir, f)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	only(t, checkMusic(t.Context(), settings{Music: dir}), "music").want(t, OK, "3 playable files")
	if err := os.Symlink(filepath.Join(dir, "gone"), filepath.Join(dir, "broken.flac")); err != nil {
		t.Fatal(err)
	}
	only(t, checkMusic(t.Context(), settings{Music: dir}), "music").want(t, Warn, "broken.flac")
	only(t, checkMusic(t.Context(), settings{Music: filepath.Join(dir, "a.flac")}), "music").want(t, Fail, "not a folder")
}

func TestEveryCauseHasALineOfItsOwn(t *testing.T) {
	var out bytes.Buffer
	if err := report(&out, []Result{{"multicast eth0", Warn, "nobody answers", lines("one", "", "two")}}, false); err != nil {
		t.Fatal(err)
	}
	want := "warn  multicast eth0  nobody answers\n" +
		"                      → one\n" +
		"                      → two\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestALineIsFoldedToTheTerminal(t *testing.T) {
	for _, c := range []struct {
		text string
		room int
		want []string
	}{
		{"as long as it is, and longer than a pipe cares for", 0, []string{"as long as it is, and longer than a pipe cares for"}},
		{"on a terminal it breaks → just at spaces only", 30, []string{"on a terminal it breaks → just", "at spaces only"}},
		{"ws://a-name-that-is-longer-than-the-room:8928 x", 30, []string{"ws://a-name-that-is-longer-than-the-room:8928", "x"}},
	} {
		if got := fold(c.text, c.room); !slices.Equal(got, c.want) {
			t.Errorf("%q", got)
		}
	}
}

func TestPrograms(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	for _, r := range checkPrograms(t.Context(), settings{}) {
		only(t, []Result{r}, r.Check).want(t, Warn, "install Debian's package "+r.Check)
	}
	for _, f := range []string{"ffmpeg", "ffprobe", "espeak-ng"} {
		if err := os.WriteFile(filepath.Join(dir, f), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range checkPrograms(t.Context(), settings{}) {
		only(t, []Result{r}, r.Check).want(t, OK, filepath.Join(dir, r.Check))
	}
}

func TestClock(t *testing.T) {
	r := only(t, checkClock(t.Context(), settings{}), "clock")
	if r.Level == Fail {
		t.Errorf("%+v", r)
	}
}

func TestTheCommand(t *testing.T) {
	dir := t.TempDir()
	run := func(args ...string) (string, error) {
		c := New(Deps{})
		var out bytes.Buffer
		c.SetOut(&out)
		c.SetArgs(append([]string{"--mdns=false", "--http", "127.0.0.1:0", "--sendspin", "127.0.0.1:0", "--data-dir", dir}, args...))
		err := c.ExecuteContext(t.Context())
		return out.String(), err
	}
	out, err := run()
	if err != nil || !strings.Contains(out, "ok    port http") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = run("--music", "/nowhere", "--json")
	var got struct {
		OK     bool
		Checks []Result
	}
	if jerr := json.Unmarshal([]byte(out), &got); jerr != nil || got.OK || len(got.Checks) < 7 {
		t.Errorf("%v\n%s", jerr, out)
	}
	if err == nil || !strings.Contains(err.Error(), "(music)") {
		t.Errorf("err = %v", err)
	}
	if out, err = run("--device", "127.0.0.1:1"); err == nil || !strings.Contains(out, "fail  device 127.0.0.1:1") || !strings.Contains(err.Error(), "(device 127.0.0.1:1)") {
		t.Errorf("%v\n%s", err, out)
	}
	t.Setenv("TUTTI_MUSIC", dir)
	t.Setenv("TUTTI_ADMIN_TOKEN", "not looked at")
	if out, err = run(); err != nil || !strings.Contains(out, "no file that can be played") {
		t.Errorf("%v\n%s", err, out)
	}
}
