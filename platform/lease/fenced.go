package lease

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Fenced is the counter tutti_fenced_total: what receivers dropped because it came from a
// holder that another one has followed, by receiver (a word of the program, never an id).
// Services of one process share it; r may be nil, in tests.
func Fenced(r prometheus.Registerer) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tutti_fenced_total",
		Help: "Messages dropped because their sender's lease had passed to another, by receiver."}, []string{"receiver"})
	if r == nil {
		return c
	}
	err := r.Register(c)
	var dup prometheus.AlreadyRegisteredError
	if errors.As(err, &dup) {
		if old, ok := dup.ExistingCollector.(*prometheus.CounterVec); ok {
			return old
		}
	}
	if err != nil {
		panic("lease: " + err.Error()) // another metric has the name: a defect
	}
	return c
}
