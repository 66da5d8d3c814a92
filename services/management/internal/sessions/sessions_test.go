package sessions

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"go.uber.org/goleak"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/platform/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open is a store that hears of what other instances do.
func open(t *testing.T, c *bus.Conn, clock clockwork.Clock) *Store {
	t.Helper()
	s := deaf(t, c, clock)
	listen(t, s)
	return s
}

// deaf is a store that does not hear yet.
func deaf(t *testing.T, c *bus.Conn, clock clockwork.Clock) *Store {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	sup := actor.NewSupervisor(t.Context(), actor.SupervisorOptions{Name: "test", Log: log, Clock: clock})
	t.Cleanup(sup.Stop)
	s, err := Open(t.Context(), c, sup, clock, log)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func listen(t *testing.T, s *Store) {
	t.Helper()
	stop, err := s.Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
}

func eventually(t *testing.T, fact func() error) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := fact()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond) // the pace of a poll
	}
}

func TestSessionsEnd(t *testing.T) {
	clock := clockwork.NewFakeClockAt(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	s := open(t, bustest.Embedded(t), clock)
	v, secret, err := s.Start(t.Context(), "u-1", 7)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Find(t.Context(), secret); err != nil || got != v || v.Epoch != 7 || len(v.CSRF) != 43 || len(secret) != 43 {
		t.Fatalf("Find = %+v, %v", got, err)
	}
	if _, err := s.Find(t.Context(), secret[:42]+"!"); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("another secret: %v", err)
	}
	// Used now and then, it stays, up to its absolute end.
	for day := 0; day < 80; day += 20 {
		clock.Advance(20 * 24 * time.Hour)
		used := clock.Now()
		if _, err := s.Find(t.Context(), secret); err != nil {
			t.Fatalf("after %d days: %v", day+20, err)
		}
		eventually(t, func() error {
			if got, err := s.Find(t.Context(), secret); err != nil || !got.UsedAt.Equal(used) {
				return fmt.Errorf("used at %s, want %s (%v)", got.UsedAt, used, err)
			}
			return nil
		})
	}
	clock.Advance(11 * 24 * time.Hour)
	if _, err := s.Find(t.Context(), secret); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("after 91 days: %v", err)
	}
	// Not used, it ends after Idle.
	_, secret, err = s.Start(t.Context(), "u-1", 7)
	if err != nil {
		t.Fatal(err)
	}
	clock.Advance(Idle)
	if _, err := s.Find(t.Context(), secret); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("after a month of silence: %v", err)
	}
}

func TestInstancesShareSessions(t *testing.T) {
	c, clock := bustest.Embedded(t), clockwork.NewRealClock()
	a, b := open(t, c, clock), open(t, c, clock)
	_, secret, err := a.Start(t.Context(), "u-1", 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Find(t.Context(), secret); err != nil { // at once, whatever the watch has heard
		t.Errorf("at the other instance: %v", err)
	}
	if err := b.End(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if _, err := a.Find(t.Context(), secret); fault.CodeOf(err) != fault.NotFound {
			return fmt.Errorf("still there: %v", err)
		}
		return nil
	})
}

// What a watch has not told the beginning of, it does not tell the end of either: an instance
// that was without the bus for a moment must not go on believing in a session that has ended.
func TestASessionThatEndsUnheardHasEnded(t *testing.T) {
	c, clock := bustest.Embedded(t), clockwork.NewFakeClockAt(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	s := deaf(t, c, clock)
	began := make(chan string)
	go func() {
		_, secret, err := s.Start(t.Context(), "u-1", 1)
		if err != nil {
			t.Error(err)
		}
		began <- secret
	}()
	if err := clock.BlockUntilContext(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	clock.Advance(heardTimeout)
	secret := <-began
	if _, err := s.Find(t.Context(), secret); err != nil {
		t.Errorf("before the watch: %v", err)
	}
	if err := open(t, c, clock).End(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	listen(t, s)
	if _, err := s.Find(t.Context(), secret); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("it is still there: %v", err)
	}
}

func TestSessionsOfOneUserAreBounded(t *testing.T) {
	clock := clockwork.NewFakeClockAt(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	s := open(t, bustest.Embedded(t), clock)
	var first string
	for i := range maxPerUser + 1 {
		_, secret, err := s.Start(context.WithoutCancel(t.Context()), "u-1", 1)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = secret
		}
		clock.Advance(time.Second)
	}
	eventually(t, func() error {
		if _, err := s.Find(t.Context(), first); fault.CodeOf(err) != fault.NotFound {
			return fmt.Errorf("the oldest session is still there: %v", err)
		}
		return nil
	})
	s.EndAll(t.Context(), "u-1")
	eventually(t, func() error {
		if n := len(s.of("u-1")); n != 0 {
			return fmt.Errorf("%d sessions after EndAll", n)
		}
		return nil
	})
}
