package ctlcmd

import (
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/platform/webtls"
)

// TestACommandKnowsItsServerByItsCertificate: by the data directory, by an authority or by
// a fingerprint, and speaks to no other.
func TestACommandKnowsItsServerByItsCertificate(t *testing.T) {
	f := newFakeAPI(t)
	s := httptest.NewTLSServer(http.HandlerFunc(f.serve))
	defer s.Close()
	der := s.Certificate().Raw
	print := webtls.Fingerprint(der)
	dir := t.TempDir()
	file := filepath.Join(dir, webtls.SelfCert)
	write := func(name string) {
		t.Helper()
		if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	write(ca)
	ask := func(args ...string) error {
		return tutti(t.Context(), io.Discard, append([]string{"groups", "--server", s.URL, "--token", "good"}, args...)...)
	}
	err := ask("--data-dir", dir)
	if err == nil || !strings.Contains(err.Error(), "--tls-fingerprint "+strings.ReplaceAll(print, ":", "")) {
		t.Errorf("an unknown certificate: %v", err)
	}
	for what, args := range map[string][]string{"a fingerprint": {"--tls-fingerprint", strings.ToLower(print)}, "an authority": {"--tls-ca", ca}} {
		if err := ask(args...); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	write(file)
	if err := ask("--data-dir", dir); err != nil {
		t.Errorf("the certificate of the data directory: %v", err)
	}
	if err := ask("--data-dir", dir, "--tls-fingerprint", strings.Repeat("0", 64)); err == nil || !strings.Contains(err.Error(), "take no other") {
		t.Errorf("another fingerprint: %v", err)
	}
	if err := ask("--tls-fingerprint", "12"); !wrongUsage(err) {
		t.Errorf("half a fingerprint: %v", err)
	}
	if err := ask("--tls-ca", filepath.Join(dir, "none")); !wrongUsage(err) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func wrongUsage(err error) bool {
	var u usageError
	return errors.As(err, &u)
}
