package natscmd

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/platform/lease"
	"github.com/tutti-audio/tutti/proto/subject"
)

// serve starts a NATS server with the permissions of dir.
func serve(t *testing.T, dir string) *server.Server {
	t.Helper()
	file := filepath.Join(dir, "nats.conf")
	conf := "listen: 127.0.0.1:-1\njetstream { store_dir: \"" + t.TempDir() + "\" }\ninclude auth.conf\n"
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	return start(t, file)
}

// patience bounds what takes a moment on an idle machine.
const patience = time.Minute

// start runs a NATS server with a configuration file until the test ends.
func start(t *testing.T, file string) *server.Server {
	t.Helper()
	opts, err := server.ProcessConfigFile(file)
	if err != nil {
		t.Fatal(err)
	}
	opts.NoLog, opts.NoSigs = true, true
	s, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(patience) {
		t.Fatalf("the server of %s is not ready", file)
	}
	return s
}

// probe is a plain client that tells what the server refuses.
type probe struct {
	t   *testing.T
	nc  *nats.Conn
	err chan error
}

func newProbe(t *testing.T, s *server.Server, dir, user string) *probe {
	t.Helper()
	key, err := nats.NkeyOptionFromSeed(filepath.Join(dir, user+keySuffix))
	if err != nil {
		t.Fatal(err)
	}
	p := &probe{t: t, err: make(chan error, 16)}
	p.nc, err = nats.Connect(s.ClientURL(), key, nats.Timeout(patience), nats.CustomInboxPrefix(subject.InboxPrefix(user)),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { p.err <- err }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.nc.Close)
	return p
}

// refused tells whether the server refuses what f does.
func (p *probe) refused(f func() error) bool {
	p.t.Helper()
	before := p.nc.LastError()
	if err := f(); err != nil {
		p.t.Fatal(err)
	}
	if err := p.nc.Flush(); err != nil {
		p.t.Fatal(err)
	}
	if p.nc.LastError() == before {
		return false
	}
	select {
	case err := <-p.err:
		return strings.Contains(strings.ToLower(err.Error()), "permissions violation")
	case <-time.After(patience):
		p.t.Fatalf("an error that nobody was told: %v", p.nc.LastError())
		return false
	}
}

func (p *probe) publishes(subj string) bool {
	return !p.refused(func() error { return p.nc.Publish(subj, nil) })
}

func (p *probe) listens(subj string) bool {
	return !p.refused(func() error {
		sub, err := p.nc.SubscribeSync(subj)
		if err == nil {
			p.t.Cleanup(func() { _ = sub.Unsubscribe() })
		}
		return err
	})
}

// TestEachServiceMayDoItsWorkOnly asks a real server, for every rule and every store, who
// may publish, listen and write, and expects exactly those that the table names.
func TestEachServiceMayDoItsWorkOnly(t *testing.T) {
	dir := t.TempDir()
	if err := Write(dir, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	s := serve(t, dir)
	fill := strings.NewReplacer("*", "some", ">", "some.thing")
	for _, user := range subject.Services() {
		t.Run(user, func(t *testing.T) {
			p := newProbe(t, s, dir, user)
			for _, r := range subject.Rules() {
				subj := fill.Replace(r.Pattern)
				if got, want := p.publishes(subj), slices.Contains(r.From, user); got != want {
					t.Errorf("publish to %s: %v, want %v", subj, got, want)
				}
				if got, want := p.listens(subj), slices.Contains(r.To, user); got != want {
					t.Errorf("listen at %s: %v, want %v", subj, got, want)
				}
			}
			for _, st := range subject.Stores() {
				if st.Kind != subject.KindBucket {
					continue
				}
				keys, writes := st.Writers[user]
				for _, k := range keys {
					if subj := "$KV." + st.Name + "." + fill.Replace(k); !p.publishes(subj) {
						t.Errorf("cannot write %s", subj)
					}
				}
				if !writes || !slices.Contains(keys, ">") {
					if subj := "$KV." + st.Name + ".zzz.zzz"; p.publishes(subj) {
						t.Errorf("can write %s", subj)
					}
				}
				_, reads := st.Readers[user]
				if got, want := p.publishes("$JS.API.CONSUMER.CREATE.KV_"+st.Name+".c.$KV."+st.Name+".>"), writes || reads; got != want {
					t.Errorf("read bucket %s: %v, want %v", st.Name, got, want)
				}
				if p.listens("$KV." + st.Name + ".>") {
					t.Errorf("listens at the bucket %s behind JetStream's back", st.Name)
				}
			}
			for _, other := range subject.Users() {
				if got, want := p.listens(subject.InboxPrefix(other)+".>"), other == user; got != want {
					t.Errorf("listen at the answers of %s: %v, want %v", other, got, want)
				}
			}
			for _, subj := range []string{">", "tutti.>", "tutti.v1.>", "_INBOX.>", "$JS.>", "$KV.>", "$SYS.>"} {
				if p.listens(subj) {
					t.Errorf("may listen at %s", subj)
				}
			}
		})
	}
}

// TestToolsAskWhatServicesThereAre: the usual tools, with the key of the tools and an inbox
// of their own making, get an answer of each service; no service may ask another that.
func TestToolsAskWhatServicesThereAre(t *testing.T) {
	dir := t.TempDir()
	if err := Write(dir, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	s := serve(t, dir)
	key, err := nats.NkeyOptionFromSeed(filepath.Join(dir, subject.Tools+keySuffix))
	if err != nil {
		t.Fatal(err)
	}
	tools, err := nats.Connect(s.ClientURL(), key, nats.Timeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	defer tools.Close()
	for _, name := range subject.Services() {
		p := newProbe(t, s, dir, name)
		svc, err := micro.AddService(p.nc, micro.Config{Name: name, Version: "0.0.1"})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.nc.Flush(); err != nil {
			t.Fatal(err)
		}
		for _, verb := range []string{"PING", "INFO", "STATS"} {
			if _, err := tools.Request("$SRV."+verb+"."+name, nil, patience); err != nil {
				t.Errorf("%s of %s: %v", verb, name, err)
			}
		}
		if err := svc.Stop(); err != nil {
			t.Fatal(err)
		}
		if p.publishes("$SRV.PING") {
			t.Errorf("%s may ask what services there are", name)
		}
	}
}

// TestKeysStay: running it again changes no key; a file that holds none says so.
func TestKeysStay(t *testing.T) {
	dir := t.TempDir()
	var first, second bytes.Buffer
	if err := Write(dir, &first); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, authFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := Write(dir, &second); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(filepath.Join(dir, authFile))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the second run changed auth.conf (%v)", err)
	}
	if strings.Contains(first.String(), "kept") || strings.Contains(second.String(), "made") {
		t.Errorf("first run:\n%s\nsecond:\n%s", &first, &second)
	}
	for _, e := range append(subject.Users(), admin) {
		if st, err := os.Stat(filepath.Join(dir, e+keySuffix)); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v; want 0600", e, st.Mode(), err)
		}
		seed, err := os.ReadFile(filepath.Join(dir, e+keySuffix))
		if err != nil || bytes.Contains(after, bytes.TrimSpace(seed)) {
			t.Errorf("auth.conf holds the seed of %s (%v)", e, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "stream.nk"), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Write(dir, &second); err == nil || !strings.Contains(err.Error(), "stream.nk") {
		t.Errorf("a file without a key: %v", err)
	}
}

// TestNamesOfOthers: the table spells what packages below the services call theirs.
func TestNamesOfOthers(t *testing.T) {
	for got, want := range map[string]string{
		subject.BucketLeases: lease.BucketName, subject.BucketLives: lease.LivesName, subject.BucketClock: houseclock.Bucket,
		subject.ClockExchange: houseclock.ExchangeSubject, subject.ClockCopy: houseclock.CopySubject,
		subject.ClockNeighbour("x"): houseclock.NeighbourPrefix + ".x",
	} {
		if got != want {
			t.Errorf("the table says %q, the package %q", got, want)
		}
	}
}
