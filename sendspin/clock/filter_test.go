package clock

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// slow is the specification's algorithm in 200-bit arithmetic, written step by step.
// It is the yardstick for the fast one.
type slow struct {
	offset, drift, poo, pod, pdd *big.Float
	last                         int64
	count                        int
	useDrift                     bool
}

func bf(v float64) *big.Float        { return new(big.Float).SetPrec(200).SetFloat64(v) }
func add(a, b *big.Float) *big.Float { return bf(0).Add(a, b) }
func sub(a, b *big.Float) *big.Float { return bf(0).Sub(a, b) }
func mul(a ...*big.Float) *big.Float {
	out := bf(1)
	for _, v := range a {
		out.Mul(out, v)
	}
	return out
}
func quo(a, b *big.Float) *big.Float { return bf(0).Quo(a, b) }

func newSlow() *slow {
	return &slow{offset: bf(0), drift: bf(0), poo: bf(0), pod: bf(0), pdd: bf(0)}
}

func (s *slow) update(measurement, maxErr, t4 int64) {
	if t4 <= s.last {
		return
	}
	dt := bf(float64(t4 - s.last))
	s.last = t4
	z := bf(float64(measurement))
	sd := mul(bf(0.5), bf(float64(maxErr)))
	r := mul(sd, sd)
	switch s.count {
	case 0:
		s.offset, s.poo, s.count = z, r, 1
		return
	case 1:
		s.drift = quo(sub(z, s.offset), dt)
		s.pdd = quo(add(s.poo, r), mul(dt, dt))
		s.offset, s.poo, s.count = z, r, 2
		return
	}
	offset := add(s.offset, mul(s.drift, dt))
	poo := add(add(s.poo, mul(bf(2), s.pod, dt)), mul(s.pdd, dt, dt))
	pod := add(s.pod, mul(s.pdd, dt))
	pdd := add(s.pdd, mul(bf(1e-11), bf(1e-11), dt))
	y := sub(z, offset)
	if s.count < 100 {
		s.count++
	} else if bf(0).Abs(y).Cmp(mul(bf(3), bf(float64(maxErr)))) > 0 {
		poo, pod, pdd = mul(poo, bf(4)), mul(pod, bf(4)), mul(pdd, bf(4))
	}
	total := add(poo, r)
	ko, kd := quo(poo, total), quo(pod, total)
	s.offset = add(offset, mul(ko, y))
	s.drift = add(s.drift, mul(kd, y))
	s.poo = sub(poo, mul(ko, poo))
	s.pod = sub(pod, mul(kd, poo))
	s.pdd = sub(pdd, mul(kd, pod))
	s.useDrift = mul(s.drift, s.drift).Cmp(mul(bf(4), s.pdd)) > 0
}

func (s *slow) serverTime(client int64) float64 {
	v := s.offset
	if s.useDrift {
		v = add(v, mul(s.drift, bf(float64(client-s.last))))
	}
	f, _ := v.Float64()
	return f
}

func TestFilterEqualsTheSlowReference(t *testing.T) {
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 7))
		f, s := New(), newSlow()
		now := 1 + r.Int64N(1<<45)
		trueOffset := float64(r.Int64N(1<<46) - 1<<45)
		drift := (r.Float64() - 0.5) * 400e-6
		for i := range 400 {
			dt := 1_000 + r.Int64N(12_000_000)
			now += dt
			trueOffset += drift * float64(dt)
			if r.IntN(60) == 0 {
				trueOffset += (r.Float64() - 0.5) * 20_000 // the server's clock steps
			}
			maxErr := 50 + r.Int64N(3000)
			z := int64(trueOffset) + r.Int64N(2*maxErr) - maxErr
			at := now
			if r.IntN(20) == 0 {
				at -= 2 * dt // an old measurement, to be discarded by both
			}
			f.Update(z, maxErr, at)
			s.update(z, maxErr, at)
			if f.count != s.count || f.useDrift != s.useDrift || f.lastUpdate != s.last {
				t.Fatalf("seed %d step %d: count %d/%d drift used %v/%v", seed, i, f.count, s.count, f.useDrift, s.useDrift)
			}
			probe := now + r.Int64N(20_000_000)
			if got, want := float64(f.ServerTime(probe)-probe), s.serverTime(probe); math.Abs(got-want) > 1.01 {
				t.Fatalf("seed %d step %d: offset %v, reference %v", seed, i, got, want)
			}
		}
	}
}

// link simulates a network: delays in both directions, a drifting client clock.
type link struct {
	r      *rand.Rand
	drift  float64 // of the client's clock
	offset float64
	min    float64 // least one-way delay, µs
	jitter float64 // mean of the exponential extra delay, µs
	server float64 // server time
}

func (l *link) client(server float64) int64 { return int64(server*(1+l.drift) + l.offset) }

func (l *link) delay() float64 { return l.min + l.r.ExpFloat64()*l.jitter }

// burst runs one burst of exchanges that starts now.
func (l *link) burst(f *Filter) {
	var b Burst
	b.Start(BurstSize)
	for {
		t1 := l.client(l.server)
		if !b.Next(t1) {
			break
		}
		up, work, down := l.delay(), 30+l.r.Float64()*50, l.delay()
		t2, t3 := int64(l.server+up), int64(l.server+up+work)
		l.server += up + work + down
		b.Answer(t1, t2, t3, l.client(l.server))
	}
	if m, ok := b.Best(); ok {
		f.Update(m.Offset, m.MaxErr, m.At)
	}
}

func TestFilterConvergesUnderJitterAndDrift(t *testing.T) {
	for seed := range uint64(8) {
		l := &link{r: rand.New(rand.NewPCG(seed, 3)), drift: 100e-6, offset: 4e9, min: 300, jitter: 1500, server: 5e9}
		f := New()
		var worst float64
		for i := range 60 {
			l.burst(f)
			if i == 4 && !f.Converged() {
				t.Errorf("seed %d: not converged after five bursts, standard deviation %.0f µs", seed, f.StdDev())
			}
			if i >= 20 {
				for range 10 { // between bursts too, where the drift has to carry
					l.server += 1_000_000
					worst = max(worst, math.Abs(float64(f.ServerTime(l.client(l.server)))-l.server))
				}
			} else {
				l.server += 10_000_000
			}
		}
		if worst > 500 {
			t.Errorf("seed %d: %.0f µs off after convergence, want at most 500", seed, worst)
		}
		if got := f.Drift(); math.Abs(got+100e-6) > 5e-6 {
			t.Errorf("seed %d: drift %v, want about -100 ppm", seed, got)
		}
	}
}

func TestFilterFollowsAStep(t *testing.T) {
	l := &link{r: rand.New(rand.NewPCG(9, 9)), min: 200, jitter: 100, server: 1e9}
	f := New()
	for range 130 {
		l.burst(f)
		l.server += 10_000_000
	}
	l.offset += 200_000 // the client slept
	bursts := 0
	for ; bursts < 100; bursts++ {
		l.burst(f)
		if math.Abs(float64(f.ServerTime(l.client(l.server)))-l.server) < 1000 {
			break
		}
		l.server += 10_000_000
	}
	if bursts > 60 {
		t.Errorf("%d bursts until the filter followed a step of 200 ms", bursts)
	}
}

func TestConversionsAreInverse(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for range 200 {
		l := &link{r: r, drift: (r.Float64() - 0.5) * 300e-6, offset: float64(r.Int64N(1<<40) - 1<<39), min: 100, jitter: 200, server: 1e12}
		f := New()
		for range 30 {
			l.burst(f)
			l.server += 10_000_000
		}
		for range 50 {
			c := l.client(l.server) + r.Int64N(60_000_000)
			if back := f.ClientTime(f.ServerTime(c)); back-c > 1 || c-back > 1 {
				t.Fatalf("client %d comes back as %d", c, back)
			}
		}
	}
}

func TestExchangeTruncatesTowardZero(t *testing.T) {
	for _, c := range []struct{ t1, t2, t3, t4, z, e int64 }{
		{0, 100, 110, 20, 95, 5},
		{0, 101, 110, 20, 95, 5},   // 191/2
		{100, 0, 10, 121, -105, 5}, // -211/2, 11/2
		{0, 0, 5, 4, 0, 0},         // -1/2 is 0, not -1
		{10, 9, 10, 13, -2, 1},     // -4/2
		{1, 0, 0, 1, -1, 0},        // -2/2
	} {
		z, e := Exchange(c.t1, c.t2, c.t3, c.t4)
		if z != c.z || e != c.e {
			t.Errorf("Exchange(%d,%d,%d,%d) = %d, %d, want %d, %d", c.t1, c.t2, c.t3, c.t4, z, e, c.z, c.e)
		}
	}
}

func TestRoundingIsHalfAwayFromZero(t *testing.T) {
	f := New()
	f.Update(10, 2, 1000)
	for _, c := range []struct {
		offset float64
		want   int64
	}{{0.5, 1}, {-0.5, -1}, {1.5, 2}, {-1.5, -2}, {2.4999, 2}} {
		f.offset = c.offset
		if got := f.ServerTime(5000) - 5000; got != c.want {
			t.Errorf("offset %v is rounded to %d, want %d", c.offset, got, c.want)
		}
	}
	f.offset = 0.5
	if got := f.ClientTime(100); got != 100 { // round(99.5)
		t.Errorf("ClientTime(100) = %d, want 100", got)
	}
	if got := f.ClientTime(-100); got != -101 { // round(-100.5)
		t.Errorf("ClientTime(-100) = %d, want -101", got)
	}
}

func TestEmptyFilter(t *testing.T) {
	f := New()
	if f.Converged() || !math.IsInf(f.StdDev(), 1) || f.ServerTime(7) != 7 || f.ClientTime(7) != 7 || f.Count() != 0 {
		t.Error("a new filter should be unconverged and leave times as they are")
	}
	f.Update(5, 1, 0) // at or before last_update, which starts at 0
	if f.Count() != 0 {
		t.Error("a measurement at time 0 was taken")
	}
}

func TestPerfectPathDoesNotPoisonTheFilter(t *testing.T) {
	f := New()
	for i := range int64(20) {
		f.Update(1000, 0, 1+i*1000)
	}
	if got := f.ServerTime(50_000); got != 51_000 || math.IsNaN(f.StdDev()) {
		t.Errorf("ServerTime %d, standard deviation %v", got, f.StdDev())
	}
}

func TestBurst(t *testing.T) {
	var b Burst
	if b.Active() || b.Next(1) {
		t.Error("an idle burst sends")
	}
	b.Start(3)
	if !b.Next(100) || b.Next(101) {
		t.Error("want one message, and none while its answer is outstanding")
	}
	if ok, _ := b.Answer(99, 0, 0, 120); ok {
		t.Error("an answer to another message was taken")
	}
	if ok, done := b.Answer(100, 500, 500, 140); !ok || done { // max_error 20
		t.Errorf("first answer: ok %v done %v", ok, done)
	}
	b.Next(200)
	b.Answer(200, 600, 602, 212) // max_error 5
	b.Next(300)
	if ok, done := b.Answer(300, 700, 700, 330); !ok || !done { // 15
		t.Errorf("last answer: ok %v done %v", ok, done)
	}
	if m, ok := b.Best(); !ok || m.MaxErr != 5 || m.At != 212 {
		t.Errorf("best is %+v", m)
	}
	if b.Active() || b.Next(400) {
		t.Error("a finished burst sends")
	}
	b.Start(2)
	b.Next(1000)
	b.Resend()
	if !b.Next(2000) {
		t.Error("no message after a lost answer")
	}
	if ok, _ := b.Answer(1000, 1, 1, 2100); ok {
		t.Error("the late answer to the lost message was taken")
	}
	b.Answer(2000, 10, 500, 2100) // the server claims 490 µs of a round trip of 100
	if _, ok := b.Best(); ok {
		t.Error("an exchange with a negative error was taken")
	}
}

func FuzzFilter(f *testing.F) {
	f.Add(int64(1), int64(2), int64(3), int64(4), int64(5), int64(6))
	f.Add(int64(math.MinInt64), int64(math.MaxInt64), int64(1), int64(math.MaxInt64), int64(0), int64(-1))
	f.Fuzz(func(t *testing.T, z1, e1, t1, z2, e2, t2 int64) {
		fl := New()
		for i := range int64(4) {
			fl.Update(z1+i, e1, t1+i)
			fl.Update(z2-i, e2, t2+2*i)
			_ = fl.ServerTime(t1)
			_ = fl.ClientTime(t2)
			_ = fl.Converged()
		}
	})
}

func BenchmarkUpdate(b *testing.B) {
	f := New()
	var now int64
	for b.Loop() {
		now += 10_000_000
		f.Update(123456, 500, now)
	}
}
