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
