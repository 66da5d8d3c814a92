package clocksim

import (
	"math/rand/v2"

	"github.com/tutti-audio/tutti/sendspin/clock"
)

// Scenario is one simulation.
type Scenario struct {
	Name    string
	Network Network
	Crystal Crystal
	Seed    uint64
	// Hours is how long it lasts.
	Hours float64
	// IntervalUS is the plan's pause between bursts; 0 is the library's.
	IntervalUS int64
}

// Point is the estimate beside the truth, once a second.
type Point struct {
	// AtS is the true time since the start, in seconds.
	AtS float64
	// ErrUS is the server's time as the client has it, minus the true one.
	ErrUS float64
	// StdDevUS is what the filter thinks of itself.
	StdDevUS float64
	// Ready says whether the client would play.
	Ready bool
}

// Result is what came of a scenario.
type Result struct {
	Scenario
	Points []Point
	// Messages counts client/time.
	Messages int
	// MaxErrUS are the worst-case errors of the measurements that the filter took.
	MaxErrUS []int64
}

// Run simulates.
func Run(sc Scenario) *Result {
	r := rand.New(rand.NewPCG(sc.Seed, 0x7454495))
	s := &run{Scenario: sc, r: r, link: newLink(sc.Network, r), sync: clock.NewSync(sc.IntervalUS), out: &Result{Scenario: sc}}
	s.loop(sc.Hours * 3.6e9)
	return s.out
}

// run is a simulation under way. now is true time in µs, which is also the server's.
type run struct {
	Scenario
	r       *rand.Rand
	link    *link
	sync    clock.Sync
	now     float64
	probe   float64
	answers []answer // on their way, in order of arrival
	out     *Result
}

type answer struct {
	at         float64
	t1, t2, t3 int64
}

// startUS keeps the client's first reading above 0, where the filter begins.
const startUS = 1_000_000

func (s *run) local() int64 { return int64(s.Crystal.Local(s.now)) }

// loop goes from event to event: a probe, an answer, or what the plan has due.
func (s *run) loop(end float64) {
	s.now = startUS
	s.probe = s.now + sec
	s.sync.Begin(s.local())
	for {
		due := s.now
		if d := s.sync.Due(); d == clock.Never {
			due = end
		} else if d > s.local() {
			due = s.Crystal.True(float64(d) + 1)
		}
		answered := len(s.answers) > 0 && s.answers[0].at <= due
		if answered {
			due = s.answers[0].at
		}
		for ; s.probe <= due; s.probe += sec {
			if s.probe > end {
				return
			}
			s.measure(s.probe)
		}
		s.now = max(s.now, due)
		if answered {
			s.answer()
		} else {
			s.tick()
		}
	}
}

func (s *run) tick() {
	send, fed := s.sync.Tick(s.local(), clock.BurstSize)
	s.carry(send, fed)
}

func (s *run) measure(at float64) {
	f := s.sync.Filter()
	err := float64(f.ServerTime(int64(s.Crystal.Local(at)))) - at
	s.out.Points = append(s.out.Points, Point{AtS: (at - startUS) / sec, ErrUS: err, StdDevUS: f.StdDev(), Ready: f.Converged()})
}

// send sends a client/time. The server answers when it gets it.
func (s *run) send() {
	t1 := s.local()
	if !s.sync.Sending(t1) {
		return
	}
	s.out.Messages++
	t2 := s.link.up(s.now)
	t3 := t2 + 20 + s.r.Float64()*60
	s.answers = append(s.answers, answer{at: s.link.down(t3), t1: t1, t2: int64(t2), t3: int64(t3)})
}

func (s *run) answer() {
	a := s.answers[0]
	s.answers = s.answers[1:]
	_, send, fed := s.sync.Answer(a.t1, a.t2, a.t3, s.local())
	s.carry(send, fed)
}

// carry does what the plan asks for.
func (s *run) carry(send, fed bool) {
	if fed {
		s.out.MaxErrUS = append(s.out.MaxErrUS, s.sync.MaxErr())
	}
	if send {
		s.send()
	}
}
