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
	k := krusty.MakeKustomizer(krusty.MakeDefaultOptions())
	m, err := k.Run(filesys.MakeFsOnDisk(), filepath.Join("k8s", "overlays", overlay))
	if err != nil {
		t.Fatalf("kustomize build %s: %v", overlay, err)
	}
	data, err := m.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	objs, err := decodeAll(decoder(t), data)
	if err != nil {
		t.Fatalf("%s: %v", overlay, err)
	}
	return objs
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

func TestSecretScriptWritesEveryKeyThatManifestsRead(t *testing.T) {
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
		for name, p := range podSpecs(render(t, args[0])) {
			for _, key := range secretKeys(p.Spec) {
				if secret.StringData[key] == "" {
					t.Errorf("%s: workload %s reads secret key %q, which secret.sh does not write", args[0], name, key)
				}
			}
		}
	}
	if err := exec.Command("k8s/secret.sh").Run(); err == nil {
		t.Error("secret.sh without an overlay must fail")
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

// secretKeys lists the keys of the secret "tutti" that a pod reads.
func secretKeys(spec corev1.PodSpec) []string {
	var keys []string
	for _, v := range spec.Volumes {
		if v.Secret != nil {
			for _, item := range v.Secret.Items {
				keys = append(keys, item.Key)
			}
		}
	}
	for _, c := range spec.Containers {
		for _, e := range c.Env {
			if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
				keys = append(keys, e.ValueFrom.SecretKeyRef.Key)
			}
		}
	}
	return keys
}
