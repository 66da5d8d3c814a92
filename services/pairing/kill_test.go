package pairing

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/platform/lease"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/pairing/pgtest"
)

// Variables of the child that TestKill9 kills.
const (
	envChildBus  = "PAIRING_TEST_CHILD_BUS"
	envChildDir  = "PAIRING_TEST_CHILD_DIR"
	envChildData = "PAIRING_TEST_CHILD_DATABASE"
)

// leaseTTL is short, because a test waits for the end of what a killed process held; and
// long enough for a busy machine, where a process that lives may not run for a second.
const leaseTTL = 5 * time.Second

// calmTTL is for leases of whose end a test does not wait.
const calmTTL = 30 * time.Second

// child runs the service until it is killed.
func child(t *testing.T) {
	ctx := context.Background()
	c, err := bus.Connect(ctx, bus.Config{URL: os.Getenv(envChildBus), Name: "child"})
	if err != nil {
		t.Fatal(err)
	}
	leases, err := lease.NewManager(c, "child", lease.Options{TTL: leaseTTL})
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{InstanceID: "child", DataDir: os.Getenv(envChildDir), DatabaseURL: os.Getenv(envChildData)},
		Deps{Bus: c, Leases: leases, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Fatal(s.Run(ctx))
}

// TestKill9: what was answered is there after kill -9, on both databases, with an
// unbroken ledger, and is announced by the next process.
func TestKill9(t *testing.T) {
	if os.Getenv(envChildBus) != "" {
		child(t)
	}
	forEachStore(t, func(t *testing.T, cfg Config) {
		server := bustest.StartServer(t)
		cfg.InstanceID = "pairing-1"
		r := &rig{t: t, cfg: cfg, logs: &logBuffer{}, bus: bustest.Connect(t, server)}
		var serverID string
		var ids []string
		for round := range 3 {
			kill := startChild(t, server, cfg)
			r.eventually("the child answers", func() error {
				return r.request(subject.PairingSettings, &pb.UpdateSettingsRequest{}, &pb.ServerSettings{})
			})
			got := r.identity().Public().ID()
			if round == 0 {
				serverID = got
			}
			if got != serverID {
				t.Fatalf("identity after kill -9: %s, was %s", got, serverID)
			}
			for _, id := range ids {
				r.wantState(knock(id, "Room "+id), approved, true)
			}
			id := newClientID()
			ids = append(ids, id)
			r.admit(knock(id, "Room "+id))
			r.approve(id)
			kill()
		}
		r.serve()
		for _, id := range ids {
			r.wantState(knock(id, "Room "+id), approved, true)
			if e := r.trustEntry(id); e.GetState() != approved {
				t.Errorf("entry of %s: %v", id, e)
			}
		}
		if got, want := r.auditKinds(), []string{"identity.created", "client.approved", "client.approved", "client.approved"}; !slices.Equal(got, want) {
			t.Errorf("ledger: got %v, want %v", got, want)
		}
		verifyChain(t, r.backstage())
	})
}

func startChild(t *testing.T, server bustest.Server, cfg Config) (kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKill9$")
	cmd.Env = append(os.Environ(), envChildBus+"="+server.URL(), envChildDir+"="+cfg.DataDir, envChildData+"="+cfg.DatabaseURL)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	kill = func() {
		if !killed {
			killed = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}
	t.Cleanup(kill)
	return kill
}

func BenchmarkCredentialAndAdmit(b *testing.B) {
	for name, setup := range map[string]func(*testing.B) Config{
		"sqlite":   func(b *testing.B) Config { return Config{DataDir: b.TempDir()} },
		"postgres": func(b *testing.B) Config { return Config{DataDir: b.TempDir(), DatabaseURL: pgtest.Start(b)} },
	} {
		b.Run(name, func(b *testing.B) { benchmark(b, setup(b)) })
	}
}

func benchmark(b *testing.B, cfg Config) {
	cfg.InstanceID, cfg.Policy, cfg.PolicyApprovalLimit = "bench", PolicyOptional, 1<<30
	c := bustest.Embedded(b)
	s, err := New(cfg, Deps{Bus: c})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	defer func() {
		cancel()
		<-done
	}()
	eventually(b, "ready", s.Ready)
	key := newBoxKey(b)
	once := func(b *testing.B, id string) {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		err := c.Request(ctx, subject.PairingCredential, &pb.CredentialRequest{ClientId: id, RecipientKey: key.pub[:]}, &pb.CredentialResponse{})
		if err == nil {
			err = c.Request(ctx, subject.PairingAdmit, knock(id, "Room "+id), &pb.AdmitResponse{})
		}
		if err != nil {
			b.Error(err)
		}
	}
	known := newClientID()
	once(b, known)
	b.Run("known", func(b *testing.B) {
		for b.Loop() {
			once(b, known)
		}
	})
	b.Run("new", func(b *testing.B) {
		for b.Loop() {
			once(b, newClientID())
		}
	})
	b.Run("new-parallel", func(b *testing.B) {
		b.SetParallelism(32)
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				once(b, newClientID())
			}
		})
	})
}
