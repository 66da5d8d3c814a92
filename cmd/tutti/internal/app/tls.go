package app

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/tutti-audio/tutti/platform/webtls"
)

// checkTLS says what is wrong with the settings of TLS.
func (c *Config) checkTLS() (faults []error) {
	if c.TLS != "" && c.TLS != "self" {
		faults = append(faults, fmt.Errorf("--tls %q: write --tls self, or name a certificate with --tls-cert and --tls-key", c.TLS))
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		faults = append(faults, errors.New("--tls-cert and --tls-key belong together: name both files"))
	}
	if c.TLS != "" && c.TLSCert != "" {
		faults = append(faults, errors.New("--tls self makes a certificate and --tls-cert names one: choose one of them"))
	}
	return faults
}

// certificate is what the operator API is served with; nil: plain HTTP.
func (c *Config) certificate(log *slog.Logger) (*webtls.Certificate, error) {
	switch o := (webtls.Options{Log: log}); {
	case c.TLSCert != "":
		return webtls.Files(c.TLSCert, c.TLSKey, o)
	case c.TLS == "self":
		return webtls.Self(c.DataDir, o)
	}
	return nil, nil
}

// certificateText is what a person compares with what the browser shows.
func certificateText(c *webtls.Certificate) string {
	if c.Given() {
		return "as configured, SHA-256 " + c.Fingerprint()
	}
	return "made by this server; compare what the browser shows: SHA-256 " + c.Fingerprint()
}
