package deploy

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// mDNS is multicast on the venue's network, and the address that is advertised is the node's:
// discovery and the gateways are on it in every overlay, and can resolve the cluster's names
// from there. No other service is.
func TestKubernetesMulticastServicesUseTheHostNetwork(t *testing.T) {
	for _, overlay := range overlays {
		pods := podSpecs(render(t, overlay))
		for _, name := range services {
			p, ok := pods[name]
			if !ok {
				t.Errorf("%s: no workload for service %s", overlay, name)
				continue
			}
			want := name == "discovery" || name == "session-gateway"
			if p.Spec.HostNetwork != want {
				t.Errorf("%s: %s: host network is %v, want %v", overlay, name, p.Spec.HostNetwork, want)
			}
			if want && p.Spec.DNSPolicy != corev1.DNSClusterFirstWithHostNet {
				t.Errorf("%s: %s: the DNS policy is %q: it does not find NATS from the host's network", overlay, name, p.Spec.DNSPolicy)
			}
		}
	}
}
