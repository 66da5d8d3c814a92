package cluster

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// levelVar names the level of the services' logs.
const levelVar = "TUTTI_CLUSTER_LOG"

const (
	tuttiPkg = "github.com/tutti-audio/tutti/cmd/tutti"
	// patience bounds waiting for what takes a second or two on an idle machine.
	patience = 90 * time.Second

	sendspinPort = 8927
	gatewayPort  = 9100 // where gateways answer /readyz: the first of a host's services
	httpPort     = 8080
)

// Instance is one process of a service.
type Instance struct {
	*Process
	Service  string
	internal string // host:port of /readyz and /metrics
}

// Cluster is the deployment under test.
type Cluster struct {
	harness.API
	Net       *Network
	Nodes     []*Process // NATS, one on each host
	NATS      string     // all their addresses
	Postgres  *Process
	Database  string
	Instances []*Instance
	Crashes   atomic.Int64 // instances that ended by themselves

	bin, dir, music string
	keys            keys
	seen            map[string]float64 // counters of instances that were replaced
}

// placement says which services run on which host. Every host has a gateway and a
// stream instance; of the others there are two.
func placement() map[string][]string {
	return map[string][]string{
		"h1": {"session-gateway", "stream", "pairing", "management"},
		"h2": {"session-gateway", "stream", "pairing", "management", "discovery"},
		"h3": {"session-gateway", "stream", "discovery"},
	}
}

// deploymentKey seals what the two instances of pairing keep in their database.
const deploymentKey = "5a17c0de5a17c0de5a17c0de5a17c0de5a17c0de5a17c0de5a17c0de5a17c0de"

// kernels are the clocks that the processes of a host pretend to have: each its own
// boot, its own reading and its own crystal.
func kernels() map[string]string {
	return map[string]string{
		"h1": "boot=h1,offset_us=0,drift_ppm=0",
		"h2": "boot=h2,offset_us=77000000000,drift_ppm=14.5",
		"h3": "boot=h3,offset_us=3141592653,drift_ppm=-11.25",
	}
}

// Options of a deployment.
type Options struct {
	Dir     string   // for stores and logs
	Music   string   // folder, the same on all hosts
	Devices []string // addresses that discovery is told
}

// Deploy starts everything and waits until it is ready.
func Deploy(t testing.TB, n *Network, o Options) *Cluster {
	t.Helper()
	c := &Cluster{Net: n, dir: o.Dir, music: o.Music, bin: harness.MustBuild(t, tuttiPkg), seen: map[string]float64{}}
	c.Token = "cluster-admin-token-0123456789abcdef"
	c.startNATS(t)
	c.startPostgres(t)
	for _, h := range n.Hosts {
		for i, service := range placement()[h.Name] {
			c.plan(t, h, service, gatewayPort+i, o.Devices)
		}
	}
	var management []target
	for _, in := range c.Of("management") {
		management = append(management, target{net.JoinHostPort(in.Host.IP, strconv.Itoa(httpPort)), in.internal, &atomic.Bool{}, true})
	}
	c.Base = "http://" + newFront(t, net.JoinHostPort(n.Devices.IP, strconv.Itoa(httpPort)), management)
	// Discovery comes last: the first gateway would else have all devices before the others
	// are there, and what plays does not move.
	discovery := c.Of("discovery")
	for _, in := range c.Instances {
		if !slices.Contains(discovery, in) {
			in.Start(t)
		}
	}
	c.supervise(t)
	for _, in := range c.Instances {
		if !slices.Contains(discovery, in) {
			c.AwaitReady(t, in)
		}
	}
	for _, in := range discovery {
		in.Start(t)
		c.AwaitReady(t, in)
	}
	return c
}

// supervise starts instances again that end by themselves, until the test ends.
func (c *Cluster) supervise(t testing.TB) {
	stop, done := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(stop); <-done })
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Second):
			}
			for _, in := range c.Instances {
				if in.Again(t) {
					c.Crashes.Add(1)
					t.Logf("%s ended by itself and was started again; it said:\n%s", in.Name, in.tail(400))
				}
			}
		}
	}()
}

func (c *Cluster) plan(t testing.TB, h *Host, service string, port int, devices []string) {
	in := &Instance{Service: service, internal: h.IP + ":" + strconv.Itoa(port)}
	argv := []string{c.bin, "run", service, "--nats", c.NATS, "--nats-replicas", "3",
		"--internal-http", in.internal, "--log-level", cmp.Or(os.Getenv(levelVar), "info")}
	argv = append(argv, c.keys.flags(service)...)
	env := []string{"TUTTI_ADMIN_TOKEN=" + c.Token, "TUTTI_TEST=1", "TUTTI_CLOCK_SIM=" + kernels()[h.Name]}
	switch service {
	case "stream":
		argv = append(argv, "--music", c.music)
	case "session-gateway":
		argv = append(argv, "--sendspin", h.IP+":"+strconv.Itoa(sendspinPort))
	case "pairing":
		argv = append(argv, "--database-url", c.Database, "--data-dir", filepath.Join(c.dir, "pairing-"+h.Name))
		env = append(env, "TUTTI_DEPLOYMENT_KEY="+deploymentKey)
	case "discovery":
		argv = append(argv, "--mdns=false")
		for _, d := range devices {
			argv = append(argv, "--device", d)
		}
	case "management":
		argv = append(argv, "--http", h.IP+":"+strconv.Itoa(httpPort), "--data-dir", filepath.Join(c.dir, "management-"+h.Name))
	}
	in.Process = newProcess(t, c.dir, service+"@"+h.Name, h, env, argv...)
	c.Instances = append(c.Instances, in)
}

// Of are the instances of a service.
func (c *Cluster) Of(service string) []*Instance {
	var out []*Instance
	for _, in := range c.Instances {
		if in.Service == service {
			out = append(out, in)
		}
	}
	return out
}

// On are the instances on a host.
func (c *Cluster) On(h *Host) []*Instance {
	return slices.DeleteFunc(slices.Clone(c.Instances), func(in *Instance) bool { return in.Host != h })
}

// AwaitReady waits until an instance answers that it is ready.
func (c *Cluster) AwaitReady(t testing.TB, in *Instance) {
	t.Helper()
	harness.Eventually(t, patience, in.Name+" is ready", func() string {
		return unready("http://" + in.internal + "/readyz")
	})
}

// Busiest is the instance of a service whose metric is highest; it waits for one above 0.
func (c *Cluster) Busiest(t testing.TB, service, metric string) *Instance {
	t.Helper()
	var best *Instance
	harness.Eventually(t, patience, "an instance of "+service+" has "+metric, func() string {
		most := 0.0
		for _, in := range c.Of(service) {
			if v, err := in.Metric(metric); err == nil && v > most {
				best, most = in, v
			}
		}
		if best == nil {
			return "none is above 0, or none answers"
		}
		return ""
	})
	return best
}

// quick is for requests that need no patience: a process that is paused or cut off
// must not hold the test up.
var quick = &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// Metric sums an instance's values of a metric over its labels; 0 when it has none.
func (in *Instance) Metric(name string) (float64, error) {
	resp, err := quick.Get("http://" + in.internal + "/metrics")
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for line := range strings.Lines(string(b)) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(rest[strings.LastIndexByte(rest, ' '):]), 64)
		if err != nil {
			return 0, fmt.Errorf("metric %s of %s: %w", name, in.Name, err)
		}
		sum += v
	}
	return sum, nil
}

// Total sums a counter over all instances; one that was started again begins at 0, and
// what its former lives counted is kept as far as it was read.
func (c *Cluster) Total(name string) float64 {
	sum := 0.0
	for _, in := range c.Instances {
		key := fmt.Sprintf("%s %s %d", name, in.Name, in.Life())
		if v, err := in.Metric(name); err == nil {
			c.seen[key] = v
		}
	}
	for key, v := range c.seen {
		if strings.HasPrefix(key, name+" ") {
			sum += v
		}
	}
	return sum
}

// unready says why an address does not answer 200; "" when it does.
func unready(url string) string {
	resp, err := quick.Get(url)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	b, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		return resp.Status + ": " + strings.TrimSpace(string(b))
	}
	return ""
}
