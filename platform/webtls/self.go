package webtls

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// validFor is how long a certificate of our own is valid: as long as browsers take
	// one that a person installs (825 days).
	validFor = 825 * 24 * time.Hour
	// renewBefore is how long before its end it is replaced.
	renewBefore = 30 * 24 * time.Hour
	// backdated lets devices whose clock is behind take a new one.
	backdated = 24 * time.Hour
)

// Names of the files of a certificate of our own.
const (
	SelfCert = "tls-self.crt"
	SelfKey  = "tls-self.key"
)

// self makes certificates for this machine.
type self struct {
	hosts func() (names []string, addrs []net.IP)
}

// Self is a certificate that this machine makes for itself and keeps in dir (files 0600):
// ECDSA P-256, for its host name, that name in .local, localhost, and the addresses that
// it has when the certificate is made. It is renewed 30 days before its end, with a new
// key. As long as it is valid it stays, also when addresses change: browsers and people
// remember its fingerprint. Who wants another one removes the file SelfCert.
func Self(dir string, o Options) (*Certificate, error) {
	c := &Certificate{cert: filepath.Join(dir, SelfCert), key: filepath.Join(dir, SelfKey), o: o.filled(), self: &self{hosts: machine}}
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.load()
	if err == nil && !c.self.ends(c.now, c.o.Clock.Now()) {
		return c, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.o.Log.Warn("the TLS certificate of this server cannot be used and is made anew", "err", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory %s cannot be made (%w): choose another with --data-dir", dir, err)
	}
	if err := c.self.make(c.cert, c.key, c.o.Clock.Now()); err != nil {
		return nil, err
	}
	return c, c.load()
}

// ends reports whether a certificate is over, or nearly.
func (s *self) ends(c *tls.Certificate, now time.Time) bool {
	return c == nil || c.Leaf == nil || now.Add(renewBefore).After(c.Leaf.NotAfter)
}

// make writes a new certificate and key.
func (s *self) make(cert, key string, now time.Time) error {
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make a TLS key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return fmt.Errorf("make a TLS certificate: %w", err)
	}
	names, addrs := s.hosts()
	tpl := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Tutti on " + names[0]},
		NotBefore: now.Add(-backdated), NotAfter: now.Add(validFor - backdated),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, DNSNames: names, IPAddresses: addrs,
	}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, &priv.PublicKey, priv)
	if err != nil {
		return fmt.Errorf("make a TLS certificate: %w", err)
	}
	k, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		return fmt.Errorf("make a TLS key: %w", err)
	}
	// The key first: a certificate without its key would be made anew, a key without
	// its certificate, too.
	if err := replace(key, &pem.Block{Type: "PRIVATE KEY", Bytes: k}); err != nil {
		return err
	}
	return replace(cert, &pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// replace writes a file as a whole, or not at all.
func replace(name string, b *pem.Block) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*") // 0600
	if err != nil {
		return fmt.Errorf("the TLS certificate cannot be kept (%w): mend the permissions of the data directory", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	err = errors.Join(pem.Encode(f, b), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("the TLS certificate cannot be kept (%w): is the disk full?", err)
	}
	return nil
}

// machine is what this machine is called and where it is reached.
func machine() (names []string, addrs []net.IP) {
	if host, err := os.Hostname(); err == nil && host != "" {
		host = strings.ToLower(host)
		names = append(names, host)
		short, _, _ := strings.Cut(host, ".")
		if host != short+".local" {
			names = append(names, short+".local")
		}
		if host != short {
			names = append(names, short)
		}
	}
	names = append(names, "localhost")
	all, err := net.InterfaceAddrs()
	if err != nil {
		all = nil // the names are there
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLinkLocalUnicast() && !n.IP.IsLoopback() {
			addrs = append(addrs, n.IP)
		}
	}
	return names, append(addrs, net.IPv4(127, 0, 0, 1), net.IPv6loopback)
}
