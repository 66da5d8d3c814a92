package natscmd

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/tutti-audio/tutti/platform/nettest"
	"github.com/tutti-audio/tutti/proto/subject"
)

// deployed starts a server with a configuration of deploy/nats, on free ports of loopback
// and a store of the test.
func deployed(t *testing.T, dir, name string, leafPort int) *server.Server {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "deploy", "nats", name))
	if err != nil {
		t.Fatal(err)
	}
	conf := strings.NewReplacer("port: 4222", `listen: "127.0.0.1:-1"`, "http: 127.0.0.1:8222", "", "/data", t.TempDir(),
		"port: 7422", fmt.Sprintf(`listen: "127.0.0.1:%d"`, leafPort)).Replace(string(text))
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	return start(t, file)
}

// writeAuth writes an auth.conf with what `tutti nats-config` allows, for users with
// passwords equal to their names.
func writeAuth(t *testing.T, dir string) {
	t.Helper()
	var b strings.Builder
	b.WriteString("authorization { users: [\n")
	for _, user := range subject.Users() {
		p := subject.Allowed(user)
		fmt.Fprintf(&b, "{ user: %q, password: %q, permissions: { publish: { allow: [ %s ] }, subscribe: { allow: [ %s ] } } }\n",
			user, user, quoted(p.Publish), quoted(p.Subscribe))
	}
	b.WriteString("{ user: anyone, password: anyone }\n] }\naccounts { $SYS { users: [ { user: admin, password: admin } ] } }\n")
	if err := os.WriteFile(filepath.Join(dir, "auth.conf"), []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

func quoted(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = strconv.Quote(s)
	}
	return strings.Join(out, ", ")
}

// as connects to s as one of the users of writeAuth.
func as(t *testing.T, s *server.Server, user string) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(s.ClientURL(), nats.UserInfo(user, user), nats.Timeout(patience), nats.CustomInboxPrefix(subject.InboxPrefix(user)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// TestAChainHearsOfTrustAndHealthAndNoAudio runs the two servers of deploy/nats: what a
// chain must know crosses, and nothing else in either direction.
func TestAChainHearsOfTrustAndHealthAndNoAudio(t *testing.T) {
	leafPort := nettest.FreePort(t)
	t.Setenv("VENUE", "lisbon")
	t.Setenv("VENUE_PASSWORD", "secret-of-the-chain")
	t.Setenv("CHAIN_PASSWORD", "who-looks")
	t.Setenv("CHAIN_URL", fmt.Sprintf(`"nats-leaf://venue:secret-of-the-chain@127.0.0.1:%d"`, leafPort))
	dir := t.TempDir()
	writeAuth(t, dir)
	hub := deployed(t, dir, "chain.conf", leafPort)
	venue := deployed(t, dir, "venue.conf", leafPort)

	center, err := nats.Connect(hub.ClientURL(), nats.UserInfo("chain", "who-looks"), nats.Timeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	defer center.Close()
	// A leaf is told of each interest by itself, and not of one in everything.
	heard := make(chan *nats.Msg, 1024)
	for _, subj := range []string{subject.EventTrustAll, subject.EventRosterAll, subject.EventAudit,
		subject.EventHealthFindings, subject.EventHealthSummary, "tutti.v1.ev.health.>", "tutti.v1.ev.>", "$KV.instances.>", "$KV.users.>", "$KV.lives.>",
		subject.TapeAll, subject.Capture("*"), "$KV.groups.>", "$KV.trust.>", "$KV.personas.>", subject.StreamCommand, subject.Session("*"), ">"} {
		if _, err := center.ChanSubscribe(subj, heard); err != nil {
			t.Fatal(err)
		}
	}
	next := func(limit time.Duration) (*nats.Msg, error) {
		select {
		case m := <-heard:
			return m, nil
		case <-time.After(limit):
			return nil, nats.ErrTimeout
		}
	}
	if err := center.Flush(); err != nil {
		t.Fatal(err)
	}
	pairing, stream, management := as(t, venue, subject.Pairing), as(t, venue, subject.Stream), as(t, venue, subject.Management)
	publish := func(nc *nats.Conn, subj string) {
		t.Helper()
		if err := nc.Publish(subj, []byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	// The link is up, and the venue knows of each interest of the chain, when the first event of
	// each kind has crossed.
	first := []string{subject.EventTrust("first"), subject.EventRoster("first"), subject.EventAudit, subject.EventHealthFinding("first"), subject.EventHealthSummary}
	crossed := map[string]bool{}
	for end := time.Now().Add(patience); len(crossed) < len(first); {
		for _, subj := range first {
			from := pairing
			if strings.HasPrefix(subj, "tutti.v1.ev.health.") {
				from = management
			}
			publish(from, subj)
		}
		for m, err := next(200 * time.Millisecond); err == nil; m, err = next(0) {
			crossed[m.Subject] = true
		}
		if time.Now().After(end) {
			t.Fatalf("of the venue's events only %v reached the chain within %v", crossed, patience)
		}
	}
	for _, subj := range []string{subject.Tape("g", "r"), "$KV.groups.g", subject.StreamCommand, subject.Session("c")} {
		publish(stream, subj)
	}
	for _, subj := range []string{"$KV.trust.c", "$KV.personas.p", "$KV.instances.pairing.i"} {
		publish(pairing, subj)
	}
	for _, subj := range []string{"$KV.users.u", "$KV.instances.management.i", "$KV.lives.i", subject.PairingSettings} {
		publish(management, subj)
	}
	// Not all that begins with "ev" is an event of the chain, whoever sends it.
	admin := as(t, venue, "anyone")
	for _, subj := range []string{"tutti.v1.ev.health", "tutti.v1.ev.health.other", "tutti.v1.ev.health.finding.late.more", "tutti.v1.ev.other"} {
		publish(admin, subj)
	}
	health := []string{subject.EventHealthFinding("late"), subject.EventHealthSummary, subject.EventHealthFinding("last")}
	for _, subj := range health {
		publish(management, subj)
	}
	want := []string{subject.EventTrust("c"), subject.EventRoster("p"), subject.EventAudit, subject.EventTrust("last")}
	for _, subj := range want {
		publish(pairing, subj)
	}
	want = append(want, health...)
	got := map[string]bool{}
	// Two services publish, on two connections: their order is not one.
	for !got[subject.EventTrust("last")] || !got[subject.EventHealthFinding("last")] {
		m, err := next(patience)
		if err != nil {
			t.Fatalf("the last events did not cross: %v; %v did", err, got)
		}
		got[m.Subject] = true
	}
	for _, subj := range first { // sent until it came
		if !slices.Contains(want, subj) {
			delete(got, subj)
		}
	}
	for _, subj := range want {
		if !got[subj] {
			t.Errorf("%s did not cross", subj)
		}
		delete(got, subj)
	}
	for subj := range got {
		t.Errorf("%s left the venue", subj)
	}

	// From the chain nothing comes in, be it a request or a forged event.
	inside := as(t, venue, "anyone")
	arrived := make(chan *nats.Msg, 256)
	if _, err := inside.ChanSubscribe("tutti.v1.>", arrived); err != nil {
		t.Fatal(err)
	}
	forged := []string{subject.PairingRevoke, subject.EventTrust("forged"), subject.EventHealthFinding("forged"), subject.EventHealthSummary, subject.Tape("g", "forged")}
	for _, subj := range forged {
		if _, err := inside.ChanSubscribe(subj, arrived); err != nil {
			t.Fatal(err)
		}
	}
	if err := inside.Flush(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		for _, subj := range forged {
			publish(center, subj)
		}
	}
	// An event that crosses outwards afterwards shows that the link works.
	publish(pairing, subject.EventTrust("probe"))
	for m, err := next(patience); m == nil || m.Subject != subject.EventTrust("probe"); m, err = next(patience) {
		if err != nil {
			t.Fatalf("the link broke: %v", err)
		}
	}
	for {
		select {
		case m := <-arrived:
			if m.Subject != subject.EventTrust("probe") {
				t.Errorf("the chain reached %s of the venue", m.Subject)
			}
			continue
		case <-time.After(500 * time.Millisecond):
		}
		break
	}
}

// TestAVenueKeepsEverythingButEvents: on its own side too, for every subject that is said
// on the bus and for the answers to each user, in both directions.
func TestAVenueKeepsEverythingButEvents(t *testing.T) {
	t.Setenv("VENUE", "lisbon")
	t.Setenv("CHAIN_URL", `"nats-leaf://venue:x@127.0.0.1:1"`)
	dir := t.TempDir()
	writeAuth(t, dir)
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "deploy", "nats", "venue.conf"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "venue.conf")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	opts, err := server.ProcessConfigFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(opts.LeafNode.Remotes) != 1 {
		t.Fatalf("%d remotes, want the chain's", len(opts.LeafNode.Remotes))
	}
	kept, said := 0, subject.Rules()
	for _, user := range subject.Users() {
		said = append(said, subject.Rule{Pattern: subject.InboxPrefix(user) + ".>"})
	}
	for _, r := range said {
		event := server.SubjectsCollide(r.Pattern, subject.EventsAll)
		for way, list := range map[string][]string{"out": opts.LeafNode.Remotes[0].DenyExports, "in": opts.LeafNode.Remotes[0].DenyImports} {
			denied := slices.ContainsFunc(list, func(d string) bool {
				return server.SubjectsCollide(d, r.Pattern) && strings.HasPrefix(r.Pattern, strings.TrimSuffix(d, ">"))
			})
			if denied == event {
				t.Errorf("%s %s: denied %v, want %v", r.Pattern, way, denied, !event)
			}
			if denied {
				kept++
			}
		}
	}
	if kept < 60 {
		t.Errorf("only %d subjects stay", kept)
	}
}

// TestTheClustersConfigurationLoads: with the environment that its head describes.
func TestTheClustersConfigurationLoads(t *testing.T) {
	dir := t.TempDir()
	writeAuth(t, dir)
	t.Setenv("NATS_NAME", "n1")
	t.Setenv("NATS_ROUTE_PASSWORD", "between-nodes")
	t.Setenv("NATS_ROUTES", `[ "nats-route://route:between-nodes@n2:6222", "nats-route://route:between-nodes@n3:6222" ]`)
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "deploy", "nats", "cluster.conf"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "cluster.conf")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	opts, err := server.ProcessConfigFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if opts.ServerName != "n1" || opts.Cluster.Name != "tutti" || opts.Cluster.Username != "route" || len(opts.Routes) != 2 || !opts.JetStream ||
		len(opts.Users) != len(subject.Users())+2 { // and anyone and admin
		t.Errorf("name %q, cluster %q, %d routes, JetStream %v, %d users", opts.ServerName, opts.Cluster.Name, len(opts.Routes), opts.JetStream, len(opts.Users))
	}
}
