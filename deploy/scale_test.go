package deploy

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/tutti-audio/tutti/deploy/observability/metrics"
)

// sessionKiB is what a session costs a gateway: 84 KiB were measured (bench/README.md), the rest
// is for what playing adds.
const sessionKiB = 100

// memoryShare is the part of a gateway's memory limit that sessions may fill; tapes, the collector's
// headroom and a storm of handshakes have the rest.
const memoryShare = 0.6

// stopTime is what a process takes to end after its drain.
const stopTime = 10 * time.Second

// option is the value of a flag of a command line; it must be there.
func option(t *testing.T, args []string, flag string) string {
	t.Helper()
	i := slices.Index(args, flag)
	if i < 0 || i+1 >= len(args) {
		t.Fatalf("no %s in %v: the default fits no limit", flag, args)
	}
	return args[i+1]
}

func maxSessions(t *testing.T, args []string) int {
	t.Helper()
	n, err := strconv.Atoi(option(t, args, "--max-sessions"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// drainTimeout is how long a command line lets a process hand over; 20 s where it does not say.
func drainTimeout(t *testing.T, args []string) time.Duration {
	t.Helper()
	if !slices.Contains(args, "--drain-timeout") {
		return drainTime - stopTime
	}
	d, err := time.ParseDuration(option(t, args, "--drain-timeout"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A full gateway fits its container, in compose and in each overlay.
func TestAFullGatewayFitsItsMemory(t *testing.T) {
	check := func(where string, args []string, limit int64) {
		t.Helper()
		if need, room := float64(maxSessions(t, args))*sessionKiB*1024, memoryShare*float64(limit); need >= room {
			t.Errorf("%s: %s sessions need %.0f MiB, the limit of %d MiB leaves %.0f", where, option(t, args, "--max-sessions"), need/(1<<20), limit>>20, room/(1<<20))
		}
	}
	s, err := project(t).GetService("session-gateway")
	if err != nil {
		t.Fatal(err)
	}
	check("compose", s.Command, int64(s.Deploy.Resources.Limits.MemoryBytes))
	for _, overlay := range overlays {
		c := podSpecs(render(t, overlay))["session-gateway"].Spec.Containers[0]
		check(overlay, c.Args, c.Resources.Limits.Memory().Value())
	}
}

// drained is how many sessions a drain moves in a time: the announcement, then a window that
// opens by one with each device that has come back, up to its widest.
func drained(t *testing.T, in time.Duration) int {
	t.Helper()
	b, err := os.ReadFile("../services/session-gateway/drain.go")
	if err != nil {
		t.Fatal(err)
	}
	number := func(name string) int {
		m := regexp.MustCompile(name + `\s*=\s*([0-9]+)`).FindSubmatch(b)
		if m == nil {
			t.Fatalf("services/session-gateway/drain.go has no number %s", name)
		}
		n, err := strconv.Atoi(string(m[1]))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if !strings.Contains(string(b), "announceTime = time.Second") {
		t.Fatal("the announcement of a drain does not take a second any more")
	}
	trip, pace := time.Duration(number("tripQuick"))*time.Millisecond, time.Duration(number("handoverPace"))*time.Millisecond
	window, most, moved := number("paceFirst"), number("paceMost"), 0
	for left := in - time.Second; left >= trip; left -= trip { // one round of devices that come back in time
		round := min(window, int(trip/pace))
		moved += round
		window = min(window+round, most)
	}
	return moved
}

// What a gateway may hold at most, a drain moves before Kubernetes kills the pod; and the
// autoscaler has a new one before the others could not take over for one that goes.
func TestADrainEmptiesAFullGateway(t *testing.T) {
	for _, overlay := range overlays {
		objs := render(t, overlay)
		pod := podSpecs(objs)["session-gateway"].Spec
		args := pod.Containers[0].Args
		most, drain := maxSessions(t, args), drainTimeout(t, args)
		if moved := drained(t, drain); moved < most {
			t.Errorf("%s: a drain of %s moves %d sessions, a gateway takes %d", overlay, drain, moved, most)
		}
		for _, h := range autoscalers(objs) {
			for _, m := range h.Spec.Metrics {
				target, least := m.Pods.Target.AverageValue.AsApproximateFloat64(), float64(*h.Spec.MinReplicas)
				// An autoscaler lets a tenth pass before it acts.
				if held, room := least*target*1.1, (least-1)*float64(most); held > room {
					t.Errorf("%s: %v gateways with %v sessions each: the others have room for %.0f of %.0f when one goes", overlay, least, target, room, held)
				}
			}
		}
	}
}

func autoscalers(objs []runtime.Object) (out []*autoscalingv2.HorizontalPodAutoscaler) {
	for _, o := range objs {
		if h, ok := o.(*autoscalingv2.HorizontalPodAutoscaler); ok {
			out = append(out, h)
		}
	}
	return out
}

// An autoscaler owns the number of pods of what it scales: a manifest that says one too would
// take it back at each apply. It counts by a gauge that a service has.
func TestAutoscalersScaleWhatExists(t *testing.T) {
	found, known := 0, productMetrics(t)
	for _, overlay := range overlays {
		objs := render(t, overlay)
		for _, h := range autoscalers(objs) {
			found++
			target := slices.IndexFunc(objs, func(o runtime.Object) bool {
				d, ok := o.(*appsv1.Deployment)
				return ok && d.Name == h.Spec.ScaleTargetRef.Name
			})
			if target < 0 || h.Spec.MinReplicas == nil || *h.Spec.MinReplicas < 2 {
				t.Errorf("%s: %s scales %q from %v", overlay, h.Name, h.Spec.ScaleTargetRef.Name, h.Spec.MinReplicas)
				continue
			}
			if n := objs[target].(*appsv1.Deployment).Spec.Replicas; n != nil {
				t.Errorf("%s: each apply sets %s to %d pods, whatever the autoscaler has decided", overlay, h.Name, *n)
			}
			for _, m := range h.Spec.Metrics {
				if m.Pods != nil && known[m.Pods.Metric.Name].Type != metrics.Gauge {
					t.Errorf("%s: %s scales by %s, which is no gauge of a service", overlay, h.Name, m.Pods.Metric.Name)
				}
			}
		}
	}
	if found == 0 {
		t.Error("no overlay scales")
	}
}

// The adapter's values serve the metric that the autoscaler asks for, from series that exist.
func TestTheAdapterServesWhatTheAutoscalerAsks(t *testing.T) {
	f, err := os.Open("observability/prometheus-adapter.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var values struct {
		Rules struct {
			Default bool `yaml:"default"`
			Custom  []struct {
				SeriesQuery string `yaml:"seriesQuery"`
				Resources   struct {
					Overrides map[string]struct {
						Resource string `yaml:"resource"`
					} `yaml:"overrides"`
				} `yaml:"resources"`
				Name struct {
					Matches string `yaml:"matches"`
					As      string `yaml:"as"`
				} `yaml:"name"`
				MetricsQuery string `yaml:"metricsQuery"`
			} `yaml:"custom"`
		} `yaml:"rules"`
	}
	d := yaml.NewDecoder(f)
	d.KnownFields(true)
	if err := d.Decode(&values); err != nil {
		t.Fatal(err)
	}
	serves := map[string]bool{}
	for _, r := range values.Rules.Custom {
		checkQuery(t, productMetrics(t), "seriesQuery", r.SeriesQuery)
		series, _, _ := strings.Cut(r.SeriesQuery, "{")
		// What the adapter makes of it for the pods of the Deployment.
		query := strings.NewReplacer("<<.GroupBy>>", "pod", "<<.Series>>", series, "<<.LabelMatchers>>", `namespace="tutti",pod=~"a|b"`).Replace(r.MetricsQuery)
		checkQuery(t, productMetrics(t), "metricsQuery", query)
		if !regexp.MustCompile(r.Name.Matches).MatchString(series) {
			t.Errorf("%s is not renamed by %s", series, r.Name.Matches)
		}
		for _, label := range []string{"namespace", "pod"} {
			if r.Resources.Overrides[label].Resource != label || !strings.Contains(r.SeriesQuery, label+`!=""`) {
				t.Errorf("%s: the label %s does not say which %s it is of", series, label, label)
			}
		}
		serves[r.Name.As] = true
	}
	for _, h := range autoscalers(render(t, "venue")) {
		for _, m := range h.Spec.Metrics {
			if !serves[m.Pods.Metric.Name] {
				t.Errorf("the adapter does not serve %s", m.Pods.Metric.Name)
			}
		}
	}
}
