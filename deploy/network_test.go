package deploy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func policies(objs []runtime.Object) (out []*networkingv1.NetworkPolicy) {
	for _, o := range objs {
		if p, ok := o.(*networkingv1.NetworkPolicy); ok {
			out = append(out, p)
		}
	}
	return out
}

// admits reports whether a rule's ports hold port; none means all, which we do not write.
func admits(t *testing.T, policy string, ports []networkingv1.NetworkPolicyPort, port int32) bool {
	t.Helper()
	if len(ports) == 0 {
		t.Errorf("NetworkPolicy %s: a rule without ports opens all of them", policy)
	}
	for _, p := range ports {
		if p.Port == nil {
			t.Errorf("NetworkPolicy %s: a rule without a number opens all ports of its protocol", policy)
			continue
		}
		last := p.Port.IntVal
		if p.EndPort != nil {
			last = *p.EndPort
		}
		if p.Port.IntVal <= port && port <= last {
			return true
		}
	}
	return false
}

// The policies are complete: every port that a pod opens can be reached by somebody, and
// tight: no policy opens a port that no selected pod has. Pods on the host's network are outside of
// policies and are not judged for what reaches them.
func TestNetworkPoliciesFitThePortsInUse(t *testing.T) {
	for _, overlay := range overlays {
		t.Run(overlay, func(t *testing.T) {
			objs := render(t, overlay)
			pods := podSpecs(objs)
			all := policies(objs)
			if !denies(all) {
				t.Error("nothing is denied by default")
			}
			for name, p := range pods {
				for _, c := range p.Spec.Containers {
					for _, port := range c.Ports {
						if !p.Spec.HostNetwork && !reachable(t, all, p, port.ContainerPort) {
							t.Errorf("%s: no policy lets anybody reach its port %s (%d)", name, port.Name, port.ContainerPort)
						}
					}
				}
			}
			for _, policy := range all {
				for _, rule := range policy.Spec.Ingress {
					for _, p := range rule.Ports {
						if p.EndPort == nil && p.Port != nil && !opened(policy, pods, p.Port.IntVal) {
							t.Errorf("NetworkPolicy %s opens port %d, which no pod that it selects has", policy.Name, p.Port.IntVal)
						}
					}
				}
			}
		})
	}
}

// denies reports whether a policy selects every pod and allows nothing.
func denies(all []*networkingv1.NetworkPolicy) bool {
	for _, p := range all {
		s := p.Spec.PodSelector
		if len(s.MatchLabels)+len(s.MatchExpressions) == 0 && len(p.Spec.Ingress)+len(p.Spec.Egress) == 0 && len(p.Spec.PolicyTypes) == 2 {
			return true
		}
	}
	return false
}

func reachable(t *testing.T, all []*networkingv1.NetworkPolicy, pod corev1.PodTemplateSpec, port int32) bool {
	t.Helper()
	for _, policy := range all {
		if !selects(&policy.Spec.PodSelector, pod.Labels) {
			continue
		}
		for _, rule := range policy.Spec.Ingress {
			if admits(t, policy.Name, rule.Ports, port) {
				return true
			}
		}
	}
	return false
}

func opened(policy *networkingv1.NetworkPolicy, pods map[string]corev1.PodTemplateSpec, port int32) bool {
	for _, p := range pods {
		if !selects(&policy.Spec.PodSelector, p.Labels) {
			continue
		}
		for _, c := range p.Spec.Containers {
			for _, have := range c.Ports {
				if have.ContainerPort == port {
					return true
				}
			}
		}
	}
	return false
}

// end is one end of a connection: a pod with its labels, or an address outside of the cluster.
type end struct {
	labels    map[string]string // nil: no pod of this namespace
	namespace map[string]string // labels of the namespace that it is in
	ip        string
	node      bool // on the node's network: policies do not hold it, and its labels are not seen
}

// Addresses as clusters have them. A pod's own is of the node's when it is on its network.
const (
	podIP, nodeIP, serviceIP = "10.42.0.17", "192.168.1.10", "10.43.0.1"
	houseIP, publicIP        = "192.168.1.77", "8.8.4.4"
)

func podEnd(p corev1.PodTemplateSpec) end {
	e := end{labels: p.Labels, namespace: map[string]string{"kubernetes.io/metadata.name": "tutti"}, ip: podIP, node: p.Spec.HostNetwork}
	if e.node {
		e.ip = nodeIP
	}
	return e
}

// matches reports whether an end is one of those that a rule names; none named are all.
func matches(peers []networkingv1.NetworkPolicyPeer, e end) bool {
	if len(peers) == 0 {
		return true
	}
	return slices.ContainsFunc(peers, func(p networkingv1.NetworkPolicyPeer) bool {
		if b := p.IPBlock; b != nil {
			ip := netip.MustParseAddr(e.ip)
			return netip.MustParsePrefix(b.CIDR).Contains(ip) &&
				!slices.ContainsFunc(b.Except, func(c string) bool { return netip.MustParsePrefix(c).Contains(ip) })
		}
		if e.labels == nil || e.node {
			return false
		}
		inNamespace := e.namespace["kubernetes.io/metadata.name"] == "tutti" // without a selector: the policy's own
		if p.NamespaceSelector != nil {
			inNamespace = selects(p.NamespaceSelector, e.namespace)
		}
		return inNamespace && (p.PodSelector == nil || selects(p.PodSelector, e.labels))
	})
}

// leaves reports whether policies let a connection out of its source, enters whether they let
// it into its destination.
func leaves(t *testing.T, all []*networkingv1.NetworkPolicy, from, to end, port int32) bool {
	t.Helper()
	if from.node || from.labels == nil {
		return true
	}
	return slices.ContainsFunc(all, func(p *networkingv1.NetworkPolicy) bool {
		return selects(&p.Spec.PodSelector, from.labels) && slices.ContainsFunc(p.Spec.Egress, func(r networkingv1.NetworkPolicyEgressRule) bool {
			return matches(r.To, to) && admits(t, p.Name, r.Ports, port)
		})
	})
}

func enters(t *testing.T, all []*networkingv1.NetworkPolicy, from, to end, port int32) bool {
	t.Helper()
	if to.node || to.labels == nil {
		return true
	}
	return slices.ContainsFunc(all, func(p *networkingv1.NetworkPolicy) bool {
		return selects(&p.Spec.PodSelector, to.labels) && slices.ContainsFunc(p.Spec.Ingress, func(r networkingv1.NetworkPolicyIngressRule) bool {
			return matches(r.From, from) && admits(t, p.Name, r.Ports, port)
		})
	})
}

// arrows are the connections of the architecture between pods; a new arrow is a decision.
func arrows(overlay string) map[string]bool {
	out := map[string]bool{
		"discovery → nats:4222": true, "session-gateway → nats:4222": true, "pairing → nats:4222": true,
		"management → nats:4222": true, "stream → nats:4222": true,
		"management → session-gateway:8927": true, // browsers that are speakers
	}
	if overlay == "single-node" {
		out["pairing → postgres:5432"], out["migrate → postgres:5432"] = true, true
	} else {
		out["nats → nats:6222"] = true
	}
	return out
}

// Each connection between two pods is let through at both of its ends or, when it is no arrow
// of the architecture, at one of them not.
func TestPodsReachEachOtherAlongTheArrowsOnly(t *testing.T) {
	for _, overlay := range overlays {
		objs := render(t, overlay)
		pods, all, want := podSpecs(objs), policies(objs), arrows(overlay)
		for source, from := range pods {
			for target, to := range pods {
				for _, c := range to.Spec.Containers {
					for _, port := range c.Ports {
						arrow := fmt.Sprintf("%s → %s:%d", source, target, port.ContainerPort)
						out := leaves(t, all, podEnd(from), podEnd(to), port.ContainerPort)
						in := enters(t, all, podEnd(from), podEnd(to), port.ContainerPort)
						switch {
						case want[arrow] && !(out && in):
							t.Errorf("%s: %s is blocked: let out %v, let in %v", overlay, arrow, out, in)
						case !want[arrow] && out && in && !from.Spec.HostNetwork && !to.Spec.HostNetwork:
							// What is on the nodes' network is held by no policy.
							t.Errorf("%s: %s is open, and nobody knows why", overlay, arrow)
						}
						delete(want, arrow)
					}
				}
			}
		}
		for arrow := range want {
			t.Errorf("%s: %s: there are no such pods", overlay, arrow)
		}
	}
}

// What a pod may reach outside of its namespace, and nothing else.
func TestPodsReachTheWorldAsFarAsTheyMust(t *testing.T) {
	dns := end{labels: map[string]string{"k8s-app": "kube-dns"}, namespace: map[string]string{"kubernetes.io/metadata.name": "kube-system"}, ip: podIP}
	places := map[string]end{
		"dns": dns, "public": {ip: publicIP}, "public IPv6": {ip: "2a00:1450::5"}, "house": {ip: houseIP}, "services": {ip: serviceIP},
		"private IPv6": {ip: "fd00::17"}, "metadata": {ip: "169.254.169.254"}, "other pods": {ip: podIP, labels: map[string]string{"app": "x"}, namespace: map[string]string{"kubernetes.io/metadata.name": "x"}},
	}
	ports := []int32{22, 53, 80, 443, 4222, 5432, 6222, 6443, 7422, 8000, 8080, 8443, 8927, 9105, 30000}
	everywhere := func(n int32) func(string, int32) bool { return func(_ string, port int32) bool { return port == n } }
	may := map[string]func(place string, port int32) bool{
		"pairing": everywhere(5432), "migrate": everywhere(5432), // PostgreSQL may be anywhere
		// The provider of accounts; gateways on their nodes' addresses.
		"management": func(_ string, port int32) bool { return port == 443 || port == 8927 },
		// Radio: any port, but of public addresses.
		"stream": func(place string, _ int32) bool { return place == "public" || place == "public IPv6" },
	}
	for _, overlay := range overlays {
		objs := render(t, overlay)
		pods, all := podSpecs(objs), policies(objs)
		for name, p := range pods {
			if p.Spec.HostNetwork {
				continue
			}
			reach := may[name]
			if reach == nil {
				reach = func(string, int32) bool { return false }
			}
			if name == "nats" && overlay == "chain" {
				reach = everywhere(7422)
			}
			for place, to := range places {
				for _, port := range ports {
					want := reach(place, port) || place == "dns" && port == 53
					if got := leaves(t, all, podEnd(p), to, port); got != want {
						t.Errorf("%s: %s reaches port %d, %s: %v, want %v", overlay, name, port, place, got, want)
					}
				}
			}
		}
	}
}

// From outside come operators to management, and monitoring to what is measured; NATS is
// for the nodes and not for the world.
func TestTheWorldReachesNoMoreThanItMust(t *testing.T) {
	monitoring := end{labels: map[string]string{"app": "prometheus"}, namespace: map[string]string{"kubernetes.io/metadata.name": "monitoring"}, ip: podIP}
	for _, overlay := range overlays {
		objs := render(t, overlay)
		pods, all := podSpecs(objs), policies(objs)
		for name, p := range pods {
			for _, c := range p.Spec.Containers {
				for _, port := range c.Ports {
					if p.Spec.HostNetwork {
						continue
					}
					n := port.ContainerPort
					for what, try := range map[string]struct {
						from end
						want bool
					}{
						"a public address": {end{ip: publicIP}, n == 8080},
						"a node":           {end{ip: nodeIP}, n == 8080 || n == 4222},
						"monitoring":       {monitoring, n == 8080 || n == 4222 || port.Name == "internal" || port.Name == "monitor"},
					} {
						if got := enters(t, all, try.from, podEnd(p), n); got != try.want {
							t.Errorf("%s: %s reaches %s:%d: %v, want %v", overlay, what, name, n, got, try.want)
						}
					}
				}
			}
		}
	}
}

// No policy holds a pod on the node's network: its metrics, and profiles where they are on,
// are at the address by which the cluster knows the node and at no other. Its probes and
// Prometheus come there.
func TestInternalAddressesOnTheNodesNetworkAreOne(t *testing.T) {
	for _, overlay := range overlays {
		for name, p := range podSpecs(render(t, overlay)) {
			if !p.Spec.HostNetwork {
				continue
			}
			c := p.Spec.Containers[0]
			host := slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool {
				return e.Name == "HOST_IP" && e.ValueFrom != nil && e.ValueFrom.FieldRef != nil && e.ValueFrom.FieldRef.FieldPath == "status.hostIP"
			})
			i := slices.Index(c.Args, "--internal-http")
			if !host || i < 0 || i+1 >= len(c.Args) || !strings.HasPrefix(c.Args[i+1], "$(HOST_IP):") {
				t.Errorf("%s: %s listens at %v for probes and metrics, want its node's address alone", overlay, name, c.Args)
			}
			for _, probe := range []*corev1.Probe{c.StartupProbe, c.ReadinessProbe, c.LivenessProbe} {
				if probe.HTTPGet.Host != "" {
					t.Errorf("%s: %s: a probe asks %s, where nobody listens", overlay, name, probe.HTTPGet.Host)
				}
			}
		}
	}
}

// refill is how many seconds a roll waits after each step, so that players have full buffers
// again before the next gateway or stream drains.
const refill = 5

// What hands over needs the time for it, and pods that share a node's port must not be
// started beside each other.
func TestRollingIsPossible(t *testing.T) {
	for _, overlay := range overlays {
		for _, o := range render(t, overlay) {
			d, ok := o.(*appsv1.Deployment)
			if !ok {
				continue
			}
			name, spec := fmt.Sprintf("%s: %s", overlay, d.Name), d.Spec
			if grace, want := spec.Template.Spec.TerminationGracePeriodSeconds, drainTimeout(t, spec.Template.Spec.Containers[0].Args)+stopTime; (d.Name == "stream" || d.Name == "session-gateway") && (grace == nil || time.Duration(*grace)*time.Second <= want) {
				t.Errorf("%s has %v s to hand over what it holds and to stop, which takes up to %s", name, grace, want)
			}
			if holds := d.Name == "stream" || d.Name == "session-gateway"; holds && spec.MinReadySeconds < refill {
				t.Errorf("%s: minReadySeconds is %d, players take %d s to refill what the last step cost them", name, spec.MinReadySeconds, refill)
			}
			roll := spec.Strategy.RollingUpdate
			if roll == nil {
				t.Errorf("%s is not rolled", name)
				continue
			}
			if spec.Template.Spec.HostNetwork && roll.MaxSurge.IntVal != 0 {
				t.Errorf("%s: two pods of one node would want the same port", name)
			}
			if !spec.Template.Spec.HostNetwork && roll.MaxUnavailable.IntVal != 0 {
				t.Errorf("%s: the old pod goes before the new one is ready", name)
			}
			if len(spec.Template.Spec.TopologySpreadConstraints) == 0 && d.Name != "discovery" {
				t.Errorf("%s is not spread over nodes", name)
			}
		}
	}
}
