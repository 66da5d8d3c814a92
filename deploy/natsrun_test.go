package deploy

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/tutti-audio/tutti/proto/subject"
)

// credential is what only pairing may hear: a device's secret is asked for there.
const credential = subject.PairingCredential

// runNATS starts a server with a configuration as its container has it, in a folder with
// auth.conf; only addresses and the store are the test's.
func runNATS(t *testing.T, dir, conf string, replace ...string) *server.Server {
	t.Helper()
	return startNATS(t, writeNATS(t, dir, conf, replace...))
}

// writeNATS writes nats.conf, with addresses and a store of the test's.
func writeNATS(t *testing.T, dir, conf string, replace ...string) (file string) {
	t.Helper()
	for _, r := range [][2]string{
		{`(?m)^(\s*)port: (4222|6222|7422)$`, `${1}listen: "127.0.0.1:-1"`},
		{`(?m)^(\s*)http: .*$`, `${1}http: "127.0.0.1:-1"`},
		{`store_dir: /data`, `store_dir: "` + t.TempDir() + `"`},
	} {
		conf = regexp.MustCompile(r[0]).ReplaceAllString(conf, r[1])
	}
	conf = strings.NewReplacer(replace...).Replace(conf)
	file = filepath.Join(dir, "nats.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// startNATS starts a server with a configuration file.
func startNATS(t *testing.T, file string) *server.Server {
	t.Helper()
	opts, err := server.ProcessConfigFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// A queue of questions is dealt to all whom the server believes in.
	if gone := opts.PingInterval * time.Duration(opts.MaxPingsOut+1); gone > 15*time.Second {
		t.Errorf("%s: a service that was cut off is believed in for %s", file, gone)
	}
	if c := opts.Cluster; c.Port != 0 {
		if gone := c.PingInterval * time.Duration(c.MaxPingsOut+1); c.PingInterval == 0 || gone > 10*time.Second {
			t.Errorf("%s: a node that was cut off is believed in for %s", file, gone)
		}
	}
	opts.NoLog, opts.NoSigs = true, true
	s, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("NATS is not ready")
	}
	return s
}

// signIn connects with a key of a folder, and tells on refused what the server refuses.
func signIn(t *testing.T, s *server.Server, file, user string) (nc *nats.Conn, refused chan error) {
	t.Helper()
	refused = make(chan error, 16)
	key, err := nats.NkeyOptionFromSeed(file)
	if err != nil {
		t.Fatal(err)
	}
	nc, err = nats.Connect(s.ClientURL(), key, nats.NoReconnect(), nats.Timeout(time.Minute), nats.CustomInboxPrefix(subject.InboxPrefix(user)),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	if err != nil {
		t.Fatalf("%s is not let in with its key: %v", user, err)
	}
	t.Cleanup(nc.Close)
	return nc, refused
}

// hears tells whether a user may listen at a subject.
func hears(t *testing.T, nc *nats.Conn, refused chan error, subj string) bool {
	t.Helper()
	sub, err := nc.SubscribeSync(subj)
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if nc.LastError() == nil {
		return true
	}
	select {
	case err := <-refused:
		if !strings.Contains(strings.ToLower(err.Error()), "permissions violation") {
			t.Fatalf("%s: %v", subj, err)
		}
	case <-time.After(time.Minute):
		t.Fatalf("%s: an error that nobody was told: %v", subj, nc.LastError())
	}
	return false
}

// checkKeys expects of a server that it lets each service in with its key of dir, gives it
// its work and keeps what is pairing's from the others.
func checkKeys(t *testing.T, s *server.Server, dir string) {
	t.Helper()
	work := map[string]string{
		subject.Pairing: credential, subject.Stream: subject.StreamCommand, subject.Gateway: subject.Session("c"),
		subject.Discovery: subject.DiscoveryList, subject.Management: subject.EventAudit,
	}
	for _, name := range services {
		for _, subj := range []string{work[name], credential, subject.PairingIdentity, ">"} {
			// A connection for each question: its last error stays.
			nc, refused := signIn(t, s, filepath.Join(dir, name+keySuffix), name)
			want := subj == work[name] || name == subject.Pairing && subj != ">"
			if got := hears(t, nc, refused, subj); got != want {
				t.Errorf("%s listens at %s: %v, want %v", name, subj, got, want)
			}
			nc.Close()
		}
	}
	for who, opt := range map[string]nats.Option{"nobody": nats.Name("nobody"), "the password of before": nats.UserInfo("tutti", "password")} {
		if nc, err := nats.Connect(s.ClientURL(), opt); err == nil {
			nc.Close()
			t.Errorf("NATS lets %s in", who)
		}
	}
}

// composeConf is NATS's configuration of compose, in a folder that has in it what the
// container has beside it.
func composeConf(t *testing.T, root string) (dir, conf string) {
	t.Helper()
	s, err := project(t).GetService("nats")
	if err != nil {
		t.Fatal(err)
	}
	i := slices.Index(s.Command, "--config")
	if i < 0 || len(s.Configs) != 1 || filepath.Dir(s.Configs[0].Target) != filepath.Dir(s.Command[i+1]) || filepath.Base(s.Configs[0].Target) != "auth.conf" {
		t.Fatalf("NATS reads %v, which includes auth.conf of its folder; mounted are %v", s.Command, s.Configs)
	}
	dir = t.TempDir()
	copyFile(t, filepath.Join(root, "deploy/compose/secrets/nats_auth.conf"), filepath.Join(dir, "auth.conf"))
	b, err := os.ReadFile("compose/nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	return dir, string(b)
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// NATS of compose lets each service in with the key that secrets.sh made. A key that was
// replaced is shut out when NATS has read its configuration again, and the others stay.
func TestComposeNATSKnowsItsServices(t *testing.T) {
	root := checkout(t)
	script := filepath.Join(root, "deploy/compose/secrets.sh")
	runScript(t, script)
	keys := filepath.Join(root, "deploy/compose/secrets/nats")
	dir, conf := composeConf(t, root)
	s := runNATS(t, dir, conf)
	checkKeys(t, s, keys)

	old := filepath.Join(t.TempDir(), "stream.nk")
	copyFile(t, filepath.Join(keys, "stream.nk"), old)
	stays, _ := signIn(t, s, filepath.Join(keys, "pairing.nk"), subject.Pairing)
	goes, _ := signIn(t, s, old, subject.Stream)
	mounted := filepath.Join(root, "deploy/compose/secrets/nats_auth.conf")
	before, err := os.Stat(mounted)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(keys, "stream.nk")); err != nil {
		t.Fatal(err)
	}
	runScript(t, script)
	after, err := os.Stat(mounted)
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("secrets.sh put another file in the place of %s: the container still has the old one (%v)", mounted, err)
	}
	copyFile(t, mounted, filepath.Join(dir, "auth.conf"))
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); !goes.IsClosed(); {
		if time.Now().After(end) {
			t.Fatal("the old key's connection lives a minute after the reload")
		}
		_ = goes.FlushTimeout(100 * time.Millisecond)
	}
	if err := stays.Flush(); err != nil {
		t.Errorf("pairing's connection did not outlive the reload: %v", err)
	}
	checkKeys(t, s, keys)
}

// The configuration that Kubernetes mounts does the same in each overlay, with what
// nats-keys.sh printed beside it.
func TestKubernetesNATSKnowsItsServices(t *testing.T) {
	for _, overlay := range overlays {
		t.Run(overlay, func(t *testing.T) {
			keys := filepath.Join(t.TempDir(), "keys")
			dir := mountedNATS(t, overlay, keys)
			t.Setenv("POD_NAME", "nats-0")
			t.Setenv("VENUE", "venue-1")
			t.Setenv("CHAIN_URL", `"nats-leaf://venue:secret@`+nobody(t)+`"`)
			peers(t, overlay, "route_secret")
			checkKeys(t, runNATS(t, dir, rendered(t, overlay)), keys)
		})
	}
}

// mountedNATS makes the folder with NATS's configuration as the pod of an overlay has it:
// all files of the ConfigMaps that the volume names, but nats.conf.
func mountedNATS(t *testing.T, overlay, keys string) string {
	t.Helper()
	_, auth := natsKeys(t, keys)
	dir, maps := t.TempDir(), []string{}
	for _, v := range podSpecs(render(t, overlay))["nats"].Spec.Volumes {
		if v.Projected == nil {
			continue
		}
		for _, src := range v.Projected.Sources {
			if src.ConfigMap != nil && src.ConfigMap.Optional == nil {
				maps = append(maps, src.ConfigMap.Name)
			}
		}
	}
	if !slices.Equal(maps, []string{"nats", "nats-auth"}) {
		t.Fatalf("%s: NATS has the ConfigMaps %v in its folder", overlay, maps)
	}
	if err := os.WriteFile(filepath.Join(dir, "auth.conf"), []byte(auth), 0o600); err != nil {
		t.Fatal(err)
	}
	included(t, dir, natsMap(t, render(t, overlay)))
	return dir
}

// natsMap is the ConfigMap of NATS.
func natsMap(t *testing.T, objs []runtime.Object) *corev1.ConfigMap {
	t.Helper()
	for _, o := range objs {
		if c, ok := o.(*corev1.ConfigMap); ok && c.Name == "nats" {
			return c
		}
	}
	t.Fatal("there is no ConfigMap nats")
	return nil
}

// included writes what nats.conf includes of its own ConfigMap.
func included(t *testing.T, dir string, m *corev1.ConfigMap, replace ...string) {
	t.Helper()
	for name, text := range m.Data {
		if name == "nats.conf" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.NewReplacer(replace...).Replace(text)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// given are the ports of the addresses that the function nobody has returned.
var given = map[int]bool{}

// nobody is an address of loopback at which nobody listens, until the test does: one that the
// system gives to nobody who asks for port 0, and platform/nettest to no test.
func nobody(t *testing.T) string {
	t.Helper()
	for range 10_000 {
		port := 32_000 + rand.IntN(768)
		if given[port] {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		given[port] = true
		_ = l.Close()
		return l.Addr().String()
	}
	t.Fatal("no free port")
	return ""
}

// peers sets the variables of a pod of NATS as the overlay's StatefulSet composes them, with
// addresses of loopback in the place of the nodes'.
func peers(t *testing.T, overlay, password string, addrs ...string) {
	t.Helper()
	for _, c := range podSpecs(render(t, overlay))["nats"].Spec.Containers {
		for _, e := range c.Env {
			if e.Name != "NATS_ROUTES" {
				continue
			}
			routes := strings.ReplaceAll(e.Value, "$(NATS_ROUTE_PASSWORD)", password)
			for i := range 3 {
				addr := nobody(t)
				if i < len(addrs) {
					addr = addrs[i]
				}
				host := fmt.Sprintf("nats-%d.nats:6222", i)
				if !strings.Contains(routes, host) {
					t.Errorf("%s: no route to %s: %s", overlay, host, routes)
				}
				routes = strings.ReplaceAll(routes, host, addr)
			}
			t.Setenv("NATS_ROUTES", routes)
			t.Setenv("NATS_ROUTE_PASSWORD", password)
		}
	}
}

// The nodes of a venue find each other with the password, and let nobody in as a node who
// has another one.
func TestNodesOfNATSKnowEachOtherByAPassword(t *testing.T) {
	for _, overlay := range []string{"venue", "chain"} {
		t.Run(overlay, func(t *testing.T) {
			t.Setenv("VENUE", "venue-1")
			t.Setenv("CHAIN_URL", `"nats-leaf://venue:secret@`+nobody(t)+`"`)
			keys := filepath.Join(t.TempDir(), "keys")
			dir := mountedNATS(t, overlay, keys)
			addrs := []string{nobody(t), nobody(t)}
			node := func(i int, password string) *server.Server {
				peers(t, overlay, password, addrs...)
				t.Setenv("POD_NAME", fmt.Sprintf("nats-%d", i))
				conf := rendered(t, overlay)
				if i < len(addrs) {
					conf = strings.Replace(conf, "port: 6222", `listen: "`+addrs[i]+`"`, 1)
				}
				return runNATS(t, dir, conf)
			}
			first, second := node(0, "route_right"), node(1, "route_right")
			for end := time.Now().Add(time.Minute); first.NumRoutes() == 0 || second.NumRoutes() == 0; <-time.After(20 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("two nodes with the password do not find each other")
				}
			}
			pairing, _ := signIn(t, first, filepath.Join(keys, "pairing.nk"), subject.Pairing)
			asked, err := pairing.SubscribeSync(credential)
			if err != nil {
				t.Fatal(err)
			}
			if err := pairing.Flush(); err != nil {
				t.Fatal(err)
			}
			n := 0
			ask := func(at *server.Server) error {
				gateway, _ := signIn(t, at, filepath.Join(keys, "session-gateway.nk"), subject.Gateway)
				n++
				text := fmt.Sprint(n)
				if err := gateway.Publish(credential, []byte(text)); err != nil {
					t.Fatal(err)
				}
				if err := gateway.Flush(); err != nil {
					t.Fatal(err)
				}
				for {
					m, err := asked.NextMsg(time.Second)
					if err != nil || string(m.Data) == text { // an earlier one may come late
						return err
					}
				}
			}
			for end := time.Now().Add(time.Minute); ask(second) != nil; { // interest travels, too
				if time.Now().After(end) {
					t.Fatal("what is asked at one node is not heard at the other")
				}
			}
			stranger := node(2, "route_wrong")
			for range 3 {
				if ask(stranger) == nil {
					t.Fatal("what a node with another password says is heard")
				}
			}
		})
	}
}

// A venue of a chain, with the keys: its trust events reach the chain, and its audio does not.
func TestChainHearsOfAVenueWithKeys(t *testing.T) {
	hubConf, err := os.ReadFile("nats/chain.conf")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("VENUE_PASSWORD", "secret-of-the-chain")
	t.Setenv("CHAIN_PASSWORD", "who-looks")
	leaf := nobody(t)
	hub := runNATS(t, t.TempDir(), strings.Replace(string(hubConf), "port: 7422", `listen: "`+leaf+`"`, 1))
	center, err := nats.Connect(hub.ClientURL(), nats.UserInfo("chain", "who-looks"), nats.Timeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	defer center.Close()
	heard := make(chan *nats.Msg, 1024)
	for _, subj := range []string{subject.EventTrustAll, subject.TapeAll, subject.StreamCommand, ">"} {
		if _, err := center.ChanSubscribe(subj, heard); err != nil {
			t.Fatal(err)
		}
	}
	if err := center.Flush(); err != nil {
		t.Fatal(err)
	}

	keys := filepath.Join(t.TempDir(), "keys")
	dir := mountedNATS(t, "chain", keys)
	t.Setenv("POD_NAME", "nats-0")
	t.Setenv("VENUE", "venue-1")
	t.Setenv("CHAIN_URL", `"nats-leaf://venue:secret-of-the-chain@`+leaf+`"`)
	peers(t, "chain", "route_secret")
	venue := runNATS(t, dir, rendered(t, "chain"))
	pairing, _ := signIn(t, venue, filepath.Join(keys, "pairing.nk"), subject.Pairing)
	stream, _ := signIn(t, venue, filepath.Join(keys, "stream.nk"), subject.Stream)
	say := func(nc *nats.Conn, subj string) {
		t.Helper()
		if err := nc.Publish(subj, []byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	end, retry := time.After(60*time.Second), time.NewTicker(200*time.Millisecond)
	defer retry.Stop()
	// The link is up when a first event crosses; what comes before a last one has crossed too.
	for up, last := false, false; !last; {
		select {
		case m := <-heard:
			switch m.Subject {
			case subject.EventTrust("first"):
				if !up {
					up = true
					say(stream, subject.Tape("g", "r"))
					say(stream, subject.StreamCommand)
					say(pairing, subject.EventTrust("last"))
				}
			case subject.EventTrust("last"):
				last = true
			default:
				t.Errorf("%s left the venue", m.Subject)
			}
		case <-retry.C:
			if !up {
				say(pairing, subject.EventTrust("first"))
			}
		case <-end:
			t.Fatalf("no event of the venue reached the chain within 60 s (link up: %v)", up)
		}
	}
}

// What NATS kept before the keys is there with them: streams are in the same account.
func TestComposeUpgradeKeepsWhatNATSHolds(t *testing.T) {
	root := checkout(t)
	secrets := filepath.Join(root, "deploy/compose/secrets")
	if err := os.MkdirAll(secrets, 0o700); err != nil {
		t.Fatal(err)
	}
	// An installation of before: secrets.sh leaves every file of it as it is.
	before := map[string]string{"nats_password": "pw\n", "nats_auth": "user: tutti, password: \"pw\"\n", "nats_url": "nats://tutti:pw@nats:4222\n",
		"nats_url_host": "nats://tutti:pw@127.0.0.1:4222\n", "postgres_password": "pg\n", "database_url": "postgres://x\n",
		"deployment_key": "key\n", "admin_token": "token\n"}
	for name, text := range before {
		if err := os.WriteFile(filepath.Join(secrets, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	runScript(t, filepath.Join(root, "deploy/compose/secrets.sh"))
	for name, text := range before {
		if b, err := os.ReadFile(filepath.Join(secrets, name)); err != nil || string(b) != text {
			t.Errorf("secrets.sh changed %s (%v)", name, err)
		}
	}

	store := t.TempDir()
	keep := []string{"store_dir: \"", "store_dir: \"" + store + "\" #"}
	dir, conf := composeConf(t, root)
	if err := os.WriteFile(filepath.Join(dir, "password.conf"), []byte("authorization { user: tutti, password: pw }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	old := runNATS(t, dir, strings.Replace(conf, "include auth.conf", "include password.conf", 1), keep...)
	nc, err := nats.Connect(old.ClientURL(), nats.UserInfo("tutti", "pw"), nats.Timeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	js, err := nc.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.CreateKeyValue(&nats.KeyValueConfig{Bucket: subject.BucketGroups})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.PutString("kitchen", "plays"); err != nil {
		t.Fatal(err)
	}
	nc.Close()
	old.Shutdown()
	old.WaitForShutdown()

	s := runNATS(t, dir, conf, keep...)
	nc, refused := signIn(t, s, filepath.Join(secrets, "nats", "stream.nk"), subject.Stream)
	js, err = nc.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	if kv, err = js.KeyValue(subject.BucketGroups); err != nil {
		t.Fatal(err)
	}
	if e, err := kv.Get("kitchen"); err != nil || string(e.Value()) != "plays" {
		t.Errorf("what was kept under the password: %v (%d refusals)", err, len(refused))
	}
}

// answers asks a server what a probe of its pod asks.
func answers(t *testing.T, s *server.Server, p *corev1.Probe) bool {
	t.Helper()
	r, err := http.Get("http://" + s.MonitorAddr().String() + p.HTTPGet.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	return r.StatusCode == http.StatusOK
}

func becomes(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !ok(); <-time.After(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("60 s later still not: %s", what)
		}
	}
}

// A node of NATS counts as started when it has again what the others hold in memory, so that a
// roll does not take the next one too early; and the first of three does not wait for itself.
func TestANodeOfNATSHasStartedWhenItHasCaughtUp(t *testing.T) {
	objs := render(t, "venue")
	var set *appsv1.StatefulSet
	for _, o := range objs {
		if s, ok := o.(*appsv1.StatefulSet); ok && s.Name == "nats" {
			set = s
		}
	}
	c := set.Spec.Template.Spec.Containers[0]
	if set.Spec.PodManagementPolicy != appsv1.ParallelPodManagement {
		t.Error("nodes start one after the other, and none starts without the others")
	}
	if set.Spec.UpdateStrategy.Type != appsv1.RollingUpdateStatefulSetStrategyType {
		t.Error("nodes are not rolled one by one")
	}

	dir, addrs := t.TempDir(), []string{nobody(t), nobody(t), nobody(t)}
	included(t, dir, natsMap(t, objs))
	node := func(i int, store string) *server.Server {
		peers(t, "venue", "route_right", addrs...)
		t.Setenv("POD_NAME", fmt.Sprintf("nats-%d", i))
		conf := strings.Replace(rendered(t, "venue"), "port: 6222", `listen: "`+addrs[i]+`"`, 1)
		file := writeNATS(t, dir, conf, "include auth.conf", "", `store_dir: "`, `store_dir: "`+store+`" #`)
		return startNATS(t, file)
	}
	stores := []string{t.TempDir(), t.TempDir(), t.TempDir()}
	nodes := []*server.Server{node(0, stores[0])}
	if answers(t, nodes[0], c.StartupProbe) {
		t.Error("a node that is alone counts as started")
	}
	if !answers(t, nodes[0], c.LivenessProbe) {
		t.Error("a node that waits for the others would be killed")
	}
	nodes = append(nodes, node(1, stores[1]), node(2, stores[2]))
	for i, s := range nodes {
		for name, p := range map[string]*corev1.Probe{"startup": c.StartupProbe, "readiness": c.ReadinessProbe, "liveness": c.LivenessProbe} {
			becomes(t, fmt.Sprintf("node %d answers the %s probe", i, name), func() bool { return answers(t, s, p) })
		}
	}

	nc, err := nats.Connect(nodes[0].ClientURL(), nats.Timeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := nc.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	tape := &nats.StreamConfig{Name: "tape", Subjects: []string{"tape"}, Storage: nats.MemoryStorage, Replicas: 3}
	becomes(t, "all three nodes take a tape", func() bool { _, err := js.AddStream(tape); return err == nil })
	const chunks = 2000
	written := 0
	write := func() {
		t.Helper()
		for written += chunks; ; <-time.After(20 * time.Millisecond) {
			info, err := js.StreamInfo("tape") // it answers when the stream has a leader
			if err == nil && info.State.Msgs >= uint64(written) {
				return
			}
			if err != nil {
				continue
			}
			for range uint64(written) - info.State.Msgs {
				if _, err := js.PublishAsync("tape", make([]byte, 4096)); err != nil {
					t.Fatal(err)
				}
			}
			select {
			case <-js.PublishAsyncComplete():
			case <-time.After(60 * time.Second):
				t.Fatal("the cluster does not take what is written")
			}
		}
	}
	write()
	nodes[2].Shutdown()
	nodes[2].WaitForShutdown()
	write()
	back := node(2, stores[2]) // what it had was in memory
	becomes(t, "the node that came back has started", func() bool { return answers(t, back, c.StartupProbe) })
	// The next node goes when this one is ready, which the next probe of that finds.
	limit := time.Duration(c.ReadinessProbe.PeriodSeconds) * time.Second
	began := time.Now()
	becomes(t, "the node that came back has the whole tape", func() bool {
		a, err := back.JszAccount(&server.JSzOptions{Account: "$G", Streams: true})
		return err == nil && len(a.Streams) == 1 && a.Streams[0].State.Msgs >= uint64(written)
	})
	if took := time.Since(began); took > limit {
		t.Errorf("it had caught up %s after it counted as started", took)
	}
}
