package deploy

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

const chainURL = "nats-leaf://venue:secret@chain.example:7422"

// rendered is the NATS configuration of an overlay, as its servers read it.
func rendered(t *testing.T, overlay string) string {
	t.Helper()
	return natsMap(t, render(t, overlay)).Data["nats.conf"]
}

// denied are the subjects of a list of a leaf's configuration.
func denied(conf, name string) []string {
	_, list, _ := strings.Cut(conf, name+" [")
	list, _, _ = strings.Cut(list, "]")
	return regexp.MustCompile(`"[^"]+"`).FindAllString(list, -1)
}

// A venue of a chain says nothing to it of audio, sessions and requests, hears nothing from
// it, and keeps its streams to itself. Its servers get the two variables of their configuration.
func TestChainVenueIsALeafThatKeepsItsAudio(t *testing.T) {
	conf := rendered(t, "chain")
	_, leaf, ok := strings.Cut(conf, "leafnodes {")
	if !ok {
		t.Fatalf("the chain overlay's NATS is no leaf:\n%s", conf)
	}
	tried, err := os.ReadFile("nats/venue.conf") // package bus tries what crosses with it
	if err != nil {
		t.Fatal(err)
	}
	for _, way := range []string{"deny_exports:", "deny_imports:"} {
		got, want := denied(leaf, way), denied(string(tried), way)
		if len(want) < 10 || !slices.Equal(got, want) {
			t.Errorf("%s is %q, in nats/venue.conf %q", way, got, want)
		}
	}
	if !strings.Contains(conf, "domain: $VENUE") {
		t.Error("without a domain of its own a leaf's JetStream would be the chain's")
	}
	env := map[string]bool{}
	for _, e := range podSpecs(render(t, "chain"))["nats"].Spec.Containers[0].Env {
		env[e.Name] = true
	}
	for _, v := range regexp.MustCompile(`[^"]\$([A-Z_]+)\b`).FindAllStringSubmatch(conf, -1) {
		if !env[v[1]] {
			t.Errorf("NATS reads variable %s, which its container does not have", v[1])
		}
	}
}

// What a chain's centre hears names the venue: by the same value in every place.
func TestChainVenueIsNamedInEvents(t *testing.T) {
	pods := podSpecs(render(t, "chain"))
	for pod, variable := range map[string]string{"nats": "VENUE", "management": "TUTTI_VENUE", "pairing": "TUTTI_VENUE"} {
		found := false
		for _, e := range pods[pod].Spec.Containers[0].Env {
			if e.Name != variable {
				continue
			}
			found = true
			if r := e.ValueFrom; r == nil || r.ConfigMapKeyRef == nil || r.ConfigMapKeyRef.Name != "chain" || r.ConfigMapKeyRef.Key != "venue" {
				t.Errorf("%s of %s is not the venue of the ConfigMap chain: %+v", variable, pod, e)
			}
		}
		if !found {
			t.Errorf("%s has no %s", pod, variable)
		}
	}
}

// The chain's URL is a piece of NATS's configuration: it needs quotes inside the value.
func TestChainSecretQuotesItsURL(t *testing.T) {
	out, err := exec.Command("k8s/secret.sh", "chain", "postgres://u:p@db.example:5432/tutti", chainURL).Output()
	if err != nil {
		t.Fatal(err)
	}
	objs, err := decodeAll(decoder(t), out)
	if err != nil {
		t.Fatal(err)
	}
	if got := objs[0].(*corev1.Secret).StringData["chain-url"]; got != `"`+chainURL+`"` {
		t.Errorf("chain-url is %s", got)
	}
	if err := exec.Command("k8s/secret.sh", "chain", "postgres://u:p@db.example:5432/tutti").Run(); err == nil {
		t.Error("secret.sh chain without the chain's URL must fail")
	}
}

// Each overlay says at its head how it is applied, in an order that works: nothing can be put
// into a namespace that is not there.
func TestOverlaysSayHowTheyAreApplied(t *testing.T) {
	for _, o := range overlays {
		b, err := os.ReadFile("k8s/overlays/" + o + "/kustomization.yaml")
		if err != nil {
			t.Fatal(err)
		}
		rest := string(b)
		for _, want := range []string{"kubectl apply -f deploy/k8s/base/namespace.yaml", "deploy/k8s/secret.sh " + o, "deploy/k8s/nats-keys.sh ",
			"kubectl apply -k deploy/k8s/overlays/" + o + "\n", "docs/operations.md"} {
			_, after, ok := strings.Cut(rest, want)
			if !ok {
				t.Errorf("%s does not say %q after what comes before it", o, want)
				continue
			}
			rest = after
		}
	}
}
