package auth

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestAdminTokenIsMadeOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	var wg sync.WaitGroup
	tokens := make([]string, 8)
	for i := range tokens { // several instances on one directory
		wg.Go(func() {
			var err error
			if tokens[i], _, err = AdminToken("", dir); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, x := range tokens {
		if x != tokens[0] || len(x) < 40 {
			t.Errorf("tokens differ or are short: %q", tokens)
		}
	}
	info, err := os.Stat(filepath.Join(dir, TokenFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file: %v, %v", info, err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestAdminTokenFromTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	if token, created, err := AdminToken(" mine\n", dir); token != "mine" || created || err != nil {
		t.Errorf("%q, %v, %v", token, created, err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("made %v", entries)
	}
}

func TestEmptyTokenFileIsAnErrorWithTheNextStep(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, TokenFile), []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := AdminToken("", dir); err == nil || !strings.Contains(err.Error(), "delete it") {
		t.Errorf("err = %v", err)
	}
}

func TestBearer(t *testing.T) {
	for header, want := range map[string]string{
		"Bearer abc": "abc", "bearer abc": "abc", "Bearer  abc ": "abc",
		"": "", "Bearer": "", "Bearer ": "", "Basic abc": "", "abc": "",
	} {
		r := &http.Request{Header: http.Header{"Authorization": {header}}}
		if got, ok := Bearer(r); got != want || ok != (want != "") {
			t.Errorf("Bearer(%q) = %q, %v", header, got, ok)
		}
	}
}

func TestPeerOfIPv6IsTheNetwork(t *testing.T) {
	a, b := &http.Request{RemoteAddr: "[2001:db8::1]:1"}, &http.Request{RemoteAddr: "[2001:db8::2:3]:9"}
	if Peer(a) != Peer(b) {
		t.Errorf("%q and %q", Peer(a), Peer(b))
	}
	if p := Peer(&http.Request{RemoteAddr: "192.0.2.1:4"}); p != "192.0.2.1" {
		t.Errorf("peer = %q", p)
	}
}
