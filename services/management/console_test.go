package management_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/services/management/internal/console"
)

func (w *world) fetch(path string, header ...string) (*http.Response, string) {
	w.t.Helper()
	return w.send("GET", path, header...)
}

func (w *world) send(method, path string, header ...string) (*http.Response, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "identity")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body := io.Reader(resp.Body)
	if resp.Header.Get("Content-Encoding") == "gzip" && method != "HEAD" && resp.StatusCode == http.StatusOK {
		if body, err = gzip.NewReader(resp.Body); err != nil {
			w.t.Fatal(err)
		}
	}
	b, err := io.ReadAll(body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp, string(b)
}

func TestConsoleIsServed(t *testing.T) {
	w := newWorld(t)
	resp, page := w.fetch("/")
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(page, "<div id=\"app\">") {
		t.Fatalf("GET /: status %d, %q", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	if resp.Header.Get("Content-Security-Policy") != console.Policy || resp.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("headers: %v", resp.Header)
	}
	if m := regexp.MustCompile(`<script(?: [^>]*)?>[^<]|<style|style="|\bon[a-z]+="`).FindString(page); m != "" {
		t.Errorf("the page holds %q, which the policy forbids", m)
	}
	links := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page, -1)
	if len(links) < 3 {
		t.Fatalf("links: %q", links)
	}
	for _, l := range links {
		if !strings.HasPrefix(l[1], "/") || strings.HasPrefix(l[1], "//") {
			t.Errorf("the page loads %s from elsewhere", l[1])
			continue
		}
		resp, plain := w.fetch(l[1])
		if resp.StatusCode != http.StatusOK || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("GET %s: status %d, %v", l[1], resp.StatusCode, resp.Header)
		}
		if immutable := strings.Contains(resp.Header.Get("Cache-Control"), "immutable"); immutable != strings.HasPrefix(l[1], "/assets/") {
			t.Errorf("GET %s: Cache-Control %q", l[1], resp.Header.Get("Cache-Control"))
		}
		packed, unpacked := w.fetch(l[1], "Accept-Encoding", "br, gzip;q=0.8")
		if unpacked != plain || packed.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("GET %s compressed is another file", l[1])
		}
		for _, etag := range []string{resp.Header.Get("ETag"), packed.Header.Get("ETag"), "W/" + packed.Header.Get("ETag")} {
			if again, b := w.fetch(l[1], "If-None-Match", etag); again.StatusCode != http.StatusNotModified || b != "" {
				t.Errorf("GET %s with its ETag: status %d", l[1], again.StatusCode)
			}
		}
	}
	if resp, text := w.fetch("/licenses.txt"); resp.StatusCode != http.StatusOK || !strings.Contains(text, "preact") {
		t.Errorf("licenses.txt: status %d", resp.StatusCode)
	}
	for _, gone := range []string{"/assets/", "/assets/none.js", "/index.html/x", "/console", "/assets/../openapi.json.x", "/%2e%2e/%2e%2e/etc/passwd"} {
		if resp, body := w.fetch(gone); resp.StatusCode != http.StatusNotFound || resp.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("GET %s: status %d, %.80s", gone, resp.StatusCode, body)
		}
	}
}

// TestEveryAnswerIsGuarded looks at the headers that keep browsers from doing more with an
// answer than they should.
func TestEveryAnswerIsGuarded(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/", "/icon.svg", "/docs", "/docs/style.css", "/openapi.json", "/api/v1/session", "/api/v1/server", "/nothing", "/healthz", "/metrics"} {
		resp, _ := w.fetch(path)
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("GET %s: %s = %q", path, name, got)
			}
		}
		csp := resp.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("GET %s: Content-Security-Policy = %q", path, csp)
		}
		camera := "camera=()"
		if path == "/" || path == "/icon.svg" {
			camera = "camera=(self)"
		}
		if p := resp.Header.Get("Permissions-Policy"); !strings.Contains(p, camera) {
			t.Errorf("GET %s: Permissions-Policy = %q", path, p)
		}
	}
}

// TestForeignOriginsGetNothing: there is no CORS, whoever asks.
func TestForeignOriginsGetNothing(t *testing.T) {
	w := newWorld(t)
	b := w.setUpAdmin()
	for _, method := range []string{"GET", "OPTIONS", "POST"} {
		for _, path := range []string{"/", "/api/v1/session", "/api/v1/groups", "/api/v1/events-none"} {
			resp, body := w.send(method, path, "Origin", "http://evil.example", "Cookie", b.cookie,
				"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "x-csrf-token")
			for name := range resp.Header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("%s %s answers with %s", method, path, name)
				}
			}
			if method != "GET" && resp.StatusCode < 400 {
				t.Errorf("%s %s: status %d, %.80s", method, path, resp.StatusCode, body)
			}
		}
	}
}
