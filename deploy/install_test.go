package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// site renders the site's overlay after edits, in a copy of the manifests: its paths are relative.
func site(t *testing.T, edits ...string) []runtime.Object {
	t.Helper()
	root := t.TempDir()
	if err := os.CopyFS(filepath.Join(root, "k8s"), os.DirFS("k8s")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(root, "k8s/site/kustomization.yaml")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(edits); i += 2 {
		if !strings.Contains(string(b), edits[i]) {
			t.Fatalf("the site's overlay has no %q", edits[i])
		}
	}
	if err := os.WriteFile(file, []byte(strings.NewReplacer(edits...).Replace(string(b))), 0o600); err != nil {
		t.Fatal(err)
	}
	return build(t, filepath.Join(root, "k8s/site"))
}

// The site's overlay renders as it is; its image is that of all our containers; and what it has
// as comments works when they are taken away.
func TestTheSiteOverlayRenders(t *testing.T) {
	if len(podSpecs(site(t))) < len(services) {
		t.Error("the site's overlay has no whole deployment")
	}
	b, err := os.ReadFile("k8s/site/kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range components(t) {
		if !strings.Contains(string(b), "../components/"+c) {
			t.Errorf("the site's overlay does not name the component %s", c)
		}
	}
	objs := site(t, "newName: tutti", "newName: registry.example/tutti", "newTag: dev", "newTag: 1.2.3",
		"# components:", "components:", "#   - ../", "  - ../", "# patches:", "patches:", "#   - target", "  - target", "#     patch", "    patch", "#       - {", "      - {")
	for name, p := range podSpecs(objs) {
		for _, c := range p.Spec.Containers {
			if name != "nats" && name != "postgres" && c.Image != "registry.example/tutti:1.2.3" {
				t.Errorf("%s runs %s", name, c.Image)
			}
		}
	}
	found := 0
	for _, o := range objs {
		switch o := o.(type) {
		case *networkingv1.Ingress:
			found++
			checkIngress(t, o, objs)
			if o.Spec.Rules[0].Host != "tutti.venue.example" || o.Spec.TLS[0].Hosts[0] != "tutti.venue.example" {
				t.Errorf("the patch leaves the host %q", o.Spec.Rules[0].Host)
			}
		case *networkingv1.NetworkPolicy:
			if o.Name == "nats-from-nodes" {
				found++
				if from := o.Spec.Ingress[0].From; len(from) != 1 || from[0].IPBlock.CIDR != "10.1.2.0/24" || o.Spec.Ingress[0].Ports[0].Port.IntVal != 4222 {
					t.Errorf("the patch lets in %+v", o.Spec.Ingress)
				}
			}
		}
	}
	if found != 2 {
		t.Errorf("%d of an Ingress and a policy for NATS", found)
	}
}

// components are the parts that a site may add to an overlay.
func components(t *testing.T) (names []string) {
	t.Helper()
	entries, err := os.ReadDir("k8s/components")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// checkIngress expects what comes in to end at a port that a Service has.
func checkIngress(t *testing.T, in *networkingv1.Ingress, objs []runtime.Object) {
	t.Helper()
	for _, p := range in.Spec.Rules[0].HTTP.Paths {
		b := p.Backend.Service
		if !slices.ContainsFunc(objs, func(o runtime.Object) bool {
			s, ok := o.(*corev1.Service)
			return ok && s.Name == b.Name && slices.ContainsFunc(s.Spec.Ports, func(p corev1.ServicePort) bool {
				return p.Name == b.Port.Name && p.TargetPort == intstr.FromString("http")
			})
		}) {
			t.Errorf("Ingress %s leads to %s, %+v, which is not there", in.Name, b.Name, b.Port)
		}
	}
}

// The upgrade of docs/operations.md applies everything, and in two parts: what the services need
// (the database's migration among it) before any of them.
func TestTheUpgradeAppliesEverythingInOrder(t *testing.T) {
	b, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(b), "## Upgrade")
	text, _, _ = strings.Cut(text, "\n## ")
	before := regexp.MustCompile(`kubectl apply -k SITE -l '([^']+)'`).FindStringSubmatch(text)
	loop := regexp.MustCompile(`for s in ([a-z -]+); do\s+kubectl apply -k SITE -l app.kubernetes.io/name=\$s`).FindStringSubmatch(text)
	if before == nil || loop == nil {
		t.Fatal("docs/operations.md applies no overlay in two parts")
	}
	// A Job's template cannot be changed, and a pod of the new version waits for nothing.
	rest := text
	for _, step := range []string{"nats-keys.sh", "delete job migrate", before[0], "job/migrate", loop[0], "rollout status"} {
		_, after, ok := strings.Cut(rest, step)
		if !ok {
			t.Fatalf("%q does not come after the steps before it", step)
		}
		rest = after
	}
	for _, overlay := range overlays {
		for _, o := range render(t, overlay) {
			m, err := meta.Accessor(o)
			if err != nil {
				t.Fatal(err)
			}
			in := map[string]int{} // which parts apply it: 0 is what comes first
			for i, sel := range append([]string{before[1]}, each("app.kubernetes.io/name=", strings.Fields(loop[1]))...) {
				s, err := labels.Parse(sel)
				if err != nil {
					t.Fatalf("%s: %v", sel, err)
				}
				if s.Matches(labels.Set(m.GetLabels())) {
					in[sel] = i
				}
			}
			_, service := o.(*appsv1.Deployment)
			_, job := o.(*batchv1.Job)
			for sel, i := range in {
				if service && i == 0 || job && i > 0 {
					t.Errorf("%s: %T %s is applied by %s", overlay, o, m.GetName(), sel)
				}
			}
			if len(in) != 1 {
				t.Errorf("%s: %T %s is applied by %d steps of the upgrade", overlay, o, m.GetName(), len(in))
			}
		}
	}
}

func each(prefix string, words []string) (out []string) {
	for _, w := range words {
		out = append(out, prefix+w)
	}
	return out
}
