package ctlcmd

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/tutti-audio/tutti/platform/webtls"
)

// tlsConfig says whose certificates are good: what the system trusts or the file of
// --tls-ca, the certificate with the fingerprint of --tls-fingerprint, and the one that a
// server of this user has made for itself (--tls self), which lies in its data directory.
func tlsConfig(o options) (*tls.Config, error) {
	var pins []string
	if o.tlsFingerprint != "" {
		pin, err := webtls.ParseFingerprint(o.tlsFingerprint)
		if err != nil {
			return nil, usagef("--tls-fingerprint: %w", err)
		}
		return webtls.Pinned([]string{pin}, x509.NewCertPool()), nil // this one and no other
	}
	var roots *x509.CertPool
	if o.tlsCA != "" {
		b, err := os.ReadFile(o.tlsCA)
		if err != nil {
			return nil, usagef("--tls-ca: %w: name a PEM file with certificates", err)
		}
		if roots = x509.NewCertPool(); !roots.AppendCertsFromPEM(b) {
			return nil, usagef("--tls-ca: %s holds no certificate: name a PEM file with certificates", o.tlsCA)
		}
		return webtls.Pinned(nil, roots), nil
	}
	dirs := []string{o.dataDir}
	if o.dataDir == "" {
		dirs = dataDirs(os.Getenv("TUTTI_DATA_DIR"))
	}
	for _, dir := range dirs {
		if b, err := os.ReadFile(filepath.Join(dir, webtls.SelfCert)); err == nil {
			if p, _ := pem.Decode(b); p != nil {
				pins = append(pins, webtls.Fingerprint(p.Bytes))
			}
		}
	}
	return webtls.Pinned(pins, nil), nil
}

// untrusted says what to do about a certificate that nothing vouches for.
func (c *client) untrusted(e *webtls.UntrustedError) error {
	host := c.base
	if u, err := url.Parse(c.base); err == nil {
		host = u.Host
	}
	if c.pinned {
		return fmt.Errorf("%s shows another certificate than the one named: its fingerprint is %s; compare it with what the server prints when it starts, and take no other", host, e.Fingerprint)
	}
	return fmt.Errorf("nothing vouches for the certificate of %s (%w): if the server prints this same fingerprint when it starts, add --tls-fingerprint %s; or name its authority with --tls-ca",
		host, e.Err, strings.ReplaceAll(e.Fingerprint, ":", ""))
}
