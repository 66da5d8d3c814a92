package app

import (
	"errors"
	"fmt"

	"github.com/tutti-audio/tutti/platform/bus"
)

// busConfig is how this process reaches the bus. The embedded one has nothing to choose.
func (c Config) busConfig(name string) bus.Config {
	if c.Embedded() {
		return bus.Config{Name: name, Embedded: &bus.EmbeddedConfig{StoreDir: BusDir(c.DataDir)}}
	}
	return bus.Config{Name: name, URL: c.NATS, Replicas: c.NATSReplicas}
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
	return faults
}
