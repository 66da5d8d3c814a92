package deploy

import (
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
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

// What a service must reach it may reach, and nothing else: the table is from the
// architecture, and a new arrow is a decision.
func TestWhoMayReachWhat(t *testing.T) {
	const dns = 53
	may := map[string][]int32{
		"discovery":       {dns, 4222},
		"session-gateway": {dns, 4222},
		"pairing":         {dns, 4222, 5432},
		"management":      {dns, 4222, 8927, 443}, // browsers that are speakers; the provider of accounts
		"stream":          {dns, 4222, 80, 443},   // radio
		"migrate":         {dns, 5432},
	}
	for _, overlay := range overlays {
		objs := render(t, overlay)
		pods, all := podSpecs(objs), policies(objs)
		for name, want := range may {
			got := map[int32]bool{}
			for _, policy := range all {
				if !selects(&policy.Spec.PodSelector, pods[name].Labels) {
					continue
				}
				for _, rule := range policy.Spec.Egress {
					for _, p := range rule.Ports {
						if p.EndPort != nil || p.Port == nil {
							t.Errorf("%s: NetworkPolicy %s lets %s out to a range", overlay, policy.Name, name)
							continue
						}
						got[p.Port.IntVal] = true
					}
				}
			}
			for _, port := range want {
				if !got[port] {
					t.Errorf("%s: %s cannot reach port %d", overlay, name, port)
				}
				delete(got, port)
			}
			for port := range got {
				t.Errorf("%s: %s may reach port %d, and nobody knows why", overlay, name, port)
			}
		}
	}
}

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
			if grace := spec.Template.Spec.TerminationGracePeriodSeconds; (d.Name == "stream" || d.Name == "session-gateway") && (grace == nil || *grace < 30) {
				t.Errorf("%s has %v s to hand over what it holds; --drain-timeout is 20 s, stopping takes 10 s", name, grace)
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

func TestAutoscalersScaleWhatExists(t *testing.T) {
	found := 0
	for _, overlay := range overlays {
		objs := render(t, overlay)
		pods := podSpecs(objs)
		for _, o := range objs {
			h, ok := o.(*autoscalingv2.HorizontalPodAutoscaler)
			if !ok {
				continue
			}
			found++
			if _, ok := pods[h.Spec.ScaleTargetRef.Name]; !ok || h.Spec.MinReplicas == nil || *h.Spec.MinReplicas < 2 {
				t.Errorf("%s: %s scales %q from %v", overlay, h.Name, h.Spec.ScaleTargetRef.Name, h.Spec.MinReplicas)
			}
			metrics := productMetrics(t)
			for _, m := range h.Spec.Metrics {
				if m.Pods != nil && !metrics[m.Pods.Metric.Name] {
					t.Errorf("%s: %s scales by %s, which nobody measures", overlay, h.Name, m.Pods.Metric.Name)
				}
			}
		}
	}
	if found == 0 {
		t.Error("no overlay scales")
	}
}
