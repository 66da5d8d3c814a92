package bus_test

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// TestTheTLSConfigurationLoads: and asks for certificates.
func TestTheTLSConfigurationLoads(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.issue("127.0.0.1", time.Now().Add(time.Hour))
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "nats", "tls.conf"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "tls.conf")
	conf := strings.NewReplacer("/certs/server.pem", cert, "/certs/server-key.pem", key, "/certs/ca.pem", a.file).Replace(string(text))
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	opts, err := server.ProcessConfigFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if opts.TLSConfig == nil || opts.TLSConfig.ClientAuth != tls.RequireAndVerifyClientCert || len(opts.TLSConfig.Certificates) != 1 {
		t.Errorf("the configuration does not ask for certificates: %+v", opts.TLSConfig)
	}
}
