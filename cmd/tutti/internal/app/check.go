package app

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tutti-audio/tutti/services/discovery"
	"github.com/tutti-audio/tutti/services/management"
	"github.com/tutti-audio/tutti/services/pairing"
)

// checkServices says what the services would refuse of their settings: before the bus, the
// data directory or the database are opened, and whichever of them this process runs.
func (c *Config) checkServices() (faults []error) {
	if c.Name != "" {
		if err := pairing.CheckName(c.Name); err != nil {
			faults = append(faults, fmt.Errorf("--name %.80q %w", c.Name, err))
		}
	}
	if err := pairing.CheckLanguages(c.Languages); err != nil {
		faults = append(faults, fmt.Errorf("--languages %.80q: %w", strings.Join(c.Languages, ","), err))
	}
	switch {
	case c.Key != "" && c.KeyFile != "":
		faults = append(faults, errors.New("--deployment-key and --deployment-key-file are both given: choose one of them"))
	case c.Key != "":
		if err := pairing.CheckDeploymentKey(c.Key); err != nil {
			faults = append(faults, fmt.Errorf("--deployment-key: %w", err))
		}
	}
	for _, d := range c.Devices {
		if err := discovery.CheckAddress(d); err != nil {
			faults = append(faults, fmt.Errorf("--device %.80q: %w", d, err))
		}
	}
	for _, d := range c.DNSSD {
		if err := discovery.CheckDomain(d); err != nil {
			faults = append(faults, fmt.Errorf("--dns-sd %.80q: %w", d, err))
		}
	}
	if (c.OIDCIssuer == "") != (c.OIDCClientID == "") {
		faults = append(faults, errors.New("--oidc-issuer and --oidc-client-id belong together: name both, or neither"))
	} else if err := c.oidc().Check(); err != nil {
		faults = append(faults, fmt.Errorf("--oidc-issuer: %w", err))
	}
	return faults
}

// oidc is the provider with whose accounts people sign in.
func (c *Config) oidc() management.OIDC {
	return management.OIDC{
		Issuer: c.OIDCIssuer, ClientID: c.OIDCClientID, ClientSecret: c.OIDCClientSecret,
		Name: c.OIDCName, UserClaim: c.OIDCUserClaim, RoleClaim: c.OIDCRoleClaim, Admins: c.OIDCAdmins,
	}
}
