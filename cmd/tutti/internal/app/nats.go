package app

import (
	"errors"
	"fmt"
	"os"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/proto/subject"
)

// busConfig is how this process reaches the bus, as the user role (subject.Users). The
// embedded one has nothing to choose.
func (c Config) busConfig(name, role string) bus.Config {
	if c.Embedded() {
		return bus.Config{Name: name, Embedded: &bus.EmbeddedConfig{StoreDir: BusDir(c.DataDir)}}
	}
	return bus.Config{Name: name, URL: c.NATS, Replicas: c.NATSReplicas,
		CredentialsFile: c.NATSCreds, InboxPrefix: subject.InboxPrefix(role),
		MakesNothing: c.NATSCreds != "" && role != subject.Pairing && role != subject.Serve,
		CAFile:       c.NATSTLSCA, CertFile: c.NATSTLSCert, KeyFile: c.NATSTLSKey}
}

// checkNATS finds what does not fit in the settings of the bus.
func (c Config) checkNATS() []error {
	var faults []error
	if c.NATSReplicas != 1 && c.NATSReplicas != 3 {
		faults = append(faults, fmt.Errorf("--nats-replicas %d: choose 1 (a single NATS server) or 3 (a cluster of three nodes or more)", c.NATSReplicas))
	}
	if c.Embedded() && c.NATSReplicas == 3 {
		faults = append(faults, errors.New("--nats-replicas 3 needs --nats with the addresses of a NATS cluster: the embedded server is one"))
	}
	for flag, file := range map[string]string{
		"nats-creds": c.NATSCreds, "nats-tls-ca": c.NATSTLSCA, "nats-tls-cert": c.NATSTLSCert, "nats-tls-key": c.NATSTLSKey,
	} {
		switch {
		case file == "":
		case c.Embedded():
			faults = append(faults, fmt.Errorf("--%s needs --nats: the embedded server is inside this process", flag))
		default:
			if _, err := os.Stat(file); err != nil {
				faults = append(faults, fmt.Errorf("--%s: %w", flag, err))
			}
		}
	}
	if (c.NATSTLSCert == "") != (c.NATSTLSKey == "") {
		faults = append(faults, errors.New("--nats-tls-cert and --nats-tls-key belong together: name both, or neither"))
	}
	return faults
}
