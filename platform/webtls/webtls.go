// Package webtls gives an HTTP server its TLS: a certificate from files, which is read
// again when they change, or one that this machine makes for itself; and a listener that
// tells whoever speaks plain HTTP where to go.
package webtls

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"
)

// lookEvery is how often the files of a certificate are looked at, at most.
const lookEvery = 5 * time.Second

// Options of a Certificate.
type Options struct {
	// Clock tells when to look and when to renew; nil: the real one.
	Clock clockwork.Clock
	// Log takes what cannot be returned: a changed file that cannot be used. Nil: silent.
	Log *slog.Logger
}

// Certificate is a certificate with its key that may change while it is in use. Safe for
// concurrent use.
type Certificate struct {
	cert, key string // files
	self      *self  // nil: the files are somebody else's
	o         Options

	mu     sync.Mutex // guards what follows: handshakes come from many goroutines
	now    *tls.Certificate
	print  string
	looked time.Time
	seen   [2]stamp
}

// stamp tells one state of a file from another.
type stamp struct {
	size int64
	at   time.Time
}

// Files takes the certificate (a PEM chain, the server's own first) and the key from
// files. They may be replaced at any time: the next connections get the new ones. A pair
// that cannot be used is logged, and the old one stays.
func Files(cert, key string, o Options) (*Certificate, error) {
	c := &Certificate{cert: cert, key: key, o: o.filled()}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.load(); err != nil {
		return nil, err
	}
	return c, nil
}

func (o Options) filled() Options {
	if o.Clock == nil {
		o.Clock = clockwork.NewRealClock()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// load reads the files. The caller holds mu.
func (c *Certificate) load() error {
	// Stamps first: a change while the files are read is seen by the next look.
	var seen [2]stamp
	for i, name := range []string{c.cert, c.key} {
		st, err := os.Stat(name)
		if err != nil {
			return fmt.Errorf("the TLS certificate cannot be read: %w: name a file that this user may read", err)
		}
		seen[i] = stamp{st.Size(), st.ModTime()}
	}
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	c.seen, c.looked = seen, c.o.Clock.Now()
	if err != nil {
		return fmt.Errorf("the TLS certificate in %s with the key in %s cannot be used (%w): name a PEM certificate and the key that belongs to it", c.cert, c.key, withoutKey(err))
	}
	c.now, c.print = &pair, Fingerprint(pair.Certificate[0])
	return nil
}

// withoutKey keeps the content of a key file out of messages, whatever the library says.
func withoutKey(err error) error {
	if s := err.Error(); len(s) > 200 {
		return errors.New(s[:200])
	}
	return err
}

// Config is the configuration for a server: TLS 1.2 and 1.3, HTTP/2.
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.present(), nil },
	}
}

// Given reports whether the certificate is one that somebody gave this server, and not
// its own.
func (c *Certificate) Given() bool { return c.self == nil }

// Fingerprint is that of the present certificate; see the function Fingerprint.
func (c *Certificate) Fingerprint() string {
	c.present()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.print
}

// present is the certificate to use now.
func (c *Certificate) present() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.o.Clock.Now(); now.Sub(c.looked) >= lookEvery || now.Before(c.looked) {
		c.looked = now
		if err := c.look(); err != nil {
			c.o.Log.Error("the changed TLS certificate is not used; the one before stays", "err", err)
		}
	}
	return c.now
}

// look takes over what has changed. The caller holds mu.
func (c *Certificate) look() error {
	if c.self != nil && c.self.ends(c.now, c.o.Clock.Now()) {
		if err := c.self.make(c.cert, c.key, c.o.Clock.Now()); err != nil {
			return err
		}
	}
	for i, name := range []string{c.cert, c.key} {
		st, err := os.Stat(name)
		if err != nil {
			return fmt.Errorf("the TLS certificate cannot be read: %w", err)
		}
		if c.seen[i] != (stamp{st.Size(), st.ModTime()}) {
			before := c.print
			if err := c.load(); err != nil {
				return err
			}
			c.o.Log.Info("TLS certificate replaced", "fingerprint", c.print, "before", before)
			return nil
		}
	}
	return nil
}

// Fingerprint is the SHA-256 of a certificate's DER form as browsers show it: pairs of
// hexadecimal digits with colons between.
func Fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	parts := make([]string, len(sum))
	for i, b := range sum {
		parts[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(parts, ":")
}

// ParseFingerprint reads what Fingerprint writes, with or without colons and in any case.
func ParseFingerprint(s string) (string, error) {
	hex := strings.ToUpper(strings.NewReplacer(":", "", " ", "", "sha256/", "", "SHA256:", "").Replace(strings.TrimSpace(s)))
	if len(hex) != 2*sha256.Size || strings.Trim(hex, "0123456789ABCDEF") != "" {
		return "", fmt.Errorf("%q is no fingerprint: give the 64 hexadecimal digits of the certificate's SHA-256, as the server prints them when it starts", s)
	}
	parts := make([]string, 0, sha256.Size)
	for ; hex != ""; hex = hex[2:] {
		parts = append(parts, hex[:2])
	}
	return strings.Join(parts, ":"), nil
}

// Pinned is a client's configuration: a server is who it should be when its certificate
// has one of the fingerprints, or when roots (nil: the system's) vouch for its name.
func Pinned(fingerprints []string, roots *x509.CertPool) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		// The verification is below: a certificate with a known fingerprint is good
		// whatever it says of names and dates, every other one has to pass the usual one.
		InsecureSkipVerify: true, //nolint:gosec // see VerifyConnection
		VerifyConnection: func(s tls.ConnectionState) error {
			print := Fingerprint(s.PeerCertificates[0].Raw)
			for _, f := range fingerprints {
				if f == print {
					return nil
				}
			}
			o := x509.VerifyOptions{Roots: roots, DNSName: s.ServerName, Intermediates: x509.NewCertPool()}
			for _, c := range s.PeerCertificates[1:] {
				o.Intermediates.AddCert(c)
			}
			if _, err := s.PeerCertificates[0].Verify(o); err != nil {
				return &UntrustedError{Fingerprint: print, Err: err}
			}
			return nil
		},
	}
}

// UntrustedError says that nothing vouches for a server's certificate.
type UntrustedError struct {
	Fingerprint string // of the certificate that the server showed
	Err         error
}

// Error names the fingerprint: whoever compares it with what the server prints knows
// whether it is the server.
func (e *UntrustedError) Error() string {
	return "nothing vouches for its certificate, whose fingerprint is " + e.Fingerprint + ": " + e.Err.Error()
}

// Unwrap is the error of the verification.
func (e *UntrustedError) Unwrap() error { return e.Err }
