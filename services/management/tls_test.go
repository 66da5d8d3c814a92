package management_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/platform/webtls"
	"github.com/tutti-audio/tutti/services/management"
)

func selfMade(t *testing.T, dir string) *webtls.Certificate {
	t.Helper()
	c, err := webtls.Self(dir, webtls.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestTheAPIOverTLS: with a certificate of its own, over HTTP/2, the live feed, too; and
// whoever speaks plain HTTP is told.
func TestTheAPIOverTLS(t *testing.T) {
	cert := selfMade(t, t.TempDir())
	w := newWorldWith(t, management.Deps{TLS: cert})
	tr := &http.Transport{TLSClientConfig: webtls.Pinned([]string{cert.Fingerprint()}, nil), ForceAttemptHTTP2: true}
	defer tr.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+"/api/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.ProtoMajor != 2 || resp.StatusCode != http.StatusOK || resp.Header.Get("Strict-Transport-Security") != "" {
		t.Fatalf("%s %s, %v", resp.Proto, resp.Status, resp.Header)
	}
	w.post("/api/v1/groups", `{"name":"Bar"}`).want(http.StatusCreated)
	lines := bufio.NewScanner(resp.Body)
	for !strings.Contains(lines.Text(), `"name":"Bar"`) {
		if !lines.Scan() {
			t.Fatalf("the feed ended without the group: %v", lines.Err())
		}
	}
	w.do("POST", "/api/v1/clips", adminToken, wave(2<<20), "Content-Type", "audio/wav").want(http.StatusCreated)

	plain, err := client.Get("http://" + strings.TrimPrefix(w.url, "https://") + "/docs")
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Body.Close()
	if plain.StatusCode != http.StatusOK || plain.Request.URL.Scheme != "https" {
		t.Errorf("a plain request ends at %s with %s", plain.Request.URL, plain.Status)
	}
	req, err = http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+strings.TrimPrefix(w.url, "https://")+"/api/v1/server", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	refused, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer refused.Body.Close()
	if b, _ := io.ReadAll(refused.Body); refused.StatusCode != http.StatusBadRequest || !strings.Contains(string(b), "https://") {
		t.Errorf("a token in the clear: %s %s", refused.Status, b)
	}
}

// TestAGivenCertificateBindsBrowsersToTLS: one that the server made for itself does not,
// because nobody could pass its warning any more.
func TestAGivenCertificateBindsBrowsersToTLS(t *testing.T) {
	dir := t.TempDir()
	selfMade(t, dir)
	cert, err := webtls.Files(filepath.Join(dir, webtls.SelfCert), filepath.Join(dir, webtls.SelfKey), webtls.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorldWith(t, management.Deps{TLS: cert})
	if h := w.get("/api/v1/server").want(http.StatusOK).header.Get("Strict-Transport-Security"); h != "max-age=31536000" {
		t.Errorf("Strict-Transport-Security: %q", h)
	}
}
