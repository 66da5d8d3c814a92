package ledger

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/fault"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// desk is the pairing service's end.
type desk struct {
	mu   sync.Mutex
	err  error
	got  []string
	asks int
}

func (d *desk) Request(_ context.Context, _ string, req, _ proto.Message) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asks++
	if d.err == nil {
		d.got = append(d.got, req.(*pb.AuditAppendRequest).GetDetail())
	}
	return d.err
}

func (d *desk) be(err error) { d.mu.Lock(); d.err = err; d.mu.Unlock() }

func (d *desk) have() (lines []string, asks int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string{}, d.got...), d.asks
}

type rig struct {
	*Ledger
	desk  *desk
	clock *clockwork.FakeClock
	log   *syncBuffer
	stop  func()
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{desk: &desk{}, clock: clockwork.NewFakeClock(), log: &syncBuffer{}}
	log := slog.New(slog.NewTextHandler(r.log, nil))
	ctx, cancel := context.WithCancel(context.Background())
	sup := actor.NewSupervisor(ctx, actor.SupervisorOptions{Name: "test", Log: log, Clock: r.clock})
	r.stop = sync.OnceFunc(func() { cancel(); sup.Stop() })
	t.Cleanup(r.stop)
	var err error
	if r.Ledger, err = New(sup, r.desk, r.clock, log, prometheus.NewRegistry()); err != nil {
		t.Fatal(err)
	}
	return r
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}
func (s *syncBuffer) String() string { s.mu.Lock(); defer s.mu.Unlock(); return s.b.String() }

func eventually(t *testing.T, fact func() error) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for err := fact(); err != nil; err = fact() {
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond) // the pace of a poll, no synchronisation
	}
}

func TestLinesArriveInOrderAfterAnOutage(t *testing.T) {
	r := newRig(t)
	r.desk.be(fault.New(fault.Unavailable, "away"))
	for i := range 5 {
		r.Append(t.Context(), Act{Actor: "token:a", Kind: "group.stop", Detail: fmt.Sprint(i)})
	}
	eventually(t, func() error {
		r.clock.Advance(maxPause)
		if _, asks := r.desk.have(); asks < 4 {
			return fmt.Errorf("%d attempts", asks)
		}
		return nil
	})
	r.desk.be(nil)
	eventually(t, func() error {
		r.clock.Advance(maxPause)
		if got, _ := r.desk.have(); strings.Join(got, "") != "01234" {
			return fmt.Errorf("lines %q", got)
		}
		return nil
	})
}

func TestARefusedLineDoesNotHoldUpTheOthers(t *testing.T) {
	r := newRig(t)
	r.desk.be(fault.New(fault.Invalid, "no"))
	r.Append(t.Context(), Act{Actor: "token:a", Kind: "x", Detail: "refused"})
	eventually(t, func() error {
		if testutil.ToFloat64(r.lost) != 1 || !strings.Contains(r.log.String(), "refused") {
			return fmt.Errorf("not told: %s", r.log)
		}
		return nil
	})
	r.desk.be(nil)
	r.Append(t.Context(), Act{Actor: "token:a", Kind: "x", Detail: "taken"})
	eventually(t, func() error {
		if got, _ := r.desk.have(); len(got) != 1 {
			return fmt.Errorf("lines %q", got)
		}
		return nil
	})
}

func TestTooManyLinesGoToTheLog(t *testing.T) {
	r := newRig(t)
	r.desk.be(fault.New(fault.Unavailable, "away"))
	for i := range mailboxSize + 50 {
		r.Append(t.Context(), Act{Actor: "token:a", Kind: "x", Detail: fmt.Sprint("line ", i)})
	}
	if n := testutil.ToFloat64(r.lost); n < 40 {
		t.Errorf("%v lines are counted as lost", n)
	}
	if !strings.Contains(r.log.String(), fmt.Sprint("line ", mailboxSize+49)) {
		t.Error("the log lacks what the ledger lacks")
	}
	r.stop() // ends also while pairing is away
}

func TestRecordTellsWhenItIsNotWritten(t *testing.T) {
	r := newRig(t)
	if err := r.Record(t.Context(), Act{Actor: "a", Kind: "x"}); err != nil {
		t.Error(err)
	}
	r.desk.be(fault.New(fault.Unavailable, "away"))
	if err := r.Record(t.Context(), Act{Actor: "a", Kind: "x"}); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("err = %v", err)
	}
}
