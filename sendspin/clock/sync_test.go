package clock

import "testing"

// exchanges answers n messages of a plan, each with the given delay in each direction, and
// returns the time at which the last answer arrived.
func exchanges(t *testing.T, s *Sync, now int64, n int, delay int64) int64 {
	t.Helper()
	for i := range n {
		if !s.Sending(now) {
			t.Fatalf("message %d of %d is not due", i, n)
		}
		ok, send, fed := s.Answer(now, now+delay, now+delay, now+2*delay)
		now += 2 * delay
		if last := i == n-1; !ok || send == last || fed != last {
			t.Fatalf("answer %d of %d: taken %v, another one %v, fed %v", i, n, ok, send, fed)
		}
	}
	return now
}

// bursts runs whole bursts and returns the pause after the last one.
func bursts(t *testing.T, s *Sync, n int, delay int64) (pause int64) {
	t.Helper()
	for range n {
		now := s.Due()
		if send, _ := s.Tick(now, BurstSize); !send {
			t.Fatal("a burst that is due sends nothing")
		}
		now = exchanges(t, s, now, BurstSize, delay)
		pause = s.Due() - now
	}
	return pause
}

func TestBurstsOfEightEveryTenSeconds(t *testing.T) {
	s := NewSync(0)
	if s.Due() != Never {
		t.Error("something is due before Begin")
	}
	s.Begin(1_000_000)
	s.Begin(2_000_000)
	if s.Due() != 1_000_000 {
		t.Errorf("the first burst is due at %d", s.Due())
	}
	for _, want := range []int64{100_000, 400_000, 1_000_000, 2_000_000, 10_000_000, 10_000_000} {
		if got := bursts(t, &s, 1, 100); got != want {
			t.Errorf("a pause of %d µs on a quiet network, want %d", got, want)
		}
	}
}

func TestPauseShrinksWhileTheFilterIsUncertain(t *testing.T) {
	s := NewSync(0)
	s.Begin(1_000_000)
	if got := bursts(t, &s, 6, 30_000); got != leastGapUS {
		t.Errorf("a pause of %d µs with a standard deviation of %.0f µs, want %d", got, s.Filter().StdDev(), leastGapUS)
	}
	for range 3000 {
		before := s.Filter().StdDev()
		pause := bursts(t, &s, 1, 3_000)
		if sd := s.Filter().StdDev(); sd > settledStdDev && pause >= 10_000_000 || sd <= settledStdDev && pause != 10_000_000 {
			t.Fatalf("a pause of %d µs with a standard deviation of %.0f µs (before: %.0f)", pause, sd, before)
		}
	}
	short := NewSync(200_000)
	short.Begin(1)
	if got := bursts(t, &short, 6, 30_000); got != 200_000 {
		t.Errorf("a pause of %d µs, the owner asked for 200 ms", got)
	}
}

func TestLostAnswers(t *testing.T) {
	s := NewSync(0)
	s.Begin(5)
	s.Tick(5, 2)
	s.Sending(10)
	if send, _ := s.Tick(10+answerTimeoutUS-1, 2); send || s.Lost() != 0 {
		t.Error("the answer is given up too early")
	}
	if send, fed := s.Tick(10+answerTimeoutUS, 2); !send || fed || s.Lost() != 1 {
		t.Errorf("after the timeout: send %v, fed %v, lost %d", send, fed, s.Lost())
	}
	s.Sending(3_000_000)
	if ok, _, _ := s.Answer(10, 20, 20, 3_000_100); ok || s.Lost() != 1 {
		t.Error("the late answer was taken")
	}
	if send, fed := s.Tick(s.Due(), 2); send || fed || s.Lost() != 2 || s.Due() == Never {
		t.Errorf("after a burst without answers: send %v, fed %v, lost %d, due %d", send, fed, s.Lost(), s.Due())
	}
	now := s.Due()
	s.Tick(now, 2)
	s.Sending(now)
	s.Answer(now, 1, 1, now+50)
	s.Sending(now + 60)
	if send, fed := s.Tick(s.Due(), 2); send || !fed || s.Filter().Count() != 1 || s.MaxErr() != 25 {
		t.Error("the burst's one answer is for the filter although the other is lost")
	}
	if s.Sending(now) {
		t.Error("a plan that pauses sends")
	}
}

// jittered runs bursts whose answers come from a server whose clock is ahead by offset, over a
// link with more delay than the filter can settle on at once.
func jittered(t *testing.T, s *Sync, n int, offset int64) {
	t.Helper()
	for range n {
		now := s.Due()
		if send, _ := s.Tick(now, BurstSize); !send {
			t.Fatal("a burst that is due sends nothing")
		}
		for range BurstSize {
			s.Sending(now)
			s.Answer(now, now+1200+offset, now+1200+offset, now+2400)
			now += 2400
		}
	}
}

// A connection that follows another one with the same server goes on from its filter after
// one burst, if the server's clock is the same still.
func TestANewConnectionResumesTheFilter(t *testing.T) {
	first := NewSync(0)
	first.Begin(1_000_000)
	jittered(t, &first, 8, 5_000_000)
	known := *first.Filter()
	if !known.Converged() {
		t.Fatal("the first connection does not converge")
	}
	for name, c := range map[string]struct {
		offset  int64
		resumes bool
	}{"the same clock": {5_000_300, true}, "a clock that began anew": {70_000, false}, "a clock that stepped by 10 ms": {5_010_000, false}} {
		s := NewSync(0)
		s.Resume(known)
		s.Begin(known.LastUpdate() + 5_000_000)
		if s.Filter().Converged() {
			t.Errorf("%s: it is taken for true before anything is measured", name)
		}
		jittered(t, &s, 1, c.offset)
		if s.Filter().Converged() != c.resumes {
			t.Errorf("%s: converged after one burst: %v", name, !c.resumes)
		}
		if !c.resumes {
			if d := s.Filter().Offset() - float64(c.offset); d > 1 || d < -1 {
				t.Errorf("%s: the offset is off by %.0f µs", name, d)
			}
		}
	}
	// A filter that never converged is of no use.
	s := NewSync(0)
	s.Resume(*New())
	s.Begin(1_000_000)
	jittered(t, &s, 1, 9)
	if s.Filter().Count() != 1 {
		t.Errorf("%d measurements after one", s.Filter().Count())
	}
}
