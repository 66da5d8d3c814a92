package webtls

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve answers every request with its protocol, until the end of the test.
func serve(t *testing.T, c *Certificate) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }), ReadHeaderTimeout: 30 * time.Second}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(Listen(l, c)) }()
	t.Cleanup(func() { _ = srv.Close(); <-done })
	return l.Addr().String()
}

// get asks with a connection of its own.
func get(t *testing.T, addr string, cfg *tls.Config) (proto, print string, err error) {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: cfg, ForceAttemptHTTP2: true}
	defer tr.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+addr+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: tr, Timeout: time.Minute}).Do(req)
	if err != nil {
		return "", "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), Fingerprint(resp.TLS.PeerCertificates[0].Raw), err
}

func TestACertificateOfOurOwn(t *testing.T) {
	dir := t.TempDir()
	c, err := Self(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if c.Given() {
		t.Error("nobody gave it")
	}
	for _, name := range []string{SelfCert, SelfKey} {
		st, err := os.Stat(filepath.Join(dir, name))
		if err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, st.Mode(), err)
		}
	}
	leaf := c.present().Leaf
	if d := leaf.NotAfter.Sub(leaf.NotBefore); d != validFor || leaf.IsCA {
		t.Errorf("valid for %v, an authority: %v", d, leaf.IsCA)
	}
	for _, host := range []string{"localhost", "127.0.0.1", "::1"} {
		if err := leaf.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
	if host, err := os.Hostname(); err == nil {
		short, _, _ := strings.Cut(strings.ToLower(host), ".")
		if err := leaf.VerifyHostname(short + ".local"); err != nil {
			t.Error(err)
		}
	}
	addr := serve(t, c)
	if proto, print, err := get(t, addr, Pinned([]string{c.Fingerprint()}, nil)); err != nil || proto != "HTTP/2.0" || print != c.Fingerprint() {
		t.Errorf("pinned: %s %s %v", proto, print, err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	if _, _, err := get(t, addr, Pinned(nil, roots)); err != nil {
		t.Errorf("with the certificate as a root: %v", err)
	}
	var untrusted *UntrustedError
	if _, _, err := get(t, addr, Pinned([]string{strings.Repeat("00:", 31) + "00"}, nil)); !errors.As(err, &untrusted) || untrusted.Fingerprint != c.Fingerprint() {
		t.Errorf("another pin: %v", err)
	}
	if _, _, err := get(t, addr, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11, InsecureSkipVerify: true}); err == nil {
		t.Error("TLS 1.1 is taken")
	}
	// It stays over a restart.
	again, err := Self(dir, Options{})
	if err != nil || again.Fingerprint() != c.Fingerprint() {
		t.Errorf("after a restart it is another one: %v", err)
	}
}

func TestACertificateOfOurOwnIsRenewedInTime(t *testing.T) {
	clock := clockwork.NewFakeClockAt(time.Now())
	c, err := Self(t.TempDir(), Options{Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	addr, first := serve(t, c), c.Fingerprint()
	clock.Advance(validFor - renewBefore - 48*time.Hour)
	if c.Fingerprint() != first {
		t.Error("renewed too early")
	}
	clock.Advance(72 * time.Hour)
	_, print, err := get(t, addr, Pinned([]string{c.Fingerprint()}, nil))
	if err != nil || print == first {
		t.Errorf("not renewed: %v", err)
	}
	if left := c.present().Leaf.NotAfter.Sub(clock.Now()); left < validFor-48*time.Hour {
		t.Errorf("the new one ends in %v", left)
	}
}

// copyFiles puts the pair of one folder into another.
func copyFiles(t *testing.T, from, to string, names ...string) {
	t.Helper()
	for _, n := range names {
		b, err := os.ReadFile(filepath.Join(from, n))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, n), b, 0o600); err != nil {
			t.Fatal(err)
		}
		// A file system with coarse times must not hide the change.
		if err := os.Chtimes(filepath.Join(to, n), time.Now(), time.Now().Add(time.Duration(len(b))*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestGivenFilesAreReadAgain(t *testing.T) {
	one, two, used := t.TempDir(), t.TempDir(), t.TempDir()
	for _, d := range []string{one, two} {
		if _, err := Self(d, Options{}); err != nil {
			t.Fatal(err)
		}
	}
	copyFiles(t, one, used, SelfCert, SelfKey)
	clock := clockwork.NewFakeClockAt(time.Now())
	c, err := Files(filepath.Join(used, SelfCert), filepath.Join(used, SelfKey), Options{Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	if !c.Given() {
		t.Error("it was given")
	}
	addr, first := serve(t, c), c.Fingerprint()
	// Half a change is none: the pair does not fit.
	copyFiles(t, two, used, SelfCert)
	clock.Advance(lookEvery)
	if _, print, err := get(t, addr, Pinned([]string{first}, nil)); err != nil || print != first {
		t.Errorf("between the files: %v", err)
	}
	copyFiles(t, two, used, SelfKey)
	clock.Advance(lookEvery)
	if _, print, err := get(t, addr, Pinned([]string{c.Fingerprint()}, nil)); err != nil || print == first {
		t.Errorf("the new pair is not used: %v", err)
	}
	second := c.Fingerprint()
	if err := os.Remove(filepath.Join(used, SelfKey)); err != nil {
		t.Fatal(err)
	}
	clock.Advance(lookEvery)
	if c.Fingerprint() != second {
		t.Error("a file that is gone changes what is used")
	}
	if _, err := Files(filepath.Join(used, SelfCert), filepath.Join(used, SelfKey), Options{}); err == nil || !strings.Contains(err.Error(), SelfKey) {
		t.Errorf("without the key: %v", err)
	}
}

// plain sends text in the clear and returns the answer.
func plain(t *testing.T, addr, text string) string {
	t.Helper()
	d := net.Dialer{}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(bufio.NewReader(c)) // a reset after the answer is no matter
	return string(b)
}

func TestPlainHTTPIsToldWhereToGo(t *testing.T) {
	c, err := Self(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	addr := serve(t, c)
	if a := plain(t, addr, "GET /docs?x=1 HTTP/1.1\r\nHost: bar.local:8080\r\n\r\n"); !strings.HasPrefix(a, "HTTP/1.1 307 ") || !strings.Contains(a, "\r\nLocation: https://bar.local:8080/docs?x=1\r\n") {
		t.Errorf("a page: %q", a)
	}
	for _, text := range []string{
		"GET /api/v1/server HTTP/1.1\r\nHost: bar.local\r\nAuthorization: Bearer x\r\n\r\n",
		"POST /api/v1/session HTTP/1.1\r\nHost: bar.local\r\nContent-Length: 2\r\n\r\n{}",
		"GET / HTTP/1.1\r\nHost: bar.local/evil\r\n\r\n",
	} {
		if a := plain(t, addr, text); !strings.HasPrefix(a, "HTTP/1.1 400 ") || strings.Contains(a, "Location") || !strings.Contains(a, "https://") {
			t.Errorf("%q: %q", text, a)
		}
	}
	if a := plain(t, addr, "\x00\x01garbage that is neither\r\n\r\n"); strings.Contains(a, "200") {
		t.Errorf("garbage: %q", a)
	}
	if _, _, err := get(t, addr, Pinned([]string{c.Fingerprint()}, nil)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestFingerprintsAreReadLeniently(t *testing.T) {
	want := Fingerprint([]byte("x"))
	for _, s := range []string{want, strings.ToLower(want), strings.ReplaceAll(want, ":", ""), " " + want + "\n", "SHA256:" + want} {
		if got, err := ParseFingerprint(s); err != nil || got != want {
			t.Errorf("%q: %s %v", s, got, err)
		}
	}
	for _, s := range []string{"", "12", want + ":00", strings.Repeat("zz:", 31) + "zz"} {
		if _, err := ParseFingerprint(s); err == nil {
			t.Errorf("%q is taken", s)
		}
	}
}
