package pairing

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"go.uber.org/goleak"
	"golang.org/x/crypto/nacl/box"
	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/lease"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
	"github.com/tutti-audio/tutti/services/pairing/internal/secret"
	"github.com/tutti-audio/tutti/services/pairing/internal/store"
	"github.com/tutti-audio/tutti/services/pairing/pgtest"
)

func TestMain(m *testing.M) {
	// Walks of the model are slow on a real database; -rapid.checks=1000 asks for more.
	if err := errors.Join(flag.Set("rapid.checks", "30"), flag.Set("rapid.steps", "60")); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for a fact.
const patience = time.Minute

// requestTime is what a test gives a request: more than a gateway does, whose machine is
// not as busy.
const requestTime = 10 * time.Second

// forEachStore runs a test on both databases at the same time. It is the last thing that a
// test does: run is called when the test's own function has returned.
func forEachStore(t *testing.T, run func(t *testing.T, cfg Config)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		run(t, Config{DataDir: t.TempDir()})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		run(t, Config{DataDir: t.TempDir(), DatabaseURL: pgtest.Start(t)})
	})
}

// rig is one running service and a bus to ask it over.
type rig struct {
	t    *testing.T
	bus  *bus.Conn
	cfg  Config
	clk  *clockwork.FakeClock // nil: the real one
	held *lease.Manager       // nil: none
	logs *logBuffer
	svc  *Service
	stop func() error
	late atomic.Bool // a request took flushTime: what it decided may not be announced yet
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newRig(t *testing.T, cfg Config) *rig {
	t.Helper()
	if cfg.InstanceID == "" {
		cfg.InstanceID = "pairing-1"
	}
	r := &rig{t: t, cfg: cfg, logs: &logBuffer{}, bus: bustest.Embedded(t)}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the service said:\n%s", r.logs)
		}
	})
	return r
}

// start runs the service and does not wait for it.
func (r *rig) start() <-chan error {
	r.t.Helper()
	deps := Deps{Bus: r.bus, Leases: r.held, Log: slog.New(slog.NewTextHandler(r.logs, nil))}
	if r.clk != nil {
		deps.Clock = r.clk
	}
	svc, err := New(r.cfg, deps)
	if err != nil {
		r.t.Fatal(err)
	}
	r.svc = svc
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	ended := make(chan struct{})
	var result error
	go func() {
		result = svc.Run(ctx)
		done <- result
		close(ended)
	}()
	r.stop = func() error {
		cancel()
		select {
		case <-ended:
		case <-time.After(time.Minute):
			r.t.Fatal("Run does not return")
		}
		return result
	}
	r.t.Cleanup(func() { _ = r.stop() })
	return done
}

// serve starts the service and waits until it is ready.
func (r *rig) serve() *rig {
	r.t.Helper()
	done, begun := r.start(), time.Now()
	r.eventually("the service is ready", func() error {
		select {
		case err := <-done:
			r.t.Fatalf("Run ended: %v", err)
		default:
		}
		if r.clk != nil && time.Since(begun) > requestTime {
			r.clk.Advance(retryEvery) // a step that failed on a slow machine waits to be tried again
		}
		return r.svc.Ready()
	})
	return r
}

func (r *rig) restart() {
	r.t.Helper()
	if err := r.stop(); err != nil {
		r.t.Fatalf("Run: %v", err)
	}
	r.serve()
}

// eventually polls for a fact.
func (r *rig) eventually(what string, fact func() error) {
	r.t.Helper()
	eventually(r.t, what, fact)
}

func eventually(t testing.TB, what string, fact func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := fact()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s: %v", patience, what, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// flushTime is how long a decision's reply waits for its announcements at most
// (herald.flushTimeout).
const flushTime = 2 * time.Second

// atOnce wants a fact that a decision has announced before its reply. It waits for the fact
// only when a reply was so late that it may have come before.
func (r *rig) atOnce(what string, fact func() error) {
	r.t.Helper()
	if r.late.Load() {
		r.eventually(what, fact)
	} else if err := fact(); err != nil {
		r.t.Fatalf("%s: %v", what, err)
	}
}

// timed is for atOnce: what has begun at that time decides something.
func (r *rig) timed(begun time.Time) {
	if time.Since(begun) >= flushTime {
		r.late.Store(true)
	}
}

func (r *rig) request(subj string, req, resp proto.Message) error {
	defer r.timed(time.Now())
	ctx, cancel := context.WithTimeout(context.Background(), requestTime)
	defer cancel()
	return r.bus.Request(ctx, subj, req, resp)
}

func (r *rig) ask(subj string, req, resp proto.Message) {
	r.t.Helper()
	if err := r.request(subj, req, resp); err != nil {
		r.t.Fatalf("%s: %v", subj, err)
	}
}

func (r *rig) wantFault(code fault.Code, text, subj string, req proto.Message) {
	r.t.Helper()
	err := r.request(subj, req, &pb.Empty{})
	if fault.CodeOf(err) != code || !strings.Contains(err.Error(), text) {
		r.t.Fatalf("%s: got %q (%s), want %s with %q", subj, err, fault.CodeOf(err), code, text)
	}
}

func newClientID() string {
	k, err := noise.GenerateKey(nil)
	if err != nil {
		panic(err)
	}
	return k.Public().ID()
}

// knock is an ordinary device at the door.
func knock(id, name string) *pb.AdmitRequest {
	return &pb.AdmitRequest{ClientId: id, PskCategory: "sn", Name: name, UnpairedAccess: true,
		Address: "10.0.0.9:40000", SupportedRoles: []string{"player@v1"}, DeviceInfo: &pb.DeviceInfo{Manufacturer: "Acme"}}
}

func (r *rig) admit(req *pb.AdmitRequest) *pb.AdmitResponse {
	r.t.Helper()
	var resp pb.AdmitResponse
	r.ask(subject.PairingAdmit, req, &resp)
	return &resp
}

func (r *rig) wantState(req *pb.AdmitRequest, want pb.TrustState, families bool) *pb.AdmitResponse {
	r.t.Helper()
	got := r.admit(req)
	if got.GetState() != want || (len(got.GetAllowedFamilies()) > 0) != families {
		r.t.Fatalf("admit: got %s %v (%s), want %s, families %v", got.GetState(), got.GetAllowedFamilies(), got.GetReason(), want, families)
	}
	return got
}

func (r *rig) approve(id string) *pb.TrustRecord {
	r.t.Helper()
	var rec pb.TrustRecord
	r.ask(subject.PairingApprove, &pb.ApproveRequest{ClientId: id, Actor: "admin"}, &rec)
	return &rec
}

func (r *rig) decide(subj, id string) *pb.TrustRecord {
	r.t.Helper()
	var rec pb.TrustRecord
	r.ask(subj, &pb.ClientRequest{ClientId: id, Actor: "admin"}, &rec)
	return &rec
}

func (r *rig) trustBucket() *bus.Bucket[pb.TrustRecord, *pb.TrustRecord] {
	r.t.Helper()
	b, err := bus.OpenBucket[pb.TrustRecord](context.Background(), r.bus, subject.BucketTrust, bus.BucketOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	return b
}

func (r *rig) instances() (b *bus.Bucket[pb.Instance, *pb.Instance]) {
	r.t.Helper()
	r.eventually("the bucket opens", func() (err error) { // its owner may be making it right now
		b, err = bus.OpenBucket[pb.Instance](context.Background(), r.bus, subject.BucketInstances, bus.BucketOptions{})
		return err
	})
	return b
}

// trustEntry is the KV entry, nil when there is none.
func (r *rig) trustEntry(id string) *pb.TrustRecord {
	r.t.Helper()
	rec, err := r.lookTrust(id)
	if err != nil {
		r.t.Fatal(err)
	}
	return rec
}

// lookTrust is trustEntry for a bus that may be away.
func (r *rig) lookTrust(id string) (*pb.TrustRecord, error) {
	b, err := bus.OpenBucket[pb.TrustRecord](context.Background(), r.bus, subject.BucketTrust, bus.BucketOptions{})
	if err != nil {
		return nil, err
	}
	rec, _, err := b.Get(context.Background(), id)
	if fault.CodeOf(err) == fault.NotFound {
		return nil, nil
	}
	return rec, err
}

func (r *rig) audit() []*pb.AuditEvent {
	r.t.Helper()
	var resp pb.AuditListResponse
	r.ask(subject.PairingAuditList, &pb.AuditListRequest{Limit: 1000}, &resp)
	return resp.GetEvents()
}

func (r *rig) auditKinds() []string {
	r.t.Helper()
	var kinds []string
	for _, e := range r.audit() {
		kinds = append(kinds, e.GetKind())
	}
	return kinds
}

// trustEvents are all TrustChanged of the stream, in order.
func (r *rig) trustEvents() []*pb.TrustChanged {
	r.t.Helper()
	return streamed[pb.TrustChanged](r, subject.EventTrustAll)
}

// streamed reads what a subject of the event stream holds now.
func streamed[T any, PT interface {
	*T
	proto.Message
}](r *rig, subj string) []PT {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	last, err := r.bus.LastFor(ctx, subject.StreamEvents, subj)
	if fault.CodeOf(err) == fault.NotFound {
		return nil
	}
	if err != nil {
		r.t.Fatal(err)
	}
	var mu sync.Mutex
	var out []PT
	done := make(chan struct{})
	var once sync.Once
	stop, err := r.bus.Consume(ctx, subject.StreamEvents, bus.ConsumeOptions{Subject: subj, FromAll: true}, func(m bus.RawMsg) {
		v := PT(new(T))
		if err := proto.Unmarshal(m.Data, v); err != nil {
			r.t.Errorf("decode %s: %v", m.Subject, err)
		}
		mu.Lock()
		out = append(out, v)
		mu.Unlock()
		if m.Seq >= last.Seq {
			once.Do(func() { close(done) })
		}
	})
	if err != nil {
		r.t.Fatal(err)
	}
	defer stop()
	select {
	case <-done:
	case <-ctx.Done():
		r.t.Fatalf("the events of %s did not come", subj)
	}
	mu.Lock()
	defer mu.Unlock()
	return slices.Clone(out)
}

// boxKey is an instance's X25519 key.
type boxKey struct{ pub, priv *[32]byte }

func newBoxKey(t testing.TB) boxKey {
	t.Helper()
	pub, priv, err := box.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return boxKey{pub, priv}
}

func (k boxKey) open(t testing.TB, sealed []byte) []byte {
	t.Helper()
	plain, ok := box.OpenAnonymous(nil, sealed, k.pub, k.priv)
	if !ok {
		t.Fatal("the sealed secret does not open with the requester's key")
	}
	return plain
}

// identity asks for the identity and opens it.
func (r *rig) identity() *noise.PrivateKey {
	r.t.Helper()
	k := newBoxKey(r.t)
	var resp pb.IdentityResponse
	r.ask(subject.PairingIdentity, &pb.IdentityRequest{RecipientKey: k.pub[:], InstanceId: "gw"}, &resp)
	priv, err := noise.NewPrivateKey(k.open(r.t, resp.GetSealedPrivateKey()))
	if err != nil {
		r.t.Fatal(err)
	}
	if priv.Public().ID() != resp.GetServerId() {
		r.t.Fatal("the private key does not belong to server_id")
	}
	return priv
}

// backstage opens the same database beside the service.
func (r *rig) backstage() desk.Store {
	r.t.Helper()
	var s desk.Store
	var err error
	if r.cfg.DatabaseURL == "" {
		s, err = store.OpenSQLite(context.Background(), r.cfg.DataDir)
	} else {
		s, err = store.OpenPostgres(context.Background(), r.cfg.DatabaseURL)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(s.Close)
	return s
}

// pair puts a pairing record there, as a finished attempt will.
func (r *rig) pair(id string) noise.PSK {
	r.t.Helper()
	psk, err := noise.GeneratePSK(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	key, err := secret.Source{DataDir: r.cfg.DataDir, File: r.cfg.DeploymentKeyFile}.Load(false)
	if err != nil {
		r.t.Fatal(err)
	}
	sealed, err := key.Seal(psk.Bytes(), secret.Place{Table: "pairing_records", Column: "sealed_psk", Row: id})
	if err != nil {
		r.t.Fatal(err)
	}
	s := r.backstage()
	defer s.Close() // a command that needs the database for itself may follow
	err = s.Update(context.Background(), func(ctx context.Context, tx desk.Tx) error {
		return tx.PutPairingRecord(context.Background(), id, sealed, time.Now())
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return psk
}
