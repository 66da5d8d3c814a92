package pairing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"pgregory.net/rapid"

	"github.com/tutti-audio/tutti/platform/fault"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
	"github.com/tutti-audio/tutti/services/pairing/internal/secret"
	"github.com/tutti-audio/tutti/services/pairing/internal/store"
	"github.com/tutti-audio/tutti/services/pairing/pgtest"
)

// verifyChain walks the whole ledger.
func verifyChain(t interface{ Fatalf(string, ...any) }, s desk.Store) []desk.Event {
	var all []desk.Event
	err := s.View(context.Background(), func(ctx context.Context, tx desk.Tx) (err error) {
		all, err = tx.Audit(ctx, 0, 1_000_000)
		return err
	})
	if err != nil {
		t.Fatalf("read the ledger: %v", err)
	}
	var prev []byte
	for i, e := range all {
		if e.ID != uint64(i+1) || !bytes.Equal(e.Prev, prev) || !bytes.Equal(e.Hash, e.ChainHash()) {
			t.Fatalf("the ledger breaks at line %d", i+1)
		}
		prev = e.Hash
	}
	return all
}

// modelClient is all that matters about a client, told the simple way.
type modelClient struct {
	approved, source, denied, decided, paired bool
	byPolicy                                  bool
}

// machine drives a desk and the model side by side. Each instance works on the
// same database for the whole run of the property, with keys of its own.
type machine struct {
	t      *rapid.T
	open   func() desk.Store
	src    secret.Source
	clock  *clockwork.FakeClock
	store  desk.Store
	desk   *desk.Desk
	ids    []string
	names  []string
	model  map[string]*modelClient
	policy string
	lines  int // audit lines that decisions must have left
}

func (m *machine) start() {
	if m.store != nil {
		m.store.Close()
	}
	m.store = m.open()
	v, err := desk.OpenVault(context.Background(), m.store, m.src, m.clock.Now())
	if err != nil {
		m.t.Fatalf("open the identity: %v", err)
	}
	metrics, err := desk.NewMetrics(nil)
	if err != nil {
		m.t.Fatalf("%v", err)
	}
	m.desk = desk.New(desk.Options{
		Store: m.store, Announcer: silent{}, Clock: m.clock, Log: slog.New(slog.DiscardHandler), Metrics: metrics,
		Limits: desk.Limits{InboxTTL: time.Hour, InboxLimit: 4, PolicyApprovalLimit: 1 << 20},
	}, v)
}

func (m *machine) pick() string { return rapid.SampledFrom(m.ids).Draw(m.t, "client") }

func (m *machine) of(id string) *modelClient {
	if m.model[id] == nil {
		m.model[id] = &modelClient{}
	}
	return m.model[id]
}

// Knock: an ordinary device asks what it may do.
func (m *machine) Knock(t *rapid.T) {
	id := m.pick()
	m.check(t, knock(id, "Room "+id))
}

// OddKnock: a device of any behaviour asks.
func (m *machine) OddKnock(t *rapid.T) {
	id := m.pick()
	req := knock(id, rapid.SampledFrom(m.names).Draw(t, "name"))
	req.UnpairedAccess = rapid.Bool().Draw(t, "unpaired_access")
	req.PskCategory = rapid.SampledFrom([]string{"lt", "sn", "pr", "", "xx"}).Draw(t, "category")
	req.CredentialMismatch = rapid.Bool().Draw(t, "mismatch")
	req.DeviceInfo.MacAddress = rapid.SampledFrom([]string{"", "02:00:00:00:00:01", "02:00:00:00:00:02"}).Draw(t, "mac")
	m.check(t, req)
}

// check asks and compares the answer with what the model allows.
func (m *machine) check(t *rapid.T, req *pb.AdmitRequest) {
	c := m.of(req.GetClientId())
	got, err := m.desk.Admit(context.Background(), req)
	if err != nil {
		t.Fatalf("admit: %v", err)
	}
	if got.GetState() == approved && !c.approved {
		if m.policy != PolicyOptional || c.decided || got.GetWarning() != "" {
			t.Fatalf("approved by nobody: policy %s, decided %v, warning %q", m.policy, c.decided, got.GetWarning())
		}
		c.approved, c.byPolicy = true, true
		m.lines++
	}
	families := got.GetAllowedFamilies()
	onRecord := req.GetPskCategory() == "lt" && !req.GetCredentialMismatch()
	may := !c.denied && (c.paired && onRecord || !c.paired && c.approved && req.GetUnpairedAccess() && req.GetPskCategory() != "lt")
	if (len(families) > 0) != may {
		t.Fatalf("families %v for %+v, category %q, mismatch %v, unpaired_access %v", families, *c, req.GetPskCategory(), req.GetCredentialMismatch(), req.GetUnpairedAccess())
	}
	if slices.Contains(families, "source") && !c.source {
		t.Fatalf("source without its own approval: %+v", *c)
	}
}

// tolerate accepts the refusals that a decision may meet.
func (m *machine) tolerate(t *rapid.T, err error, codes ...fault.Code) bool {
	if err == nil {
		return true
	}
	if !slices.Contains(codes, fault.CodeOf(err)) {
		t.Fatalf("%v", err)
	}
	return false
}

func (m *machine) ledger(t *rapid.T) int { return len(verifyChain(t, m.store)) }

func (m *machine) Approve(t *rapid.T) {
	id, source := m.pick(), rapid.Bool().Draw(t, "source")
	before := m.ledger(t)
	_, err := m.desk.Approve(context.Background(), &pb.ApproveRequest{ClientId: id, Source: source, Actor: "admin"})
	if !m.tolerate(t, err, fault.NotFound, fault.Conflict) {
		return
	}
	c := m.of(id)
	if c.denied && !c.paired || !c.decided && !c.paired || c.byPolicy {
		if m.ledger(t) != before+1 {
			t.Fatalf("an approval left no line")
		}
	}
	m.lines += m.ledger(t) - before
	c.denied, c.decided, c.byPolicy = false, true, false
	c.approved, c.source = !c.paired || source, source
}

func (m *machine) decide(t *rapid.T, f func(context.Context, *pb.ClientRequest) (*pb.TrustRecord, error), apply func(*modelClient)) {
	id, before := m.pick(), m.ledger(t)
	_, err := f(context.Background(), &pb.ClientRequest{ClientId: id, Actor: "admin"})
	if m.tolerate(t, err, fault.NotFound, fault.Conflict) {
		was := *m.of(id)
		apply(m.of(id))
		if was != *m.of(id) && m.ledger(t) != before+1 {
			t.Fatalf("a decision left no line")
		}
		m.lines += m.ledger(t) - before
	}
}

func (m *machine) Deny(t *rapid.T) {
	m.decide(t, m.desk.Deny, func(c *modelClient) {
		c.denied, c.decided, c.approved, c.source, c.byPolicy = true, true, false, false, false
	})
}

func (m *machine) Revoke(t *rapid.T) {
	m.decide(t, m.desk.Revoke, func(c *modelClient) {
		c.decided, c.approved, c.source, c.byPolicy = true, false, false, false
	})
}

func (m *machine) Forget(t *rapid.T) {
	id := m.pick()
	_, err := m.desk.Forget(context.Background(), &pb.ClientRequest{ClientId: id, Actor: "admin"})
	if m.tolerate(t, err, fault.NotFound) {
		delete(m.model, id)
		m.lines++
	}
}

// Pair: a finished attempt, as issue's next part will store it.
func (m *machine) Pair(t *rapid.T) {
	id := m.pick()
	err := m.store.Update(context.Background(), func(ctx context.Context, tx desk.Tx) error {
		if _, err := tx.Client(ctx, id); err != nil {
			return err
		}
		return tx.PutPairingRecord(ctx, id, []byte("sealed"), m.clock.Now())
	})
	if errors.Is(err, desk.ErrNotFound) {
		return
	}
	if err != nil {
		t.Fatalf("pair: %v", err)
	}
	m.of(id).paired = true
}

func (m *machine) SetPolicy(t *rapid.T) {
	p := rapid.SampledFrom([]string{PolicyRequired, PolicyOptional}).Draw(t, "policy")
	if _, err := m.desk.UpdateSettings(context.Background(), &pb.UpdateSettingsRequest{PairingPolicy: &p, Actor: "admin"}); err != nil {
		t.Fatalf("settings: %v", err)
	}
	if p != m.policy {
		m.lines++
	}
	m.policy = p
}

func (m *machine) TimePasses(t *rapid.T) {
	m.clock.Advance(time.Duration(rapid.IntRange(1, 100).Draw(t, "minutes")) * time.Minute)
	if err := m.desk.Sweep(context.Background()); err != nil {
		t.Fatalf("sweep: %v", err)
	}
}

func (m *machine) Restart(*rapid.T) { m.start() }

// Check: nothing that was decided is lost, and the ledger has a line for it.
func (m *machine) Check(t *rapid.T) {
	if got := m.ledger(t); got != m.lines {
		t.Fatalf("%d lines in the ledger, want %d", got, m.lines)
	}
	for id, c := range m.model {
		var rec *pb.TrustRecord
		err := m.store.View(context.Background(), func(ctx context.Context, tx desk.Tx) error {
			got, err := tx.Client(ctx, id)
			if err == nil {
				rec = desk.Record(got)
			}
			return err
		})
		if errors.Is(err, desk.ErrNotFound) {
			if c.decided || c.approved || c.paired {
				t.Fatalf("the record of a decided client was dropped: %+v", *c)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%v", err)
		}
		wantDenied, wantPaired := c.denied, c.paired
		if (rec.GetState() == denied) != wantDenied || rec.GetPaired() != wantPaired || rec.GetSourceAllowed() != c.source {
			t.Fatalf("record %v, model %+v", rec, *c)
		}
		if !c.denied && !c.paired && (rec.GetState() == approved) != c.approved {
			t.Fatalf("record %v, model %+v", rec, *c)
		}
	}
}

// TestModel walks at random over what devices and operators may do.
func TestModel(t *testing.T) {
	run := func(t *testing.T, fresh func(n int) (open func() desk.Store, src secret.Source)) {
		n := 0
		rapid.Check(t, func(rt *rapid.T) {
			n++
			open, src := fresh(n)
			m := &machine{t: rt, open: open, src: src, clock: clockwork.NewFakeClock(), model: map[string]*modelClient{}, policy: PolicyRequired, lines: 1}
			for range 4 {
				m.ids = append(m.ids, newClientID())
			}
			m.names = []string{"Kitchen", "Bath", " kitchen ", "Room\u200b", fmt.Sprint("Room", n)}
			m.start()
			defer func() { m.store.Close() }()
			rt.Repeat(rapid.StateMachineActions(m))
		})
	}
	t.Run("sqlite", func(t *testing.T) {
		run(t, func(int) (func() desk.Store, secret.Source) {
			dir := t.TempDir()
			return opener(t, "", dir), secret.Source{DataDir: dir}
		})
	})
	t.Run("postgres", func(t *testing.T) {
		run(t, func(int) (func() desk.Store, secret.Source) {
			return opener(t, pgtest.Start(t), ""), secret.Source{DataDir: t.TempDir()}
		})
	})
}

func opener(t *testing.T, url, dir string) func() desk.Store {
	return func() desk.Store {
		s, err := store.Open(context.Background(), url, dir)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}
