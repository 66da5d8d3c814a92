package vaultcmd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"
	"go.uber.org/goleak"

	"github.com/tutti-audio/tutti/cmd/tutti/internal/app"
	"github.com/tutti-audio/tutti/cmd/tutti/internal/ctlcmd"
	"github.com/tutti-audio/tutti/cmd/tutti/internal/vaultcmd"
	"github.com/tutti-audio/tutti/platform/nettest"
	"github.com/tutti-audio/tutti/proto/backup"
)

func TestMain(m *testing.M) {
	var err error
	if shared.folder, err = os.MkdirTemp("", "tutti-vaultcmd-"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(shared.folder)
		os.Exit(code)
	}))
}

const (
	adminToken = "the-admin-token-of-this-test"
	pass       = "correct horse battery staple"
	patience   = 2 * time.Minute
)

// house is a whole server in this process.
type house struct {
	t    *testing.T
	url  string
	logs *logBuffer
	stop func()
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func startHouse(t *testing.T, dataDir, databaseURL string) *house {
	t.Helper()
	cfg := app.Defaults("1.2.3")
	cfg.DataDir, cfg.DatabaseURL, cfg.AdminToken = dataDir, databaseURL, adminToken
	cfg.HTTP, cfg.Sendspin, cfg.MDNS = nettest.FreeAddr(t), "127.0.0.1:0", false
	cfg.Restorer = vaultcmd.Restorer{}
	h := &house{t: t, url: "http://" + cfg.HTTP, logs: &logBuffer{}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- app.Serve(ctx, cfg, io.Discard, h.logs) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	t.Cleanup(func() {
		h.stop()
		if t.Failed() {
			t.Logf("the server said:\n%s", h.logs)
		}
	})
	h.eventually("the server is ready", func() error {
		select {
		case err := <-done:
			done <- err
			t.Fatalf("the server ended: %v\n%s", err, h.logs)
		default:
		}
		if _, err := h.ask(http.MethodGet, "/readyz", adminToken, nil); err != nil {
			return err
		}
		// Who it is, pairing says when it is up, and the API shows it a moment later.
		var server struct {
			ID string `json:"server_id"`
		}
		b, err := h.ask(http.MethodGet, "/api/v1/server", adminToken, nil)
		if err == nil {
			err = json.Unmarshal(b, &server)
		}
		if err == nil && server.ID == "" {
			err = errors.New("the API does not show yet which server it is")
		}
		return err
	})
	return h
}

func (h *house) eventually(what string, fact func() error) {
	h.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := fact()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("not within %s: %s: %v", patience, what, err)
		}
		time.Sleep(20 * time.Millisecond) // the pace of a poll
	}
}

var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}

func (h *house) ask(method, path, token string, body any) ([]byte, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(context.Background(), method, h.url+path, bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	out, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, out)
	}
	return out, err
}

func (h *house) must(method, path string, body any) (v map[string]any) {
	h.t.Helper()
	b, err := h.ask(method, path, adminToken, body)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		h.t.Fatalf("%s %s: %v: %s", method, path, err, b)
	}
	return v
}

// tutti runs a command line as the program would.
func tutti(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	root := &cobra.Command{Use: "tutti", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(ctlcmd.Commands()...)
	root.AddCommand(vaultcmd.Commands()...)
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(io.Discard)
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

func (h *house) tutti(args ...string) string {
	h.t.Helper()
	out, err := tutti(h.t, append(args, "--server", h.url, "--token", adminToken)...)
	if err != nil {
		h.t.Fatalf("tutti %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func passFile(t *testing.T, pass string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "passphrase")
	if err := os.WriteFile(path, []byte(pass+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// reseal rewrites a backup record by record, cheaply sealed.
func reseal(t *testing.T, from string, change func(n int, r backup.Record) *backup.Record) string {
	t.Helper()
	id, err := age.NewScryptIdentity(pass)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	plain, err := age.Decrypt(f, id)
	if err != nil {
		t.Fatal(err)
	}
	in, err := backup.NewReader(plain)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "changed.backup")
	w, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	recipient, err := age.NewScryptRecipient(pass)
	if err != nil {
		t.Fatal(err)
	}
	recipient.SetWorkFactor(10)
	sealed, err := age.Encrypt(w, recipient)
	if err != nil {
		t.Fatal(err)
	}
	out := backup.NewWriter(sealed)
	for n := 0; ; n++ {
		rec, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if changed := change(n, rec); changed != nil {
			rec = *changed
		}
		switch {
		case rec.End != nil:
			_, err = out.End()
		case rec.Header != nil:
			err = out.Header(*rec.Header)
		default:
			err = out.Copy(rec)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := sealed.Close(); err != nil {
		t.Fatal(err)
	}
	return to
}
