package bus_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/tutti-audio/tutti/platform/bus"
)

// authority signs certificates for tests.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // its own certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, key: newKey(t)}
	tpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.file = writePEM(t, "ca.pem", "CERTIFICATE", der)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func writePEM(t *testing.T, name, kind string, der []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// issue signs a certificate for a host ("127.0.0.1" or a name) that ends at end.
func (a *authority) issue(host string, end time.Time) (certFile, keyFile string) {
	a.t.Helper()
	key := newKey(a.t)
	tpl := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: host},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: end,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	if ip := net.ParseIP(host); ip != nil {
		tpl.IPAddresses = []net.IP{ip}
	} else {
		tpl.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, tpl, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	kb, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return writePEM(a.t, "cert.pem", "CERTIFICATE", der), writePEM(a.t, "key.pem", "EC PRIVATE KEY", kb)
}

// tlsServer starts a server with a certificate; with clients it wants one of theirs, signed
// by that authority.
func tlsServer(t *testing.T, certFile, keyFile string, clients *authority) string {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	cfg := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if clients != nil {
		cfg.ClientCAs, cfg.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		cfg.ClientCAs.AddCert(clients.cert)
	}
	return runServer(t, server.Options{JetStream: true, StoreDir: t.TempDir(), TLS: true, TLSConfig: cfg, TLSVerify: clients != nil, TLSTimeout: 5})
}

func TestTLS(t *testing.T) {
	ours, strangers := newAuthority(t), newAuthority(t)
	later := time.Now().Add(time.Hour)
	cert, key := ours.issue("127.0.0.1", later)
	goneCert, goneKey := ours.issue("127.0.0.1", time.Now().Add(-time.Hour))
	nameCert, nameKey := ours.issue("nats.example", later)
	mine, myKey := ours.issue("stream", later)
	other, otherKey := strangers.issue("stream", later)
	plain := runServer(t, server.Options{JetStream: true, StoreDir: t.TempDir()})
	normal, mutual := tlsServer(t, cert, key, nil), tlsServer(t, cert, key, ours)
	for name, tc := range map[string]struct {
		cfg  bus.Config
		want string // in the error; "" for none
	}{
		"one-sided":               {bus.Config{URL: "nats://" + normal, CAFile: ours.file}, ""},
		"tls scheme":              {bus.Config{URL: "tls://" + normal, CAFile: ours.file}, ""},
		"both sides":              {bus.Config{URL: "nats://" + mutual, CAFile: ours.file, CertFile: mine, KeyFile: myKey}, ""},
		"unknown authority":       {bus.Config{URL: "nats://" + normal, CAFile: strangers.file}, "--nats-tls-ca"},
		"no authority":            {bus.Config{URL: "nats://" + normal}, "--nats-tls-ca"},
		"expired":                 {bus.Config{URL: "nats://" + tlsServer(t, goneCert, goneKey, nil), CAFile: ours.file}, "renew"},
		"another host":            {bus.Config{URL: "nats://" + tlsServer(t, nameCert, nameKey, nil), CAFile: ours.file}, "use an address in --nats that the certificate names"},
		"no certificate of ours":  {bus.Config{URL: "nats://" + mutual, CAFile: ours.file}, "--nats-tls-cert"},
		"one it does not trust":   {bus.Config{URL: "nats://" + mutual, CAFile: ours.file, CertFile: other, KeyFile: otherKey}, "--nats-tls-cert"},
		"a server without TLS":    {bus.Config{URL: "nats://" + plain, CAFile: ours.file}, "has no TLS"},
		"an authority that is no": {bus.Config{URL: "nats://" + normal, CAFile: myKey}, "holds no certificate"},
		"a file that is not":      {bus.Config{URL: "nats://" + normal, CAFile: "/nowhere"}, "--nats-tls-ca"},
		"half a pair":             {bus.Config{URL: "nats://" + normal, CAFile: ours.file, CertFile: mine}, "belong together"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			limit := time.Minute
			if tc.want != "" {
				limit = 5 * time.Second // it would wait for the server to be put right
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			c, err := bus.Connect(ctx, tc.cfg)
			if err == nil {
				defer c.Close(context.Background()) //nolint:errcheck // the test's end
			}
			switch {
			case tc.want == "" && err != nil:
				t.Fatal(err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Fatalf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}
