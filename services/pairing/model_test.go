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
	denied, blocked bool
	decided         bool // the policy may not approve it
	warning         string
	name, mac       string // as it last said
	record          recordState
	mismatch        bool
	approval        *modelApproval
	// pairing is the last decision, as long as no other followed it.
	pairing bool
	// serial numbers the pairings, whatever became of them.
	serial int
}

// completed is a pairing that may still come to nothing.
type completed struct {
	undo   *desk.Undo
	before modelClient
	serial int
}

type recordState int

const (
	noRecord recordState = iota
	liveRecord
	tombstone // unpaired, and not told yet
)

type modelApproval struct {
	source, controller, until bool
	byPolicy                  bool
	ends                      time.Time
	session                   string
}

func (a *modelApproval) over(now time.Time) bool {
	return a != nil && !a.ends.IsZero() && !a.ends.After(now)
}

// refused: denied for now or for good.
func (c *modelClient) refused() bool { return c.denied || c.blocked }

// machine drives a desk and the model side by side. Each instance works on the
// same database for the whole run of the property, with keys of its own.
type machine struct {
	t                   *rapid.T
	tb                  testing.TB
	open                func() desk.Store
	src                 secret.Source
	clock               *clockwork.FakeClock
	store               desk.Store
	desk                *desk.Desk
	ids                 []string
	names               []string
	model               map[string]*modelClient
	completed           map[string]completed
	policy, controllers string
	serial              int // of the last pairing
	lines               int // audit lines that decisions must have left
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
		Limits: desk.Limits{InboxTTL: time.Hour, InboxLimit: 2, PolicyApprovalLimit: 1 << 20},
	}, v)
}

func (m *machine) now() time.Time { return m.clock.Now().UTC().Truncate(time.Microsecond) }

func (m *machine) pick() string { return rapid.SampledFrom(m.ids).Draw(m.t, "client") }

func (m *machine) of(id string) *modelClient {
	if m.model[id] == nil {
		m.model[id] = &modelClient{}
	}
	return m.model[id]
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

// Check: nothing that was decided is lost, and the ledger has a line for it.
func (m *machine) Check(t *rapid.T) {
	if got := m.ledger(t); got != m.lines {
		t.Fatalf("%d lines in the ledger, want %d", got, m.lines)
	}
	for id, c := range m.model {
		var rec *pb.TrustRecord
		sealed := false
		err := m.store.View(context.Background(), func(ctx context.Context, tx desk.Tx) error {
			got, err := tx.Client(ctx, id)
			if err != nil {
				return err
			}
			rec = desk.Record(got)
			_, err = tx.PairingRecord(ctx, id)
			if sealed = err == nil; errors.Is(err, desk.ErrNotFound) {
				err = nil
			}
			return err
		})
		if errors.Is(err, desk.ErrNotFound) {
			if c.decided || c.approval != nil || c.record != noRecord {
				t.Fatalf("the record of a decided client was dropped: %+v", *c)
			}
			c.warning = "" // a stranger again
			continue
		}
		if err != nil {
			t.Fatalf("%v", err)
		}
		m.compare(t, rec, c, sealed)
	}
}

// compare holds what the store says against the model.
func (m *machine) compare(t *rapid.T, rec *pb.TrustRecord, c *modelClient, sealed bool) {
	want := unapproved
	switch {
	case c.refused():
		want = denied
	case c.record == liveRecord && c.mismatch:
		want = mismatch
	case c.record == liveRecord:
		want = paired
	case c.approval != nil:
		want = approved
	}
	a := c.approval
	if a == nil {
		a = &modelApproval{}
	}
	if rec.GetState() != want || rec.GetBlocked() != c.blocked || rec.GetWarning() != c.warning ||
		sealed != (c.record != noRecord) || rec.GetPaired() != (c.record == liveRecord) || rec.GetUnpairing() != (c.record == tombstone) ||
		rec.GetSourceAllowed() != a.source || rec.GetControllerAllowed() != a.controller ||
		rec.GetApprovalUntilDisconnect() != a.until || (rec.GetApprovalEndsAt() != nil) != !a.ends.IsZero() {
		t.Fatalf("record %v, sealed %v, want %s; model %+v, approval %+v", rec, sealed, want, *c, *a)
	}
	if rec.GetWaitingReason() != "" && (c.blocked || want == paired) {
		t.Fatalf("it waits for nothing: %v", rec)
	}
}

// TestModel walks at random over what devices and operators may do.
func TestModel(t *testing.T) {
	run := func(t *testing.T, fresh func(n int) (open func() desk.Store, src secret.Source)) {
		n := 0
		rapid.Check(t, func(rt *rapid.T) {
			n++
			open, src := fresh(n)
			m := &machine{t: rt, tb: t, open: open, src: src, clock: clockwork.NewFakeClock(), model: map[string]*modelClient{}, completed: map[string]completed{}, policy: PolicyRequired, controllers: ControllerPairedOnly, lines: 1}
			for range 3 {
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
