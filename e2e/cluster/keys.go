package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// keys are the credentials of the deployment's NATS: a key with least privilege for each
// service, which `tutti nats-config` makes, and a certificate for the nodes.
type keys struct{ dir string }

func makeKeys(t testing.TB, bin, dir string, hosts []*Host) keys {
	t.Helper()
	k := keys{dir: filepath.Join(dir, "nats-keys")}
	if out, err := exec.Command(bin, "nats-config", "--out", k.dir).CombinedOutput(); err != nil {
		t.Fatalf("nats-config: %v: %s", err, out)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "NATS of the cluster test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, h := range hosts {
		cert.IPAddresses = append(cert.IPAddresses, net.ParseIP(h.IP))
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	priv, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{k.cert(): {Type: "CERTIFICATE", Bytes: der}, k.certKey(): {Type: "PRIVATE KEY", Bytes: priv}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

func (k keys) auth() string    { return filepath.Join(k.dir, "auth.conf") }
func (k keys) cert() string    { return filepath.Join(k.dir, "nats.pem") }
func (k keys) certKey() string { return filepath.Join(k.dir, "nats-key.pem") }

// flags are what a service signs in with.
func (k keys) flags(service string) []string {
	return []string{"--nats-creds", filepath.Join(k.dir, service+".nk"), "--nats-tls-ca", k.cert()}
}
