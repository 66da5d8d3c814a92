package deploy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// services is the design card's list; a manifest for each must exist.
var services = []string{"discovery", "session-gateway", "pairing", "management", "stream"}

// overlays that a person applies.
var overlays = []string{"single-node", "venue", "chain"}

func decoder(t *testing.T) runtime.Decoder {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme, networkingv1.AddToScheme, policyv1.AddToScheme,
		batchv1.AddToScheme, autoscalingv2.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
}

// decodeAll decodes every document of data; an unknown field, kind or a
// duplicate key is an error.
func decodeAll(d runtime.Decoder, data []byte) ([]runtime.Object, error) {
	var out []runtime.Object
	r := utilyaml.NewYAMLReader(newReader(data))
	for {
		doc, err := r.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(doc)) == 0 {
			continue
		}
		obj, _, err := d.Decode(doc, nil, nil)
		if err != nil {
			return nil, fmt.Errorf("%w\n%s", err, firstLines(doc, 6))
		}
		out = append(out, obj)
	}
}

func TestEveryManifestDecodesStrictly(t *testing.T) {
	d := decoder(t)
	n := 0
	err := filepath.WalkDir("k8s", func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(path) != ".yaml" || e.Name() == "kustomization.yaml" {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		objs, err := decodeAll(d, data)
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		n += len(objs)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < 20 {
		t.Fatalf("decoded %d objects, expected the whole deployment", n)
	}
}

func TestStrictDecodingCatchesATypo(t *testing.T) {
	bad := []byte("apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {selectr: {a: b}}\n")
	if _, err := decodeAll(decoder(t), bad); err == nil || !strings.Contains(err.Error(), "selectr") {
		t.Fatalf("a misspelt field must fail and be named, got %v", err)
	}
}

// render builds an overlay as `kubectl apply -k` would.
func render(t *testing.T, overlay string) []runtime.Object {
	t.Helper()
	return build(t, filepath.Join("k8s", "overlays", overlay))
}

// renderWith builds a site's overlay: one of ours with components.
func renderWith(t *testing.T, overlay string, components ...string) []runtime.Object {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs("k8s")
	if err != nil {
		t.Fatal(err)
	}
	ours, err := filepath.Rel(dir, here) // kustomize takes no absolute paths
	if err != nil {
		t.Fatal(err)
	}
	text := "namespace: tutti\nresources: [" + filepath.Join(ours, "overlays", overlay) + "]\ncomponents:\n"
	for _, c := range components {
		text += "- " + filepath.Join(ours, "components", c) + "\n"
	}
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return build(t, dir)
}

func build(t *testing.T, dir string) []runtime.Object {
	t.Helper()
	k := krusty.MakeKustomizer(krusty.MakeDefaultOptions())
	m, err := k.Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatalf("kustomize build %s: %v", dir, err)
	}
	data, err := m.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	objs, err := decodeAll(decoder(t), data)
	if err != nil {
		t.Fatalf("%s: %v", dir, err)
	}
	return objs
}

// A LoadBalancer may open its port on every node (k3s's does), a NodePort always does: a pod on
// the host's network with the same port could not start there.
func TestNoServiceTakesAPortOfAPodOnTheNodesNetwork(t *testing.T) {
	for _, overlay := range overlays {
		all := map[string][]runtime.Object{overlay: render(t, overlay), overlay + " with all components": renderWith(t, overlay, components(t)...)}
		for what, objs := range all {
			taken := map[int32]string{}
			for name, p := range podSpecs(objs) {
				for _, c := range p.Spec.Containers {
					for _, port := range c.Ports {
						if p.Spec.HostNetwork || port.HostPort != 0 {
							taken[port.ContainerPort] = name
						}
					}
				}
			}
			if len(taken) == 0 {
				t.Fatalf("%s: no pod is on the nodes' network", what)
			}
			for _, o := range objs {
				s, ok := o.(*corev1.Service)
				if !ok || s.Spec.Type != corev1.ServiceTypeLoadBalancer && s.Spec.Type != corev1.ServiceTypeNodePort {
					continue
				}
				for _, port := range s.Spec.Ports {
					for _, n := range []int32{port.Port, port.NodePort} {
						if pod := taken[n]; pod != "" {
							t.Errorf("%s: Service %s takes port %d of each node, which %s needs", what, s.Name, n, pod)
						}
					}
				}
			}
		}
	}
}

// Devices that dial in by themselves have a Service in each overlay, whose name stands for the
// gateways' own addresses: it must have none of its own.
func TestDevicesThatDialInHaveAService(t *testing.T) {
	for _, overlay := range overlays {
		objs := render(t, overlay)
		found := false
		for _, o := range objs {
			s, ok := o.(*corev1.Service)
			if !ok || s.Name != "sendspin" {
				continue
			}
			found = s.Spec.ClusterIP == corev1.ClusterIPNone && s.Spec.Ports[0].Port == 8927 && !s.Spec.PublishNotReadyAddresses &&
				selects(&metav1.LabelSelector{MatchLabels: s.Spec.Selector}, podSpecs(objs)["session-gateway"].Labels)
		}
		if !found {
			t.Errorf("%s: no Service sendspin without an address of its own selects the ready gateways", overlay)
		}
	}
}

func TestOverlaysRenderAWholeDeployment(t *testing.T) {
	for _, overlay := range overlays {
		t.Run(overlay, func(t *testing.T) {
			objs := render(t, overlay)
			pods := podSpecs(objs)
			for _, s := range services {
				if _, ok := pods[s]; !ok {
					t.Errorf("no workload for service %s", s)
				}
			}
			for name, p := range pods {
				checkPod(t, name, p)
				if !coveredByPDB(objs, p.Labels) && name != "postgres" && !isJob(p) {
					t.Errorf("%s: no PodDisruptionBudget selects it", name)
				}
			}
			for _, o := range objs {
				checkSelectors(t, o, pods)
			}
		})
	}
}

// The scripts write every secret that a manifest reads, and no password for NATS.
func TestSecretScriptsWriteEveryKeyThatManifestsRead(t *testing.T) {
	keys, _ := natsKeys(t, filepath.Join(t.TempDir(), "keys"))
	for _, args := range [][]string{{"single-node"}, {"venue", "postgres://u:p@db.example:5432/tutti"},
		{"chain", "postgres://u:p@db.example:5432/tutti", chainURL}} {
		out, err := exec.Command("k8s/secret.sh", args...).Output()
		if err != nil {
			t.Fatalf("secret.sh %v: %v", args, err)
		}
		objs, err := decodeAll(decoder(t), out)
		if err != nil {
			t.Fatal(err)
		}
		secret := objs[0].(*corev1.Secret)
		keys[secret.Name] = secret.StringData
		for name, p := range podSpecs(render(t, args[0])) {
			for _, k := range secretKeys(p.Spec) {
				if keys[k.secret][k.key] == "" {
					t.Errorf("%s: workload %s reads key %q of secret %s, which no script writes", args[0], name, k.key, k.secret)
				}
			}
		}
		for key := range secret.StringData {
			if strings.Contains(key, "nats") {
				t.Errorf("%s: secret.sh writes %q: each service has a key of its own", args[0], key)
			}
		}
	}
	if err := exec.Command("k8s/secret.sh").Run(); err == nil {
		t.Error("secret.sh without an overlay must fail")
	}
	if err := exec.Command("k8s/nats-keys.sh").Run(); err == nil {
		t.Error("nats-keys.sh without a folder must fail")
	}
}

func podSpecs(objs []runtime.Object) map[string]corev1.PodTemplateSpec {
	pods := map[string]corev1.PodTemplateSpec{}
	for _, o := range objs {
		switch w := o.(type) {
		case *appsv1.Deployment:
			pods[w.Name] = w.Spec.Template
		case *appsv1.StatefulSet:
			pods[w.Name] = w.Spec.Template
		case *batchv1.Job:
			pods[w.Name] = w.Spec.Template
		}
	}
	return pods
}

// isJob tells pods that end: they have no probes, and nobody waits for them.
func isJob(p corev1.PodTemplateSpec) bool {
	return p.Spec.RestartPolicy == corev1.RestartPolicyOnFailure || p.Spec.RestartPolicy == corev1.RestartPolicyNever
}

// checkPod holds every workload to the same rules: probes, requests, limits,
// not root, nothing writable but volumes.
func checkPod(t *testing.T, name string, p corev1.PodTemplateSpec) {
	t.Helper()
	if sc := p.Spec.SecurityContext; sc == nil || sc.RunAsNonRoot == nil || !*sc.RunAsNonRoot || sc.SeccompProfile == nil {
		t.Errorf("%s: pod must run as non-root with a seccomp profile", name)
	}
	for _, c := range p.Spec.Containers {
		if !isJob(p) && (c.StartupProbe == nil || c.ReadinessProbe == nil || c.LivenessProbe == nil) {
			t.Errorf("%s: startup, readiness and liveness probes are required", name)
		}
		if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
			t.Errorf("%s: cpu and memory requests and a memory limit are required", name)
		}
		sc := c.SecurityContext
		if sc == nil || sc.ReadOnlyRootFilesystem == nil || !*sc.ReadOnlyRootFilesystem ||
			sc.AllowPrivilegeEscalation == nil || *sc.AllowPrivilegeEscalation ||
			sc.Capabilities == nil || !slices.Contains(sc.Capabilities.Drop, "ALL") {
			t.Errorf("%s: read-only root, no privilege escalation and no capabilities are required", name)
		}
		for _, probe := range []*corev1.Probe{c.StartupProbe, c.ReadinessProbe, c.LivenessProbe} {
			if probe != nil && probe.HTTPGet != nil && !hasPort(c, probe.HTTPGet.Port.StrVal) {
				t.Errorf("%s: a probe names port %q, which the container does not have", name, probe.HTTPGet.Port.StrVal)
			}
		}
	}
}

func hasPort(c corev1.Container, name string) bool {
	return slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.Name == name })
}

func coveredByPDB(objs []runtime.Object, podLabels map[string]string) bool {
	return slices.ContainsFunc(objs, func(o runtime.Object) bool {
		pdb, ok := o.(*policyv1.PodDisruptionBudget)
		return ok && selects(pdb.Spec.Selector, podLabels)
	})
}

// checkSelectors finds services and policies that select nothing: a typo in a label.
func checkSelectors(t *testing.T, o runtime.Object, pods map[string]corev1.PodTemplateSpec) {
	t.Helper()
	var sel *metav1.LabelSelector
	var what string
	switch v := o.(type) {
	case *corev1.Service:
		sel, what = &metav1.LabelSelector{MatchLabels: v.Spec.Selector}, "Service "+v.Name
	case *policyv1.PodDisruptionBudget:
		sel, what = v.Spec.Selector, "PodDisruptionBudget "+v.Name
	case *networkingv1.NetworkPolicy:
		sel, what = &v.Spec.PodSelector, "NetworkPolicy "+v.Name
	default:
		return
	}
	for _, p := range pods {
		if selects(sel, p.Labels) {
			return
		}
	}
	t.Errorf("%s selects no pod", what)
}

func selects(sel *metav1.LabelSelector, set map[string]string) bool {
	s, err := metav1.LabelSelectorAsSelector(sel)
	return err == nil && s.Matches(labels.Set(set))
}

// secretKey is one entry of a Secret.
type secretKey struct{ secret, key string }

// secretKeys lists the entries of Secrets that a pod reads. A whole Secret is an entry
// without a name, which no script writes.
func secretKeys(spec corev1.PodSpec) []secretKey {
	var keys []secretKey
	for _, v := range spec.Volumes {
		if v.Secret == nil {
			continue
		}
		for _, item := range v.Secret.Items {
			keys = append(keys, secretKey{v.Secret.SecretName, item.Key})
		}
		if len(v.Secret.Items) == 0 {
			keys = append(keys, secretKey{secret: v.Secret.SecretName})
		}
	}
	for _, c := range spec.Containers {
		for _, e := range c.Env {
			if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
				keys = append(keys, secretKey{e.ValueFrom.SecretKeyRef.Name, e.ValueFrom.SecretKeyRef.Key})
			}
		}
	}
	return keys
}
