package presence

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// store is a bucket in memory.
type store struct {
	mu     sync.Mutex
	rev    uint64
	v      map[string]*tuttiv1.ClientPresence
	revs   map[string]uint64
	writes int
	fail   int
	watch  func(bus.Entry[*tuttiv1.ClientPresence])
	wrote  func(v *tuttiv1.ClientPresence, rev uint64) // called before a write is answered; may be nil
}

func newStore() *store {
	return &store{v: map[string]*tuttiv1.ClientPresence{}, revs: map[string]uint64{}}
}

func (s *store) Get(_ context.Context, key string) (*tuttiv1.ClientPresence, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.v[key] == nil {
		return nil, 0, fault.New(fault.NotFound, "no %s", key)
	}
	return proto.Clone(s.v[key]).(*tuttiv1.ClientPresence), s.revs[key], nil
}

func (s *store) Create(ctx context.Context, key string, v *tuttiv1.ClientPresence) (uint64, error) {
	return s.Update(ctx, key, v, 0)
}

func (s *store) Update(_ context.Context, key string, v *tuttiv1.ClientPresence, rev uint64) (uint64, error) {
	rev, err := s.update(key, v, rev)
	if err == nil && s.wrote != nil {
		s.wrote(v, rev)
	}
	return rev, err
}

func (s *store) update(key string, v *tuttiv1.ClientPresence, rev uint64) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail > 0 {
		s.fail--
		return 0, fault.New(fault.Unavailable, "away")
	}
	if s.revs[key] != rev {
		return 0, fault.New(fault.Conflict, "revision %d, not %d", s.revs[key], rev)
	}
	s.rev++
	s.writes++
	s.v[key], s.revs[key] = proto.Clone(v).(*tuttiv1.ClientPresence), s.rev
	return s.rev, nil
}

func (s *store) Follow(_, _ context.Context, _ string, h func(bus.Entry[*tuttiv1.ClientPresence])) (func(), error) {
	s.watch = h
	return func() {}, nil
}

func (s *store) get(key string) *tuttiv1.ClientPresence {
	v, _, _ := s.Get(context.Background(), key)
	return v
}

func (s *store) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

func setup(t *testing.T) (*Board, *store, *clockwork.FakeClock) {
	t.Helper()
	s, clock := newStore(), clockwork.NewFakeClock()
	b := New(s, clock, slog.New(slog.NewTextHandler(io.Discard, nil)))
	stop, err := b.Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); b.Run(ctx) }()
	t.Cleanup(func() { stop(); cancel(); <-done })
	return b, s, clock
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func rec(session, name string) *tuttiv1.ClientPresence {
	return &tuttiv1.ClientPresence{ClientId: "c", SessionId: session, Name: name, Connected: true, GatewayId: "gw"}
}

func TestDebounceAndFinalRecord(t *testing.T) {
	b, s, clock := setup(t)
	e := b.Open(rec("s1", "a"), 1, func() { t.Error("replaced") }, func() {})
	eventually(t, "first record", func() bool { return s.count() == 1 })
	for _, name := range []string{"b", "c", "d"} {
		e.Set(rec("s1", name), false)
	}
	clock.Advance(Debounce)
	eventually(t, "debounced record", func() bool { return s.get("c").GetName() == "d" })
	if n := s.count(); n != 2 {
		t.Errorf("%d writes, want 2", n)
	}
	p := rec("s1", "e")
	End(p)
	e.Close(t.Context(), p)
	if got := s.get("c"); got.GetConnected() || got.GetName() != "e" {
		t.Errorf("final record %v", got)
	}
	e.Set(rec("s1", "f"), true) // too late: ignored
	if s.get("c").GetName() != "e" {
		t.Error("written after the final record")
	}
}

// Two sessions of one client begin at once: the one that was authenticated later keeps the
// record, although the other writes its first one after it.
func TestAnEarlierSessionNeverTakesTheRecordFromALaterOne(t *testing.T) {
	b, s, _ := setup(t)
	b.Open(rec("s2", "later"), 2, func() { t.Error("the later session was replaced") }, func() {})
	eventually(t, "first record", func() bool { return s.count() == 1 })
	gone := make(chan struct{})
	early := b.Open(rec("s1", "earlier"), 1, func() { close(gone) }, func() {})
	select {
	case <-gone:
	case <-time.After(time.Minute):
		t.Fatal("the earlier session does not notice")
	}
	early.Close(t.Context(), rec("s1", "earlier"))
	if got := s.get("c"); got.GetSessionId() != "s2" {
		t.Errorf("the record is that of %s", got.GetSessionId())
	}
}

func TestLaterSessionWins(t *testing.T) {
	b, s, _ := setup(t)
	gone := make(chan struct{})
	old := b.Open(rec("s1", "a"), 1, func() { close(gone) }, func() {})
	eventually(t, "first record", func() bool { return s.count() == 1 })
	// Another gateway takes the record over.
	cur, rev, _ := s.Get(t.Context(), "c")
	cur.SessionId, cur.GatewayId = "s2", "gw-2"
	if _, err := s.Update(t.Context(), "c", cur, rev); err != nil {
		t.Fatal(err)
	}
	s.watch(bus.Entry[*tuttiv1.ClientPresence]{Key: "c", Value: cur, Rev: rev + 1})
	select {
	case <-gone:
	case <-time.After(time.Minute):
		t.Fatal("the older session does not notice")
	}
	p := rec("s1", "z")
	End(p)
	old.Close(t.Context(), p)
	if got := s.get("c"); got.GetSessionId() != "s2" || !got.GetConnected() {
		t.Errorf("the replaced session wrote over its successor: %v", got)
	}
}

// What others write right behind a session's own write may be heard of before that one is
// answered. It counts all the same: nobody says it twice.
func TestNewsDuringAWriteCount(t *testing.T) {
	for name, c := range map[string]struct {
		session   string // of the record that another gateway writes
		connected bool
		want      string
	}{
		"a later session":        {"s2", true, "replaced"},
		"taken for dead":         {"s1", false, "denied"},
		"its own, said again":    {"s1", true, ""},
		"a later one that ended": {"s2", false, "replaced"},
	} {
		t.Run(name, func(t *testing.T) {
			b, s, _ := setup(t)
			s.wrote = func(v *tuttiv1.ClientPresence, rev uint64) {
				if s.wrote = nil; v.GetSessionId() != "s1" {
					return
				}
				other := rec(c.session, "b")
				other.Connected = c.connected
				next, err := s.update("c", other, rev)
				if err != nil {
					t.Error(err)
				}
				s.watch(bus.Entry[*tuttiv1.ClientPresence]{Key: "c", Value: v, Rev: rev})
				s.watch(bus.Entry[*tuttiv1.ClientPresence]{Key: "c", Value: other, Rev: next})
			}
			told := make(chan string, 10)
			e := b.Open(rec("s1", "a"), 1, func() { told <- "replaced" }, func() { told <- "denied" })
			if c.want != "" {
				select {
				case got := <-told:
					if got != c.want {
						t.Errorf("told that it is %s, want %s", got, c.want)
					}
				case <-time.After(time.Minute):
					t.Fatal("nobody was told")
				}
			}
			e.Close(t.Context(), nil)
			if len(told) > 0 {
				t.Errorf("told that it is %s", <-told)
			}
		})
	}
}

func TestReconnectsAreCounted(t *testing.T) {
	b, s, _ := setup(t)
	for i := range 3 {
		e := b.Open(rec(string(rune('a'+i)), "x"), uint64(i), func() {}, func() {})
		eventually(t, "record", func() bool { return s.get("c").GetSessionId() == string(rune('a'+i)) })
		e.Set(rec(string(rune('a'+i)), "y"), true)
		e.Close(t.Context(), nil)
		if n := s.get("c").GetReconnects(); n != uint64(i) {
			t.Errorf("session %d: %d reconnects", i, n)
		}
	}
}

func TestFailedWritesAreTriedAgain(t *testing.T) {
	b, s, clock := setup(t)
	s.fail = 1
	e := b.Open(rec("s1", "a"), 1, func() { t.Error("replaced") }, func() {})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := clock.BlockUntilContext(ctx, 1); err != nil {
		t.Fatal("no second try is planned")
	}
	clock.Advance(retryAfter)
	eventually(t, "second try", func() bool { return s.count() == 1 })
	e.Close(t.Context(), nil)
}

func TestSweepAndNote(t *testing.T) {
	b, s, _ := setup(t)
	p := rec("s0", "left over")
	p.Activities, p.ActiveRoles = []string{"playback"}, []string{"player@v1"}
	if _, err := s.Create(t.Context(), "c", p); err != nil {
		t.Fatal(err)
	}
	s.watch(bus.Entry[*tuttiv1.ClientPresence]{Key: "c", Value: p})
	b.Sweep(t.Context(), func(_, _ string) bool { return false })
	if !s.get("c").GetConnected() {
		t.Error("a living session was swept")
	}
	b.Sweep(t.Context(), func(_, id string) bool { return id == "gw" })
	if got := s.get("c"); got.GetConnected() || len(got.GetActiveRoles()) != 0 || got.GetLastError() == "" {
		t.Errorf("after the sweep: %v", got)
	}
	note := &tuttiv1.ClientPresence{ClientId: "c", Stage: "waiting", LastError: "timeout"}
	b.Note(t.Context(), note, false)
	if got := s.get("c"); got.GetLastError() != "timeout" || got.GetName() != "left over" {
		t.Errorf("after the note: %v", got)
	}
	b.Note(t.Context(), &tuttiv1.ClientPresence{ClientId: "stranger", LastError: "x"}, false)
	if s.get("stranger") != nil {
		t.Error("a stranger got a record")
	}
}

func TestFollowAndByURL(t *testing.T) {
	b, s, _ := setup(t)
	ch, stop := b.Follow("c")
	p := rec("s1", "a")
	p.Url = "ws://x"
	s.watch(bus.Entry[*tuttiv1.ClientPresence]{Key: "c", Value: p})
	select {
	case <-ch:
	default:
		t.Error("no token for a connect")
	}
	s.watch(bus.Entry[*tuttiv1.ClientPresence]{Key: "c", Value: p})
	select {
	case <-ch:
		t.Error("a token for a change that is none")
	default:
	}
	if got, _ := b.ByURL("ws://x"); got.ClientID != "c" || !got.Connected {
		t.Errorf("by address: %v", got)
	}
	b.Learn("ws://y", "c")
	if got, _ := b.ByURL("ws://y"); got.ClientID != "c" {
		t.Errorf("by learned address: %v", got)
	}
	stop()
	s.watch(bus.Entry[*tuttiv1.ClientPresence]{Key: "c"})
	if _, ok := b.Lookup("c"); ok {
		t.Error("a deleted record is still known")
	}
}

func TestRunEndsWithUnwrittenRecords(t *testing.T) {
	s := newStore()
	s.fail = 1 << 30
	b := New(s, clockwork.NewFakeClock(), slog.New(slog.NewTextHandler(io.Discard, nil)))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); b.Run(ctx) }()
	e := b.Open(rec("s1", "a"), 1, func() {}, func() {})
	closed := make(chan struct{})
	go func() { defer close(closed); e.Close(context.Background(), nil) }()
	cancel()
	<-done
	short, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	e.Close(short, nil)
	if errors.Is(short.Err(), context.DeadlineExceeded) {
		t.Error("Close waits for a board that has ended")
	}
	<-closed
}

// A session whose record somebody else ended, wrongly, writes it again.
func TestSessionThatIsTakenForDeadSaysThatItLives(t *testing.T) {
	b, s, _ := setup(t)
	denied := make(chan struct{}, 1)
	e := b.Open(rec("s1", "a"), 1, func() { t.Error("replaced") }, func() { denied <- struct{}{} })
	eventually(t, "the first write", func() bool { // what comes during a write, the write tells
		b.mu.Lock()
		defer b.mu.Unlock()
		return e.claimed && !e.busy
	})
	cur, rev, err := s.Get(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	swept := proto.Clone(cur).(*tuttiv1.ClientPresence)
	End(swept)
	rev, err = s.Update(t.Context(), "c", swept, rev)
	if err != nil {
		t.Fatal(err)
	}
	s.watch(bus.Entry[*tuttiv1.ClientPresence]{Key: "c", Value: swept, Rev: rev})
	select {
	case <-denied:
	case <-time.After(time.Minute):
		t.Fatal("nobody was told")
	}
	e.Set(rec("s1", "a"), true)
	eventually(t, "the record is true again", func() bool { return s.get("c").GetConnected() })
	e.Close(t.Context(), nil)
}

// When a client played last is remembered over the end of its session, not over the next.
func TestWhenAClientPlayedLast(t *testing.T) {
	b, s, _ := setup(t)
	see := func(p *tuttiv1.ClientPresence) Seen {
		s.watch(bus.Entry[*tuttiv1.ClientPresence]{Key: "c", Value: p})
		seen, _ := b.Lookup("c")
		return seen
	}
	p := rec("s1", "a")
	if !see(p).PlayedAt.IsZero() {
		t.Error("it has not played")
	}
	p = rec("s1", "a")
	p.Activities = []string{"playback"}
	if see(p).PlayedAt.IsZero() {
		t.Error("it plays")
	}
	p = rec("s1", "a")
	End(p)
	if see(p).PlayedAt.IsZero() {
		t.Error("it played when its session ended")
	}
	if !see(rec("s2", "a")).PlayedAt.IsZero() {
		t.Error("the next session has not played")
	}
}

// What is urgent does not wait for the debounce of what came after it, also when the record
// is being written just then.
func TestUrgentChangesWaitForNoTimer(t *testing.T) {
	b, s, _ := setup(t)
	e := b.Open(rec("s1", "a"), 1, func() { t.Error("replaced") }, func() {})
	eventually(t, "first record", func() bool { return s.count() == 1 })
	e.Set(rec("s1", "b"), true)
	e.Set(rec("s1", "c"), false)
	eventually(t, "urgent record", func() bool { return s.get("c").GetName() != "a" })
	e.Close(t.Context(), nil)
}
